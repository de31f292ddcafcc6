/** Arithmetic on one tensor. */

import type { DType } from "../ir/dtype.js";
import { op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { isFloat, isUnsigned, wrapInteger } from "./integer.js";
import type { Operator } from "./operator.js";
import { floats, numeric, pointwise, signedIntegers } from "./pointwise.js";

interface Unary {
  readonly name: string;
  readonly summary: string;
  readonly versions: readonly number[];
  readonly types: readonly DType[];
  readonly emit: (x: Expr, dtype: DType) => Expr;
  readonly evaluate: (x: number) => number;
}

const unary = ({ emit, evaluate, ...rest }: Unary): Operator =>
  pointwise({
    ...rest,
    inputs: ["X"],
    attributes: {},
    emit: ([x], context) => {
      const { dtype } = context.input(0);
      return wrapInteger(emit(x!, dtype), dtype);
    },
    evaluate: ([x]) => evaluate(x!),
  });

/** The nearest whole number, the even one of two. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

const Neg = unary({
  name: "Neg",
  summary: "-x.",
  versions: [1, 6, 13],
  types: [...floats, ...signedIntegers],
  emit: (x) => op("neg", x),
  evaluate: (x) => -x,
});

const Abs = unary({
  name: "Abs",
  summary: "|x|.",
  versions: [1, 6, 13],
  types: numeric,
  emit: (x, dtype) => (isUnsigned(dtype) ? x : op("abs", x)),
  evaluate: Math.abs,
});

const Sqrt = unary({
  name: "Sqrt",
  summary: "Square root.",
  versions: [1, 6, 13],
  types: floats,
  emit: (x) => op("sqrt", x),
  evaluate: Math.sqrt,
});

const Reciprocal = unary({
  name: "Reciprocal",
  summary: "1 / x.",
  versions: [1, 6, 13],
  types: floats,
  emit: (x) => op("div", 1, x),
  evaluate: (x) => 1 / x,
});

const Sign = unary({
  name: "Sign",
  summary: "-1, 0 or 1, as x is negative, zero or positive.",
  versions: [9, 13],
  types: numeric,
  emit: (x, dtype) => {
    if (isUnsigned(dtype)) return select(op("ne", x, 0), op("sub", x, op("sub", x, 1)), x);
    const [less, greater] = isFloat(dtype) ? (["lt", "gt"] as const) : (["lt_s", "gt_s"] as const);
    return select(op(greater, x, 0), 1, select(op(less, x, 0), -1, x));
  },
  evaluate: Math.sign,
});

const Floor = unary({
  name: "Floor",
  summary: "Largest whole number that is not above x.",
  versions: [1, 6, 13],
  types: floats,
  emit: (x) => op("floor", x),
  evaluate: Math.floor,
});

const Ceil = unary({
  name: "Ceil",
  summary: "Smallest whole number that is not below x.",
  versions: [1, 6, 13],
  types: floats,
  emit: (x) => op("ceil", x),
  evaluate: Math.ceil,
});

const Round = unary({
  name: "Round",
  summary: "Nearest whole number, the even one of two.",
  versions: [11, 22],
  types: floats,
  emit: (x) => op("nearest", x),
  evaluate: roundHalfToEven,
});

export const unaryOperators: readonly Operator[] = [Neg, Abs, Sqrt, Reciprocal, Sign, Floor, Ceil, Round];
