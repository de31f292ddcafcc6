/** Formulas that convert an element between dtypes, register to register. */

import type { DType } from "../ir/dtype.js";
import { op, select } from "../loop/builder.js";
import { type Expr, type OpName, registerTypes } from "../loop/ir.js";
import { integerRange, isFloat, isUnsigned, wrapInteger } from "./integer.js";
import { booleanElement } from "./pointwise.js";

export function convertElement(x: Expr, from: DType, to: DType): Expr {
  if (from === to) return x;
  if (to === "bool") return booleanElement(op("ne", x, 0));
  if (!isFloat(from)) return isFloat(to) ? integerToFloat(x, from, to) : integerToInteger(x, from, to);
  if (!isFloat(to)) return floatToInteger(x, to);
  return roundFloat(convertFloat(x, registerTypes[to] as "f32" | "f64"), from, to);
}

function convertFloat(x: Expr, to: "f32" | "f64"): Expr {
  if (x.type.scalar === to) return x;
  return op(to === "f64" ? "f32_to_f64" : "f64_to_f32", x);
}

function integerToFloat(x: Expr, from: DType, to: DType): Expr {
  const register = registerTypes[to];
  const sign = isUnsigned(from) && from !== "bool" ? "u" : "s";
  return roundFloat(op(`${x.type.scalar}_to_${register}_${sign}` as OpName, x), from, to);
}

function integerToInteger(x: Expr, from: DType, to: DType): Expr {
  const register = registerTypes[to];
  if (x.type.scalar === "i32" && register === "i64") {
    return op(isUnsigned(from) ? "i32_to_i64_u" : "i32_to_i64_s", x);
  }
  return wrapInteger(x.type.scalar === "i64" && register === "i32" ? op("i64_to_i32", x) : x, to);
}

/** Truncates towards zero; what lies outside the range gives its end, and NaN gives 0. */
function floatToInteger(x: Expr, to: DType): Expr {
  const register = registerTypes[to];
  const sign = isUnsigned(to) ? "u" : "s";
  const value = op(`${x.type.scalar}_to_${register}_${sign}` as OpName, x);
  if (to === "int32" || to === "uint32" || register === "i64") return value;
  const { min, max } = integerRange(to);
  if (isUnsigned(to)) return op("min_u", value, Number(max));
  return op("min_s", op("max_s", value, Number(min)), Number(max));
}

/** What is left of a float once it is stored in 16 bits, so that formulas further on see no more than that. */
function roundFloat(x: Expr, from: DType, to: DType): Expr {
  if (to === "float16" && !fitsFloat16.has(from)) return roundToFloat16(x);
  return to === "bfloat16" && !fitsBfloat16.has(from) ? roundToBfloat16(x) : x;
}

const fitsFloat16: ReadonlySet<DType> = new Set<DType>(["bool", "int8", "uint8"]);
const fitsBfloat16: ReadonlySet<DType> = new Set<DType>(["bool", "int8", "uint8"]);

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
