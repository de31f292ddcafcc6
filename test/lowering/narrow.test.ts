/** Weights that are halves by value: the module has them as such, the first run makes float32 of them. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import { decodeElements, encodeElements } from "../../compiler/operators/numbers.js";
import type { CompileOptions } from "../../compiler/options.js";
import { expectLevels } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";

/** Random numbers rounded to a format, as float32. */
function rounded(seed: number, dims: number[], dtype: "float16" | "bfloat16"): TensorData {
  const halves = encodeElements(dtype, dims, decodeElements(randomTensor(seed, dims)));
  return tensor("float32", dims, Float32Array.from(decodeElements(halves)));
}

/** A matrix product, then a sum with as many numbers, which no kernel packs. */
function modelOf(weights: TensorData, added: TensorData): ModelSpec {
  return {
    inputs: { x: ["float32", [2, 33]] },
    outputs: { y: ["float32"] },
    initializers: { weights, added },
    nodes: [
      { op: "MatMul", inputs: ["x", "weights"], outputs: ["p"] },
      { op: "Add", inputs: ["p", "added"], outputs: ["y"] },
    ],
  };
}

const [weightDims, addedDims] = [
  [33, 517],
  [3, 2, 517],
];
const feeds = { x: randomTensor(1, [2, 33]) };
const elements = 33 * 517 + 3 * 2 * 517;

describe.each(["float16", "bfloat16"] as const)("weights of %s", (dtype) => {
  const model = modelOf(rounded(2, weightDims, dtype), rounded(3, addedDims, dtype));

  test.each<[string, CompileOptions]>([
    ["in the module", {}],
    ["in a file of their own", { weights: "split" }],
    ["on several threads", { features: { threads: true } }],
    ["without vectors", { features: { simd: false } }],
  ])("%s", async (_, options) => {
    await expectLevels(model, feeds, { compile: options });
  });

  test("take two bytes each", async () => {
    const { metadata } = await compile(buildModel(model));
    // Columns beyond the last panel are padded.
    expect(metadata.weights.byteLength / elements).toBeCloseTo(2, 1);
    // In memory they are float32, and no tensor lies where its own halves do.
    const bytes = metadata.arena.address - metadata.weights.address;
    expect(bytes).toBeLessThan(1.03 * (4 * elements + 2 * 33 * 517));
  });
});

test("one number that is no half: all of its tensor take four bytes each", async () => {
  const weights = rounded(2, weightDims, "float16");
  (weights.data as Float32Array)[17] = Math.fround(1 / 3);
  const model = modelOf(weights, rounded(3, addedDims, "float16"));
  await expectLevels(model, feeds);
  const { metadata } = await compile(buildModel(model));
  expect(metadata.weights.byteLength).toBeGreaterThan(4 * 33 * 517 + 2 * 3 * 2 * 517);
  expect(metadata.weights.byteLength).toBeLessThan(1.03 * (4 * 33 * 517 + 2 * 3 * 2 * 517));
});

test("numbers that are special: zeros of both signs, infinities, the smallest and the largest", async () => {
  const special = [0, -0, 65504, -65504, 2 ** -24, -(2 ** -24), 2 ** -14, Infinity, -Infinity, 1];
  const values = Float32Array.from({ length: 2 * 3 * 517 }, (_, i) => special[i % special.length]!);
  const model: ModelSpec = {
    inputs: { x: ["float32", [3, 2, 517]] },
    outputs: { y: ["float32"] },
    initializers: { special: tensor("float32", addedDims, values) },
    nodes: [{ op: "Mul", inputs: ["x", "special"], outputs: ["y"] }],
  };
  await expectLevels(model, { x: tensor("float32", addedDims, new Float32Array(values.length).fill(1)) });
  const { metadata } = await compile(buildModel(model));
  expect(metadata.weights.byteLength).toBe(Math.ceil((2 * values.length) / 64) * 64);
});
