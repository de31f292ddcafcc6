/** Axes as ONNX gives them: negative ones count from the end; in old versions an attribute, later an input. */

import { type Dim, isStatic, maxDims, minDims, modDims, subtractDims } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import type { ImportedNode, NodeView } from "./operator.js";

/** Axes made non-negative and sorted; an error of the node where one is out of range or given twice. */
export function normaliseAxes(
  axes: readonly number[],
  rank: number,
  context: Pick<NodeView, "fail">,
): number[] {
  const normal = axes.map((axis) => {
    if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
      context.fail(`axis ${axis} of a tensor of ${rank} dims`);
    return axis < 0 ? axis + rank : axis;
  });
  if (new Set(normal).size !== normal.length) context.fail(`axes [${axes}] name a dim twice`);
  return normal.sort((a, b) => a - b);
}

/** Axes from 0 to the rank in the order in which they are given; all of them where none are. */
export function axesInOrder(
  axes: readonly number[] | undefined,
  rank: number,
  context: Pick<NodeView, "fail">,
): number[] {
  if (axes === undefined) return allAxes(rank);
  normaliseAxes(axes, rank, context);
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

/**
 * For each dim of a tensor 1 where one of the axes is it, else 0. Axes that are known at run time only must be in
 * range and different; they make expressions.
 */
export function axisFlags(axes: readonly Dim[], rank: number, context: Pick<NodeView, "fail">): Dim[] {
  if (axes.every(isStatic)) {
    const named = normaliseAxes(axes, rank, context);
    return Array.from({ length: rank }, (_, axis) => Number(named.includes(axis)));
  }
  return Array.from({ length: rank }, (_, axis) => subtractDims(1, isNoneOf(axes, axis, rank)));
}

/** 1 where none of the given axes, which may count from the end, is this one, else 0: the distance to the nearest. */
function isNoneOf(axes: readonly Dim[], axis: number, rank: number): Dim {
  const distances = axes.map((given) => {
    const difference = subtractDims(modDims(given, rank), axis);
    return maxDims(difference, subtractDims(0, difference));
  });
  return distances.reduce(minDims, 1);
}

/** The elements of an optional input of axes; none where it is absent or has none. */
export function givenAxes(context: NodeView, input: number): readonly Dim[] {
  const axes = context.optional(input);
  return axes === null || axes.shape[0] === 0 ? [] : context.requireIntegers(input);
}

export const allAxes = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);

/** The upgrade from an `axes` attribute to an input, for operators whose other attributes stay. */
export const axesToInput =
  (operator: string, kept: readonly string[]) =>
  (b: GraphBuilder, inputs: (Value | null)[], view: ImportedNode): Value[] => {
    const axes = view.attributes.axes as readonly number[] | undefined;
    const attributes = Object.fromEntries(
      kept.flatMap((name) => (view.attributes[name] === undefined ? [] : [[name, view.attributes[name]]])),
    );
    return [b.op(operator, [inputs[0] ?? null, axes === undefined ? null : b.ints(axes)], attributes)];
  };
