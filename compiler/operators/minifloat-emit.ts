/** Floats of 8 bits and fewer in Loop IR: their bits, in i32 registers, to and from f32. The same as `ir/minifloat.ts`. */

import type { DType } from "../ir/dtype.js";
import { type Minifloat, type MinifloatRounding, type MinifloatType, minifloats } from "../ir/minifloat.js";
import { constant, f32Constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";

const FLOAT32_BIAS = 127;
const FLOAT32_MANTISSA = 23;
const INFINITY_BITS = 0x7f800000;

/** The f32 that these bits stand for. */
export function decodeMinifloatElement(bits: Expr, dtype: DType): Expr {
  if (dtype === "float8e8m0") return decodePower(bits);
  const { mantissa, bias, sign, largest, unsignedZero } = minifloats[dtype as MinifloatType];
  // Exponent and fraction move to their places in an f32, which is then too small by a power of two.
  const magnitude = op("and", bits, sign - 1);
  const raised = op("shl", magnitude, FLOAT32_MANTISSA - mantissa);
  const scaled = op("f32_bits", op("mul", op("bits_f32", raised), 2 ** (FLOAT32_BIAS - bias)));
  // What lies beyond the largest number is infinity and NaN in an f32, too, once its exponent is the largest.
  const hasSpecials = largest < sign - 1;
  const value = hasSpecials
    ? select(op("gt_s", magnitude, largest), op("or", raised, INFINITY_BITS), scaled)
    : scaled;
  const signed = op("bits_f32", op("or", value, op("shl", op("and", bits, sign), signDistance(sign))));
  return unsignedZero ? select(op("eq", bits, sign), f32Constant(Number.NaN), signed) : signed;
}

/** Bits between a format's sign and that of f32. */
const signDistance = (sign: number): number => 31 - Math.log2(sign);

/** The bits nearest to an f32. */
export function encodeMinifloatElement(value: Expr, dtype: DType, rounding: MinifloatRounding): Expr {
  if (dtype === "float8e8m0") return encodePower(value, rounding);
  const format = minifloats[dtype as MinifloatType];
  const { sign, largest, infinity, nan, unsignedZero, finite } = format;
  const bits = op("f32_bits", value);
  const rounded = roundMagnitude(op("and", bits, 0x7fffffff), format);
  const beyond = rounding.saturate || finite ? largest : (infinity ?? nan);
  const limited = select(op("gt_s", rounded, largest), beyond, rounded);
  const signed = op("or", limited, op("and", op("shr_u", bits, signDistance(sign)), sign));
  const number = unsignedZero ? select(op("eq", limited, 0), 0, signed) : signed;
  return select(op("ne", value, value), nan, number);
}

/** The bits of a magnitude, given as those of an f32, as if exponents had no end. */
function roundMagnitude(magnitude: Expr, { mantissa, bias }: Minifloat): Expr {
  const dropped = FLOAT32_MANTISSA - mantissa;
  const even = op("and", op("shr_u", magnitude, dropped), 1);
  const rounded = op("shr_u", op("add", magnitude, op("add", even, 2 ** (dropped - 1) - 1)), dropped);
  const normal = op("sub", rounded, (FLOAT32_BIAS - bias) << mantissa);
  // Subnormals are multiples of the last place of this number: adding it rounds to them.
  const exponent = 1 - bias - mantissa + FLOAT32_MANTISSA;
  const shifted = op("f32_bits", op("add", op("bits_f32", magnitude), 2 ** exponent));
  const subnormal = op("sub", shifted, powerBits(exponent));
  return select(op("lt_s", magnitude, powerBits(1 - bias)), subnormal, normal);
}

/** The bits of a power of two as an f32. */
const powerBits = (exponent: number): number => (FLOAT32_BIAS + exponent) << FLOAT32_MANTISSA;

// float8e8m0: powers of two, their exponent with the bias of an f32.

const E8M0_NAN = 255;
const E8M0_SMALLEST = 2 ** -FLOAT32_BIAS;

function decodePower(bits: Expr): Expr {
  const power = select(op("eq", bits, 0), f32Constant(E8M0_SMALLEST), op("bits_f32", op("shl", bits, 23)));
  return select(op("eq", bits, E8M0_NAN), f32Constant(Number.NaN), power);
}

function encodePower(value: Expr, { saturate, roundMode }: MinifloatRounding): Expr {
  const magnitude = op("abs", value);
  // The smallest power is subnormal as an f32: numbers near it are made larger by 2^2, their exponents smaller by 2.
  const isSubnormal = op("lt", magnitude, 2 ** -126);
  const bits = op("f32_bits", select(isSubnormal, op("mul", magnitude, 4), magnitude));
  const below = op("sub", op("shr_u", bits, FLOAT32_MANTISSA), select(isSubnormal, numberLike(bits, 2), 0));
  const fraction = op("and", bits, 2 ** FLOAT32_MANTISSA - 1);
  const power = roundMode === "down" ? below : op("add", below, raise(fraction, roundMode));
  const limited = op("min_s", power, saturate ? E8M0_NAN - 1 : E8M0_NAN);
  const inRange = select(op("lt", magnitude, E8M0_SMALLEST), saturate ? 0 : E8M0_NAN, limited);
  return select(op("ne", value, value), E8M0_NAN, inRange);
}

/** 1 where the next larger power is taken. */
function raise(fraction: Expr, roundMode: "up" | "nearest"): Expr {
  const half = 2 ** (FLOAT32_MANTISSA - 1);
  return select(op("ge_s", fraction, roundMode === "up" ? 1 : half), numberLike(fraction, 1), 0);
}

/** A number of the register's type. */
const numberLike = (like: Expr, value: number): Expr => constant(like.type, value);
