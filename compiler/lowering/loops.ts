/** Loops over tensors in the order of their memory. */

import { type Dim, isStatic } from "../ir/dim.js";
import { i32Constant } from "../loop/builder.js";
import type { Expr, LoopMode } from "../loop/ir.js";
import type { KernelScope, Placement } from "./scope.js";

/** Loops over a shape in the given order of dims, the outermost first. */
export function loopsOver(
  scope: KernelScope,
  shape: readonly Dim[],
  order: readonly number[],
  body: (indices: Expr[]) => void,
  innermost: LoopMode = "vectorize",
): void {
  const indices: Expr[] = shape.map(() => i32Constant(0));
  const nest = (depth: number): void => {
    const axis = order[depth];
    if (axis === undefined) {
      body([...indices]);
      return;
    }
    const outer = depth === 0 && innermost === "vectorize" ? "parallel" : "serial";
    const mode = depth === order.length - 1 ? innermost : outer;
    const visit = (index: Expr) => {
      indices[axis] = index;
      nest(depth + 1);
    };
    scope.for(`i${axis}`, 0, scope.dim(shape[axis]!), visit, { mode });
  };
  nest(0);
}

/** Loops over a shape in row-major order whose passes depend on each other, or share memory. */
export function loopsInOrder(
  scope: KernelScope,
  shape: readonly Dim[],
  body: (indices: Expr[]) => void,
  indices: readonly Expr[] = [],
): void {
  const axis = indices.length;
  if (axis === shape.length) {
    body([...indices]);
    return;
  }
  scope.for(`i${axis}`, 0, scope.dim(shape[axis]!), (index) => {
    loopsInOrder(scope, shape, body, [...indices, index]);
  });
}

/** Dims by stride, the largest first: the order in which memory is walked. Dims of one element come first. */
export function memoryOrder({ strided }: Placement): number[] {
  const rank = (axis: number): number => {
    if (strided.shape[axis] === 1) return Number.POSITIVE_INFINITY;
    const stride = strided.strides[axis]!;
    return isStatic(stride) ? stride : Number.MAX_SAFE_INTEGER - axis;
  };
  return strided.shape.map((_, axis) => axis).sort((a, b) => rank(b) - rank(a) || a - b);
}
