/** What convolutions and pools share: windows that slide over the spatial dims [N, C, ...spatial]. */

import { addDims, ceilDivDims, type Dim, floorDivDims, isStatic, staticDim } from "../ir/dim.js";
import { attribute, type NodeView } from "./operator.js";

export const windowAttributes = {
  auto_pad: attribute.string("NOTSET"),
  dilations: attribute.optional("ints"),
  kernel_shape: attribute.optional("ints"),
  pads: attribute.optional("ints"),
  strides: attribute.optional("ints"),
} as const;

interface WindowAttributes {
  readonly auto_pad: string;
  readonly dilations?: readonly number[] | undefined;
  readonly pads?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
}

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly out: readonly Dim[];
}

/**
 * The window of a node over spatial extents; attributes checked, `auto_pad` resolved.
 * SAME_UPPER and SAME_LOWER need extents that are known.
 */
export function windowOf(
  context: Pick<NodeView, "fail">,
  attributes: WindowAttributes,
  kernel: readonly number[],
  spatial: readonly Dim[],
  ceilMode = false,
): Window {
  const rank = kernel.length;
  if (spatial.length !== rank)
    context.fail(`kernel of ${rank} dims over ${spatial.length} spatial dims`, "E_SHAPE");
  const positive = (name: string, values: readonly number[] | undefined): readonly number[] => {
    const list = values === undefined || values.length === 0 ? new Array<number>(rank).fill(1) : values;
    if (list.length !== rank || list.some((n) => !(n >= 1)))
      context.fail(`${name} [${list}] must be ${rank} positive numbers`);
    return list;
  };
  positive("kernel_shape", kernel);
  const strides = positive("strides", attributes.strides);
  const dilations = positive("dilations", attributes.dilations);
  const extents = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  const [before, after] = padding(context, attributes, extents, strides, spatial);
  const out = spatial.map((dim, i): Dim => {
    const room = addDims(dim, before[i]! + after[i]! - extents[i]!);
    if (isStatic(room) && room < 0)
      context.fail(`a kernel extent of ${extents[i]} is larger than the padded input`, "E_SHAPE");
    if (!ceilMode) return addDims(floorDivDims(room, strides[i]!), 1);
    return ceilOut(room, dim, before[i]!, strides[i]!);
  });
  return { kernel, strides, dilations, before, after, out };
}

/** In ceil mode a window that would start in the padding after the input is left out, as in the reference. */
function ceilOut(room: Dim, dim: Dim, before: number, stride: number): Dim {
  const count = addDims(ceilDivDims(room, stride), 1);
  if (isStatic(count) && isStatic(dim) && (count - 1) * stride >= dim + before) return count - 1;
  return count;
}

function padding(
  context: Pick<NodeView, "fail">,
  attributes: WindowAttributes,
  extents: readonly number[],
  strides: readonly number[],
  spatial: readonly Dim[],
): [number[], number[]] {
  const rank = extents.length;
  const zeros = new Array<number>(rank).fill(0);
  switch (attributes.auto_pad) {
    case "NOTSET":
    case "": {
      const pads =
        attributes.pads === undefined || attributes.pads.length === 0
          ? [...zeros, ...zeros]
          : attributes.pads;
      if (pads.length !== 2 * rank || pads.some((n) => n < 0)) {
        context.fail(`pads [${pads}] must be ${2 * rank} numbers that are not negative`);
      }
      return [pads.slice(0, rank), pads.slice(rank)];
    }
    case "VALID":
      return [zeros, zeros];
    case "SAME_UPPER":
    case "SAME_LOWER": {
      const total = spatial.map((dim, i) => {
        const extent = staticDim(dim, "a spatial dim under auto_pad SAME");
        const out = Math.ceil(extent / strides[i]!);
        return Math.max(0, (out - 1) * strides[i]! + extents[i]! - extent);
      });
      const less = total.map((n) => Math.floor(n / 2));
      const more = total.map((n) => Math.ceil(n / 2));
      return attributes.auto_pad === "SAME_UPPER" ? [less, more] : [more, less];
    }
    default:
      return context.fail(
        `auto_pad "${attributes.auto_pad}" is not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER`,
      );
  }
}

/** Border of an [N, C, ...spatial] tensor that a window reads. */
export const borderOf = (window: Window): { before: number[]; after: number[] } => ({
  before: [0, 0, ...window.before],
  after: [0, 0, ...window.after],
});
