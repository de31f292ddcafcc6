/**
 * Elementary functions as formulas in Loop IR: no tables, no branches, so that they work on scalars and vectors alike.
 * This file has exponentials and logarithms and what is made of them directly; `math-hyperbolic.ts`,
 * `math-trigonometric.ts` and `math-power.ts` have the rest. The same formulas serve float64, with the exponentials and
 * logarithms of `math-double.ts` under them.
 *
 * Every function states its method and its largest error, in units in the last place of float32 results (of float64
 * ones behind the semicolon, against JavaScript's), as test/operators/math.test.ts measures it over all exponents. NaN gives NaN, and
 * infinities, zeros and denormals what IEEE 754 asks for. `fma` rounds once on some targets and twice on others; the
 * formulas hold either way.
 */

import { f32Constant, type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import * as double from "./math-double.js";

/** c[0] + x * (c[1] + x * (c[2] + ...)). */
export const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients
    .slice(0, -1)
    .reduceRight<Operand>((sum, c) => op("fma", x, sum, c), coefficients.at(-1)!) as Expr;

/**
 * x, or a float bound that is no NaN where x is below it: an instruction where `max`, which minds the sign of zeros and
 * NaN on either side, takes seven of x86-64. NaN stays NaN; x stays where it equals the bound, zeros of either sign, too.
 */
export const atLeast = (x: Expr, bound: number | (Expr & { kind: "constant" })): Expr => op("pmax", x, bound);

/** x, or a float bound that is no NaN where x is above it. */
export const atMost = (x: Expr, bound: number | (Expr & { kind: "constant" })): Expr => op("pmin", x, bound);

/**
 * The larger of two floats, either of two equal zeros, and NaN where one of them is; so the largest of many is NaN where
 * one of them is. With `max`, which minds the sign of zeros, the pools of squeezenet took twice as long.
 */
export const larger = (best: Expr, x: Expr): Expr => select(op("ne", x, x), x, op("pmax", best, x));

const isDouble = (x: Expr): boolean => x.type.scalar === "f64";

const { LOG2E } = Math;
/** ln 2 in two parts, the first with so few bits that its product with an exponent is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.121944400546906e-4;

/** Adding it leaves a float's nearest integer in the lowest bits of the sum, as long as that fits 22 bits. */
const ROUNDING = 12582912; // 1.5 * 2^23
const ROUNDING_BITS = 0x4b400000;
/** What the exponent of a float is stored with. */
const EXPONENT_BIAS = 127;

/** Limits beyond which e^x is infinite or 0 in float32. */
const HIGHEST = 89;
const LOWEST = -104;

/** (e^r - 1 - r) / r^2 by the polynomial whose error relative to e^r is least: 4e-9 for |r| <= ln 2 / 2. */
const exponentialTail = [0.49999994, 0.16666523, 0.04166823, 0.00836842, 0.00138207];

/**
 * x = n ln 2 + r, or -x = n ln 2 - r where `sign` is -1, which so costs no operation. The lowest nine bits of the float
 * `shifted` are n + offset.
 */
function reduce(x: Expr, offset: number, sign: 1 | -1 = 1): { shifted: Expr; r: Expr } {
  const shifted = op("fma", x, sign * LOG2E, ROUNDING + offset);
  const n = op("sub", shifted, ROUNDING + offset);
  return { shifted, r: op("fma", n, -sign * LN2_LOW, op("fma", n, -sign * LN2_HIGH, x)) };
}

/** e^r - 1, from -0.3 to 0.42. */
const expm1OfRest = (r: Expr): Expr => op("fma", op("mul", r, r), polynomial(r, exponentialTail), r);

/** The float whose sign and exponent are the lowest nine bits. */
const powerOfTwo = (bits: Expr): Expr => op("bits_f32", op("shl", bits, 23));

/** e^x 2^bias in two factors, the first from 0.7 to 1.42; the second must be 0 or a normal float. */
function expFactors(x: Expr, bias: number): readonly [Expr, Expr] {
  const { shifted, r } = reduce(x, EXPONENT_BIAS + bias);
  return [op("add", expm1OfRest(r), 1), powerOfTwo(op("f32_bits", shifted))];
}

/** e^x 2^bias, of which 2^n is the product of two floats, so that results overflow and become denormal as they should. */
function scaledExp(x: Expr, bias: number): Expr {
  if (isDouble(x)) return double.exp(x, bias);
  const { shifted, r } = reduce(op("pmax", op("pmin", x, HIGHEST - bias), LOWEST), 0);
  const bits = op("f32_bits", shifted);
  const half = op("shr_s", op("sub", bits, ROUNDING_BITS), 1);
  const other = op("sub", bits, half);
  const power = (n: Expr, offset: number): Expr => powerOfTwo(op("add", n, EXPONENT_BIAS + offset));
  return op("mul", op("mul", op("add", expm1OfRest(r), 1), power(half, bias)), power(other, 0));
}

/** e^x: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 6 for e^r. Error 1.0 ulp; 1. */
export const exp = (x: Expr): Expr => scaledExp(x, 0);

/** e^x / 2, which overflows later than e^x. Error 1.0 ulp; 1. */
export const halfExp = (x: Expr): Expr => scaledExp(x, -1);

/** e^x for x <= 0, with fewer operations than `exp`; up to 43 it holds as well. Error 1.0 ulp; 1. */
export function expNonPositive(x: Expr): Expr {
  if (isDouble(x)) return double.exp(x, 0);
  const [factor, power] = expFactors(op("pmax", x, LOWEST), 64);
  return op("mul", op("mul", factor, power), 2 ** -64);
}

/**
 * e^x for x <= 0 as shares of a sum need it: 0 below 2^-126.5, where `exp` makes floats that are denormal, on which
 * processors are a hundred times slower. The scale of such a result has an exponent of 0, which is the float 0. Error
 * 1.0 ulp from 2^-126 on; 1.
 */
export function expOfShare(x: Expr): Expr {
  if (isDouble(x)) return double.exp(x, 0);
  const [factor, power] = expFactors(op("pmax", x, -88), 0);
  return op("mul", factor, power);
}

/** e^x - 1 for x up to 88, as 2^n q + (2^n - 1), which loses nothing near 0. Error 1.4 ulp; 2. */
export function expm1(x: Expr): Expr {
  if (isDouble(x)) return double.expm1(x);
  const { shifted, r } = reduce(op("pmax", x, -32), EXPONENT_BIAS);
  const power = powerOfTwo(op("f32_bits", shifted));
  return op("fma", power, expm1OfRest(r), op("sub", power, 1));
}

/**
 * 1 / (1 + e^-x), multiplied by 2^-64 above and below, so that e^-x neither overflows nor is lost: the result is to
 * become denormal before it is 0. Error 2.3 ulp (2.5 for the few x near -16.64, where 1 + e^-x ends in half a unit); 2.
 */
export function sigmoid(x: Expr): Expr {
  if (isDouble(x)) {
    const e = double.exp(op("neg", op("abs", x)), 0);
    return op("div", select(op("lt", x, 0), e, 1), op("add", e, 1));
  }
  const scale = 2 ** -64;
  const { shifted, r } = reduce(atMost(atLeast(x, LOWEST), 43), EXPONENT_BIAS - 64, -1);
  // e^-r: one rounding more than with `expm1OfRest`, one operation less.
  const e = polynomial(r, [1, -1, ...exponentialTail.map((c, i) => (i % 2 === 0 ? c : -c))]);
  return op("div", scale, op("fma", e, powerOfTwo(op("f32_bits", shifted)), scale));
}

/** tanh |x| = -e / (e + 2) with e = e^(-2|x|) - 1. Error 2.6 ulp; 3. */
export const tanh = (x: Expr): Expr => tanhOf(op("mul", op("abs", x), -2), x);

/** tanh(-u / 2) with the sign of x, for u <= 0. */
function tanhOf(u: Expr, x: Expr): Expr {
  const e = expm1(u);
  return op("copysign", op("div", e, op("add", e, 2)), x);
}

/**
 * Error function: tanh(x p(x^2)), where p is the polynomial for which the largest error is least. Error 4.3 ulp; 2.
 */
export function erf(x: Expr): Expr {
  if (isDouble(x)) return double.erf(x);
  const p = polynomial(
    op("mul", x, x),
    erfCoefficients.map((c) => -2 * c),
  );
  return tanhOf(op("mul", op("abs", x), p), x);
}

const erfCoefficients = [
  1.12837927, 0.102769058, -0.000191836241, -0.000619780395, 8.76358691e-5, -5.66825883e-6, 1.41840917e-7,
];

const SQRT_HALF_BITS = 0x3f3504f3;
const DENORMAL_SCALE = 2 ** 23;
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Natural logarithm: x = 2^e m with m from sqrt(1/2) to sqrt(2), and a polynomial of degree 11 in m - 1. Negative x gives
 * NaN, 0 gives -Infinity. Error 0.8 ulp; 1.
 */
export function log(x: Expr): Expr {
  if (isDouble(x)) return double.log(x);
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
  const cubic = op("fma", e, LN2_LOW, op("mul", op("mul", square, f), tail));
  const low = op("fma", square, -0.5, cubic);
  return specialLog(x, op("fma", e, LN2_HIGH, op("add", f, low)));
}

/** The logarithm where it is not that of a positive number. */
export function specialLog(x: Expr, result: Expr): Expr {
  const special = select(op("eq", x, 0), -Infinity, select(op("lt", x, 0), Number.NaN, x));
  return select(op("and", op("gt", x, 0), op("lt", x, Infinity)), result, special);
}

/**
 * ln(1 + x) as ln u * x / (u - 1) with u = 1 + x rounded: both factors err alike. Error 2.4 ulp; 2.
 */
export function log1p(x: Expr): Expr {
  const u = op("add", x, 1);
  const rounded = op("sub", u, 1);
  // The factor is 1 for large x, where u - 1 is x or where both are infinite.
  const factor = op("div", x, select(op("eq", rounded, 0), 1, rounded));
  const scaled = op("mul", log(u), select(op("lt", x, Infinity), factor, 1));
  return select(op("eq", rounded, 0), x, scaled);
}

/** ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|). Error 2.4 ulp; 2. */
export function softplus(x: Expr): Expr {
  const e = expNonPositive(op("neg", op("abs", x)));
  return op("add", op("max", x, 0), isDouble(x) ? log1p(e) : log1pOfFraction(e));
}

/** ln(1 + x) for x from 0 to 1: 2 artanh s with s = x / (x + 2), by a polynomial of degree 9 in s. */
function log1pOfFraction(x: Expr): Expr {
  const s = op("div", x, op("add", x, 2));
  const z = op("mul", s, s);
  const tail = polynomial(z, [0.666664131, 0.400216992, 0.279991394, 0.280244657]);
  return op("fma", op("mul", z, s), tail, op("add", s, s));
}
