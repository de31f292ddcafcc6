/**
 * Interpolation along one axis by a filter that grows as the axis shrinks, so that every element of the input counts:
 * a triangle, or Keys' cubic convolution.
 */

import { add, constant, maxIndex, minIndex, mul, op, read, select, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import { intToFloat, splitPlace, toFloat } from "./interpolation.js";

export interface ResizeFilter {
  readonly mode: "linear" | "cubic";
  readonly cubicCoefficient: number;
  /** What lies outside of the input has no weight, else it is the element at the edge. */
  readonly excludesOutside: boolean;
  readonly scalar: "f32" | "f64";
}

/** The element at `place` among `from` elements; `shrinkage` is the scale of the axis, 1 at most. Both are float64. */
export function filtered(
  s: KernelScope,
  p: ResizeFilter,
  { place, shrinkage, from }: { place: Expr; shrinkage: Expr; from: Expr },
  at: (index: Expr) => Expr,
): Expr {
  const { base, fraction } = splitPlace(s.let("place", place));
  const first = s.let("base", base);
  const t = s.let("t", toFloat(fraction, p.scalar));
  const scale = s.let("scale", toFloat(shrinkage, p.scalar));
  const reach = op("ceil", op("div", p.mode === "linear" ? f64(1) : f64(2), shrinkage));
  const radius = s.let("radius", op("f64_to_i32_s", reach));
  const zero = constant({ scalar: p.scalar, lanes: 1 }, 0);
  const [sum, total] = [s.variable("sum", zero), s.variable("total", zero)];
  s.for("tap", 0, mul(radius, 2), (tap) => {
    const offset = s.let("offset", sub(add(tap, 1), radius));
    const distance = op("abs", op("mul", op("sub", intToFloat(offset, p.scalar), t), scale));
    const index = s.let("index", add(first, offset));
    const full = weightAt(p, distance);
    const weight = p.excludesOutside ? select(op("lt_u", index, from), full, zero) : full;
    const value = at(maxIndex(minIndex(index, sub(from, 1)), 0));
    const kept = s.let("weight", weight);
    s.assign(sum, op("add", read(sum), op("mul", kept, value)));
    s.assign(total, op("add", read(total), kept));
  });
  return op("div", read(sum), read(total));
}

const f64 = (value: number): Expr => constant({ scalar: "f64", lanes: 1 }, value);

function weightAt({ mode, cubicCoefficient: a }: ResizeFilter, x: Expr): Expr {
  if (mode === "linear") return op("max", op("sub", 1, x), 0);
  const near = op("add", op("mul", op("sub", op("mul", x, a + 2), a + 3), op("mul", x, x)), 1);
  const far = op(
    "sub",
    op("mul", op("add", op("mul", op("sub", op("mul", x, a), 5 * a), x), 8 * a), x),
    4 * a,
  );
  return select(op("le", x, 1), near, select(op("lt", x, 2), far, constant(x.type, 0)));
}
