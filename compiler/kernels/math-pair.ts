/** Numbers as unevaluated sums of two floats, float32 or float64, which have twice the digits of one. */

import { constant, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";

/** high + low, where |low| is at most half an ulp of high. */
export interface Pair {
  readonly high: Expr;
  readonly low: Expr;
}

/** a + b where |a| >= |b|. */
export function fastSum(a: Expr, b: Expr): Pair {
  const high = op("add", a, b);
  return { high, low: op("add", op("sub", a, high), b) };
}

/** a + b, whichever is larger. */
export function sum(a: Expr, b: Expr): Pair {
  const high = op("add", a, b);
  const part = op("sub", high, a);
  return { high, low: op("add", op("sub", a, op("sub", high, part)), op("sub", b, part)) };
}

export function add(a: Pair, b: Pair): Pair {
  const { high, low } = sum(a.high, b.high);
  return fastSum(high, op("add", low, op("add", a.low, b.low)));
}

/** The upper half of a significand, whose products are exact. */
const upper = (x: Expr): Expr =>
  x.type.scalar === "f64"
    ? op(
        "bits_f64",
        op("and", op("f64_bits", x), constant({ scalar: "i64", lanes: x.type.lanes }, -(2n ** 27n))),
      )
    : op("bits_f32", op("and", op("f32_bits", x), -4096));

/** a * b without an error, by products of halves: a fused multiply-add would do, but not every target has one. */
export function product(a: Expr, b: Expr): Pair {
  const high = op("mul", a, b);
  const [a1, b1] = [upper(a), upper(b)];
  const [a0, b0] = [op("sub", a, a1), op("sub", b, b1)];
  const low = [
    op("sub", op("mul", a1, b1), high),
    op("mul", a0, b1),
    op("mul", a1, b0),
    op("mul", a0, b0),
  ].reduce((total, term) => op("add", total, term));
  return { high, low };
}

export function multiply(a: Pair, b: Pair): Pair {
  const { high, low } = product(a.high, b.high);
  const cross = op("add", op("mul", a.high, b.low), op("mul", a.low, b.high));
  return fastSum(high, op("add", low, cross));
}

export function divide(a: Pair, b: Pair): Pair {
  const high = op("div", a.high, b.high);
  const back = product(high, b.high);
  const rest = op("sub", op("sub", op("sub", a.high, back.high), back.low), op("mul", high, b.low));
  return fastSum(high, op("div", op("add", rest, a.low), b.high));
}

export const pairOf = (like: Expr, high: number, low: number): Pair => ({
  high: constant(like.type, high),
  low: constant(like.type, low),
});

export const single = (x: Expr): Pair => ({ high: x, low: constant(x.type, 0) });
