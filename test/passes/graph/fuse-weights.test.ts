/** Products with dequantised weights: the weights stay small in the module, and results are onnxruntime's. */

import { describe, expect, test } from "vitest";
import { compile } from "../../../compiler/index.js";
import type { DType } from "../../../compiler/ir/dtype.js";
import { tensorOf } from "../../../compiler/ir/tensor.js";
import { expectLevels } from "../../harness.js";
import { randomTensor } from "../../harness-random.js";
import { buildModel, type NodeSpec } from "../../onnx/build-model.js";

interface Case {
  readonly x: readonly number[];
  readonly dtype: DType;
  readonly w: readonly number[];
  /** Dims of scales and zero points. */
  readonly scales: readonly number[];
  readonly attributes?: { readonly axis?: number; readonly block_size?: number };
  readonly zeros?: boolean;
  readonly product?: Omit<NodeSpec, "inputs" | "outputs">;
}

const ranges: Partial<Record<DType, [low: number, high: number]>> = {
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
};

function whole(seed: number, dtype: DType, dims: readonly number[]) {
  const [low, high] = ranges[dtype]!;
  const { data } = randomTensor(seed, dims, { low, high });
  const values = Array.from(data as Float32Array, (value) => Math.round(value));
  return tensorOf(dtype, dims, values);
}

function modelOf({ x, dtype, w, scales, attributes = {}, zeros = false, product = { op: "MatMul" } }: Case) {
  return {
    opset: 21,
    inputs: { x: ["float32", x] as const },
    outputs: { y: ["float32"] as const },
    initializers: {
      w: whole(2, dtype, w),
      s: randomTensor(3, scales, { low: 0.01, high: 0.05 }),
      ...(zeros && { z: whole(4, dtype, scales) }),
    },
    nodes: [
      { op: "DequantizeLinear", inputs: ["w", "s", ...(zeros ? ["z"] : [])], outputs: ["d"], attributes },
      { ...product, inputs: ["x", "d"], outputs: ["y"] },
    ],
  };
}

const turned = { op: "Gemm", attributes: { transB: 1 } };

const cases: [what: string, one: Case][] = [
  [
    "blocks of 16 of int4",
    { x: [1, 48], dtype: "int4", w: [48, 9], scales: [3, 9], attributes: { axis: 0, block_size: 16 } },
  ],
  [
    "blocks of 32 of uint4",
    {
      x: [3, 64],
      dtype: "uint4",
      w: [64, 20],
      scales: [2, 20],
      attributes: { axis: 0, block_size: 32 },
      zeros: true,
    },
  ],
  [
    "blocks of rows that are transposed",
    {
      x: [2, 64],
      dtype: "int4",
      w: [10, 64],
      scales: [10, 2],
      attributes: { axis: 1, block_size: 32 },
      zeros: true,
      product: turned,
    },
  ],
  [
    "a block that is much longer",
    { x: [1, 20], dtype: "int4", w: [20, 3], scales: [1, 3], attributes: { axis: 0, block_size: 2 ** 30 } },
  ],
  ["columns of int8", { x: [2, 3, 37], dtype: "int8", w: [37, 12], scales: [12], attributes: { axis: 1 } }],
  [
    "columns of uint8",
    { x: [5, 150], dtype: "uint8", w: [150, 7], scales: [7], attributes: { axis: 1 }, zeros: true },
  ],
  [
    "rows of int8 that are transposed",
    { x: [4, 20], dtype: "int8", w: [11, 20], scales: [11], attributes: { axis: 0 }, product: turned },
  ],
  ["one scale for all", { x: [20], dtype: "uint8", w: [20, 6], scales: [], zeros: true }],
  [
    "a scale for each step, which stay float32",
    { x: [2, 6], dtype: "int8", w: [6, 5], scales: [6], attributes: { axis: 0 } },
  ],
  [
    "blocks of columns, which stay float32",
    { x: [2, 6], dtype: "int8", w: [6, 32], scales: [6, 2], attributes: { axis: 1, block_size: 16 } },
  ],
];

describe("onnxruntime-web's results", () => {
  const tolerance = { relative: 1e-4, absolute: 1e-4 };
  test.each(cases)("%s", async (_, one) => {
    await expectLevels(modelOf(one), { x: randomTensor(1, one.x, { low: -1, high: 1 }) }, { tolerance });
  });
});

test("weights stay small in the module", async () => {
  const blocks = { axis: 0, block_size: 32 };
  const small: [bytes: number, one: Case][] = [
    [300 * 300, { x: [1, 300], dtype: "int8", w: [300, 300], scales: [300], attributes: { axis: 1 } }],
    [(512 * 512) / 2, { x: [1, 512], dtype: "int4", w: [512, 512], scales: [16, 512], attributes: blocks }],
  ];
  for (const [bytes, one] of small) {
    const { wasm } = await compile(buildModel(modelOf(one)));
    expect(wasm.length).toBeLessThan(1.4 * bytes);
  }
});
