/** Hyperbolic functions and their inverses; see `math.ts` for what the errors mean. */

import { op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { expm1, halfExp, log, log1p } from "./math.js";

/** e^|x| / 2 - e^-|x| / 2; up to 1 as (e + e / (e + 1)) / 2 with e = e^|x| - 1. Error 2.2 ulp; 2. */
export function sinh(x: Expr): Expr {
  const magnitude = op("abs", x);
  const isSmall = op("lt", magnitude, 1);
  const e = expm1(op("pmin", magnitude, 1));
  const small = op("mul", op("add", e, op("div", e, op("add", e, 1))), 0.5);
  const half = halfExp(magnitude);
  return op("copysign", select(isSmall, small, op("sub", half, op("div", 0.25, half))), x);
}

/** e^|x| / 2 + e^-|x| / 2. Error 1.4 ulp; 2. */
export function cosh(x: Expr): Expr {
  const half = halfExp(op("abs", x));
  return op("add", half, op("div", 0.25, half));
}

/** Beyond it x^2 + 1 is x^2 in both formats, and x^2 does not overflow in float32 before. */
const LARGE = 2 ** 30;

/** ln(1 + t) with t = |x| + x^2 / (1 + sqrt(x^2 + 1)); ln |x| + ln 2 for large x. Error 2.7 ulp; 2. */
export function asinh(x: Expr): Expr {
  const magnitude = op("abs", x);
  const isLarge = op("gt", magnitude, LARGE);
  const a = select(isLarge, 1, magnitude);
  const square = op("mul", a, a);
  const t = op("add", a, op("div", square, op("add", op("sqrt", op("add", square, 1)), 1)));
  const large = op("add", log(magnitude), Math.LN2);
  return op("copysign", select(isLarge, large, log1p(t)), x);
}

/** ln(1 + t + sqrt(2 t + t^2)) with t = x - 1; ln x + ln 2 for large x, NaN below 1. Error 2.8 ulp; 2. */
export function acosh(x: Expr): Expr {
  const isLarge = op("gt", x, LARGE);
  const t = select(isLarge, 1, op("sub", x, 1));
  const root = op("sqrt", op("fma", t, t, op("add", t, t)));
  const small = select(op("lt", x, 1), Number.NaN, log1p(op("add", t, root)));
  return select(isLarge, op("add", log(x), Math.LN2), small);
}

/** ln(1 + 2|x| / (1 - |x|)) / 2, infinite at 1 and NaN beyond. Error 2.9 ulp; 3. */
export function atanh(x: Expr): Expr {
  const magnitude = op("abs", x);
  const ratio = op("div", op("add", magnitude, magnitude), op("sub", 1, magnitude));
  return op("copysign", op("mul", log1p(ratio), 0.5), x);
}
