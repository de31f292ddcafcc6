/** Remainders, and arithmetic on the bits of integers. */

import { dtypes } from "../ir/dtype.js";
import { remainderOfDoubles } from "../kernels/math-remainder.js";
import { constant, op, select } from "../loop/builder.js";
import type { Expr, OpName } from "../loop/ir.js";
import { flooredRemainder, isFloat, isUnsigned, remainderOfIntegers, wrapInteger } from "./integer.js";
import { attribute, type NodeView, type Operator } from "./operator.js";
import { integers, numeric, pointwise } from "./pointwise.js";

const modAttributes = { fmod: attribute.int(0) } as const;

function checkMod(context: NodeView<typeof modAttributes>): void {
  const [a, b] = [context.input(0).dtype, context.input(1).dtype];
  if (a !== b) context.fail(`divides ${a} by ${b}`);
  if (isFloat(a) && context.attributes.fmod === 0) context.fail(`fmod must be 1 for ${a}`);
}

/**
 * The exact remainder of float32 division, by long division in float64: each step takes off the multiple of b 2^k that
 * fits, whose quotient has so few bits that nothing is rounded.
 */
function floatRemainder(a: Expr, b: Expr): Expr {
  const divisor = op("f32_to_f64", op("abs", b));
  let rest = op("f32_to_f64", op("abs", a));
  // Quotients of float32 are below 2^277; of the float64 that is left each step takes 28 bits.
  for (let k = 9; k >= 0; k--) {
    const part = k === 0 ? divisor : op("mul", divisor, 2 ** (28 * k));
    rest = op("sub", rest, op("mul", op("trunc", op("div", rest, part)), part));
  }
  const remainder = op("copysign", op("f64_to_f32", rest), a);
  // An infinite divisor leaves a finite dividend as it is; all else that is not a number is NaN by itself.
  const isWhole = op("and", op("eq", op("abs", b), Infinity), op("lt", op("abs", a), Infinity));
  return select(isWhole, a, remainder);
}

const Mod = pointwise({
  name: "Mod",
  summary: "Remainder of a division, with the sign of the divisor, or of the dividend where fmod is 1.",
  inputs: ["A", "B"],
  attributes: modAttributes,
  versions: [10, 13],
  types: numeric,
  operands: checkMod,
  emit: ([a, b], context) => {
    const { dtype } = context.input(0);
    if (isFloat(dtype)) return (dtype === "float64" ? remainderOfDoubles : floatRemainder)(a!, b!);
    const remainder = context.attributes.fmod !== 0 ? remainderOfIntegers : flooredRemainder;
    return wrapInteger(remainder(a!, b!, dtype), dtype);
  },
  evaluate: ([a, b], { attributes, dtypes: [dtype] }) => {
    if (isFloat(dtype!)) return a! % b!;
    if (b === 0) return 0;
    return attributes.fmod !== 0 ? a! % b! : a! - b! * Math.floor(a! / b!);
  },
});

const shiftAttributes = { direction: attribute.required("string") } as const;

const BitShift = pointwise({
  name: "BitShift",
  summary: "X shifted by Y bits; what is shifted in is 0.",
  inputs: ["X", "Y"],
  attributes: shiftAttributes,
  versions: [11],
  types: ["uint8", "uint16", "uint32", "uint64"],
  emit: ([x, y], context) => {
    const { dtype } = context.input(0);
    const name: OpName = context.attributes.direction === "LEFT" ? "shl" : "shr_u";
    // The machine's shifts count modulo the width of the register.
    const fits = op("lt_u", y!, dtypes[dtype].bytes * 8);
    return wrapInteger(select(fits, op(name, x!, y!), constant(x!.type, 0)), dtype);
  },
  evaluate: ([x, y], { attributes, dtypes: [dtype] }) => {
    const bits = dtypes[dtype!].bytes * 8;
    if (attributes.direction === "LEFT") return y! < bits ? (x! * 2 ** y!) % 2 ** bits : 0;
    return y! < bits ? Math.floor(x! / 2 ** y!) : 0;
  },
});

/** Bitwise operations on numbers as 64-bit integers, which hold every dtype. */
const bitwise = (
  name: string,
  summary: string,
  operation: "and" | "or" | "xor",
  evaluate: (a: bigint, b: bigint) => bigint,
): Operator =>
  pointwise({
    name,
    summary,
    inputs: ["A", "B"],
    attributes: {},
    versions: [18],
    types: integers,
    emit: ([a, b]) => op(operation, a!, b!),
    evaluate: ([a, b]) => Number(evaluate(BigInt(a!), BigInt(b!))),
  });

const BitwiseAnd = bitwise("BitwiseAnd", "Bits that are set in both.", "and", (a, b) => a & b);
const BitwiseOr = bitwise("BitwiseOr", "Bits that are set in one or both.", "or", (a, b) => a | b);
const BitwiseXor = bitwise("BitwiseXor", "Bits that differ.", "xor", (a, b) => a ^ b);

const BitwiseNot = pointwise({
  name: "BitwiseNot",
  summary: "Bits that are not set.",
  inputs: ["X"],
  attributes: {},
  versions: [18],
  types: integers,
  emit: ([x], context) => wrapInteger(op("xor", x!, -1), context.input(0).dtype),
  evaluate: ([x], { dtypes: [dtype] }) =>
    isUnsigned(dtype!) ? 2 ** (dtypes[dtype!].bytes * 8) - 1 - x! : -1 - x!,
});

export const integerOperators: readonly Operator[] = [
  Mod,
  BitShift,
  BitwiseAnd,
  BitwiseOr,
  BitwiseXor,
  BitwiseNot,
];
