/** Axes as ONNX gives them: negative ones count from the end; in old versions an attribute, later an input. */

import {
  addDims,
  type Dim,
  equalityOfDims,
  groupDim,
  isStatic,
  multiplyDims,
  negativityOfDim,
} from "../ir/dim.js";
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
 * For each dim of a tensor, 1 where an axis names it and 0 where none does. The axes may be known only at run time.
 */
export function axisFlags(axes: readonly Dim[], rank: number, context: Pick<NodeView, "fail">): Dim[] {
  const flags: Dim[] = new Array(rank).fill(0);
  const known = normaliseAxes(axes.filter(isStatic), rank, context);
  for (const axis of known) flags[axis] = 1;
  for (const axis of axes) {
    if (isStatic(axis)) continue;
    const place = fromStart(axis, rank);
    for (let i = 0; i < rank; i++) flags[i] = addDims(flags[i]!, equalityOfDims(place, i));
  }
  return flags;
}

/** An index that counts from the end where it is negative, counted from the start. */
export const fromStart = (index: Dim, dim: Dim): Dim =>
  addDims(index, multiplyDims(negativityOfDim(index), dim));

/** The first `count` of the dims whose flag is 1, in order. */
export function pickDims(dims: readonly Dim[], flags: readonly Dim[], count: number): Dim[] {
  const picked: Dim[] = new Array(count).fill(0);
  let position: Dim = 0;
  dims.forEach((dim, i) => {
    for (let k = 0; k < count; k++) {
      const chosen = multiplyDims(flags[i]!, equalityOfDims(position, k));
      picked[k] = addDims(picked[k]!, multiplyDims(chosen, dim));
    }
    position = addDims(position, flags[i]!);
  });
  return picked.map(groupDim);
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
