/** Axes as ONNX gives them: negative ones count from the end; in old versions an attribute, later an input. */

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
