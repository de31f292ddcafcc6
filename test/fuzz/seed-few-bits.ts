/** A network with weights of few bits in all the forms that passes know. */

import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { randomTensor } from "../harness-random.js";
import type { ModelSpec } from "../onnx/build-model.js";

const bytes = (dtype: "int8" | "uint8" | "int4", ...dims: number[]): TensorData =>
  tensorOf(
    dtype,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i * 5) % 8),
  );

const scales = (...dims: number[]): TensorData => randomTensor(3, dims, { low: 0.1, high: 0.2 });

export const fewBits: ModelSpec = {
  opset: { "": 21, "com.microsoft": 1 },
  inputs: { x: ["float32", [1, 3, 5, 5]] },
  outputs: { y: ["float32"], z: ["float32"] },
  initializers: {
    scale: scales(),
    zero: bytes("uint8"),
    w: bytes("int8", 4, 3, 3, 3),
    ofChannels: scales(4),
    square: bytes("int8", 5, 6),
    ofColumns: scales(6),
    blocks: bytes("int4", 6, 32),
    ofBlocks: scales(6, 2),
    words: bytes("uint8", 7, 2, 8),
    ofWords: scales(7, 2),
  },
  nodes: [
    { op: "QuantizeLinear", inputs: ["x", "scale", "zero"], outputs: ["q"] },
    { op: "DequantizeLinear", inputs: ["q", "scale", "zero"], outputs: ["a"] },
    { op: "DequantizeLinear", inputs: ["w", "ofChannels"], outputs: ["b"], attributes: { axis: 0 } },
    { op: "Conv", inputs: ["a", "b"], outputs: ["c"], attributes: { pads: [1, 1, 1, 1] } },
    { op: "DynamicQuantizeLinear", inputs: ["c"], outputs: ["d", "s", "e"] },
    { op: "MatMulInteger", inputs: ["d", "square", "e"], outputs: ["f"] },
    { op: "Cast", inputs: ["f"], outputs: ["g"], attributes: { to: 1 } },
    {
      op: "DequantizeLinear",
      inputs: ["blocks", "ofBlocks"],
      outputs: ["h"],
      attributes: { axis: 1, block_size: 16 },
    },
    { op: "MatMul", inputs: ["g", "h"], outputs: ["y"] },
    {
      op: "MatMulNBits",
      domain: "com.microsoft",
      inputs: ["y", "words", "ofWords"],
      outputs: ["z"],
      attributes: { K: 32, N: 7, bits: 4, block_size: 16 },
    },
  ],
};
