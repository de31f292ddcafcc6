/**
 * How far a node sees: which places of its inputs a place of its result is made of. What is declared here lets a pass
 * compute a part of a result from parts of the inputs (`passes/graph/patch/`).
 */

import { isStatic } from "../ir/dim.js";
import type { Attributes, Node } from "../ir/graph.js";
import type { Window } from "./window.js";

/** Places of an input's axis: `extent` of them from `stride * place - before`, for a place of the result's axis. */
export interface AxisReach {
  /** Of the result. */
  readonly axis: number;
  readonly stride: number;
  readonly before: number;
  readonly extent: number;
}

/** For each axis of an input; null where all of its places count. */
export type InputReach = readonly (AxisReach | null)[];

export interface Reach {
  /** For each input; one that is not there counts as a whole. */
  readonly inputs: readonly InputReach[];
  /**
   * Attributes for a part of the result, where others are needed: given, for each axis of the first input, how many
   * places it reaches before the first place that there is and behind the last.
   */
  readonly attributes?: (before: readonly number[], after: readonly number[]) => Attributes;
}

/** The same place. */
export const here = (axis: number): AxisReach => ({ axis, stride: 1, before: 0, extent: 1 });

/** Of pointwise operators: inputs are broadcast, their last axes beside the result's last ones. */
export function pointwiseReach({ inputs, outputs }: Node): Reach {
  const result = outputs[0]!;
  return {
    inputs: inputs.map((input) => {
      if (input === null) return [];
      const lead = result.rank - input.rank;
      return input.shape.map((dim, axis) =>
        dim === 1 && result.shape[axis + lead] !== 1 ? null : here(axis + lead),
      );
    }),
  };
}

/**
 * Of operators whose window slides over the spatial dims of their first input [N, C, ...spatial]; null where the
 * window is not known, or where one may lie in the padding altogether.
 *
 * @param attributes those that the node has
 */
export function windowReach(
  attributes: Attributes,
  window: Window,
  spatial: readonly unknown[],
): Reach | null {
  const { kernel, before, out, strides, dilations } = window;
  const axes: AxisReach[] = [];
  for (const [i, extent] of spatial.entries()) {
    const [taps, lead, count] = [kernel[i]!, before[i]!, out[i]!];
    if (!isStatic(taps) || !isStatic(lead) || !isStatic(count) || typeof extent !== "number") return null;
    const reach = { axis: i + 2, stride: strides[i]!, before: lead, extent: (taps - 1) * dilations[i]! + 1 };
    if (reach.before >= reach.extent || (count - 1) * reach.stride - reach.before >= extent) return null;
    axes.push(reach);
  }
  return {
    inputs: [[here(0), null, ...axes]],
    attributes: (outsideBefore, outsideAfter) => ({
      ...attributes,
      auto_pad: "NOTSET",
      pads: [...outsideBefore.slice(2), ...outsideAfter.slice(2)],
      ...(attributes.ceil_mode !== undefined && { ceil_mode: 0 }),
    }),
  };
}
