import { expect, test } from "vitest";
import { importOperators } from "../../compiler/onnx/import-operators.js";
import { allOperators } from "../../compiler/operators/index.js";
import { kiln } from "./harness.js";

test("lists every operator of a model, none that only passes make", async () => {
  const { code, stdout } = await kiln("ops", "--json");
  expect(code).toBe(0);
  const listed: { name: string; domain: string; versions: number[]; summary: string }[] = JSON.parse(stdout);
  const declared = allOperators().filter(({ domain }) => domain !== "kiln");
  const known = [...declared, ...importOperators.map(({ name }) => ({ name, domain: "" }))];
  expect(listed.map(({ name, domain }) => `${domain}.${name}`).sort()).toEqual(
    known.map(({ name, domain }) => `${domain}.${name}`).sort(),
  );
  expect(listed.every(({ versions, summary }) => versions.length > 0 && summary !== "")).toBe(true);
  expect(listed.find(({ name }) => name === "Relu")).toMatchObject({ domain: "", versions: [1, 6, 13, 14] });
});

test("as a table, and as Markdown", async () => {
  const table = await kiln("ops");
  expect(table.stdout).toMatch(/^operator +domain +versions +types +summary\n/);
  expect(table.stdout).toMatch(/^Relu +ai\.onnx +1, 6, 13, 14 +float, int /m);
  expect(table.stdout).toMatch(/^Conv +ai\.onnx +1, 11, 22 +float /m);
  expect(table.stdout).toMatch(/^Transpose +ai\.onnx +1, .* all /m);
  expect(table.stdout).toMatch(/^NonMaxSuppression +ai\.onnx +10, 11 +float32 /m);
  expect(table.stdout).toMatch(/^Scan +ai\.onnx +9, /m);
  expect(table.stderr).toMatch(/^\d+ operators\n$/);
  const { stdout } = await kiln("ops", "--markdown");
  expect(stdout).toMatch(
    /^\| Operator \| Domain \| Versions \| Types \| Summary \|\n\|---\|---\|---\|---\|---\|\n/,
  );
  expect(stdout).toMatch(/^\| Abs \| ai\.onnx \| 1, 6, 13 \| float, int, uint \| \\\|x\\\|\. \|$/m);
});
