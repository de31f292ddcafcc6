/** Matrix products of bytes with a right operand that is known, compared with onnxruntime-web. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { modelBytes, type NodeCase } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { whole, uniform } = randomTensors(5);

interface Shape {
  readonly rows: readonly number[];
  readonly K: number;
  readonly N: number;
  readonly left?: DType;
  readonly right?: DType;
  /** Zero points of the left operand, one or one a row, and of the right, one or one a column. */
  readonly zeros?: "one" | "each";
}

const bytes = (dtype: DType, dims: readonly number[]) =>
  dtype === "int8" ? whole(dtype, dims, -128, 127) : whole(dtype, dims, 0, 255);

const product = ({ rows, K, N, left = "uint8", right = "int8", zeros }: Shape): NodeCase => ({
  op: "MatMulInteger",
  opset: 10,
  inputs: [
    bytes(left, [...rows, K]),
    bytes(right, [K, N]),
    zeros === undefined ? null : bytes(left, []),
    zeros === undefined ? null : bytes(right, zeros === "one" ? [] : [N]),
  ],
  result: "int32",
});

const exactly = { constant: [1, 3], open: [0] };

describe("MatMulInteger", () => {
  test.each([
    { rows: [1], K: 64, N: 24 },
    { rows: [1], K: 5, N: 77, zeros: "each" },
    { rows: [2], K: 3, N: 40, left: "int8", zeros: "one" },
    { rows: [3], K: 1, N: 9, right: "uint8" },
    { rows: [4], K: 130, N: 13, right: "uint8", zeros: "each" },
    { rows: [7], K: 18, N: 5, left: "int8", right: "uint8", zeros: "one" },
    { rows: [2, 3], K: 32, N: 19, zeros: "each" },
    { rows: [2, 2, 5], K: 9, N: 8, left: "int8", zeros: "each" },
  ] as Shape[])("%j", (shape) => expectRival(product(shape), {}, exactly));

  test("sums of the largest bytes", () => {
    const node = product({ rows: [2], K: 300, N: 8, right: "uint8" });
    const most = (dims: readonly number[]) => whole("uint8", dims, 255, 255);
    return expectRival({ ...node, inputs: [most([2, 300]), most([300, 8])] }, {}, exactly);
  });

  test("what is computed from them, for eight sums at a time", () => {
    const { inputs } = product({ rows: [6], K: 20, N: 17, zeros: "each" });
    const [a, b, , zero] = inputs;
    const scales = [uniform([], 0.01, 0.02), uniform([17], 0.01, 0.02)];
    const node: NodeCase = {
      op: "MatMulIntegerToFloat",
      domain: "com.microsoft",
      inputs: [a!, b!, ...scales, null, zero!, uniform([17], -1, 1)],
      result: "float32",
    };
    return expectRival(node, { relative: 1e-5, absolute: 1e-5 }, { constant: [1, 3, 5, 6], open: [0] });
  });
});

test("weights stay bytes in the module", async () => {
  const node = product({ rows: [1], K: 512, N: 512 });
  const { wasm } = await compile(modelBytes(node, (i) => i === 1).bytes);
  expect(wasm.length).toBeGreaterThan(512 * 512);
  expect(wasm.length).toBeLessThan(1.1 * 512 * 512);
});
