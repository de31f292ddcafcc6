/** Formulas that convert an element between dtypes, register to register. */

import { type DType, dtypes, isMinifloat, isPacked } from "../ir/dtype.js";
import type { MinifloatRounding } from "../ir/minifloat.js";
import { constant, op, select } from "../loop/builder.js";
import { type Expr, type OpName, registerTypes } from "../loop/ir.js";
import { integerRange, isFloat, isUnsigned, wrapInteger } from "./integer.js";
import { decodeMinifloatElement, encodeMinifloatElement } from "./minifloat-emit.js";
import { booleanElement } from "./pointwise.js";

/** `rounding` is asked for only where the result is a minifloat. */
export function convertElement(
  x: Expr,
  from: DType,
  to: DType,
  rounding: MinifloatRounding = { saturate: true, roundMode: "up" },
): Expr {
  if (from === to) return x;
  if (isMinifloat(from)) return convertElement(decodeMinifloatElement(x, from), "float32", to, rounding);
  if (to === "bool") return booleanElement(op("ne", x, 0));
  if (isMinifloat(to)) return encodeMinifloatElement(singleForRounding(x, from, to), to, rounding);
  if (isFloat(to)) return toFloat(x, from, to);
  return isFloat(from) ? floatToInteger(x, to) : integerToInteger(x, from, to);
}

function toFloat(x: Expr, from: DType, to: DType): Expr {
  if (to === "float32" || to === "float64")
    return convertRegister(x, from, registerTypes[to] as "f32" | "f64");
  const single = singleForRounding(x, from, to);
  if (!isFloat(from) && dtypes[from].bits <= 8) return single;
  return to === "float16" ? roundToFloat16(single) : roundToBfloat16(single);
}

/** One instruction, which rounds where it must. */
function convertRegister(x: Expr, from: DType, to: "f32" | "f64"): Expr {
  if (x.type.scalar === to) return x;
  const sign = isUnsigned(from) && from !== "bool" ? "_u" : "_s";
  return op(`${x.type.scalar}_to_${to}${isFloat(from) ? "" : sign}` as OpName, x);
}

/** An f32 that rounds to the same as x does, in a float of fewer bits. */
function singleForRounding(x: Expr, from: DType, to: DType): Expr {
  if (from === "float64") return narrowToOdd(x);
  // Integers that an f32 does not hold lie beyond the largest number of most such floats.
  const isWide = to === "bfloat16" || to === "float8e8m0";
  if (!isWide || isFloat(from) || dtypes[from].bits < 32) return convertRegister(x, from, "f32");
  const exact = dtypes[from].bits === 64 ? keepLowest(x, isUnsigned(from)) : x;
  return narrowToOdd(convertRegister(exact, from, "f64"));
}

/**
 * A 64-bit integer that an f64 holds, on the same side of all numbers of less than 50 bits: beyond 2^53, the lowest 12
 * bits become one that says whether any was set.
 */
function keepLowest(x: Expr, unsigned: boolean): Expr {
  const wide = (value: bigint): Expr => constant(x.type, value);
  const sticky = select(op("eq", op("and", x, 0xfff), 0), 0, wide(0x800n));
  const kept = op("or", op("and", x, wide(~0xfffn)), sticky);
  const isExact = unsigned
    ? op("lt_u", x, wide(2n ** 53n))
    : op("lt_u", op("add", x, wide(2n ** 53n)), wide(2n ** 54n));
  return select(isExact, x, kept);
}

/** As `narrowToOdd` of `loop/half.ts`. */
function narrowToOdd(x: Expr): Expr {
  const single = op("f64_to_f32", x);
  const back = op("f32_to_f64", single);
  const bits = op("f32_bits", single);
  const below = select(op("gt", op("abs", back), op("abs", x)), op("sub", bits, 1), bits);
  const isExact = op("or", op("eq", back, x), op("ne", x, x));
  return select(isExact, single, op("bits_f32", op("or", below, 1)));
}

function integerToInteger(x: Expr, from: DType, to: DType): Expr {
  const register = registerTypes[to];
  if (x.type.scalar === "i32" && register === "i64") {
    return op(isUnsigned(from) ? "i32_to_i64_u" : "i32_to_i64_s", x);
  }
  return wrapInteger(x.type.scalar === "i64" && register === "i32" ? op("i64_to_i32", x) : x, to);
}

/**
 * Truncates towards zero; what lies outside the range gives its end, and NaN gives 0. Packed integers are those nearest,
 * ties to even, of which the lowest bits are kept.
 */
function floatToInteger(x: Expr, to: DType): Expr {
  if (isPacked(to)) return wrapInteger(op(`${x.type.scalar}_to_i32_s` as OpName, op("nearest", x)), to);
  const register = registerTypes[to];
  const sign = isUnsigned(to) ? "u" : "s";
  const value = op(`${x.type.scalar}_to_${register}_${sign}` as OpName, x);
  if (to === "int32" || to === "uint32" || register === "i64") return value;
  const { min, max } = integerRange(to);
  if (isUnsigned(to)) return op("min_u", value, Number(max));
  return op("min_s", op("max_s", value, Number(min)), Number(max));
}

/** Rounds the bits below the 16 upper ones away, to the even one of two; NaN stays. */
function roundToBfloat16(x: Expr): Expr {
  return select(op("ne", x, x), x, op("bits_f32", roundBits(op("f32_bits", x), 16)));
}

/** Clears the lowest bits, rounding half to even: a carry goes into the exponent, where it belongs. */
function roundBits(bits: Expr, count: number): Expr {
  const odd = op("and", op("shr_u", bits, count), 1);
  const raised = op("add", op("add", bits, 2 ** (count - 1) - 1), odd);
  return op("and", raised, -(2 ** count));
}

function roundToFloat16(x: Expr): Expr {
  const magnitude = op("abs", x);
  const normal = op("bits_f32", roundBits(op("f32_bits", magnitude), 13));
  // Denormals are multiples of 2^-24, which is the last place of numbers from 0.5 on.
  const denormal = op("sub", op("add", magnitude, 0.5), 0.5);
  const rounded = select(op("lt", magnitude, 2 ** -14), denormal, normal);
  const limited = select(op("ge", rounded, 65520), Infinity, rounded);
  return select(op("ne", x, x), x, op("copysign", limited, x));
}
