/**
 * Pools over any number of spatial dims. Each window is clipped to the input, so padding is never read; the bounds
 * of a dim are worked out once for each place on it. Channels are the innermost loop where they lie side by side,
 * and become vectors. Every extent may be known only at run time.
 */

import { constant, i32Constant, mul, type Operand, op, read, select, sub } from "../loop/builder.js";
import type { Expr, ScalarType } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { KernelScope } from "../lowering/scope.js";
import { forTaps, type Taps, tapPlaces, tapsOf, type WindowShape } from "./window.js";

/** How the elements of a window become one. */
export interface WindowReducer {
  readonly scalar: ScalarType;
  readonly initial: number | bigint;
  readonly combine: (sum: Expr, x: Expr) => Expr;
  /** `count` gives the taps inside of the input, or inside of its padding as well. */
  readonly finish?: (value: Expr, count: (withPadding: boolean) => Expr) => Expr;
}

type Load = (indices: readonly Expr[]) => Expr;

export function pool(
  s: NodeScope,
  p: WindowShape,
  order: readonly number[],
  reducer: WindowReducer,
  load: Load,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  forPlaces(s, p, order, (indices, taps) => {
    const accumulator = s.variable("acc", constant({ scalar: reducer.scalar, lanes: 1 }, reducer.initial));
    forTaps(s, p, taps, (chosen) => {
      const at = inputAt(s, p, indices, chosen);
      s.assign(accumulator, reducer.combine(read(accumulator), load(at)));
    });
    const count = (withPadding: boolean): Expr =>
      taps.reduce<Expr>(
        (product, { start, end, padded }) => mul(product, withPadding ? padded : sub(end, start)),
        i32Constant(1),
      );
    const value = read(accumulator);
    result(reducer.finish?.(value, count) ?? value, indices);
  });
}

/**
 * The largest element of each window and where it lies: the first one of those that are equal, and a NaN before all
 * numbers. `place` turns indices of the input into what is told of the place.
 */
export function poolWithIndices(
  s: NodeScope,
  p: WindowShape,
  order: readonly number[],
  reducer: Pick<WindowReducer, "scalar" | "initial">,
  load: Load,
  place: (indices: readonly Expr[]) => Expr,
  result: (value: Expr, place: Expr, indices: readonly Expr[]) => void,
): void {
  const { scalar } = reducer;
  const isFloat = scalar === "f32" || scalar === "f64";
  forPlaces(s, p, order, (indices, taps) => {
    const best = s.variable("best", constant({ scalar, lanes: 1 }, reducer.initial));
    const first = place(
      inputAt(
        s,
        p,
        indices,
        taps.map(({ start }) => start),
      ),
    );
    const where = s.variable("where", first);
    forTaps(s, p, taps, (chosen) => {
      const at = inputAt(s, p, indices, chosen);
      const x = s.let("x", load(at));
      const greater = op(isFloat ? "gt" : "gt_s", x, read(best));
      const wins = s.let("wins", isFloat ? op("or", greater, op("ne", x, x)) : greater);
      s.assign(where, select(wins, place(at), read(where)));
      s.assign(best, select(wins, x, read(best)));
    });
    result(read(best), read(where), indices);
  });
}

/** Visits the places of the result in memory order, with the taps of the window of each. */
function forPlaces(
  s: KernelScope,
  p: WindowShape,
  order: readonly number[],
  visit: (indices: readonly Expr[], taps: readonly Taps[]) => void,
): void {
  const extents = [p.shape[0]!, p.shape[1]!, ...p.out];
  const indices: Expr[] = extents.map(() => i32Constant(0));
  const taps: Taps[] = [];
  const nest = (depth: number): void => {
    const axis = order[depth];
    if (axis === undefined) {
      visit([...indices], [...taps]);
      return;
    }
    const mode = depth === order.length - 1 ? "vectorize" : depth === 0 ? "parallel" : "serial";
    const enter = (index: Expr): void => {
      indices[axis] = index;
      if (axis >= 2) taps[axis - 2] = tapsOf(s, p, axis - 2, index);
      nest(depth + 1);
    };
    s.for(`i${axis}`, 0, s.dim(extents[axis]!), enter, { mode });
  };
  nest(0);
}

const inputAt = (
  s: KernelScope,
  p: WindowShape,
  indices: readonly Expr[],
  chosen: readonly Operand[],
): Expr[] => [indices[0]!, indices[1]!, ...tapPlaces(s, p, indices.slice(2), chosen)];
