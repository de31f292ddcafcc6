/** What convolutions are told by their inputs and attributes: the window, and the type of the result. */

import { type Dim, isStatic, multiplyDims, printDim } from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { attribute, type ImportedNode, type NodeView } from "./operator.js";
import { floats } from "./pointwise.js";
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

function kernelShape(context: NodeView<ConvolutionAttributes>): readonly Dim[] {
  const { shape } = context.input(1);
  checkKernelShape(context, shape.slice(2), context.attributes.kernel_shape);
  return shape.slice(2);
}

/** The attribute says again what the weights say already. */
export function checkKernelShape(
  context: Pick<NodeView, "fail">,
  kernel: readonly Dim[],
  stated: readonly number[] | undefined,
): void {
  if (stated === undefined || stated.length === 0) return;
  const fits = stated.length === kernel.length && stated.every((k, i) => !differ(k, kernel[i]!));
  if (!fits)
    context.fail(`kernel_shape [${stated}] contradicts the weights' [${kernel.map(printDim)}]`, "E_SHAPE");
}

/** True where both are numbers and not the same. */
export const differ = (a: Dim, b: Dim): boolean => isStatic(a) && isStatic(b) && a !== b;

export function convolutionWindow(context: NodeView<ConvolutionAttributes>): Window {
  return windowOf(context, context.attributes, kernelShape(context), context.input(0).shape.slice(2));
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
  if (differ(channels, multiplyDims(perGroup, group))) {
    context.fail(
      `${channels} input channels, but the weights take ${group} group(s) of ${perGroup}`,
      "E_SHAPE",
    );
  }
  if (isStatic(out) && out % group !== 0)
    context.fail(`${out} output channels in ${group} groups`, "E_SHAPE");
  return [x.shape[0]!, out, ...convolutionWindow(context).out];
}

/** What convolutions and their transposes ask of input and weights. */
export function checkConvolutionInputs(context: NodeView, group: number): void {
  const [x, w] = [context.input(0), context.input(1)];
  if (!floats.includes(x.dtype)) context.fail(`does not take ${x.dtype}`, "E_UNSUPPORTED");
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
