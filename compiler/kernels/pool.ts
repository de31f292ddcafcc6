/**
 * Pools over any number of spatial dims. Each window is clipped to the input, so padding is never read; the bounds
 * of a dim are worked out once for each place on it. Channels are the innermost loop where they lie side by side,
 * and become vectors.
 */

import {
  add,
  constant,
  constantIndex,
  div,
  i32Constant,
  maxIndex,
  minIndex,
  mul,
  type Operand,
  op,
  read,
  sub,
} from "../loop/builder.js";
import { type Expr, f32 } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";

export interface PoolParameters {
  readonly kind: "max" | "average";
  /** [batch, channels, ...spatial] */
  readonly shape: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly out: readonly number[];
  /** Padding counts for the mean. */
  readonly includePad: boolean;
}

/** Taps of a window on one dim: from `start` up to `end`, and how many count for the mean. */
interface Taps {
  readonly start: Operand;
  readonly end: Operand;
  readonly counted: Operand;
}

const unrolledTaps = 9;

export function pool(
  s: NodeScope,
  p: PoolParameters,
  order: readonly number[],
  load: (indices: readonly Expr[]) => Expr,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const extents = [p.shape[0]!, p.shape[1]!, ...p.out];
  const indices: Expr[] = extents.map(() => i32Constant(0));
  const taps: Taps[] = [];
  const nest = (depth: number): void => {
    const axis = order[depth];
    if (axis === undefined) {
      combineWindow(s, p, indices, taps, load, result);
      return;
    }
    const mode = depth === order.length - 1 ? "vectorize" : depth === 0 ? "parallel" : "serial";
    const visit = (index: Expr): void => {
      indices[axis] = index;
      if (axis >= 2) taps[axis - 2] = tapsOf(s, p, axis - 2, index);
      nest(depth + 1);
    };
    s.for(`i${axis}`, 0, extents[axis]!, visit, { mode });
  };
  nest(0);
}

function tapsOf(s: NodeScope, p: PoolParameters, dim: number, place: Expr): Taps {
  const [kernel, dilation, extent] = [p.kernel[dim]!, p.dilations[dim]!, p.shape[dim + 2]!];
  const [before, after] = [p.before[dim]!, p.after[dim]!];
  const last = (p.out[dim]! - 1) * p.strides[dim]! + (kernel - 1) * dilation;
  if (before === 0 && last < extent) return { start: 0, end: kernel, counted: kernel };
  const first = s.let("first", sub(mul(place, p.strides[dim]!), before));
  const start = div(maxIndex(sub(dilation - 1, first), 0), dilation);
  const reach = (limit: number): Expr =>
    minIndex(div(maxIndex(sub(limit + dilation - 1, first), 0), dilation), kernel);
  const from = s.let("start", start);
  const to = s.let("end", reach(extent));
  return { start: from, end: to, counted: p.includePad ? reach(extent + after) : sub(to, from) };
}

function combineWindow(
  s: NodeScope,
  p: PoolParameters,
  indices: readonly Expr[],
  taps: readonly Taps[],
  load: (indices: readonly Expr[]) => Expr,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const whole = taps.every(({ start, end }) => typeof start === "number" && typeof end === "number");
  const short = p.kernel.reduce((a, b) => a * b, 1) <= unrolledTaps;
  const mode = whole && short ? "unroll" : "serial";
  const accumulator = s.variable("acc", constant(f32, p.kind === "max" ? Number.NEGATIVE_INFINITY : 0));
  const nest = (chosen: readonly Expr[]): void => {
    const dim = chosen.length;
    if (dim === taps.length) {
      const spatial = chosen.map((tap, i) =>
        add(mul(indices[i + 2]!, p.strides[i]!), sub(mul(tap, p.dilations[i]!), p.before[i]!)),
      );
      const x = load([indices[0]!, indices[1]!, ...spatial]);
      s.assign(accumulator, op(p.kind === "max" ? "max" : "add", read(accumulator), x));
      return;
    }
    s.for("tap", taps[dim]!.start, taps[dim]!.end, (tap) => nest([...chosen, tap]), { mode });
  };
  nest([]);
  if (p.kind === "max") {
    result(read(accumulator), indices);
    return;
  }
  const count = taps.reduce<Expr>((product, { counted }) => mul(product, counted), i32Constant(1));
  const divisor = constantIndex(count) ?? s.let("count", op("i32_to_f32_s", count));
  result(op("div", read(accumulator), divisor), indices);
}
