/**
 * Powers in float32: x^y = e^(y ln x). An error in the logarithm is multiplied by y ln x, which reaches 104, so it is
 * computed as the unevaluated sum of two floats (after SLEEF, https://sleef.org, `xpowf`).
 */

import { constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { polynomial } from "./math.js";

/** high + low, where |low| is at most half an ulp of high. */
interface Pair {
  readonly high: Expr;
  readonly low: Expr;
}

/** a + b where |a| >= |b|. */
function fastSum(a: Expr, b: Expr): Pair {
  const high = op("add", a, b);
  return { high, low: op("add", op("sub", a, high), b) };
}

/** a + b, whichever is larger. */
function sum(a: Expr, b: Expr): Pair {
  const high = op("add", a, b);
  const part = op("sub", high, a);
  return { high, low: op("add", op("sub", a, op("sub", high, part)), op("sub", b, part)) };
}

function add(a: Pair, b: Pair): Pair {
  const { high, low } = sum(a.high, b.high);
  return fastSum(high, op("add", low, op("add", a.low, b.low)));
}

/** The upper 12 bits of a significand, whose products are exact. */
const upper = (x: Expr): Expr => op("bits_f32", op("and", op("f32_bits", x), -4096));

/** a * b without an error, by products of halves: a fused multiply-add would do, but not every target has one. */
function product(a: Expr, b: Expr): Pair {
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

function multiply(a: Pair, b: Pair): Pair {
  const { high, low } = product(a.high, b.high);
  const cross = op("add", op("mul", a.high, b.low), op("mul", a.low, b.high));
  return fastSum(high, op("add", low, cross));
}

function divide(a: Pair, b: Pair): Pair {
  const high = op("div", a.high, b.high);
  const back = product(high, b.high);
  const rest = op("sub", op("sub", op("sub", a.high, back.high), back.low), op("mul", high, b.low));
  return fastSum(high, op("div", op("add", rest, a.low), b.high));
}

const pairOf = (like: Expr, high: number, low: number): Pair => ({
  high: constant(like.type, high),
  low: constant(like.type, low),
});

const single = (x: Expr): Pair => ({ high: x, low: constant(x.type, 0) });

/** The logarithm of a positive normal number, as e ln 2 + 2 artanh((m - 1) / (m + 1)). */
function logPair(x: Expr, exponentBias: Expr): Pair {
  const bits = op("f32_bits", x);
  const exponent = op("shr_s", op("sub", bits, 0x3f3504f3), 23);
  const m = op("bits_f32", op("sub", bits, op("shl", exponent, 23)));
  const e = op("sub", op("i32_to_f32_s", exponent), exponentBias);
  const one = constant(x.type, 1);
  // m - 1 is exact, m + 1 is not.
  const s = divide(single(op("sub", m, 1)), fastSum(one, m));
  const z = multiply(s, s);
  const tail = polynomial(z.high, [0.40000587701797485, 0.2851821184158325, 0.23928284645080566]);
  const third = pairOf(x, 0.6666666269302368, 3.6918386125961433e-9);
  const series = multiply(multiply(z, s), add(third, product(z.high, tail)));
  const whole = multiply(pairOf(x, 0.6931471824645996, -1.904654323148236e-9), single(e));
  const twice: Pair = { high: op("add", s.high, s.high), low: op("add", s.low, s.low) };
  return add(add(whole, twice), series);
}

/** e^(high + low), with overflow and denormals. */
function expPair({ high, low }: Pair): Expr {
  const limited = op("pmax", op("pmin", high, 90), -105);
  const n = op("nearest", op("mul", limited, Math.LOG2E));
  const rest = select(op("eq", limited, high), low, 0);
  const r = add(sum(op("fma", n, -0.693359375, limited), op("mul", n, 2.121944400546906e-4)), single(rest));
  const tail = polynomial(
    r.high,
    [
      0.49999985098838806, 0.16666552424430847, 0.04167108237743378, 0.00836596917361021,
      0.0013632464688271284,
    ],
  );
  const curved = add(r, multiply(multiply(r, r), single(tail)));
  const result = fastSum(constant(high.type, 1), curved.high);
  const value = op("add", result.high, op("add", result.low, curved.low));
  const exponent = op("f32_to_i32_s", n);
  const half = op("shr_s", exponent, 1);
  const power = (bits: Expr) => op("bits_f32", op("shl", op("add", bits, 127), 23));
  return op("mul", op("mul", value, power(half)), power(op("sub", exponent, half)));
}

/**
 * x^y with all the special cases of IEEE 754: 1 for y = 0 and x = 1, NaN for negative x and broken y, signs of odd powers.
 * Error 1.0 ulp.
 */
export function pow(x: Expr, y: Expr): Expr {
  const magnitude = op("abs", x);
  const isDenormal = op("lt", magnitude, 2 ** -126);
  const normal = select(isDenormal, op("mul", magnitude, 2 ** 23), magnitude);
  const bias = select(isDenormal, constant(x.type, 23), constant(x.type, 0));
  // Larger exponents give 0 or Infinity for every x but 1, just as this one does, and would overflow on the way.
  const exponent = op("pmax", op("pmin", y, 2 ** 32), -(2 ** 32));
  const power = expPair(multiply(logPair(normal, bias), single(exponent)));
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
