/** Small models whose results are known by heart. */

import { tensorOf } from "../../compiler/ir/tensor.js";
import type { ModelSpec } from "../onnx/build-model.js";

/** y = relu(x * w + b) for x of [1, 2]: [1, 2] becomes [8, 0] and [3, 4] becomes [16, 0]. */
export const dense: ModelSpec = {
  name: "dense",
  inputs: { x: ["float32", [1, 2]] },
  outputs: { y: ["float32", [1, 2]] },
  initializers: {
    w: tensorOf("float32", [2, 2], [1, -1, 3, -1]),
    b: tensorOf("float32", [2], [1, 1]),
  },
  nodes: [
    { op: "MatMul", name: "product", inputs: ["x", "w"], outputs: ["p"] },
    { op: "Add", name: "bias", inputs: ["p", "b"], outputs: ["s"] },
    { op: "Relu", name: "positive", inputs: ["s"], outputs: ["y"] },
  ],
};

/** The same with its w in a file beside it. */
export const denseWithFile = (location: string): ModelSpec => ({
  ...dense,
  initializers: {
    ...dense.initializers,
    w: {
      proto: {
        dims: [2, 2],
        dataType: 1,
        dataLocation: 1,
        externalData: [{ key: "location", value: location }],
      },
    },
  },
});

/** y = -x, its batch open. */
export const negate: ModelSpec = {
  name: "negate",
  inputs: { x: ["float32", ["batch", 3]] },
  outputs: { y: ["float32", ["batch", 3]] },
  nodes: [{ op: "Neg", name: "negative", inputs: ["x"], outputs: ["y"] }],
};

/** Two nodes that no compiler knows, between one that all know. */
export const unknown: ModelSpec = {
  inputs: { x: ["float32", [2]] },
  outputs: { y: ["float32", [2]] },
  opset: { "": 17, "com.example": 3 },
  nodes: [
    { op: "Frobnicate", name: "first", domain: "com.example", inputs: ["x"], outputs: ["a"] },
    { op: "Relu", name: "middle", inputs: ["x"], outputs: ["b"] },
    { op: "Quux", name: "second", inputs: ["b"], outputs: ["c"] },
    { op: "Add", name: "last", inputs: ["a", "c"], outputs: ["y"] },
  ],
};
