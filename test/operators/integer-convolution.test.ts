/** Convolutions of bytes with weights that are known, compared with onnxruntime-web. */

import { describe, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { NodeCase } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { whole, uniform } = randomTensors(9);

const bytes = (dtype: DType, dims: readonly number[]) =>
  dtype === "int8" ? whole(dtype, dims, -128, 127) : whole(dtype, dims, 0, 255);

interface Shape {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly weights?: DType;
  readonly attributes?: NodeCase["attributes"];
}

/** QLinearConv, whose results onnxruntime-web rounds as we do, or one beside in a tie. */
const quantized = ({ x, w, weights = "int8", attributes = {} }: Shape): NodeCase => ({
  op: "QLinearConv",
  opset: 10,
  inputs: [
    bytes("uint8", x),
    0.02,
    whole("uint8", [], 100, 140),
    bytes(weights, w),
    uniform([w[0]!], 0.005, 0.02),
    weights === "int8" ? whole(weights, [w[0]!], 0, 0) : whole(weights, [], 90, 150),
    0.5,
    whole("uint8", [], 120, 130),
    whole("int32", [w[0]!], -3000, 3000),
  ],
  attributes,
  result: "uint8",
});

const convolved = ({ x, w, weights = "int8", attributes = {} }: Shape): NodeCase => ({
  op: "ConvInteger",
  opset: 10,
  inputs: [bytes("uint8", x), bytes(weights, w), whole("uint8", [], 7, 200), whole(weights, [], 1, 90)],
  attributes,
  result: "int32",
});

const shapes: Shape[] = [
  { x: [1, 8, 5, 6], w: [16, 8, 1, 1] },
  { x: [2, 5, 7, 9], w: [13, 5, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  {
    x: [1, 3, 11, 10],
    w: [9, 3, 5, 3],
    weights: "uint8",
    attributes: { pads: [2, 1, 0, 3], strides: [2, 2] },
  },
  { x: [1, 4, 9, 9], w: [8, 4, 3, 3], attributes: { dilations: [2, 2], pads: [2, 2, 2, 2] } },
  {
    x: [1, 6, 6, 8],
    w: [33, 6, 2, 3],
    weights: "uint8",
    attributes: { auto_pad: "SAME_UPPER", strides: [1, 2] },
  },
  { x: [2, 7, 20], w: [10, 7, 4], attributes: { pads: [1, 2], dilations: [1] } },
  { x: [1, 1, 4, 4], w: [1, 1, 4, 4], weights: "uint8" },
];

describe("with known weights", () => {
  test.each(shapes)("in int32: %j", (shape) =>
    expectRival(convolved(shape), {}, { constant: [1, 3], open: [0] }),
  );

  test.each(shapes)("quantised: %j", (shape) =>
    expectRival(quantized(shape), { absolute: 1 }, { constant: [1, 2, 3, 4, 5, 6, 7, 8], open: [0] }),
  );

  test("more weights than are kept near", () =>
    expectRival(
      convolved({ x: [1, 150, 3, 9], w: [200, 150, 3, 3], attributes: { pads: [1, 1, 1, 1] } }),
      {},
      { constant: [1, 3], open: false },
    ));

  test("of groups", () =>
    expectRival(
      convolved({ x: [1, 6, 5, 5], w: [9, 2, 3, 3], attributes: { group: 3 } }),
      {},
      { constant: [1, 3], open: [0] },
    ));
});
