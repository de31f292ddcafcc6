import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { main } from "../../compiler/cli/command-line.js";
import { buildNetwork, zoo } from "../../samples/zoo/index.js";
import { capture, kiln, useFolder } from "./harness.js";

const folder = useFolder();
const first = zoo[0]!;

test("lists the networks", async () => {
  const { code, stdout } = await kiln("zoo");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^name +parameters +FLOPs +input +paper\n/);
  expect(stdout).toMatch(/^mobilenet-v2 +3\.50 M +602 M +image:1x3x224x224 +arXiv:1801\.04381$/m);
  expect((await kiln("zoo", "--list")).stdout).toBe(stdout);
  const listed: { name: string; parameters: number }[] = JSON.parse((await kiln("zoo", "--json")).stdout);
  expect(listed.map(({ name }) => name)).toEqual(zoo.map(({ name }) => name));
  expect(listed[0]).toMatchObject({ parameters: 3_504_872, inputs: [{ dims: [1, 3, 224, 224] }] });
});

test("writes a network that the other commands read", async () => {
  const path = folder.path("m.onnx");
  const written = await kiln("zoo", first.name, "--size", "32", "--seed", "5", "-o", path);
  expect(written).toEqual({ code: 0, stdout: "", stderr: `wrote ${path} (14.0 MB)\n` });
  expect(readFileSync(path).equals(buildNetwork(first, { size: 32, seed: 5 }).encode())).toBe(true);
  expect((await kiln("check", path)).stdout).toMatch(/^all \d+ nodes are supported\n$/);
});

test("into a folder, to stdout, and told as JSON", async () => {
  const { code, stdout } = await kiln("zoo", first.name, "--size", "32", "-o", folder.path(""), "--json");
  expect(code).toBe(0);
  expect(folder.list()).toEqual([`${first.name}.onnx`]);
  expect(JSON.parse(stdout)).toMatchObject({
    file: folder.path(`${first.name}.onnx`),
    name: first.name,
    parameters: first.parameters,
    outputs: [{ name: "logits", dtype: "float32", dims: [1, 1000] }],
  });
  const chunks: Uint8Array[] = [];
  const { io } = capture({
    stdout: { write: (chunk: string | Uint8Array) => chunks.push(chunk as Uint8Array) },
  });
  expect(await main(["zoo", first.name, "--size", "32", "-o", "-"], io)).toBe(0);
  expect(Buffer.concat(chunks).equals(buildNetwork(first, { size: 32 }).encode())).toBe(true);
});

test("refuses what it does not have", async () => {
  const unknown = await kiln("zoo", "mobilenet");
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toMatch(/^error: there is no network "mobilenet"\n {2}hint: there are mobilenet-v2/);
  const large = await kiln("zoo", first.name, "--size", "5000");
  expect(large.code).toBe(2);
  expect(large.stderr).toMatch(/^error: the size of mobilenet-v2 must be at most 4096/);
  expect((await kiln("zoo", first.name, "--size", "0")).code).toBe(2);
  expect((await kiln("zoo", "mobilevit-xs", "--size", "144")).stderr).toMatch(/must be a multiple of 64/);
  expect((await kiln("zoo", "text-encoder", "--length", "513")).stderr).toMatch(/must be at most 512/);
  expect((await kiln("zoo", "text-encoder", "--size", "64")).stderr).toMatch(/takes --length, not --size/);
});
