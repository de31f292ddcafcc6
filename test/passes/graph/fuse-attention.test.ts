import { expect, test } from "vitest";
import { compile } from "../../../compiler/index.js";
import { expectTensors, runCompiled, runOnnxruntime } from "../../harness.js";
import { randomTensor } from "../../harness-random.js";
import { buildModel, type NodeSpec, type ValueSpec } from "../../onnx/build-model.js";

interface Case {
  readonly q: readonly number[];
  readonly k: readonly number[];
  readonly v: readonly number[];
  readonly mask?: readonly number[];
  /** The operand of the addition that the mask is. */
  readonly maskAt?: 0 | 1;
  readonly axis?: number;
  /** What else is a result of the graph. */
  readonly results?: readonly string[];
}

function modelOf({ q, k, v, mask, maskAt = 1, axis = -1, results = [] }: Case): Uint8Array {
  const nodes: NodeSpec[] = [{ op: "MatMul", inputs: ["q", "k"], outputs: ["s"] }];
  const sides = maskAt === 1 ? ["s", "m"] : ["m", "s"];
  if (mask !== undefined) nodes.push({ op: "Add", inputs: sides, outputs: ["t"] });
  nodes.push(
    { op: "Softmax", inputs: [mask === undefined ? "s" : "t"], outputs: ["p"], attributes: { axis } },
    { op: "MatMul", inputs: ["p", "v"], outputs: ["o"] },
    { op: "Relu", inputs: ["o"], outputs: ["y"] },
  );
  const shapes = { q, k, v, ...(mask !== undefined && { m: mask }) };
  const inputs = Object.entries(shapes).map(([name, dims]): [string, ValueSpec] => [name, ["float32", dims]]);
  const outputs = ["y", ...results].map((name): [string, ValueSpec] => [name, ["float32"]]);
  return buildModel({ inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs), nodes });
}

/** Names of the kernels, after the results have been compared with those of onnxruntime-web. */
async function kernelsOf(given: Case): Promise<string[]> {
  const model = modelOf(given);
  const { q, k, v, mask } = given;
  const shapes = { q, k, v, ...(mask !== undefined && { m: mask }) };
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, dims], i) => [name, randomTensor(i + 1, [...dims])]),
  );
  const tolerance = { absolute: 1e-5, relative: 1e-4 };
  expectTensors(await runCompiled(model, feeds), await runOnnxruntime(model, feeds), tolerance, "wasm");
  const { report } = await compile(model);
  return report.kernels.flatMap(({ name, isPart }) => (isPart ? [] : [name]));
}

test.each<[string, Case, string]>([
  ["in blocks of rows", { q: [4, 128, 24], k: [4, 24, 130], v: [4, 130, 20] }, "attention_128x24x130x20"],
  [
    "whose rows make no blocks",
    { q: [2, 197, 8], k: [2, 8, 197], v: [2, 197, 12] },
    "attention_197x8x197x12",
  ],
  ["of matrices", { q: [192, 16], k: [16, 192], v: [192, 8] }, "attention_192x16x192x8"],
  [
    "with a mask for all rows",
    { q: [1, 2, 160, 16], k: [1, 2, 16, 160], v: [1, 2, 160, 16], mask: [1, 1, 1, 160] },
    "attention_160x16x160x16",
  ],
  [
    "with a mask of lower rank on the left",
    { q: [1, 2, 160, 16], k: [1, 2, 16, 161], v: [1, 2, 161, 16], mask: [160, 161], maskAt: 0 },
    "attention_160x16x161x16",
  ],
  [
    "with a mask of one column",
    { q: [2, 160, 16], k: [2, 16, 160], v: [2, 160, 16], mask: [2, 160, 1] },
    "attention_160x16x160x16",
  ],
])("attention %s becomes one kernel", async (_, given, name) => {
  expect(await kernelsOf(given)).toEqual([name]);
});

const square = { q: [4, 128, 24], k: [4, 24, 128], v: [4, 128, 24] } as const;

test.each<[string, Case]>([
  ["few scores", { q: [4, 16, 24], k: [4, 24, 16], v: [4, 16, 24] }],
  ["a softmax along another axis", { ...square, axis: 1 }],
  ["scores that are a result", { ...square, results: ["s"] }],
  ["keys that are broadcast", { ...square, k: [24, 128] }],
  [
    "a mask that widens the scores",
    { ...square, q: [1, 256, 24], k: [1, 24, 256], v: [4, 256, 24], mask: [4, 256, 256] },
  ],
])("%s: left as it is", async (_, given) => {
  expect((await kernelsOf(given)).some((name) => name.startsWith("attention"))).toBe(false);
});
