/** What a transposed convolution is told by its inputs and attributes: extents, padding, and the type of the result. */

import {
  addDims,
  type Dim,
  floorDivDims,
  isStatic,
  maxDims,
  modDims,
  multiplyDims,
  printDim,
  subtractDims,
} from "../ir/dim.js";
import type { TensorType } from "../ir/graph.js";
import { checkConvolutionInputs, kernelOf } from "./convolution-window.js";
import { attribute, type NodeView } from "./operator.js";
import { windowAttributes } from "./window.js";

export const transposeAttributes = {
  ...windowAttributes,
  group: attribute.int(1),
  output_padding: attribute.optional("ints"),
  output_shape: attribute.optional("ints"),
} as const;
export type TransposeAttributes = typeof transposeAttributes;

export interface Geometry {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly Dim[];
  readonly out: readonly Dim[];
}

/** A geometry whose kernel and padding are numbers. */
export interface FixedGeometry extends Geometry {
  readonly kernel: readonly number[];
  readonly before: readonly number[];
}

export const isFixedGeometry = (g: Geometry): g is FixedGeometry =>
  [...g.kernel, ...g.before].every(isStatic);

/** Extents of the result and the padding at its start, as the specification of ConvTranspose computes them. */
export function geometry(context: NodeView<TransposeAttributes>): Geometry {
  const { attributes: a } = context;
  const kernel = kernelOf(context);
  const spatial = context.input(0).shape.slice(2);
  const rank = kernel.length;
  const list = numberLists(context, rank);
  const strides = list("strides", a.strides, rank, 1);
  const dilations = list("dilations", a.dilations, rank, 1);
  const outputPadding = list("output_padding", a.output_padding, rank, 0);
  const full = spatial.map((dim, i) => {
    const extent = addDims(multiplyDims(addDims(kernel[i]!, -1), dilations[i]!), 1 + outputPadding[i]!);
    return addDims(multiplyDims(addDims(dim, -1), strides[i]!), extent);
  });
  const same = a.auto_pad === "SAME_UPPER" || a.auto_pad === "SAME_LOWER";
  if (!same && !["NOTSET", "", "VALID"].includes(a.auto_pad))
    context.fail(`auto_pad "${a.auto_pad}" is not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER`);
  const stated = a.output_shape ?? [];
  if (stated.length === 0 && !same) {
    const pads = list("pads", a.auto_pad === "VALID" ? undefined : a.pads, 2 * rank, 0);
    const out = full.map((dim, i) => addDims(dim, -(pads[i]! + pads[i + rank]!)));
    return { kernel, strides, dilations, before: pads.slice(0, rank), out };
  }
  if (stated.length > 0 && (stated.length < rank || stated.some((n) => n < 0)))
    context.fail(`output_shape [${stated}] for ${rank} spatial dims`, "E_SHAPE");
  const out =
    stated.length > 0 ? stated.slice(-rank) : spatial.map((dim, i) => multiplyDims(dim, strides[i]!));
  const before = full.map((dim, i) => {
    const total = maxDims(subtractDims(dim, out[i]!), 0);
    const half = floorDivDims(total, 2);
    return a.auto_pad === "SAME_UPPER" ? half : subtractDims(total, half);
  });
  return { kernel, strides, dilations, before, out };
}

/** Attributes that are lists of numbers, each at least as large as its default. */
const numberLists =
  (context: Pick<NodeView, "fail">, rank: number) =>
  (
    name: string,
    given: readonly number[] | undefined,
    count: number,
    fallback: number,
  ): readonly number[] => {
    const values =
      given === undefined || given.length === 0 ? new Array<number>(count).fill(fallback) : given;
    if (values.length !== count || values.some((n) => n < fallback))
      context.fail(`${name} [${values}] does not fit ${rank} spatial dims`);
    return values;
  };

export function inferTranspose(context: NodeView<TransposeAttributes>): TensorType[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { group } = context.attributes;
  checkConvolutionInputs(context, group);
  const [channels, weightChannels] = [x.shape[1]!, w.shape[0]!];
  const given = `${printDim(channels)} input channels`;
  context.requireEqual(channels, weightChannels, `${given}, but weights for ${printDim(weightChannels)}`);
  context.requireEqual(modDims(channels, group), 0, `${given} in ${group} groups`);
  const { out } = geometry(context);
  if (out.some((dim) => isStatic(dim) && dim < 0))
    context.fail(`the result would have the extents [${out}]`, "E_SHAPE");
  return [{ dtype: x.dtype, shape: [x.shape[0]!, multiplyDims(w.shape[1]!, group), ...out] }];
}
