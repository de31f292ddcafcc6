/**
 * The two 16-bit float formats in integer arithmetic on Loop IR expressions, for scalars and vectors alike: bits as
 * i32, values as f32. Encoding rounds to nearest, ties to even, and gives NaN the bits of the quiet one.
 */

import { constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";

export const decodeBfloat16 = (bits: Expr): Expr => op("bits_f32", op("shl", bits, 16));

export function encodeBfloat16(value: Expr): Expr {
  const bits = op("f32_bits", value);
  const even = op("and", op("shr_u", bits, 16), 1);
  const rounded = op("shr_u", op("add", bits, op("add", even, 0x7fff)), 16);
  return select(op("ne", value, value), 0x7fc0, rounded);
}

const INFINITY_16 = 0x7c00;
/** Exponent bias of float32 minus that of float16. */
const BIAS = 127 - 15;

/**
 * Exponent and fraction move to their places in a float32, which is then too small by 2^112; multiplying is exact and
 * takes care of subnormals. Infinity and NaN need the largest exponent instead.
 */
export function decodeFloat16(bits: Expr): Expr {
  const magnitude = op("shl", op("and", bits, 0x7fff), 13);
  const scaled = op("f32_bits", op("mul", op("bits_f32", magnitude), 2 ** BIAS));
  const special = op("or", magnitude, 0x7f800000);
  const isSpecial = op("ge_s", magnitude, INFINITY_16 << 13);
  const sign = op("shl", op("and", bits, 0x8000), 16);
  return op("bits_f32", op("or", select(isSpecial, special, scaled), sign));
}

/** Subnormal results are multiples of 2^-24: adding 0.5, whose last bit that is, rounds to them. */
export function encodeFloat16(value: Expr): Expr {
  const bits = op("f32_bits", value);
  const sign = op("and", op("shr_u", bits, 16), 0x8000);
  const magnitude = op("and", bits, 0x7fffffff);
  const even = op("and", op("shr_u", magnitude, 13), 1);
  const rounded = op("shr_u", op("add", magnitude, op("add", even, 0xfff)), 13);
  const normal = op("min_s", op("sub", rounded, BIAS << 10), INFINITY_16);
  const shifted = op("f32_bits", op("add", op("bits_f32", magnitude), 0.5));
  const subnormal = op("sub", shifted, HALF_BITS);
  const isSubnormal = op("lt_s", magnitude, SMALLEST_NORMAL_BITS);
  const finite = op("or", select(isSubnormal, subnormal, normal), sign);
  return select(op("ne", value, value), constant(bits.type, 0x7e00), finite);
}

/** float32 bits of 0.5, and of 2^-14, the smallest normal float16. */
const HALF_BITS = 0x3f000000;
const SMALLEST_NORMAL_BITS = (127 - 14) << 23;
