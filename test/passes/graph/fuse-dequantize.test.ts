/** Products of dequantised bytes: which become products of integers, and that results are onnxruntime's. */

import { describe, expect, test } from "vitest";
import { compile } from "../../../compiler/index.js";
import { tensorOf } from "../../../compiler/ir/tensor.js";
import { fuseDequantize } from "../../../passes/graph/fuse-dequantize.js";
import { expectLevels } from "../../harness.js";
import { randomTensor } from "../../harness-random.js";
import { buildModel, type NodeSpec } from "../../onnx/build-model.js";
import { expectPass, transform } from "./text.js";

describe("graphs", () => {
  test("a matrix product with a scale for each column", () =>
    expectPass(
      fuseDequantize,
      `
      graph @g(%x: u8[4, 3]) -> (%y: f32[4, 2]) {
        %s: f32[] = constant dense [0.5]
        %z: u8[] = constant dense [128]
        %w: i8[3, 2] = constant dense [1, 2, 3, 4, 5, 6]
        %t: f32[2] = constant dense [0.25, 2]
        %a: f32[4, 3] = kiln.Dequantize(%x, %s, %z) {to=1} from ["a"]
        %b: f32[3, 2] = kiln.Dequantize(%w, %t, _) {to=1} from ["b"]
        %y: f32[4, 2] = MatMul(%a, %b) from ["c"]
        return %y
      }`,
      `
      graph @g(%x: u8[4, 3]) -> (%y: f32[4, 2]) {
        %s: f32[] = constant dense [0.5]
        %z: u8[] = constant dense [128]
        %a: f32[4, 3] = kiln.Dequantize(%x, %s, %z) {to=1} from ["a"]
        %w: i8[3, 2] = constant dense [1, 2, 3, 4, 5, 6]
        %t: f32[2] = constant dense [0.25, 2]
        %b: f32[3, 2] = kiln.Dequantize(%w, %t, _) {to=1} from ["b"]
        %y.integers0: i32[4, 2] = kiln.MatMulInteger(%x, %w, %z) from ["a", "b", "c"]
        %constant.integers1: i64[1] = constant dense [-1]
        %y.integers2: f32[2] = Reshape(%t, %constant.integers1) from ["a", "b", "c"]
        %y.integers3: f32[2] = Mul(%s, %y.integers2) from ["a", "b", "c"]
        %y: f32[4, 2] = kiln.Dequantize(%y.integers0, %y.integers3) {to=1} from ["a", "b", "c"]
        return %y
      }`,
    ));

  const ones = (dims: readonly number[]): string =>
    new Array(dims.reduce((product, dim) => product * dim, 1)).fill(1).join(", ");
  const expectConvolution = (text: string): void => {
    const operators = transform([fuseDequantize], text).nodes.map(({ operator }) => operator);
    expect(operators).toEqual(["kiln.Dequantize", "kiln.Dequantize", "Conv"]);
  };
  const kept = (x: string, dims: readonly number[], product: string): string => `
      graph @g(%x: u8[1, 4, 5, 5], %r: f32[4, 1, 1]) -> (%y: f32[1, 4, 5, 5]) {
        %s: f32[] = constant dense [0.5]
        %w: i8[${dims.join(", ")}] = constant dense [${ones(dims)}]
        %a: f32[1, 4, 5, 5] = kiln.Dequantize(%x, ${x}, _) {to=1}
        %b: f32[${dims.join(", ")}] = kiln.Dequantize(%w, %s, _) {to=1}
        %y: f32[1, 4, 5, 5] = Conv(%a, %b)${product}
        return %y
      }`;
  test("inputs with a scale for each channel, and convolutions of groups, stay", () => {
    expectConvolution(kept("%r", [4, 4, 1, 1], ""));
    expectConvolution(kept("%s", [4, 1, 1, 1], " {group=4}"));
  });
});

/** A product of what is dequantised; the scales of the weights are along an axis, or one for all. */
interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly axis?: number;
  readonly product: Omit<NodeSpec, "inputs" | "outputs">;
}

const cases: [what: string, one: Case][] = [
  [
    "3x3 convolution",
    {
      x: [2, 6, 7, 8],
      w: [9, 6, 3, 3],
      axis: 0,
      product: { op: "Conv", attributes: { pads: [1, 1, 1, 1] } },
    },
  ],
  [
    "convolution with one scale",
    { x: [1, 5, 9], w: [8, 5, 2], product: { op: "Conv", attributes: { strides: [2] } } },
  ],
  [
    "convolution of groups",
    { x: [1, 6, 5, 5], w: [6, 1, 3, 3], axis: 0, product: { op: "Conv", attributes: { group: 6 } } },
  ],
  ["matrix product", { x: [2, 3, 20], w: [20, 11], axis: 1, product: { op: "MatMul" } }],
  ["Gemm", { x: [5, 20], w: [11, 20], axis: 0, product: { op: "Gemm", attributes: { transB: 1 } } }],
];

const whole = (seed: number, dtype: "int8" | "uint8", dims: readonly number[]) => {
  const { data } = randomTensor(seed, dims, {
    low: dtype === "int8" ? -128 : 0,
    high: dtype === "int8" ? 127 : 255,
  });
  return tensorOf(
    dtype,
    dims,
    Array.from(data as Float32Array, (value) => Math.round(value)),
  );
};

function modelOf({ x, w, axis, product }: Case) {
  const channels = axis === undefined ? [] : [w[axis]!];
  const scales = randomTensor(3, channels, { low: 0.01, high: 0.05 });
  const zeros = whole(4, "int8", channels);
  return {
    inputs: { x: ["uint8", x] as const },
    outputs: { y: ["float32"] as const },
    initializers: {
      w: whole(2, "int8", w),
      t: scales,
      u: zeros,
      s: tensorOf("float32", [], [0.02]),
      z: tensorOf("uint8", [], [131]),
    },
    nodes: [
      { op: "DequantizeLinear", inputs: ["x", "s", "z"], outputs: ["a"] },
      { op: "DequantizeLinear", inputs: ["w", "t", "u"], outputs: ["b"], attributes: { axis: axis ?? 0 } },
      { ...product, inputs: ["a", "b"], outputs: ["p"] },
      { op: "Relu", inputs: ["p"], outputs: ["y"] },
    ],
  };
}

describe("onnxruntime-web's results", () => {
  const tolerance = { relative: 1e-4, absolute: 1e-4 };
  test.each(cases)("%s", async (_, one) => {
    await expectLevels(modelOf(one), { x: whole(1, "uint8", one.x) }, { tolerance });
  });

  // onnxruntime-web takes it for a product with a scale for each column, and fails.
  test("matrix product with a scale for each step", async () => {
    const one = { x: [3, 6], w: [6, 4], axis: 0, product: { op: "MatMul" } };
    await expectLevels(modelOf(one), { x: whole(1, "uint8", one.x) }, { tolerance, reference: "evaluate" });
  });
});

test("weights stay bytes in the module, also those that are transposed", async () => {
  for (const product of [{ op: "MatMul" }, { op: "Gemm", attributes: { transB: 1 } }]) {
    const model = buildModel(modelOf({ x: [1, 300], w: [300, 300], product }));
    const { wasm } = await compile(model);
    expect(wasm.length).toBeLessThan(1.2 * 300 * 300);
  }
});
