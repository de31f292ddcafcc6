/** Reductions: a generic nest whose inner loops run over the reduced dims. Loop passes make it vector code. */

import { type Dim, isStatic, productOfDims } from "../ir/dim.js";
import { constant, op, read } from "../loop/builder.js";
import type { Expr, OpName, ScalarType } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";

export interface Reducer {
  readonly combine: (scalar: ScalarType) => OpName;
  readonly initial: (scalar: ScalarType) => number | bigint;
  /** Applied to each element before it is combined. */
  readonly map?: (x: Expr) => Expr;
  /** Applied to the combined value; `count` is the number of elements. */
  readonly finish?: (value: Expr, count: number) => Expr;
}

export interface ReductionParameters {
  readonly shape: readonly Dim[];
  readonly axes: readonly number[];
  /** Order in which the input's dims lie in memory, outermost first. */
  readonly order: readonly number[];
  readonly scalar: ScalarType;
  readonly reducer: Reducer;
}

/**
 * Kept dims are looped over in memory order, then the reduced ones. Where the innermost dim in memory is a kept one
 * its loop is vectorised around the reduction, else the innermost reduced loop itself is.
 */
export function reduce(
  s: NodeScope,
  p: ReductionParameters,
  load: (indices: readonly Expr[]) => Expr,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const kept = p.order.filter((axis) => !p.axes.includes(axis));
  const reduced = p.order.filter((axis) => p.axes.includes(axis));
  const innermostKept = kept.length > 0 && p.order.at(-1) === kept.at(-1);
  const indices: Expr[] = p.shape.map(() => constant({ scalar: "i32", lanes: 1 }, 0));
  const loops = (axes: readonly number[], vectorizeLast: boolean, body: () => void, depth = 0): void => {
    const axis = axes[depth];
    if (axis === undefined) {
      body();
      return;
    }
    const last = depth === axes.length - 1;
    const mode = last && vectorizeLast ? "vectorize" : "serial";
    const visit = (index: Expr): void => {
      indices[axis] = index;
      loops(axes, vectorizeLast, body, depth + 1);
    };
    s.for(`i${axis}`, 0, s.dim(p.shape[axis]!), visit, { mode });
  };
  const type = { scalar: p.scalar, lanes: 1 } as const;
  const dims = p.axes.map((axis) => p.shape[axis]!);
  const count = productOfDims(dims);
  loops(kept, innermostKept, () => {
    const accumulator = s.variable("acc", constant(type, p.reducer.initial(p.scalar)));
    loops(reduced, !innermostKept, () => {
      const x = load([...indices]);
      s.assign(accumulator, op(p.reducer.combine(p.scalar), read(accumulator), p.reducer.map?.(x) ?? x));
    });
    const value = read(accumulator);
    const finished = p.reducer.finish?.(value, isStatic(count) ? count : Number.NaN) ?? value;
    result(finished, [...indices]);
  });
}
