/** Pow. */

import { type DType, dtypes } from "../ir/dtype.js";
import { pow } from "../kernels/math-power.js";
import { constant, op, select } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { binaryVersions } from "./arithmetic-versions.js";
import { convertElement } from "./cast-emit.js";
import { isFloat, truncatedTo, wrapInteger } from "./integer.js";
import { decodeElement } from "./numbers.js";
import type { NodeView, Operator } from "./operator.js";
import { floats, numeric, pointwise } from "./pointwise.js";

/** Exponents that need no logarithm; the results are as exact as their few operations. */
const floatPowers = new Map<number, (x: Expr) => Expr>([
  [1, (x) => x],
  [2, (x) => square(x)],
  [3, (x) => op("mul", square(x), x)],
  [4, (x) => square(square(x))],
  // The sum makes a +0 of -0; the power of -Infinity is Infinity, where the square root is NaN.
  [0.5, (x) => select(op("eq", x, -Infinity), Infinity, op("sqrt", op("add", x, 0)))],
  [-1, (x) => op("div", 1, x)],
  [-2, (x) => op("div", 1, square(x))],
]);

const square = (x: Expr): Expr => op("mul", x, x);

function constantExponent(context: NodeView): number | undefined {
  const { constant: data, dtype } = context.input(1);
  return data?.data.length === 1 ? decodeElement(dtype, data.data[0]!) : undefined;
}

/** x^n for a whole n by repeated squaring. */
function constantPower(x: Expr, n: number): Expr {
  if (n === 0) return constant(x.type, 1);
  if (n === 1) return x;
  const half = constantPower(square(x), Math.floor(n / 2));
  return n % 2 === 1 ? op("mul", half, x) : half;
}

/** As `constantPower` for an exponent in a register: each of its bits decides about one factor. */
function variablePower(x: Expr, n: Expr): Expr {
  let [result, factor, rest] = [constant(x.type, 1), x, n];
  const bits = n.type.scalar === "i64" ? 63 : 31;
  for (let bit = 0; bit < bits; bit++) {
    const isSet = op("ne", op("and", rest, 1), 0);
    result = select(isSet, op("mul", result, factor), result);
    factor = square(factor);
    rest = op("shr_u", rest, 1);
  }
  return select(op("lt_s", n, 0), inversePower(x, n), result);
}

/** x^n for negative n, truncated: 0 but for 1 and -1. */
function inversePower(x: Expr, n: Expr): Expr {
  const one = constant(x.type, 1);
  const sign = select(op("ne", op("and", n, 1), 0), x, one);
  return select(op("eq", x, 1), one, select(op("eq", x, -1), sign, constant(x.type, 0)));
}

/** Whole exponents for whole bases, where the result is a whole number as well. */
function integerPower(x: Expr, n: Expr, context: NodeView): Expr {
  const [base, exponentType] = [context.input(0).dtype, context.input(1).dtype];
  const exponent = constantExponent(context);
  const isPlain = exponent !== undefined && Number.isInteger(exponent) && exponent >= 0 && exponent < 64;
  const power = isPlain
    ? constantPower(x, exponent)
    : variablePower(x, convertElement(n, exponentType, base === "int64" ? "int64" : "int32"));
  return wrapInteger(power, base);
}

/** The power in float64, truncated where the base is an integer. */
function powerInDouble(x: Expr, y: Expr, context: NodeView): Expr {
  const [base, exponentType] = [context.input(0).dtype, context.input(1).dtype];
  const power = pow(convertElement(x, base, "float64"), convertElement(y, exponentType, "float64"));
  return isFloat(base) ? op("f64_to_f32", power) : convertElement(power, "float64", base);
}

const hasMoreDigits = (exponent: DType, register: "float32" | "float64"): boolean =>
  !isFloat(exponent) && dtypes[exponent].bits > (register === "float32" ? 24 : 53);

/** A power whose exponent has lost digits that say whether it is odd. */
function integerExponent(x: Expr, n: Expr, rounded: Expr): Expr {
  const power = pow(op("abs", x), rounded);
  return select(op("ne", op("and", n, 1), 0), op("copysign", power, x), power);
}

function checkPow(context: NodeView): void {
  const exponentType = context.input(1).dtype;
  if (!numeric.includes(exponentType)) context.fail(`does not take exponents of ${exponentType}`);
}

const Pow = pointwise({
  name: "Pow",
  summary: "X to the power of Y; the result has the type of X.",
  inputs: ["X", "Y"],
  attributes: {},
  versions: [...binaryVersions("Pow", [1]), 7, 12, 13, 15],
  types: [...floats, "int32", "int64"],
  operands: checkPow,
  emit: ([x, y], context) => {
    const [base, exponentType] = [context.input(0).dtype, context.input(1).dtype];
    const exponent = constantExponent(context);
    if (!isFloat(base)) {
      const isWhole = exponent !== undefined ? Number.isInteger(exponent) : !isFloat(exponentType);
      return isWhole ? integerPower(x!, y!, context) : powerInDouble(x!, y!, context);
    }
    const exact = floatPowers.get(exponent ?? Number.NaN);
    if (exact !== undefined) return exact(x!);
    // An exponent of more digits than its base has may be odd, or next to 0, in one that is dropped.
    const fits = exponent !== undefined ? Math.fround(exponent) === exponent : exponentType !== "float64";
    if (base !== "float64" && !fits) return powerInDouble(x!, y!, context);
    const register = registerTypes[base] === "f64" ? "float64" : "float32";
    const value = convertElement(y!, exponentType, register);
    return hasMoreDigits(exponentType, register) ? integerExponent(x!, y!, value) : pow(x!, value);
  },
  evaluate: ([x, y], { dtypes: [base] }) => powerOf(x!, y!, base!),
});

/** As IEEE 754 has it for floats, where JavaScript gives NaN; integers wrap, and what is no number is 0. */
function powerOf(x: number, y: number, base: DType): number {
  const power = x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;
  if (isFloat(base)) return power;
  if (!Number.isInteger(y)) return truncatedTo(base, power);
  if (y < 0) return Number.isFinite(power) ? Math.trunc(power) : 0;
  return base === "int32" ? wrappedPower(x, y) : power;
}

function wrappedPower(x: number, n: number): number {
  if (n === 0) return 1;
  const half = wrappedPower(Math.imul(x, x), Math.floor(n / 2));
  return n % 2 === 1 ? Math.imul(half, x) : half;
}

export const powerOperators: readonly Operator[] = [Pow];
