/**
 * Powers: x^y = e^(y ln x). An error in the logarithm is multiplied by y ln x, which reaches 104 (745 in float64), so it is
 * computed as the unevaluated sum of two floats (after SLEEF, https://sleef.org, `xpowf`).
 */

import { constant, op, select } from "../loop/builder.js";
import type { Expr, OpName } from "../loop/ir.js";
import { polynomial } from "./math.js";
import { add, divide, fastSum, multiply, type Pair, pairOf, product, single, sum } from "./math-pair.js";

/** What the formulas need to know of a format of floats. */
interface Format {
  readonly bits: { readonly of: OpName; readonly from: OpName; readonly scalar: "i32" | "i64" };
  /** Of a significand, without the first one. */
  readonly digits: number;
  readonly bias: number;
  /** The bits of sqrt(1/2). */
  readonly sqrtHalf: bigint;
  readonly toFloat: OpName;
  readonly toInteger: OpName;
  /** (ln m - 2 s) / s^3 for s = (m - 1) / (m + 1), as a polynomial in s^2: the first coefficient in two parts. */
  readonly third: readonly [number, number];
  readonly artanh: readonly number[];
  /** ln 2 in two parts to be added, and in two whose first one gives exact products with exponents. */
  readonly ln2: readonly [number, number];
  readonly ln2Parts: readonly [number, number];
  /** (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2. */
  readonly exp: readonly number[];
  /** Limits beyond which e^x is infinite or 0. */
  readonly highest: number;
  readonly lowest: number;
}

const float32: Format = {
  bits: { of: "f32_bits", from: "bits_f32", scalar: "i32" },
  digits: 23,
  bias: 127,
  sqrtHalf: 0x3f3504f3n,
  toFloat: "i32_to_f32_s",
  toInteger: "f32_to_i32_s",
  third: [0.6666666269302368, 3.6918386125961433e-9],
  artanh: [0.40000587701797485, 0.2851821184158325, 0.23928284645080566],
  ln2: [0.6931471824645996, -1.904654323148236e-9],
  ln2Parts: [0.693359375, -2.121944400546906e-4],
  exp: [
    0.49999985098838806, 0.16666552424430847, 0.04167108237743378, 0.00836596917361021, 0.0013632464688271284,
  ],
  highest: 90,
  lowest: -105,
};

/** Its polynomials are Taylor's, whose remainders are far below the error of the first part of a pair. */
const float64: Format = {
  bits: { of: "f64_bits", from: "bits_f64", scalar: "i64" },
  digits: 52,
  bias: 1023,
  sqrtHalf: 0x3fe6a09e667f3bcdn,
  toFloat: "i64_to_f64_s",
  toInteger: "f64_to_i64_s",
  third: [2 / 3, 3.700743415417188e-17],
  artanh: Array.from({ length: 11 }, (_, i) => 2 / (2 * i + 5)),
  ln2: [Math.LN2, 2.3190468138462996e-17],
  ln2Parts: [0.6931471803691238, 1.9082149292705877e-10],
  exp: [2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800, 479001600, 6227020800].map((n) => 1 / n),
  highest: 710,
  lowest: -747,
};

const formatOf = (x: Expr): Format => (x.type.scalar === "f64" ? float64 : float32);

const integer = ({ bits }: Format, like: Expr, value: number | bigint): Expr =>
  constant({ scalar: bits.scalar, lanes: like.type.lanes }, value);

/** The logarithm of a positive normal number, as e ln 2 + 2 artanh((m - 1) / (m + 1)). */
function logPair(f: Format, x: Expr, exponentBias: Expr): Pair {
  const bits = op(f.bits.of, x);
  const digits = integer(f, x, f.digits);
  const exponent = op("shr_s", op("sub", bits, integer(f, x, f.sqrtHalf)), digits);
  const m = op(f.bits.from, op("sub", bits, op("shl", exponent, digits)));
  const e = op("sub", op(f.toFloat, exponent), exponentBias);
  const one = constant(x.type, 1);
  // m - 1 is exact, m + 1 is not.
  const s = divide(single(op("sub", m, 1)), fastSum(one, m));
  const z = multiply(s, s);
  const tail = polynomial(z.high, f.artanh);
  const series = multiply(multiply(z, s), add(pairOf(x, ...f.third), product(z.high, tail)));
  const whole = multiply(pairOf(x, ...f.ln2), single(e));
  const twice: Pair = { high: op("add", s.high, s.high), low: op("add", s.low, s.low) };
  return add(add(whole, twice), series);
}

/** e^(high + low), with overflow and denormals. */
function expPair(f: Format, { high, low }: Pair): Expr {
  const limited = op("pmax", op("pmin", high, f.highest), f.lowest);
  const n = op("nearest", op("mul", limited, Math.LOG2E));
  const rest = select(op("eq", limited, high), low, 0);
  const [first, second] = f.ln2Parts;
  const r = add(sum(op("fma", n, -first, limited), op("mul", n, -second)), single(rest));
  const curved = add(r, multiply(multiply(r, r), single(polynomial(r.high, f.exp))));
  const result = fastSum(constant(high.type, 1), curved.high);
  const value = op("add", result.high, op("add", result.low, curved.low));
  const exponent = op(f.toInteger, n);
  const half = op("shr_s", exponent, integer(f, high, 1));
  const power = (bits: Expr) =>
    op(f.bits.from, op("shl", op("add", bits, integer(f, high, f.bias)), integer(f, high, f.digits)));
  return op("mul", op("mul", value, power(half)), power(op("sub", exponent, half)));
}

/**
 * x^y with all the special cases of IEEE 754: 1 for y = 0 and x = 1, NaN for negative x and broken y, signs of odd powers.
 * Error 1.0 ulp; 1.
 */
export function pow(x: Expr, y: Expr): Expr {
  const f = formatOf(x);
  const magnitude = op("abs", x);
  const isDenormal = op("lt", magnitude, 2 ** (1 - f.bias));
  const normal = select(isDenormal, op("mul", magnitude, 2 ** f.digits), magnitude);
  const bias = select(isDenormal, constant(x.type, f.digits), constant(x.type, 0));
  // Larger exponents give 0 or Infinity for every x but 1, just as this one does, and would overflow on the way.
  const limit = 2 ** (f.digits + 14);
  const exponent = op("pmax", op("pmin", y, limit), -limit);
  const power = expPair(f, multiply(logPair(f, normal, bias), single(exponent)));
  return specialPowers(x, y, magnitude, power);
}

function specialPowers(x: Expr, y: Expr, magnitude: Expr, power: Expr): Expr {
  const isWhole = op("eq", op("trunc", y), y);
  const halved = op("mul", y, 0.5);
  const isOdd = op("and", isWhole, op("ne", op("trunc", halved), halved));
  const isNegative = op("lt", x, 0);
  const grows = op("gt", y, 0);
  // 0 and Infinity: the power is one of them, or the other.
  const extreme = select(
    op("eq", magnitude, 0),
    select(grows, constant(x.type, 0), Infinity),
    select(grows, constant(x.type, Infinity), 0),
  );
  const isExtreme = op("or", op("eq", magnitude, 0), op("eq", magnitude, Infinity));
  const unsigned = select(isExtreme, extreme, power);
  const signed = select(isOdd, op("copysign", unsigned, x), unsigned);
  const isBroken = op("and", op("and", isNegative, op("not", isWhole)), op("lt", magnitude, Infinity));
  const real = select(isBroken, Number.NaN, signed);
  const isNan = op("or", op("ne", x, x), op("ne", y, y));
  const isUnit = op("eq", magnitude, 1);
  const atUnit = select(isBroken, Number.NaN, select(op("and", isNegative, isOdd), constant(x.type, -1), 1));
  const known = select(isNan, Number.NaN, select(isUnit, atUnit, real));
  return select(op("or", op("eq", y, 0), op("eq", x, 1)), constant(x.type, 1), known);
}
