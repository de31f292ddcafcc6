/** Interpolation between neighbouring elements: the elements around a place, and how much each of them weighs. */

import { op } from "../loop/builder.js";
import type { Expr, OpName } from "../loop/ir.js";

/** A place as the whole number below it and the rest, from 0 to 1. Places far outside give the ends of i32. */
export function splitPlace(place: Expr): { base: Expr; fraction: Expr } {
  const floor = op("floor", place);
  return { base: op(`${place.type.scalar}_to_i32_s` as OpName, floor), fraction: op("sub", place, floor) };
}

/** Weights of the elements at `base` and `base + 1`. */
export const linearWeights = (t: Expr): Expr[] => [op("sub", 1, t), t];

/** Keys' cubic convolution: weights of the elements from `base - 1` to `base + 2`. */
export function cubicWeights(t: Expr, a: number): Expr[] {
  const rest = op("sub", 1, t);
  const near = (x: Expr) => op("add", op("mul", op("sub", op("mul", x, a + 2), a + 3), op("mul", x, x)), 1);
  // At 1 + x: a x^3 - 2 a x^2 + a x = a x (1 - x)^2.
  const far = (x: Expr, other: Expr) => op("mul", op("mul", op("mul", other, other), x), a);
  return [far(t, rest), near(t), near(rest), far(rest, t)];
}

export const sumOfProducts = (values: readonly Expr[], weights: readonly Expr[]): Expr =>
  values.map((value, i) => op("mul", value, weights[i]!)).reduce((sum, term) => op("add", sum, term));

/** A number in a register of another float type. */
export function toFloat(x: Expr, scalar: "f32" | "f64"): Expr {
  if (x.type.scalar === scalar) return x;
  return op(`${x.type.scalar}_to_${scalar}` as OpName, x);
}

/** An i32 as a float. */
export const intToFloat = (x: Expr, scalar: "f32" | "f64"): Expr => op(`i32_to_${scalar}_s`, x);
