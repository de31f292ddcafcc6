/** Operators of com.microsoft that are others of ONNX by another name, or little more than that. */

import { isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { contrib } from "./contrib.js";
import { attribute, type ImportedNode, type Operator } from "./operator.js";

/** Products of complex numbers, whose parts lie side by side in the last dim. */
const complexProduct = (name: string, summary: string, isConjugate: boolean): Operator =>
  contrib({
    name,
    summary,
    inputs: ["A", "B"],
    attributes: {},
    compute: (b, [left, right], view) => {
      for (const { rank, shape } of [left!, right!]) {
        const last = shape[rank - 1];
        if (last === undefined || (isStatic(last) && last !== 2))
          view.fail("needs a last dim of a real and an imaginary part", "E_SHAPE");
      }
      const part = (x: Value, i: number) => b.op("Slice", [x, b.ints([i]), b.ints([i + 1]), b.ints([-1])]);
      const [a, c] = [part(left!, 0), part(right!, 0)];
      const [im, plain] = [part(left!, 1), part(right!, 1)];
      const other = isConjugate ? b.op("Neg", [plain]) : plain;
      const times = (x: Value, y: Value) => b.op("Mul", [x, y]);
      const parts = [
        b.op("Sub", [times(a, c), times(im, other)]),
        b.op("Add", [times(a, other), times(im, c)]),
      ];
      return b.op("Concat", parts, { axis: -1 });
    },
  });

const fourierAttributes = {
  normalized: attribute.int(0),
  onesided: attribute.int(1),
  signal_ndim: attribute.int(1),
} as const;

function checkFourier({ attributes, fail }: ImportedNode<typeof fourierAttributes>): void {
  const { normalized, onesided, signal_ndim } = attributes;
  if (normalized !== 0 || onesided !== 1) fail("only plain transforms of one side are defined");
  if (signal_ndim !== 1) fail(`signal_ndim ${signal_ndim} is not supported`, "E_UNSUPPORTED");
}

const distances: Readonly<Record<string, string>> = { euclidean: "ReduceL2", sqeuclidean: "ReduceSumSquare" };

const fusedProduct = {
  ...{ activation: attribute.required("string"), alpha: attribute.float(1) },
  ...{ activation_alpha: attribute.float(0), activation_beta: attribute.float(0) },
  ...{ activation_gamma: attribute.float(0), activation_axis: attribute.int(0) },
  ...{ transA: attribute.int(0), transB: attribute.int(0) },
  ...{ transBatchA: attribute.int(0), transBatchB: attribute.int(0) },
} as const;

export const contribGeneralOperators: readonly Operator[] = [
  complexProduct("ComplexMul", "Products of complex numbers.", false),
  complexProduct("ComplexMulConj", "Products of complex numbers and conjugates of others.", true),
  contrib({
    name: "Rfft",
    summary: "The first half of the spectrum of a real signal, along the last dim.",
    inputs: ["X"],
    attributes: fourierAttributes,
    compute: (b, [x], view) => {
      checkFourier(view);
      return b.op("DFT", [b.op("Unsqueeze", [x!, b.ints([-1])])], { onesided: 1 });
    },
  }),
  contrib({
    name: "Irfft",
    summary: "The real signal whose spectrum has this first half.",
    inputs: ["X"],
    attributes: fourierAttributes,
    compute: (b, [x], view) => {
      checkFourier(view);
      const signal = b.op("DFT", [x!], { onesided: 1, inverse: 1 });
      return b.op("Squeeze", [signal, b.ints([-1])]);
    },
  }),
  contrib({
    name: "Trilu",
    summary: "Trilu.",
    inputs: ["X", "k?"],
    attributes: { upper: attribute.int(1) },
    compute: (b, [x, k], { attributes: { upper } }) => b.op("Trilu", [x!, k ?? null], { upper }),
  }),
  contrib({
    name: "GatherND",
    summary: "GatherND.",
    inputs: ["data", "indices"],
    attributes: {},
    compute: (b, [x, indices]) => b.op("GatherND", [x!, indices!]),
  }),
  contrib({
    name: "ExpandDims",
    summary: "A dim of one element put in.",
    inputs: ["X", "axis"],
    attributes: {},
    compute: (b, [x, axis]) =>
      b.op("Unsqueeze", [x!, b.op("Reshape", [b.cast(axis!, "int64"), b.ints([1])])]),
  }),
  contrib({
    name: "Pad",
    summary: "Pad.",
    inputs: ["data", "pads", "value?"],
    attributes: { mode: attribute.string("constant") },
    compute: (b, [x, pads, value], { attributes: { mode } }) => {
      const one = value == null ? null : b.op("Reshape", [value, b.ints([])]);
      return b.op("Pad", [x!, b.op("Reshape", [pads!, b.ints([-1])]), one], { mode });
    },
  }),
  contrib({
    name: "TorchEmbedding",
    summary: "Rows of a table.",
    inputs: ["weight", "indices", "padding_idx?", "scale_grad_by_freq?"],
    attributes: {},
    compute: (b, [table, indices]) => b.op("Gather", [table!, indices!], { axis: 0 }),
  }),
  contrib({
    name: "CDist",
    summary: "Distances of all rows of a matrix from all rows of another.",
    inputs: ["A", "B"],
    attributes: { metric: attribute.string("sqeuclidean") },
    compute: (b, [left, right], { attributes: { metric }, fail }) => {
      if (left!.rank !== 2 || right!.rank !== 2) fail("takes matrices", "E_SHAPE");
      const reduction = Object.hasOwn(distances, metric) ? distances[metric] : undefined;
      if (reduction === undefined) return fail(`metric "${metric}" is not supported`, "E_UNSUPPORTED");
      const rows = b.op("Unsqueeze", [left!, b.ints([1])]);
      const difference = b.op("Sub", [rows, b.op("Unsqueeze", [right!, b.ints([0])])]);
      return b.op(reduction, [difference, b.ints([2])], { keepdims: 0 });
    },
  }),
  contrib({
    name: "FusedMatMulActivation",
    summary: "FusedMatMul, and an activation of its result.",
    inputs: ["A", "B"],
    attributes: fusedProduct,
    compute: (b, inputs, view) => {
      const {
        activation,
        activation_alpha: first,
        activation_beta: second,
        activation_axis: axis,
      } = view.attributes;
      const { alpha, transA, transB, transBatchA, transBatchB } = view.attributes;
      const product = { alpha, transA, transB, transBatchA, transBatchB };
      const result = b.op("com.microsoft.FusedMatMul", [...inputs], product);
      if (activation === "Relu" || activation === "Tanh" || activation === "Sigmoid")
        return b.op(activation, [result]);
      if (activation === "LeakyRelu") return b.op(activation, [result], { alpha: first });
      if (activation === "HardSigmoid") return b.op(activation, [result], { alpha: first, beta: second });
      if (activation === "Softmax") return b.op(activation, [result], { axis });
      return view.fail(`activation "${activation}" is not supported`, "E_UNSUPPORTED");
    },
  }),
];
