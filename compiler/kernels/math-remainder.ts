/** The remainder of float64 division, exact as IEEE 754's `fmod` is. */

import { constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { product } from "./math-pair.js";

const DIGITS = 52;
/** Exponents of float64, denormals among them, are at most so far apart. */
const MOST_DISTANCE = 2098;

const wide = (like: Expr, value: number | bigint): Expr =>
  constant({ scalar: "i64", lanes: like.type.lanes }, value);

const powerOfTwo = (exponent: Expr): Expr =>
  op("bits_f64", op("shl", op("add", exponent, wide(exponent, 1023)), wide(exponent, DIGITS)));

/** x as m 2^e with m from 1 to 2. */
function split(x: Expr): { m: Expr; e: Expr } {
  const isDenormal = op("lt", x, 2 ** -1022);
  const bits = op("f64_bits", select(isDenormal, op("mul", x, 2 ** DIGITS), x));
  const biased = op("shr_u", bits, wide(x, DIGITS));
  const m = op("bits_f64", op("or", op("and", bits, wide(x, 2n ** 52n - 1n)), wide(x, 1023n << 52n)));
  const e = op("sub", biased, select(isDenormal, wide(x, 1023 + DIGITS), wide(x, 1023)));
  return { m, e };
}

/**
 * a - trunc(a / b) b by long division of the significands, 52 bits at a time. A quotient may be rounded up to the next
 * whole number; the difference from the dividend is exact either way, since the two are next to each other.
 */
export function remainderOfDoubles(a: Expr, b: Expr): Expr {
  const [dividend, divisor] = [op("abs", a), op("abs", b)];
  const [above, below] = [split(dividend), split(divisor)];
  const m = below.m;
  let rest = above.m;
  let left = op("sub", above.e, below.e);
  for (let distance = -DIGITS; distance < MOST_DISTANCE; distance += DIGITS) {
    const isFirst = distance < 0;
    const step = isFirst ? wide(a, 0) : op("max_s", op("min_s", left, wide(a, DIGITS)), wide(a, 0));
    const scaled = isFirst ? rest : op("mul", rest, powerOfTwo(step));
    const quotient = op("trunc", op("div", scaled, m));
    const part = product(quotient, m);
    const difference = op("sub", op("sub", scaled, part.high), part.low);
    rest = select(op("lt", difference, 0), op("add", difference, m), difference);
    left = op("sub", left, step);
  }
  // In two factors, since one of them may be denormal.
  const half = op("shr_s", below.e, wide(a, 1));
  const scale = op("mul", rest, powerOfTwo(half));
  const result = op("mul", scale, powerOfTwo(op("sub", below.e, half)));
  const isSmaller = op("lt", dividend, divisor);
  const isNumber = op("and", op("lt", dividend, Infinity), op("gt", divisor, 0));
  const finite = select(isNumber, op("copysign", result, a), Number.NaN);
  const isNan = op("or", op("ne", a, a), op("ne", b, b));
  return select(isNan, Number.NaN, select(isSmaller, a, finite));
}
