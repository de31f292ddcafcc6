/** Convolutions. */

import { isStatic } from "../ir/dim.js";
import { elementCount, forEachIndex, type TensorData } from "../ir/tensor.js";
import { convolutionBorder, fixedParameters, flopsOf, lowerConvolution } from "./convolution-lower.js";
import {
  type ConvolutionAttributes,
  convolutionAttributes,
  convolutionWindow,
  inferConvolution,
  splitBias,
} from "./convolution-window.js";
import { decodeElements, encodeElements } from "./numbers.js";
import { defineOperator, type EvaluationContext, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { windowReach } from "./reach.js";
import type { FixedWindow } from "./window.js";

function evaluateConvolution(context: EvaluationContext<ConvolutionAttributes>): TensorData[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { dims } = context.outputs[0]!;
  const window = convolutionWindow(context.view) as FixedWindow; // evaluation has static shapes only
  const y = new Float64Array(elementCount(dims));
  const [xs, ws] = [decodeElements(x), decodeElements(w)];
  const outPerGroup = dims[1]! / context.attributes.group;
  const perGroup = w.dims[1]!;
  forEachIndex(dims, (index, at) => {
    const group = Math.floor(index[1]! / outPerGroup);
    let sum = 0;
    forEachIndex(w.dims.slice(1), (tap, step) => {
      let from = index[0]! * x.dims[1]! + group * perGroup + tap[0]!;
      for (let i = 0; i < window.kernel.length; i++) {
        const place =
          index[i + 2]! * window.strides[i]! + tap[i + 1]! * window.dilations[i]! - window.before[i]!;
        if (place < 0 || place >= x.dims[i + 2]!) return;
        from = from * x.dims[i + 2]! + place;
      }
      sum += xs[from]! * ws[index[1]! * elementCount(w.dims.slice(1)) + step]!;
    });
    y[at] = sum;
  });
  return [encodeElements(x.dtype, dims, y)];
}

const Conv: Operator = defineOperator({
  name: "Conv",
  summary: "Convolution over any number of spatial dims.",
  inputs: ["X", "W", "B?"],
  types: floats,
  attributes: convolutionAttributes,
  versions: [1, 11, 22].map((since) => ({ since, upgrade: splitBias("Conv") })),
  infer: inferConvolution,
  flops: flopsOf,
  layout: (context) => {
    if (fixedParameters(context) === null) return { inputs: ["row-major", "row-major"], output: "row-major" };
    const readsAnyLayout = isStatic(context.input(1).shape[1]!) && (context.input(1).shape[1] as number) <= 4;
    const depthwiseInput = context.attributes.group > 1;
    return {
      inputs: [readsAnyLayout && !depthwiseInput ? "any" : "channels-last", "row-major"],
      output: "channels-last",
    };
  },
  reach: (context) =>
    windowReach(context.node.attributes, convolutionWindow(context), context.input(0).shape.slice(2)),
  border: convolutionBorder,
  epilogue: true,
  lower: lowerConvolution,
  evaluate: evaluateConvolution,
});

export const convolutionOperators: readonly Operator[] = [Conv];
