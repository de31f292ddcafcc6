/** Matrix products with weights of few bits, compared with onnxruntime-web. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { graphOf, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal, whole, uniform } = randomTensors(3);

interface Shape {
  readonly rows: readonly number[];
  readonly K: number;
  readonly N: number;
  readonly bits?: number;
  readonly block_size?: number;
  readonly zeros?: "packed" | DType;
  readonly bias?: boolean;
  readonly dtype?: DType;
}

function product({ rows, K, N, bits = 4, block_size = 16, zeros, bias, dtype = "float32" }: Shape): NodeCase {
  const blocks = Math.ceil(K / block_size);
  const points = (): TensorData =>
    zeros === "packed"
      ? whole("uint8", [N, Math.ceil((blocks * bits) / 8)], 0, 255)
      : uniform([N, blocks], 0, 2 ** bits, zeros as DType);
  return {
    op: "MatMulNBits",
    domain: "com.microsoft",
    attributes: { K, N, bits, block_size },
    inputs: [
      normal([...rows, K], 1, dtype),
      whole("uint8", [N, blocks, (block_size * bits) / 8], 0, 255),
      uniform([N, blocks], 0.01, 0.1, dtype),
      zeros === undefined ? null : points(),
      null,
      bias ? normal([N], 1, dtype) : null,
    ],
    result: dtype,
  };
}

const weights = [1, 2, 3];
const compare = (shape: Shape, tolerance = { relative: 1e-4, absolute: 1e-4 }) =>
  expectRival(product(shape), tolerance, { constant: weights, open: [0] });

describe("MatMulNBits", () => {
  test.each([
    { rows: [1], K: 64, N: 24 },
    { rows: [1], K: 40, N: 5, zeros: "packed" },
    { rows: [2, 3], K: 37, N: 19, block_size: 32, bias: true },
    { rows: [7], K: 48, N: 13, zeros: "packed", bias: true },
    { rows: [3], K: 96, N: 8, block_size: 32, zeros: "float32" },
    { rows: [2, 2, 2], K: 16, N: 3, zeros: "packed" },
    { rows: [5], K: 130, N: 9, block_size: 128 },
    { rows: [1], K: 70, N: 77, block_size: 32, zeros: "packed", bias: true },
    { rows: [2], K: 32, N: 44, zeros: "float32" },
  ] as Shape[])("of 4 bits: %j", (shape) => compare(shape));

  test.each([
    { rows: [1], K: 50, N: 10, bits: 8, zeros: "packed" },
    { rows: [6], K: 64, N: 17, bits: 8, block_size: 32, bias: true },
    { rows: [1], K: 70, N: 9, bits: 2, zeros: "packed" },
    { rows: [3], K: 64, N: 12, bits: 2, block_size: 32 },
  ] as Shape[])("of 2 and 8 bits: %j", (shape) => compare(shape));

  test.each([{ zeros: "packed" as const }, { zeros: "float16" as const }])("of halves: %j", ({ zeros }) =>
    compare(
      { rows: [4], K: 32, N: 10, zeros, bias: true, dtype: "float16" },
      { relative: 2e-3, absolute: 2e-3 },
    ),
  );

  const refused: [what: string, change: (node: NodeCase) => Partial<NodeCase>, message: string][] = [
    ["bits", ({ attributes }) => ({ attributes: { ...attributes, bits: 3 } }), "bits is 3"],
    ["blocks", ({ attributes }) => ({ attributes: { ...attributes, block_size: 24 } }), "block_size is 24"],
    ["a depth", ({ attributes }) => ({ attributes: { ...attributes, K: 63 } }), "K 63"],
    ["columns", ({ attributes }) => ({ attributes: { ...attributes, N: 7 } }), "weights of [8, 4, 8]"],
    [
      "an order of groups",
      ({ inputs }) => ({ inputs: [...inputs.slice(0, 3), null, of("int32", [64], new Array(64).fill(0))] }),
      "g_idx",
    ],
    [
      "mixed types",
      ({ inputs }) => ({ inputs: [inputs[0]!, inputs[1]!, normal([8, 4], 1, "float16")] }),
      "combines float32 and float16",
    ],
  ];
  test.each(refused)("refuses %s", (_, change, message) => {
    const node = product({ rows: [1], K: 64, N: 8 });
    return expect(graphOf({ ...node, ...change(node) }, (i) => i > 0)).rejects.toThrow(message);
  });

  test("takes an order of groups that is that of the blocks", () => {
    const node = product({ rows: [1], K: 64, N: 8 });
    const groups = of(
      "int32",
      [64],
      Array.from({ length: 64 }, (_, k) => Math.floor(k / 16)),
    );
    const inputs = [...node.inputs.slice(0, 3), null, groups];
    return expect(graphOf({ ...node, inputs }, (i) => i > 0)).resolves.toBeDefined();
  });
});
