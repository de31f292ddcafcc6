/** Powers and roots of numbers that are not negative, as p-norms are made of. */

import { constant, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { exp, log } from "./math.js";
import { pow } from "./math-power.js";

/** x^p for x >= 0 and p > 0. */
export function power(x: Expr, p: number): Expr {
  if (!Number.isInteger(p) || p > 64) return generalPower(x, p);
  if (p === 1) return x;
  const half = power(op("mul", x, x), Math.floor(p / 2));
  return p % 2 === 1 ? op("mul", half, x) : half;
}

/** x^(1 / p) for x >= 0 and p > 0. */
export function root(x: Expr, p: number): Expr {
  if (p === 1) return x;
  return p === 2 ? op("sqrt", x) : generalPower(x, 1 / p);
}

const generalPower = (x: Expr, p: number): Expr =>
  x.type.scalar === "f64" ? exp(op("mul", log(x), p)) : pow(x, constant(x.type, p));
