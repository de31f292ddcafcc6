/** Convolutions. */

import { KilnError } from "../diagnostics.js";
import { type Dim, equalDims, isStatic, staticDim } from "../ir/dim.js";
import type { Attributes, TensorType, Value } from "../ir/graph.js";
import { elementCount, forEachIndex, type TensorData, tensor } from "../ir/tensor.js";
import {
  type ConvolutionParameters,
  convolution,
  convolutionFlops,
  packConvolution,
} from "../kernels/convolution.js";
import { depthwise, depthwiseFlops, packDepthwise } from "../kernels/depthwise.js";
import { i32Constant } from "../loop/builder.js";
import type { LoweringContext } from "../lowering/context.js";
import type { Placement } from "../lowering/scope.js";
import type { GraphBuilder } from "./builder.js";
import {
  attribute,
  defineOperator,
  type EvaluationContext,
  type ImportedNode,
  type NodeView,
  type Operator,
} from "./operator.js";
import { borderOf, type Window, windowAttributes, windowOf } from "./window.js";

const convolutionAttributes = { ...windowAttributes, group: attribute.int(1) } as const;
type ConvolutionAttributes = typeof convolutionAttributes;

/** Bias is an Add of its own in Graph IR, so that it fuses and folds as any other. */
export function splitBias(operator: string) {
  return (b: GraphBuilder, inputs: (Value | null)[], view: ImportedNode): Value[] => {
    const [x, w, bias] = inputs;
    const result = b.op(operator, [x ?? null, w ?? null], given(view));
    if (bias === undefined || bias === null) return [result];
    const shape = [-1, ...new Array<number>(Math.max(0, result.rank - 2)).fill(1)];
    return [b.op("Add", [result, b.op("Reshape", [bias, b.ints(shape)])])];
  };
}

function given(view: ImportedNode): Attributes {
  return Object.fromEntries(
    Object.entries(view.attributes).filter(([, value]) => value !== undefined),
  ) as Attributes;
}

function kernelShape(context: NodeView<ConvolutionAttributes>): number[] {
  const weights = context.input(1);
  const shape = weights.shape.slice(2).map((dim) => staticDim(dim, "the kernel of a convolution"));
  const stated = context.attributes.kernel_shape;
  if (stated !== undefined && stated.length > 0 && stated.join() !== shape.join()) {
    context.fail(`kernel_shape [${stated}] contradicts the weights [${weights.shape.join()}]`, "E_SHAPE");
  }
  return shape;
}

function convolutionWindow(context: NodeView<ConvolutionAttributes>): Window {
  return windowOf(context, context.attributes, kernelShape(context), context.input(0).shape.slice(2));
}

function inferConvolution(context: NodeView<ConvolutionAttributes>): TensorType[] {
  const [x, w] = [context.input(0), context.input(1)];
  if (x.dtype !== "float32" || w.dtype !== "float32") {
    context.fail(`takes float32 in this version, not ${x.dtype} and ${w.dtype}`, "E_UNSUPPORTED");
  }
  if (x.rank < 3 || x.rank !== w.rank) {
    context.fail(
      `input of ${x.rank} dims and weights of ${w.rank}: both must be [N, C, ...spatial]`,
      "E_SHAPE",
    );
  }
  const { group } = context.attributes;
  const [channels, perGroup, out] = [x.shape[1]!, w.shape[1]!, w.shape[0]!];
  if (isStatic(channels) && isStatic(perGroup) && channels !== perGroup * group) {
    context.fail(
      `${channels} input channels, but the weights take ${group} group(s) of ${perGroup}`,
      "E_SHAPE",
    );
  }
  if (isStatic(out) && out % group !== 0)
    context.fail(`${out} output channels in ${group} groups`, "E_SHAPE");
  return [{ dtype: x.dtype, shape: [x.shape[0]!, out, ...convolutionWindow(context).out] }];
}

function parametersOf(context: NodeView<ConvolutionAttributes>): ConvolutionParameters {
  const window = convolutionWindow(context);
  const known = (dim: Dim): number => staticDim(dim, "a dim of a convolution");
  const { group } = context.attributes;
  const [outChannels, inChannels] = context.input(1).shape.slice(0, 2).map(known);
  return {
    batch: known(context.input(0).shape[0]!),
    groups: group,
    inChannels: inChannels!,
    outChannels: outChannels! / group,
    out: window.out.map(known),
    kernel: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
  };
}

const isDepthwise = (p: ConvolutionParameters): boolean =>
  p.groups > 1 && p.inChannels === 1 && p.outChannels === 1;

const isPointwiseShape = (p: ConvolutionParameters): boolean =>
  p.kernel.every((k) => k === 1) && p.strides.every((s) => s === 1);

function nameOf(kind: string, p: ConvolutionParameters): string {
  const stride = p.strides.some((s) => s !== 1) ? `_s${p.strides.join("x")}` : "";
  const groups = p.groups > 1 && kind === "conv" ? `_g${p.groups}` : "";
  const channels = kind === "conv" ? `${p.inChannels}to${p.outChannels}` : `c${p.groups}`;
  return `${kind}_${p.kernel.join("x")}${stride}${groups}_${channels}_${p.out.join("x")}`;
}

function lowerConvolution(context: LoweringContext<ConvolutionAttributes>): void {
  const p = parametersOf(context);
  const input = context.withBorder(0, borderOf(convolutionWindow(context)));
  const weights = context.input(1).constant;
  if (isDepthwise(p) && weights !== null && input.strided.strides[1] === 1) {
    lowerDepthwise(context, p, input, weights);
    return;
  }
  const [shape, place] = joinPlaces(context, p, input);
  context.kernel({ name: nameOf("conv", p), flops: convolutionFlops(p) }, (s) => {
    const packed =
      weights === null
        ? withTaps(context.placement(1), shape.kernel.length)
        : context.packed(weights, `conv.${p.groups}`, () => packConvolution(p, weights));
    convolution(s, shape, {
      input: s.view("x", place, "read"),
      weights: s.view("w", packed, "read"),
      packed: weights !== null,
      result: (value, n, channel, places) => {
        const spatial =
          places.length < p.out.length ? [...p.out.slice(1).map(() => i32Constant(0)), ...places] : places;
        s.result(value, [n, channel, ...spatial], { axis: 1, count: value.type.lanes });
      },
    });
  });
}

function lowerDepthwise(
  context: LoweringContext<ConvolutionAttributes>,
  p: ConvolutionParameters,
  input: Placement,
  weights: TensorData,
): void {
  const parameters = { ...p, channels: p.groups };
  context.kernel({ name: nameOf("depthwise", p), flops: depthwiseFlops(parameters) }, (s) => {
    const packed = context.packed(weights, "depthwise", () => packDepthwise(parameters, weights));
    depthwise(s, parameters, {
      input: s.view("x", input, "read"),
      weights: s.view("w", packed, "read"),
      result: (value, n, channel, places) => {
        s.result(value, [n, channel, ...places], { axis: 1, count: value.type.lanes });
      },
    });
  });
}

/**
 * A 1x1 convolution sees places only as rows of a matrix: where they follow one another in memory they become one
 * long dim, so that tiles do not end at the edge of every row.
 */
function joinPlaces(
  context: LoweringContext<ConvolutionAttributes>,
  p: ConvolutionParameters,
  input: Placement,
): [ConvolutionParameters, Placement] {
  const axes = p.out.map((_, i) => i + 2);
  const { shape, strides } = input.strided;
  const joined = axes.slice(0, -1).every((axis) => {
    const next = axes.find((other) => other > axis && shape[other] !== 1);
    if (next === undefined || shape[axis] === 1) return true;
    return equalDims(strides[axis]!, Number(strides[next]) * Number(shape[next]));
  });
  if (!isPointwiseShape(p) || p.out.length === 1 || !joined || !context.joinsDims(axes)) return [p, input];
  const places = elementCount(p.out);
  const innermost = axes.filter((axis) => shape[axis] !== 1).at(-1) ?? axes.at(-1)!;
  return [
    { ...p, out: [places], kernel: [1], strides: [1], dilations: [1] },
    {
      buffer: input.buffer,
      strided: {
        shape: [shape[0]!, shape[1]!, places],
        offset: input.strided.offset,
        strides: [strides[0]!, strides[1]!, strides[innermost]!],
      },
    },
  ];
}

/** Weights [M, C, ...ones] seen with fewer tap dims, as where places are joined. */
function withTaps(weights: Placement, count: number): Placement {
  const { shape, strides, offset } = weights.strided;
  if (shape.length === count + 2) return weights;
  const keep = (dims: readonly Dim[]): Dim[] => dims.slice(0, count + 2);
  return { buffer: weights.buffer, strided: { shape: keep(shape), strides: keep(strides), offset } };
}

/** Inference has checked the attributes before anything is evaluated. */
const alreadyChecked = {
  fail: (reason: string): never => {
    throw new KilnError("E_INTERNAL", reason);
  },
};

function evaluateConvolution(context: EvaluationContext<ConvolutionAttributes>): TensorData[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { dims } = context.outputs[0]!;
  const window = windowOf(alreadyChecked, context.attributes, w.dims.slice(2), x.dims.slice(2));
  const y = new Float32Array(elementCount(dims));
  const [xs, ws] = [x.data as Float32Array, w.data as Float32Array];
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
  return [tensor("float32", dims, y)];
}

const Conv: Operator = defineOperator({
  name: "Conv",
  summary: "Convolution over any number of spatial dims.",
  inputs: ["X", "W", "B?"],
  attributes: convolutionAttributes,
  versions: [1, 11, 22].map((since) => ({ since, upgrade: splitBias("Conv") })),
  infer: inferConvolution,
  flops: (context) => convolutionFlops(parametersOf(context)),
  layout: (context) => {
    const readsAnyLayout = isStatic(context.input(1).shape[1]!) && (context.input(1).shape[1] as number) <= 4;
    const depthwiseInput = context.attributes.group > 1;
    return {
      inputs: [readsAnyLayout && !depthwiseInput ? "any" : "channels-last", "row-major"],
      output: "channels-last",
    };
  },
  border: (context) => borderOf(convolutionWindow(context)),
  epilogue: true,
  lower: lowerConvolution,
  evaluate: evaluateConvolution,
});

export const convolutionOperators: readonly Operator[] = [Conv];
