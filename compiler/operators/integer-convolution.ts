/** Convolutions of small integers. */

import { type Dim, floorDivDims, printDim } from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import { directConvolution } from "../kernels/convolution-direct.js";
import type { LoweringContext } from "../lowering/context.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { flopsOf } from "./convolution-lower.js";
import {
  type ConvolutionAttributes,
  convolutionAttributes,
  convolutionShape,
  convolutionWindow,
  differ,
} from "./convolution-window.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { isPackable, lowerPackedConvolution } from "./integer-convolution-packed.js";
import { centredElement, checkBytes, perColumn } from "./integer-matmul.js";
import {
  type AttributesOf,
  defineExpansion,
  defineOperator,
  type ImportedNode,
  type NodeView,
  type Operator,
} from "./operator.js";
import { scalarOf } from "./quantize.js";

function infer(context: NodeView<ConvolutionAttributes>): TensorType[] {
  checkBytes(context, "input or weights");
  const [xZero, wZero] = [context.optional(2), context.optional(3)];
  if (xZero !== null && xZero.rank !== 0) context.fail("takes one zero point of the input", "E_SHAPE");
  if (
    wZero !== null &&
    (wZero.rank > 1 || (wZero.rank === 1 && differ(wZero.shape[0]!, context.input(1).shape[0]!)))
  )
    context.fail(`has zero points of [${wZero.shape}] for ${context.input(1).shape[0]} channels`, "E_SHAPE");
  return [{ dtype: "int32", shape: convolutionShape(context) }];
}

function lower(context: LoweringContext<ConvolutionAttributes>): void {
  if (isPackable(context)) lowerPackedConvolution(context);
  else lowerDirect(context);
}

function lowerDirect(context: LoweringContext<ConvolutionAttributes>): void {
  const [x, w] = [context.input(0), context.input(1)];
  const { group } = context.attributes;
  const [outChannels, inChannels] = w.shape as [Dim, Dim];
  const parameters = {
    scalar: "i32",
    batch: x.shape[0]!,
    groups: group,
    inChannels,
    outChannels: floorDivDims(outChannels, group),
  } as const;
  const window = { ...convolutionWindow(context), shape: x.shape };
  const name = `conv_${x.dtype}_${w.dtype}_${w.shape.map(printDim).join("x")}`;
  context.kernel({ name, flops: flopsOf(context) }, (s) => {
    directConvolution(s, parameters, window, {
      input: { load: (indices) => centredElement(s, context, 0, indices) },
      weights: { load: (indices) => centredElement(s, context, 1, indices, indices.slice(0, 1)) },
      result: (value, indices) => s.result(value, indices),
    });
  });
}

const IntegerConvolution = defineOperator({
  name: "ConvInteger",
  domain: "kiln",
  summary:
    "Convolution of bytes from which their zero points are taken; those of the weights are a number or one a channel.",
  inputs: ["x", "w", "x_zero?", "w_zero?"],
  attributes: convolutionAttributes,
  versions: [{ since: 1 }],
  infer,
  flops: flopsOf,
  layout: (context) => ({
    inputs: ["any", "any", "any", "any"],
    output: isPackable(context) ? "channels-last" : "follow",
  }),
  epilogue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

type View = Pick<ImportedNode, "fail"> & { readonly attributes: AttributesOf<ConvolutionAttributes> };

/**
 * The convolution with zero points as ONNX gives them. Padding of known size is put around the input, as its zero
 * point, so that all results meet all taps and the kernel's loops are simple.
 */
export function integerConvolution(
  b: GraphBuilder,
  [x, w]: readonly [Value, Value],
  [xZero, wZero]: readonly (Value | null)[],
  view: View,
): Value {
  const attributes = presentAttributes(view);
  const zeros = [scalarOf(b, xZero ?? null), perColumn(b, wZero ?? null)] as const;
  const { pads = [], auto_pad } = view.attributes;
  const isFixed =
    (auto_pad === "NOTSET" || auto_pad === "") &&
    pads.length === 2 * (x.rank - 2) &&
    pads.every((n) => n >= 0);
  // Known weights have a kernel that makes the border itself.
  const isKnown = w.constant !== null && view.attributes.group === 1 && w.rank <= 4;
  if (!isFixed || isKnown || pads.every((n) => n === 0))
    return b.op("kiln.ConvInteger", [x, w, ...zeros], attributes);
  const half = pads.length / 2;
  const around = b.ints([0, 0, ...pads.slice(0, half), 0, 0, ...pads.slice(half)]);
  const padded = b.op("Pad", [x, around, zeros[0]]);
  return b.op("kiln.ConvInteger", [padded, w, ...zeros], { ...attributes, pads: pads.map(() => 0) });
}

const ConvInteger = defineExpansion({
  name: "ConvInteger",
  summary: "Convolution of 8-bit integers, in int32.",
  inputs: ["x", "w", "x_zero_point?", "w_zero_point?"],
  types: ["int8", "uint8"],
  attributes: convolutionAttributes,
  versions: [{ since: 10 }],
  expand: (b, [x, w, xZero, wZero], view) => [
    integerConvolution(b, [x!, w!], [xZero ?? null, wZero ?? null], view),
  ],
});

export const integerConvolutionOperators: readonly Operator[] = [IntegerConvolution, ConvInteger];
