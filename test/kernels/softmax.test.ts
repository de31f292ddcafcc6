/** Softmax and its logarithm on every axis, and as old opsets mean it, against onnxruntime-web at every level. */

import { describe, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { randomTensor } from "../harness-random.js";
import { expectNode } from "./cases.js";

const shapes = [[7], [3, 5], [4, 33], [2, 3, 9], [2, 4, 3, 5], [1, 6, 1, 8]];

for (const op of ["Softmax", "LogSoftmax"]) {
  describe(op, () => {
    for (const dims of shapes) {
      for (const axis of dims.keys()) {
        test(`[${dims}] along ${axis}`, () =>
          expectNode({ op, inputs: [randomTensor(axis, dims, { low: -8, high: 8 })], attributes: { axis } }));
      }
      test(`[${dims}] along the last`, () => expectNode({ op, inputs: [randomTensor(1, dims)] }));
      test(`[${dims}] flattened by opset 11`, () =>
        expectNode({
          op,
          opset: 11,
          inputs: [randomTensor(2, dims, { low: -3, high: 3 })],
          attributes: { axis: dims.length > 1 ? 1 : 0 },
        }));
    }

    for (const axis of [-4, -3, -2, -1, 0]) {
      test(`opset 7 with axis ${axis}`, () =>
        expectNode({
          op,
          opset: axis < 0 ? 11 : 7,
          inputs: [randomTensor(3, [2, 3, 4, 5])],
          attributes: { axis },
        }));
    }

    test("of large numbers does not overflow", () =>
      expectNode({ op, inputs: [tensorOf("float32", [2, 4], [1e4, 1e4, 0, -1e4, 88, 89, 90, -200])] }));

    test("of channels that a convolution has put side by side", () =>
      expectNode({
        op: "Conv",
        inputs: [randomTensor(1, [1, 3, 5, 6]), randomTensor(2, [10, 3, 3, 3])],
        constants: [1],
        after: [{ op, inputs: ["y"], outputs: ["z"], attributes: { axis: 1 } }],
      }));
  });
}
