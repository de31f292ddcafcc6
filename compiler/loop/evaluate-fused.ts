/** Fused multiply-add: the exact product plus the addend, rounded once. */

const word = new DataView(new ArrayBuffer(8));

/**
 * For f32. The product of two 24-bit significands is exact in f64, so only the sum needs care: rounding it to f64 and
 * then to f32 could round twice. Rounding the first time to odd instead, that is to whichever neighbour has an odd
 * significand when the sum is inexact, keeps the information that the second rounding needs (53 >= 24 + 2 bits).
 */
export function fusedMultiplyAdd32(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  if (!Number.isFinite(sum)) return Math.fround(sum);
  const addend = sum - product;
  const error = product - (sum - addend) + (c - addend);
  return Math.fround(error === 0 ? sum : roundedToOdd(sum, error));
}

/** The neighbour of an inexact sum in the direction of its error, where the sum itself is even. */
function roundedToOdd(sum: number, error: number): number {
  word.setFloat64(0, sum);
  const bits = word.getBigInt64(0);
  if ((bits & 1n) === 1n) return sum;
  word.setBigInt64(0, error > 0 === sum > 0 ? bits + 1n : bits - 1n);
  return word.getFloat64(0);
}

/** For f64, on integers of any length: significand times a power of two. */
export function fusedMultiplyAdd64(a: number, b: number, c: number): number {
  if (!Number.isFinite(a) || !Number.isFinite(b) || a === 0 || b === 0) return a * b + c;
  if (!Number.isFinite(c)) return c;
  const [x, y, z] = [decompose(a), decompose(b), decompose(c)];
  const product = { significand: x.significand * y.significand, exponent: x.exponent + y.exponent };
  const exponent = Math.min(product.exponent, z.exponent);
  const scaled = (v: Scaled): bigint => v.significand << BigInt(v.exponent - exponent);
  return rounded({ significand: scaled(product) + scaled(z), exponent });
}

/** significand * 2^exponent. */
interface Scaled {
  readonly significand: bigint;
  readonly exponent: number;
}

const FRACTION_BITS = 52n;
const SMALLEST_EXPONENT = -1074;

function decompose(value: number): Scaled {
  word.setFloat64(0, value);
  const bits = word.getBigUint64(0);
  const biased = Number((bits >> FRACTION_BITS) & 0x7ffn);
  const fraction = BigInt.asUintN(52, bits);
  const magnitude = biased === 0 ? fraction : fraction | (1n << FRACTION_BITS);
  return {
    significand: value < 0 ? -magnitude : magnitude,
    exponent: Math.max(biased, 1) - 1 + SMALLEST_EXPONENT,
  };
}

/** The nearest f64, ties to even; exactly 0 is +0. */
function rounded({ significand, exponent }: Scaled): number {
  const negative = significand < 0n;
  const magnitude = negative ? -significand : significand;
  const bits = magnitude.toString(2).length;
  const unit = Math.max(exponent + bits - 53, SMALLEST_EXPONENT);
  const kept =
    unit <= exponent
      ? magnitude << BigInt(exponent - unit)
      : shiftedToEven(magnitude, BigInt(unit - exponent));
  // In two steps, because 2^unit itself may be below or above all f64; neither step rounds.
  const half = Math.trunc(unit / 2);
  const value = Number(kept) * 2 ** half * 2 ** (unit - half);
  return negative ? -value : value;
}

function shiftedToEven(value: bigint, shift: bigint): bigint {
  const quotient = value >> shift;
  const rest = value - (quotient << shift);
  const half = 1n << (shift - 1n);
  return rest > half || (rest === half && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}
