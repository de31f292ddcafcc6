/** Small networks of every kind: what ONNX's tests of single operators do not have. */

import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { randomTensor } from "../harness-random.js";
import type { ModelSpec } from "../onnx/build-model.js";
import { fewBits } from "./seed-few-bits.js";

const weights = (seed: number, ...dims: number[]): TensorData => randomTensor(seed, dims);
const ints = (...values: number[]): TensorData => tensorOf("int64", [values.length], values);

const convolutional: ModelSpec = {
  inputs: { x: ["float32", [1, 3, 8, 8]] },
  outputs: { y: ["float32", [1, 4]] },
  initializers: {
    w1: weights(1, 8, 3, 3, 3),
    b1: weights(2, 8),
    w2: weights(3, 8, 1, 3, 3),
    w3: weights(4, 4, 8, 1, 1),
    scale: weights(5, 8),
    variance: randomTensor(6, [8], { low: 0.5, high: 1 }),
    shape: ints(0, -1),
  },
  nodes: [
    {
      op: "Conv",
      inputs: ["x", "w1", "b1"],
      outputs: ["a"],
      attributes: { pads: [1, 1, 1, 1], strides: [2, 2] },
    },
    { op: "Relu", inputs: ["a"], outputs: ["b"] },
    { op: "Conv", inputs: ["b", "w2"], outputs: ["c"], attributes: { group: 8, pads: [1, 1, 1, 1] } },
    { op: "BatchNormalization", inputs: ["c", "scale", "b1", "b1", "variance"], outputs: ["d"] },
    { op: "Add", inputs: ["d", "b"], outputs: ["e"] },
    {
      op: "MaxPool",
      inputs: ["e"],
      outputs: ["f"],
      attributes: { kernel_shape: [2, 2], auto_pad: "SAME_UPPER" },
    },
    { op: "Conv", inputs: ["f", "w3"], outputs: ["g"] },
    { op: "GlobalAveragePool", inputs: ["g"], outputs: ["h"] },
    { op: "Reshape", inputs: ["h", "shape"], outputs: ["i"] },
    { op: "Softmax", inputs: ["i"], outputs: ["y"], attributes: { axis: 1 } },
  ],
};

const attention: ModelSpec = {
  inputs: { x: ["float32", ["batch", "sequence", 8]], mask: ["float32", ["batch", 1, 1, "sequence"]] },
  outputs: { y: ["float32", ["batch", "sequence", 8]] },
  initializers: {
    wq: weights(1, 8, 8),
    wk: weights(2, 8, 8),
    wv: weights(3, 8, 8),
    heads: ints(0, 0, 2, 4),
    merged: ints(0, 0, 8),
    root: tensorOf("float32", [], [0.5]),
    gain: weights(4, 8),
  },
  nodes: [
    ...["q", "k", "v"].flatMap((name) => [
      { op: "MatMul", inputs: ["x", `w${name}`], outputs: [`${name}1`] },
      { op: "Reshape", inputs: [`${name}1`, "heads"], outputs: [`${name}2`] },
      {
        op: "Transpose",
        inputs: [`${name}2`],
        outputs: [name],
        attributes: { perm: name === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3] },
      },
    ]),
    { op: "MatMul", inputs: ["q", "k"], outputs: ["scores"] },
    { op: "Mul", inputs: ["scores", "root"], outputs: ["scaled"] },
    { op: "Add", inputs: ["scaled", "mask"], outputs: ["masked"] },
    { op: "Softmax", inputs: ["masked"], outputs: ["shares"], attributes: { axis: -1 } },
    { op: "MatMul", inputs: ["shares", "v"], outputs: ["mixed"] },
    { op: "Transpose", inputs: ["mixed"], outputs: ["back"], attributes: { perm: [0, 2, 1, 3] } },
    { op: "Reshape", inputs: ["back", "merged"], outputs: ["joined"] },
    { op: "Add", inputs: ["joined", "x"], outputs: ["sum"] },
    { op: "LayerNormalization", inputs: ["sum", "gain"], outputs: ["y"] },
  ],
};

/** Shapes computed from shapes, as exporters write them. */
const shapeArithmetic: ModelSpec = {
  inputs: { x: ["float32", ["n", "c", "h", "w"]] },
  outputs: { y: ["float32"], z: ["float32"] },
  initializers: {
    zero: ints(0),
    one: ints(1),
    two: ints(2),
    four: ints(4),
    minus: ints(-1),
    axes: ints(2, 3),
  },
  nodes: [
    { op: "Shape", inputs: ["x"], outputs: ["s"] },
    { op: "Slice", inputs: ["s", "zero", "two"], outputs: ["head"] },
    { op: "Slice", inputs: ["s", "two", "four", "zero"], outputs: ["rest"] },
    { op: "Concat", inputs: ["head", "minus"], outputs: ["shape"], attributes: { axis: 0 } },
    { op: "Reshape", inputs: ["x", "shape"], outputs: ["y"] },
    { op: "Mul", inputs: ["rest", "two"], outputs: ["doubled"] },
    { op: "Concat", inputs: ["head", "doubled"], outputs: ["target"], attributes: { axis: 0 } },
    { op: "Resize", inputs: ["x", "", "", "target"], outputs: ["r"], attributes: { mode: "nearest" } },
    { op: "ReduceMean", inputs: ["r"], outputs: ["m"], attributes: { axes: [2, 3], keepdims: 0 } },
    { op: "Unsqueeze", inputs: ["m", "axes"], outputs: ["z"] },
  ],
};

const control: ModelSpec = {
  inputs: { x: ["float32", [4]], c: ["bool", []], trips: ["int64", []] },
  outputs: { y: ["float32"], last: ["float32", [4]], all: ["float32"] },
  initializers: { one: tensorOf("float32", [], [1]) },
  nodes: [
    {
      op: "If",
      inputs: ["c"],
      outputs: ["y"],
      attributes: {
        then_branch: {
          nodes: [{ op: "Neg", inputs: ["x"], outputs: ["t"] }],
          outputs: { t: ["float32", [4]] },
        },
        else_branch: {
          nodes: [{ op: "Add", inputs: ["x", "one"], outputs: ["e"] }],
          outputs: { e: ["float32", [4]] },
        },
      },
    },
    {
      op: "Loop",
      inputs: ["trips", "c", "x"],
      outputs: ["last", "all"],
      attributes: {
        body: {
          inputs: { i: ["int64", []], keep: ["bool", []], state: ["float32", [4]] },
          outputs: { more: ["bool", []], next: ["float32", [4]], row: ["float32", [4]] },
          nodes: [
            { op: "Identity", inputs: ["keep"], outputs: ["more"] },
            { op: "Add", inputs: ["state", "one"], outputs: ["next"] },
            { op: "Mul", inputs: ["state", "y"], outputs: ["row"] },
          ],
        },
      },
    },
  ],
};

const scan: ModelSpec = {
  inputs: { start: ["float32", [2]], xs: ["float32", ["steps", 2]] },
  outputs: { end: ["float32", [2]], sums: ["float32", ["steps", 2]] },
  nodes: [
    {
      op: "Scan",
      inputs: ["start", "xs"],
      outputs: ["end", "sums"],
      attributes: {
        num_scan_inputs: 1,
        body: {
          inputs: { sum: ["float32", [2]], x: ["float32", [2]] },
          outputs: { next: ["float32", [2]], out: ["float32", [2]] },
          nodes: [
            { op: "Add", inputs: ["sum", "x"], outputs: ["next"] },
            { op: "Identity", inputs: ["next"], outputs: ["out"] },
          ],
        },
      },
    },
  ],
};

const functions: ModelSpec = {
  opset: { "": 18, local: 1 },
  inputs: { x: ["float32", ["n", 4]] },
  outputs: { y: ["float32", ["n", 4]] },
  nodes: [
    { op: "Outer", domain: "local", inputs: ["x"], outputs: ["a"], attributes: { alpha: { float: 0.5 } } },
    { op: "Inner", domain: "local", inputs: ["a"], outputs: ["y"] },
  ],
  functions: [
    {
      domain: "local",
      name: "Inner",
      inputs: ["v"],
      outputs: ["r"],
      defaults: { alpha: { float: 0.1 } },
      nodes: [
        {
          op: "LeakyRelu",
          inputs: ["v"],
          outputs: ["r"],
          attributes: { alpha: { ref: "alpha", kind: "FLOAT" } },
        },
      ],
    },
    {
      domain: "local",
      name: "Outer",
      opset: { "": 18, local: 1 },
      inputs: ["v"],
      outputs: ["r"],
      attributes: ["alpha"],
      nodes: [
        {
          op: "Inner",
          domain: "local",
          inputs: ["v"],
          outputs: ["i"],
          attributes: { alpha: { ref: "alpha", kind: "FLOAT" } },
        },
        { op: "Softplus", inputs: ["i"], outputs: ["r"] },
      ],
    },
  ],
};

const quantised: ModelSpec = {
  inputs: { x: ["float32", [1, 2, 6, 6]] },
  outputs: { y: ["float32", [1, 4, 4, 4]] },
  initializers: {
    scale: tensorOf("float32", [], [0.05]),
    zero: tensorOf("uint8", [], [128]),
    w: randomTensor(1, [4, 2, 3, 3], { dtype: "int8", low: -100, high: 100 }),
    ws: randomTensor(2, [4], { low: 0.01, high: 0.1 }),
    wz: tensorOf("int8", [4], [0, 0, 0, 0]),
    b: randomTensor(3, [4], { dtype: "int32", low: -50, high: 50 }),
  },
  nodes: [
    { op: "QuantizeLinear", inputs: ["x", "scale", "zero"], outputs: ["q"] },
    {
      op: "QLinearConv",
      inputs: ["q", "scale", "zero", "w", "ws", "wz", "scale", "zero", "b"],
      outputs: ["c"],
    },
    { op: "DequantizeLinear", inputs: ["c", "scale", "zero"], outputs: ["y"] },
  ],
};

const recurrent: ModelSpec = {
  inputs: { x: ["float32", ["steps", 1, 3]], h: ["float32", [2, 1, 4]] },
  outputs: { y: ["float32"], hn: ["float32"], gy: ["float32"] },
  initializers: {
    w: weights(1, 2, 16, 3),
    r: weights(2, 2, 16, 4),
    b: weights(3, 2, 32),
    gw: weights(4, 1, 12, 8),
    gr: weights(5, 1, 12, 4),
    flat: ints(0, 1, 8),
  },
  nodes: [
    {
      op: "LSTM",
      inputs: ["x", "w", "r", "b", "", "h"],
      outputs: ["y", "hn"],
      attributes: { hidden_size: 4, direction: "bidirectional" },
    },
    { op: "Reshape", inputs: ["y", "flat"], outputs: ["z"] },
    {
      op: "GRU",
      inputs: ["z", "gw", "gr"],
      outputs: ["", "gy"],
      attributes: { hidden_size: 4, linear_before_reset: 1, activations: ["Sigmoid", "Tanh"] },
    },
  ],
};

/** Sizes that only elements tell. */
const selection: ModelSpec = {
  inputs: { x: ["float32", ["n"]], k: ["int64", [1]] },
  outputs: { top: ["float32"], at: ["int64"], places: ["int64"], kept: ["float32"], u: ["float32"] },
  initializers: { zero: tensorOf("float32", [], [0]), start: ints(0), axis: ints(0) },
  nodes: [
    { op: "TopK", inputs: ["x", "k"], outputs: ["top", "at"] },
    { op: "Greater", inputs: ["x", "zero"], outputs: ["m"] },
    { op: "NonZero", inputs: ["m"], outputs: ["places"] },
    { op: "Compress", inputs: ["x", "m"], outputs: ["kept"], attributes: { axis: 0 } },
    { op: "Slice", inputs: ["kept", "start", "k", "axis"], outputs: ["sliced"] },
    { op: "Unique", inputs: ["sliced"], outputs: ["u"] },
  ],
};

const sequences: ModelSpec = {
  inputs: { x: ["float32", [6, 2]] },
  outputs: { y: ["float32"], n: ["int64"] },
  initializers: { two: tensorOf("int64", [], [2]), at: tensorOf("int64", [], [-1]) },
  nodes: [
    { op: "SplitToSequence", inputs: ["x", "two"], outputs: ["s"], attributes: { axis: 0 } },
    { op: "SequenceAt", inputs: ["s", "at"], outputs: ["e"] },
    { op: "SequenceInsert", inputs: ["s", "e"], outputs: ["t"] },
    { op: "SequenceLength", inputs: ["t"], outputs: ["n"] },
    { op: "ConcatFromSequence", inputs: ["t"], outputs: ["y"], attributes: { axis: 0 } },
  ],
};

const indexing: ModelSpec = {
  inputs: { i: ["int64", ["n", 1]], x: ["float32", [5, 4]] },
  outputs: { y: ["float32"], z: ["float32"], e: ["float32"] },
  initializers: {
    table: weights(1, 7, 4),
    sparse: {
      sparse: { values: weights(2, 2), indices: tensorOf("int64", [2], [1, 6]), dims: [3, 3] },
    },
    axes: ints(0),
    starts: ints(-3),
    ends: ints(2 ** 31),
    depth: tensorOf("int64", [], [4]),
    onOff: tensorOf("float32", [2], [0, 1]),
  },
  nodes: [
    { op: "Gather", inputs: ["table", "i"], outputs: ["g"] },
    { op: "ScatterND", inputs: ["x", "i", "u"], outputs: ["y"], attributes: { reduction: "add" } },
    { op: "Squeeze", inputs: ["g", "one"], outputs: ["u"] },
    { op: "Constant", outputs: ["one"], attributes: { value_ints: [1] } },
    { op: "Slice", inputs: ["x", "starts", "ends", "axes"], outputs: ["p"] },
    { op: "Einsum", inputs: ["p", "x"], outputs: ["e"], attributes: { equation: "ij,kj->ik" } },
    { op: "OneHot", inputs: ["i", "depth", "onOff"], outputs: ["h"] },
    { op: "MatMul", inputs: ["sparse", "sparse"], outputs: ["ss"] },
    { op: "ReduceSum", inputs: ["ss"], outputs: ["rs"], attributes: { keepdims: 0 } },
    { op: "Mul", inputs: ["h", "rs"], outputs: ["z"] },
  ],
};

/** Constants alone: all of it is folded. */
const folding: ModelSpec = {
  inputs: { x: ["float32", [3]] },
  outputs: { y: ["float32"], z: ["int64"] },
  initializers: { shape: ints(2, 3), from: tensorOf("int64", [], [0]), to: tensorOf("int64", [], [6]) },
  nodes: [
    {
      op: "ConstantOfShape",
      inputs: ["shape"],
      outputs: ["c"],
      attributes: { value: tensorOf("float32", [1], [2]) },
    },
    { op: "Range", inputs: ["from", "to", "step"], outputs: ["r"] },
    { op: "Constant", outputs: ["step"], attributes: { value_int: 1 } },
    { op: "Expand", inputs: ["r", "wide"], outputs: ["w"] },
    { op: "Constant", outputs: ["wide"], attributes: { value_ints: [4, 1] } },
    { op: "Tile", inputs: ["w", "shape"], outputs: ["z"] },
    { op: "CumSum", inputs: ["c", "from"], outputs: ["s"] },
    { op: "Pad", inputs: ["s", "pads"], outputs: ["p"] },
    { op: "Constant", outputs: ["pads"], attributes: { value_ints: [0, 0, 1, 0] } },
    { op: "Add", inputs: ["p", "x"], outputs: ["y"] },
  ],
};

const upsampling: ModelSpec = {
  opset: 13,
  inputs: { x: ["float32", [1, 2, "h", "w"]] },
  outputs: { y: ["float32"] },
  initializers: {
    w: weights(1, 2, 3, 2, 2),
    scales: tensorOf("float32", [4], [1, 1, 2, 1.5]),
    none: tensorOf("float32", [0], []),
    grid: weights(2, 1, 3, 3, 2),
  },
  nodes: [
    {
      op: "ConvTranspose",
      inputs: ["x", "w"],
      outputs: ["a"],
      attributes: { strides: [2, 2], output_padding: [1, 1] },
    },
    { op: "Resize", inputs: ["a", "none", "scales"], outputs: ["b"], attributes: { mode: "linear" } },
    { op: "AveragePool", inputs: ["b"], outputs: ["c"], attributes: { kernel_shape: [3, 3], ceil_mode: 1 } },
    { op: "InstanceNormalization", inputs: ["c", "g", "g"], outputs: ["d"] },
    { op: "Constant", outputs: ["g"], attributes: { value_floats: { floats: [1, 2, 3] } } },
    { op: "DepthToSpace", inputs: ["e"], outputs: ["f"], attributes: { blocksize: 2, mode: "CRD" } },
    { op: "Concat", inputs: ["d", "d", "d", "d"], outputs: ["e"], attributes: { axis: 1 } },
    { op: "Split", inputs: ["f"], outputs: ["y", "unused", "rest"], attributes: { axis: 1 } },
  ],
};

export const seedModels: Readonly<Record<string, ModelSpec>> = {
  convolutional,
  attention,
  shapeArithmetic,
  control,
  scan,
  functions,
  quantised,
  fewBits,
  recurrent,
  selection,
  sequences,
  indexing,
  folding,
  upsampling,
};
