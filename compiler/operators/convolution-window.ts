/** What convolutions are told by their inputs and attributes: the window, and the type of the result. */

import { type Dim, isStatic, modDims, multiplyDims, printDim } from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { attribute, type ImportedNode, type NodeView } from "./operator.js";
import { type Window, windowAttributes, windowOf } from "./window.js";

export const convolutionAttributes = { ...windowAttributes, group: attribute.int(1) } as const;
export type ConvolutionAttributes = typeof convolutionAttributes;

/** Bias is an Add of its own in Graph IR, so that it fuses and folds as any other. */
export function splitBias(operator: string) {
  return (b: GraphBuilder, [x, w, bias]: (Value | null)[], view: ImportedNode): Value[] => {
    const result = b.op(operator, [x ?? null, w ?? null], presentAttributes(view));
    return [addBias(b, result, bias ?? null, view)];
  };
}

/** Adds a number for each channel to [N, C, ...spatial]. */
export function addBias(
  b: GraphBuilder,
  result: Value,
  bias: Value | null,
  view: Pick<ImportedNode, "fail">,
): Value {
  if (bias === null) return result;
  if (bias.rank !== 1 || differ(bias.shape[0]!, result.shape[1]!))
    view.fail(`bias [${bias.shape.map(printDim)}] for ${printDim(result.shape[1]!)} channels`, "E_SHAPE");
  const shape = [-1, ...new Array<number>(result.rank - 2).fill(1)];
  return b.op("Add", [result, b.op("Reshape", [bias, b.ints(shape)])]);
}

/** The extents of the kernel: those of the weights, which the attribute may say again (or tell where they are open). */
export function kernelOf(context: NodeView<Pick<ConvolutionAttributes, "kernel_shape">>): readonly Dim[] {
  const kernel = context.input(1).shape.slice(2);
  const stated = context.attributes.kernel_shape ?? [];
  if (stated.length === 0) return kernel;
  const reason = `kernel_shape [${stated}] contradicts the weights' [${kernel.map(printDim)}]`;
  if (stated.length !== kernel.length) context.fail(reason, "E_SHAPE");
  for (const [i, dim] of kernel.entries()) context.requireEqual(dim, stated[i]!, reason);
  return stated;
}

/** True where both are numbers and not the same. */
export const differ = (a: Dim, b: Dim): boolean => isStatic(a) && isStatic(b) && a !== b;

export function convolutionWindow(context: NodeView<ConvolutionAttributes>): Window {
  return windowOf(context, context.attributes, kernelOf(context), context.input(0).shape.slice(2));
}

export function inferConvolution(context: NodeView<ConvolutionAttributes>): TensorType[] {
  checkConvolutionInputs(context, context.attributes.group);
  return [{ dtype: context.input(0).dtype, shape: convolutionShape(context) }];
}

/** The shape of the result; whatever does not fit is an error of the node. */
export function convolutionShape(context: NodeView<ConvolutionAttributes>): Dim[] {
  const [x, w] = [context.input(0), context.input(1)];
  const { group } = context.attributes;
  checkConvolutionRanks(context, group);
  const [channels, perGroup, out] = [x.shape[1]!, w.shape[1]!, w.shape[0]!];
  checkGroups(context, channels, perGroup, group);
  context.requireEqual(modDims(out, group), 0, `${printDim(out)} output channels in ${group} groups`);
  return [x.shape[0]!, out, ...convolutionWindow(context).out];
}

/** Channels in groups of so many. */
export function checkGroups(context: NodeView, channels: Dim, perGroup: Dim, group: number): void {
  const given = `${printDim(channels)} input channels`;
  const wanted = `the weights take ${group} group(s) of ${printDim(perGroup)}`;
  context.requireEqual(channels, multiplyDims(perGroup, group), `${given}, but ${wanted}`);
}

/** What convolutions and their transposes ask of input and weights. */
export function checkConvolutionInputs(context: NodeView, group: number): void {
  const [x, w] = [context.input(0), context.input(1)];
  if (x.dtype !== w.dtype) context.fail(`combines ${x.dtype} and weights of ${w.dtype}`);
  checkConvolutionRanks(context, group);
}

function checkConvolutionRanks(context: NodeView, group: number): void {
  const [x, w] = [context.input(0), context.input(1)];
  if (x.rank < 3 || x.rank !== w.rank) {
    context.fail(
      `input of ${x.rank} dims and weights of ${w.rank}: both must be [N, C, ...spatial]`,
      "E_SHAPE",
    );
  }
  if (group < 1) context.fail(`group ${group} is not positive`);
}
