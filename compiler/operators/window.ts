/** What convolutions and pools share: windows that slide over the spatial dims [N, C, ...spatial]. */

import {
  addDims,
  ceilDivDims,
  type Dim,
  floorDivDims,
  isStatic,
  maxDims,
  minDims,
  multiplyDims,
  printDim,
  subtractDims,
} from "../ir/dim.js";
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

/** Kernel and padding are dims: weights may be computed, and `auto_pad` depends on the extents. */
export interface Window {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly Dim[];
  readonly after: readonly Dim[];
  readonly out: readonly Dim[];
  /** True where no tap of any window lies outside of the input. */
  readonly inside: boolean;
}

/** A window whose kernel and padding are numbers. */
export interface FixedWindow extends Window {
  readonly kernel: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export const isFixed = (window: Window): window is FixedWindow =>
  [...window.kernel, ...window.before, ...window.after].every(isStatic);

type Fail = Pick<NodeView, "fail">;

/** The window of a node over spatial extents; attributes checked, `auto_pad` resolved. */
export function windowOf(
  context: Fail,
  attributes: WindowAttributes,
  kernel: readonly Dim[],
  spatial: readonly Dim[],
  ceilMode = false,
): Window {
  const rank = kernel.length;
  if (spatial.length !== rank)
    context.fail(`kernel of ${rank} dims over ${spatial.length} spatial dims`, "E_SHAPE");
  requirePositive(context, "kernel_shape", rank, kernel);
  const strides = positiveNumbers(context, "strides", rank, attributes.strides);
  const dilations = positiveNumbers(context, "dilations", rank, attributes.dilations);
  const extents = kernel.map((k, i) => addDims(multiplyDims(addDims(k, -1), dilations[i]!), 1));
  if (attributes.auto_pad === "SAME_UPPER" || attributes.auto_pad === "SAME_LOWER") {
    const out = spatial.map((dim, i) => ceilDivDims(dim, strides[i]!));
    const total = spatial.map((dim, i) => {
      const reach = addDims(multiplyDims(addDims(out[i]!, -1), strides[i]!), extents[i]!);
      requireReach(context, isStatic(reach) ? reach : 0, extents[i]!, dilations[i]!);
      return maxDims(subtractDims(reach, dim), 0);
    });
    const less = total.map((dim) => floorDivDims(dim, 2));
    const more = total.map((dim, i) => subtractDims(dim, less[i]!));
    const [before, after] = attributes.auto_pad === "SAME_UPPER" ? [less, more] : [more, less];
    return { kernel, strides, dilations, before, after, out, inside: total.every((dim) => dim === 0) };
  }
  const [before, after] = padding(context, attributes, rank);
  before.forEach((n, i) => {
    const [dim, added] = [spatial[i]!, n + after[i]!];
    requireReach(context, isStatic(dim) ? dim + added : added, extents[i]!, dilations[i]!);
  });
  const rounding = ceilMode && attributes.auto_pad !== "VALID";
  const out = spatial.map((dim, i): Dim => {
    const room = subtractDims(addDims(dim, before[i]! + after[i]!), extents[i]!);
    if (isStatic(room) && room < 0)
      context.fail(`a kernel extent of ${printDim(extents[i]!)} is larger than the padded input`, "E_SHAPE");
    return rounding
      ? ceilOut(room, addDims(dim, before[i]!), strides[i]!)
      : addDims(floorDivDims(room, strides[i]!), 1);
  });
  const inside = spatial.every((dim, i) => {
    const end = addDims(multiplyDims(addDims(out[i]!, -1), strides[i]!), extents[i]!);
    const fits = rounding ? isStatic(end) && isStatic(dim) && end <= dim : after[i] === 0;
    return before[i] === 0 && fits;
  });
  return { kernel, strides, dilations, before, after, out, inside };
}

/** Kernels compute where taps lie, also in the padding, in 32 bits with a sign. */
function requireReach(context: Fail, padded: number, extent: Dim, dilation: number): void {
  const reach = Math.max(padded, isStatic(extent) ? extent : 0);
  if (reach + dilation < 2 ** 31) return;
  context.fail(`a window over ${reach} elements, padding included, reaches too far to compute`, "E_LIMIT");
}

/** In ceil mode a last window that would start in the padding after the input is left out, as in the reference. */
function ceilOut(room: Dim, end: Dim, stride: number): Dim {
  const count = addDims(ceilDivDims(room, stride), 1);
  const starts = ceilDivDims(end, stride); // windows that start before the padding
  return minDims(count, maxDims(addDims(count, -1), starts));
}

function padding(context: Fail, attributes: WindowAttributes, rank: number): [number[], number[]] {
  const zeros = new Array<number>(rank).fill(0);
  const { auto_pad } = attributes;
  if (auto_pad === "VALID") return [zeros, zeros];
  if (auto_pad !== "NOTSET" && auto_pad !== "")
    context.fail(`auto_pad "${auto_pad}" is not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER`);
  const given = attributes.pads;
  const pads = given === undefined || given.length === 0 ? [...zeros, ...zeros] : given;
  if (pads.length !== 2 * rank || pads.some((n) => n < 0)) {
    context.fail(`pads [${pads}] must be ${2 * rank} numbers that are not negative`);
  }
  return [pads.slice(0, rank), pads.slice(rank)];
}

function requirePositive(context: Fail, name: string, rank: number, values: readonly Dim[]): void {
  if (values.length !== rank || values.some((n) => isStatic(n) && !(n >= 1)))
    context.fail(`${name} [${values.map(printDim)}] must be ${rank} positive numbers`);
}

function positiveNumbers(
  context: Fail,
  name: string,
  rank: number,
  values: readonly number[] | undefined,
): readonly number[] {
  const list = values === undefined || values.length === 0 ? new Array<number>(rank).fill(1) : values;
  requirePositive(context, name, rank, list);
  return list;
}

/** Border of an [N, C, ...spatial] tensor that a window reads; null where it is not known. */
export const borderOf = (window: Window): { before: number[]; after: number[] } | null =>
  isFixed(window) ? { before: [0, 0, ...window.before], after: [0, 0, ...window.after] } : null;
