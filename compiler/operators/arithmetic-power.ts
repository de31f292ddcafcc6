/** Pow. */

import { op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { binaryVersions } from "./arithmetic-versions.js";
import { isFloat, wrapInteger } from "./integer.js";
import { decodeElement } from "./numbers.js";
import type { NodeView, Operator } from "./operator.js";
import { floats, pointwise } from "./pointwise.js";

/** Exponents that need no logarithm; the results are as exact as their few operations. */
const floatPowers = new Map<number, (x: Expr) => Expr>([
  [1, (x) => x],
  [2, (x) => op("mul", x, x)],
  [3, (x) => op("mul", op("mul", x, x), x)],
  [4, (x) => square(square(x))],
  // The sum makes -0 a +0; the power of -Infinity is Infinity, where the square root is NaN.
  [0.5, (x) => select(op("eq", x, -Infinity), Infinity, op("sqrt", op("add", x, 0)))],
  [-1, (x) => op("div", 1, x)],
  [-2, (x) => op("div", 1, square(x))],
]);

const square = (x: Expr): Expr => op("mul", x, x);

function constantExponent(context: NodeView): number | undefined {
  const { constant, dtype } = context.input(1);
  return constant?.data.length === 1 ? decodeElement(dtype, constant.data[0]!) : undefined;
}

/** x^n by repeated squaring. */
function integerPower(x: Expr, n: number): Expr {
  if (n === 1) return x;
  const half = integerPower(square(x), Math.floor(n / 2));
  return n % 2 === 1 ? op("mul", half, x) : half;
}

const Pow = pointwise({
  name: "Pow",
  summary: "X to the power of Y; the result has the type of X.",
  inputs: ["X", "Y"],
  attributes: {},
  versions: [...binaryVersions("Pow", [1]), 7, 12, 13, 15],
  types: [...floats, "int32", "int64"],
  operands: (context) => {
    const exponent = constantExponent(context);
    const isKnown = isFloat(context.input(0).dtype)
      ? exponent !== undefined && floatPowers.has(exponent)
      : exponent !== undefined && Number.isInteger(exponent) && exponent > 0;
    if (!isKnown) context.fail("powers other than constants are not supported", "E_UNSUPPORTED");
  },
  emit: ([x], context) => {
    const { dtype } = context.input(0);
    const exponent = constantExponent(context)!;
    if (isFloat(dtype)) return floatPowers.get(exponent)!(x!);
    return wrapInteger(integerPower(x!, exponent), dtype);
  },
  evaluate: ([x, y]) => x! ** y!,
});

export const powerOperators: readonly Operator[] = [Pow];
