/**
 * Windows over the spatial dims of [N, C, ...spatial] as loops: which taps lie inside of the input, and where. Every
 * extent may be known only at run time.
 */

import type { Dim } from "../ir/dim.js";
import { add, div, maxIndex, minIndex, mul, type Operand, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";

export interface WindowShape {
  /** Of the input: [batch, channels, ...spatial]. */
  readonly shape: readonly Dim[];
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly Dim[];
  readonly after: readonly Dim[];
  readonly out: readonly Dim[];
  /** No tap of any window lies outside of the input. */
  readonly inside: boolean;
}

/** Taps of a window on one dim: from `start` up to `end`, and up to where they lie in the padding at most. */
export interface Taps {
  readonly start: Operand;
  readonly end: Operand;
  readonly padded: Operand;
}

/** Windows of up to this many taps are written out. */
const unrolledTaps = 9;

/** The taps on one spatial dim of the window whose result lies at `place`. */
export function tapsOf(
  s: KernelScope,
  p: WindowShape,
  dim: number,
  place: Expr,
  before = s.dim(p.before[dim]!),
): Taps {
  const kernel = s.dim(p.kernel[dim]!);
  if (p.inside) return { start: 0, end: kernel, padded: kernel };
  const dilation = p.dilations[dim]!;
  const first = s.let("first", sub(mul(place, p.strides[dim]!), before));
  const reach = (limit: Expr): Expr =>
    minIndex(div(maxIndex(sub(add(limit, dilation - 1), first), 0), dilation), kernel);
  const extent = s.dim(p.shape[dim + 2]!);
  const end = s.let("end", reach(extent));
  const skipped = div(maxIndex(sub(dilation - 1, first), 0), dilation);
  // A window that misses the input on this dim has no taps, wherever it lies.
  const start = s.let("start", minIndex(skipped, end));
  return { start, end, padded: reach(add(extent, s.dim(p.after[dim]!))) };
}

/** Loops over the taps of a window, giving the number of each on all dims. */
export function forTaps(
  s: KernelScope,
  p: WindowShape,
  taps: readonly Taps[],
  visit: (chosen: readonly Expr[]) => void,
): void {
  const size = p.kernel.reduce<number>((product, k) => (typeof k === "number" ? product * k : Infinity), 1);
  const mode = p.inside && size <= unrolledTaps ? "unroll" : "serial";
  const nest = (chosen: readonly Expr[]): void => {
    const dim = taps[chosen.length];
    if (dim === undefined) visit(chosen);
    else s.for("tap", dim.start, dim.end, (tap) => nest([...chosen, tap]), { mode });
  };
  nest([]);
}

/** Place of a tap on the spatial dims of the input, for the result at `places`. */
export const tapPlaces = (
  s: KernelScope,
  p: WindowShape,
  places: readonly Expr[],
  chosen: readonly Operand[],
): Expr[] =>
  chosen.map((tap, i) =>
    add(mul(places[i]!, p.strides[i]!), sub(mul(tap, p.dilations[i]!), s.dim(p.before[i]!))),
  );
