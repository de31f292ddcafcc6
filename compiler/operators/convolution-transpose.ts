/** Transposed convolutions. */

import { elementCount, forEachIndex, type TensorData } from "../ir/tensor.js";
import { lowerTranspose, phasePlan, transposeFlops } from "./convolution-transpose-lower.js";
import {
  type FixedGeometry,
  geometry,
  inferTranspose,
  type TransposeAttributes,
  transposeAttributes,
} from "./convolution-transpose-window.js";
import { splitBias } from "./convolution-window.js";
import { decodeElements, encodeElements } from "./numbers.js";
import { defineOperator, type EvaluationContext, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";

function evaluate(context: EvaluationContext<TransposeAttributes>): TensorData[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { dims } = context.outputs[0]!;
  const g = geometry(context.view) as FixedGeometry; // evaluation has static shapes only
  const y = new Float64Array(elementCount(dims));
  const [xs, ws] = [decodeElements(x), decodeElements(w)];
  const perGroup = x.dims[1]! / context.attributes.group;
  forEachIndex(x.dims, (from, at) => {
    const group = Math.floor(from[1]! / perGroup);
    forEachIndex(w.dims.slice(1), (tap, step) => {
      let to = from[0]! * dims[1]! + group * w.dims[1]! + tap[0]!;
      for (let i = 0; i < g.kernel.length; i++) {
        const place = from[i + 2]! * g.strides[i]! + tap[i + 1]! * g.dilations[i]! - g.before[i]!;
        if (place < 0 || place >= dims[i + 2]!) return;
        to = to * dims[i + 2]! + place;
      }
      y[to] = y[to]! + xs[at]! * ws[from[1]! * elementCount(w.dims.slice(1)) + step]!;
    });
  });
  return [encodeElements(x.dtype, dims, y)];
}

const ConvTranspose = defineOperator({
  name: "ConvTranspose",
  summary: "Transposed convolution over any number of spatial dims.",
  inputs: ["X", "W", "B?"],
  types: floats,
  attributes: transposeAttributes,
  versions: [1, 11, 22].map((since) => ({ since, upgrade: splitBias("ConvTranspose") })),
  infer: inferTranspose,
  flops: transposeFlops,
  layout: (context) => {
    const order = phasePlan(context) === null ? "row-major" : "channels-last";
    return { inputs: [order, "row-major"], output: order };
  },
  border: (context) => phasePlan(context)?.border ?? null,
  epilogue: true,
  lower: lowerTranspose,
  evaluate,
});

export const convolutionTransposeOperators: readonly Operator[] = [ConvTranspose];
