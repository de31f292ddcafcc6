/** Integer formulas that keep registers in the range of their dtype and never trap. */

import type { DType } from "../ir/dtype.js";
import { dtypes } from "../ir/dtype.js";
import { type Operand, op, select } from "../loop/builder.js";
import type { Expr, OpName } from "../loop/ir.js";

export const isFloat = (dtype: DType): boolean => dtypes[dtype].kind === "float";
export const isUnsigned = (dtype: DType): boolean =>
  dtypes[dtype].kind === "uint" || dtypes[dtype].kind === "bool";

/** `lt` for floats, `lt_s` or `lt_u` for integers; names without those forms (`add`) are for all types anyway. */
export function typedOp(
  name: "div" | "rem" | "min" | "max" | "lt" | "le" | "gt" | "ge" | "shr",
  dtype: DType,
): OpName {
  if (isFloat(dtype)) return name as OpName;
  return `${name}_${isUnsigned(dtype) ? "u" : "s"}` as OpName;
}

/**
 * Elements narrower than their register are kept sign- or zero-extended in it, so that a formula further on sees what
 * it would load from memory. To be applied to results that can leave the range.
 */
export function wrapInteger(value: Expr, dtype: DType): Expr {
  const { bits } = dtypes[dtype];
  if (isFloat(dtype) || value.type.scalar !== "i32" || bits >= 32) return value;
  if (isUnsigned(dtype)) return op("and", value, 2 ** bits - 1);
  return op("shr_s", op("shl", value, 32 - bits), 32 - bits);
}

/** Truncating quotient. Division by zero, which the specification leaves open, gives 0. */
export function divideIntegers(a: Expr, b: Expr, dtype: DType): Expr {
  const known = constantOf(b);
  if (known !== undefined && known !== 0n && known !== -1n) return op(typedOp("div", dtype), a, b);
  const byZero = op("eq", b, 0);
  if (isUnsigned(dtype)) return select(byZero, 0, op("div_u", a, select(byZero, 1, b)));
  // The lowest integer divided by -1 traps; its negative wraps to itself.
  const byMinusOne = op("eq", b, -1);
  const safe = select(op("or", byZero, byMinusOne), 1, b);
  const quotient = select(byMinusOne, op("neg", a), op("div_s", a, safe));
  return wrapInteger(select(byZero, 0, quotient), dtype);
}

/** Remainder with the sign of the dividend; 0 where the divisor is. */
export function remainderOfIntegers(a: Expr, b: Expr, dtype: DType): Expr {
  const name = typedOp("rem", dtype);
  const known = constantOf(b);
  if (known !== undefined && known !== 0n) return op(name, a, b);
  const byZero = op("eq", b, 0);
  return select(byZero, 0, op(name, a, select(byZero, 1, b)));
}

/** Remainder with the sign of the divisor, as Python has it. */
export function flooredRemainder(a: Expr, b: Expr, dtype: DType): Expr {
  const remainder = remainderOfIntegers(a, b, dtype);
  if (isUnsigned(dtype)) return remainder;
  const signsDiffer = op("lt_s", op("xor", remainder, b), 0);
  return select(op("and", signsDiffer, op("ne", remainder, 0)), op("add", remainder, b), remainder);
}

/** Smallest and largest value of an integer dtype. */
export function integerRange(dtype: DType): { min: bigint; max: bigint } {
  const bits = BigInt(dtypes[dtype].bits);
  if (dtype === "bool") return { min: 0n, max: 1n };
  return isUnsigned(dtype)
    ? { min: 0n, max: (1n << bits) - 1n }
    : { min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n };
}

/** The integer that a number becomes without its fraction; the nearest one where it is out of range, and 0 for NaN. */
export function truncatedTo(dtype: DType, value: number): number {
  if (Number.isNaN(value)) return 0;
  const { min, max } = integerRange(dtype);
  return Math.min(Math.max(Math.trunc(value), Number(min)), Number(max));
}

export function constantOf(expr: Operand): bigint | undefined {
  if (typeof expr === "number") return BigInt(expr);
  if (expr.kind === "op" && expr.op === "splat") return constantOf(expr.args[0]!);
  return expr.kind === "constant" ? BigInt(expr.value) : undefined;
}
