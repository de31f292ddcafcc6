/**
 * Elementary functions as formulas in Loop IR: no tables, no branches, so that they work on scalars and vectors alike.
 *
 * Every function states its method and its error in units in the last place of float32 results, the largest seen over
 * all exponents (test/operators/math.test.ts measures it). NaN gives NaN, and infinities and zeros what IEEE 754 says.
 */

import { f32Constant, type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";

/** c[0] + x * (c[1] + x * (c[2] + ...)). */
export const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients
    .slice(0, -1)
    .reduceRight<Operand>((sum, c) => op("add", op("mul", x, sum), c), coefficients.at(-1)!) as Expr;

const { LOG2E } = Math;
/** ln 2 in two parts, the first with so few bits that its product with an exponent is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.121944400546906e-4;

/** Adding it leaves a float's nearest integer in the lowest bits of the sum, as long as that fits 22 bits. */
const ROUNDING = 12582912; // 1.5 * 2^23

/** The exponent and the significand's polynomial of e^x: e^x = 2^n * p. `bits` holds n in its lowest bits. */
function expParts(x: Expr): { bits: Expr; p: Expr } {
  const shifted = op("add", op("mul", x, LOG2E), ROUNDING);
  const n = op("sub", shifted, ROUNDING);
  const r = op("sub", op("sub", x, op("mul", n, LN2_HIGH)), op("mul", n, LN2_LOW));
  const tail = polynomial(
    r,
    [0.5, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.98756915e-4],
  );
  const p = op("add", op("add", op("mul", op("mul", r, r), tail), r), 1);
  return { bits: op("f32_bits", shifted), p };
}

/** 2^(n + bias), where n stands in the lowest bits and n + bias + 127 is an exponent of a normal float. */
const powerOfTwo = (bits: Expr, bias: number): Expr =>
  op("bits_f32", op("shl", op("add", bits, 127 + bias), 23));

/**
 * e^x: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 7 for e^r, and 2^n as the product of two floats, so that
 * results overflow and become denormal as they should.
 */
export function exp(x: Expr): Expr {
  const { bits, p } = expParts(op("pmax", op("pmin", x, 89), -104));
  const half = op("shr_s", op("sub", bits, ROUNDING_BITS), 1);
  const other = op("sub", bits, half);
  return op("mul", op("mul", p, powerOfTwo(half, 0)), powerOfTwo(other, 0));
}

/** The bits of `ROUNDING`; the lowest nine are zero, so that only the difference of two such numbers is affected. */
const ROUNDING_BITS = 0x4b400000;

/** e^x for x <= 0, with fewer operations than `exp`; positive x up to 40 are right too. */
export function expNonPositive(x: Expr): Expr {
  const { bits, p } = expParts(op("pmax", x, -104));
  return op("mul", op("mul", p, powerOfTwo(bits, 64)), 2 ** -64);
}

/** 1 / (1 + e^-x), as e^x / (1 + e^x) for negative x, where the other form would overflow. */
export function sigmoid(x: Expr): Expr {
  const e = expNonPositive(op("neg", op("abs", x)));
  return op("div", select(op("lt", x, 0), e, 1), op("add", e, 1));
}

const SQRT_HALF_BITS = 0x3f3504f3;
const DENORMAL_SCALE = 2 ** 23;
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Natural logarithm: x = 2^e m with m from sqrt(1/2) to sqrt(2), and a polynomial of degree 11 in m - 1. Negative x gives
 * NaN, 0 gives -Infinity.
 */
export function log(x: Expr): Expr {
  const isDenormal = op("lt", x, SMALLEST_NORMAL);
  const bits = op("f32_bits", select(isDenormal, op("mul", x, DENORMAL_SCALE), x));
  const exponent = op("shr_s", op("sub", bits, SQRT_HALF_BITS), 23);
  const m = op("bits_f32", op("sub", bits, op("shl", exponent, 23)));
  const e = op("sub", op("i32_to_f32_s", exponent), select(isDenormal, f32Constant(23), 0));
  const f = op("sub", m, 1);
  const square = op("mul", f, f);
  const tail = polynomial(
    f,
    [
      3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1, 1.4249322787e-1, -1.2420140846e-1,
      1.167699874e-1, -1.151461031e-1, 7.0376836292e-2,
    ],
  );
  const cubic = op("mul", op("mul", square, f), tail);
  const low = op("sub", op("add", cubic, op("mul", e, LN2_LOW)), op("mul", square, 0.5));
  const result = op("add", op("add", f, low), op("mul", e, LN2_HIGH));
  const special = select(op("eq", x, 0), -Infinity, select(op("lt", x, 0), Number.NaN, op("add", x, x)));
  const isPlain = op("and", op("gt", x, 0), op("lt", x, Infinity));
  return select(isPlain, result, special);
}
