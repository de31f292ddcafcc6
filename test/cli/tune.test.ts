import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { convolutions } from "../tuning/model.js";
import { kiln, useFolder } from "./harness.js";

const folder = useFolder();

test("choices are measured, kept in a file, and taken from there", async () => {
  const model = folder.write("model.onnx", convolutions);
  const file = folder.path("tuning.json");
  const { code, stdout } = await kiln("tune", model, "-o", file, "--duration", "0", "-q");
  expect(code).toBe(0);
  expect(stdout).toMatch(/\d+ choices measured in \d+ candidates, \d+ changed: .* by cost, .* tuned/);
  const database = JSON.parse(readFileSync(file, "utf8"));
  expect(database).toMatchObject({ format: "kiln-tuning-1", engine: expect.stringContaining("Node") });

  database.choices = { simd: { "conv 3x3, 16 to 32, 1x12x20": "winograd 2x2" } };
  writeFileSync(file, JSON.stringify(database));
  const report = await kiln("compile", model, "-o", folder.path("out/"), "--tuning", file, "--json");
  expect(report.stdout).toContain("conv_winograd_2x2_16to32");
});

test("a file that is none is refused", async () => {
  const model = folder.write("model.onnx", convolutions);
  const file = folder.write("tuning.json", new TextEncoder().encode("{}"));
  const { code, stderr } = await kiln("compile", model, "-o", folder.path("out/"), "--tuning", file);
  expect([code, stderr]).toEqual([1, expect.stringContaining("this is no tuning database")]);
  const missing = await kiln("compile", model, "--tuning", folder.path("absent.json"));
  expect(missing.code).toBe(1);
});
