/**
 * Reductions: a generic nest whose inner loops run over the reduced dims. Loop passes make it vector code.
 *
 * A reduction has one or more phases over the same elements, each a combination of all of them; a later phase may use
 * what the earlier ones found (the sum of exponentials needs the largest element).
 */

import { type Dim, isStatic, productOfDims, selectSize } from "../ir/dim.js";
import { add, constant, i32Constant, op, read } from "../loop/builder.js";
import type { Expr, OpName } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";

export interface Phase {
  readonly combine: OpName;
  /** What combining begins with. */
  readonly initial: Expr;
  /** What is combined for an element, given the values of earlier phases and where the element is. */
  readonly map?: (x: Expr, earlier: readonly Expr[], indices: readonly Expr[]) => Expr;
}

export interface Reducer {
  readonly phases: readonly Phase[];
  /** The result from the phases' values; `count` gives the number of elements as a float. */
  readonly finish?: (values: readonly Expr[], count: (scalar: "f32" | "f64") => Expr) => Expr;
}

export interface ReductionParameters {
  readonly shape: readonly Dim[];
  /** 1 for each dim that is reduced, 0 for the others; expressions where that is known at run time only. */
  readonly reduced: readonly Dim[];
  /** Order in which the input's dims lie in memory, outermost first. */
  readonly order: readonly number[];
  readonly reducer: Reducer;
}

/**
 * Kept dims are looped over in memory order, then the reduced ones. Where the innermost dim in memory is a kept one
 * its loop is vectorised around the reduction, else the innermost reduced loop itself is. A dim of which it is not
 * known whether it is reduced has a loop of each kind, and one of them has a single pass.
 *
 * `result` gets an index for each dim of the input, 0 for the reduced ones.
 */
export function reduce(
  s: NodeScope,
  p: ReductionParameters,
  load: (indices: readonly Expr[]) => Expr,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const kept = p.order.filter((axis) => p.reduced[axis] !== 1);
  const reduced = p.order.filter((axis) => p.reduced[axis] !== 0);
  const innermostKept = kept.length > 0 && p.order.at(-1) === kept.at(-1) && !reduced.includes(kept.at(-1)!);
  const outerExtent = (axis: number): Dim => selectSize(p.reduced[axis]!, 1, p.shape[axis]!);
  const innerExtent = (axis: number): Dim => selectSize(p.reduced[axis]!, p.shape[axis]!, 1);
  const count = productOfDims(reduced.map(innerExtent));
  const zeros = p.shape.map(() => i32Constant(0));
  nest(s, { axes: kept, extent: outerExtent, vectorize: innermostKept }, zeros, (outer) => {
    const values: Expr[] = [];
    for (const { combine, initial, map } of p.reducer.phases) {
      const accumulator = s.variable("acc", initial);
      const earlier = [...values];
      values.push(read(accumulator));
      if (p.shape.includes(0)) continue;
      nest(s, { axes: reduced, extent: innerExtent, vectorize: !innermostKept }, zeros, (inner) => {
        const indices = outer.map((index, axis) => add(index, inner[axis]!));
        const x = load(indices);
        s.assign(accumulator, op(combine, read(accumulator), map?.(x, earlier, indices) ?? x));
      });
    }
    const finished = p.reducer.finish?.(values, (scalar) => floatOf(s, count, scalar));
    result(finished ?? values.at(-1)!, outer);
  });
}

const floatOf = (s: NodeScope, dim: Dim, scalar: "f32" | "f64"): Expr =>
  isStatic(dim) ? constant({ scalar, lanes: 1 }, dim) : op(`i32_to_${scalar}_s`, s.dim(dim));

interface Loops {
  readonly axes: readonly number[];
  readonly extent: (axis: number) => Dim;
  /** Whether the last loop is one to vectorise. */
  readonly vectorize: boolean;
}

/** Loops over some of the dims; the others keep the index they are given. */
function nest(
  s: NodeScope,
  { axes, extent, vectorize }: Loops,
  start: readonly Expr[],
  body: (indices: readonly Expr[]) => void,
): void {
  const indices = [...start];
  const loop = (depth: number): void => {
    const axis = axes[depth];
    if (axis === undefined) {
      body([...indices]);
      return;
    }
    const mode = vectorize && depth === axes.length - 1 ? "vectorize" : "serial";
    const visit = (index: Expr): void => {
      indices[axis] = index;
      loop(depth + 1);
    };
    s.for(`i${axis}`, 0, s.dim(extent(axis)), visit, { mode });
  };
  loop(0);
}
