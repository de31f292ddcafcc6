/** The reductions of ONNX: what is combined, and what becomes of it. */

import { addDims, maxDims, minDims, multiplyDims } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import * as math from "../kernels/math.js";
import type { Phase, Reducer } from "../kernels/reduce.js";
import { constant, op, select } from "../loop/builder.js";
import { type Expr, registerTypes, type ScalarType } from "../loop/ir.js";
import { convertElement } from "./cast-emit.js";
import { integerRange, isFloat, isUnsigned, typedOp } from "./integer.js";
import type { Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { reduction } from "./reduction.js";

const arithmetic: readonly DType[] = [...floats, "int32", "int64", "uint32", "uint64"];
const ordered: readonly DType[] = [...arithmetic, "int8", "uint8", "bool"];

const scalarConstant = (scalar: ScalarType, value: number | bigint): Expr =>
  constant({ scalar, lanes: 1 }, value);

/** A sum in the register of the elements, which for integers wraps as their dtype does. */
const sum = (dtype: DType, map?: Phase["map"]): Phase => ({
  combine: "add",
  initial: scalarConstant(registerTypes[dtype], 0),
  ...(map !== undefined && { map }),
});

/**
 * A reduction whose result is a fraction, in the register of the elements for floats and in float64 for integers; what
 * comes out becomes an integer by dropping its fraction.
 */
function fractional(
  map: (x: Expr) => Expr,
  finish: (value: Expr, count: (scalar: "f32" | "f64") => Expr) => Expr,
): (dtype: DType) => Reducer {
  return (dtype) => {
    if (isFloat(dtype)) {
      return { phases: [sum(dtype, map)], finish: ([value], count) => finish(value!, count) };
    }
    const toDouble = (x: Expr): Expr => map(convertElement(x, dtype, "float64"));
    return {
      phases: [sum("float64", toDouble)],
      finish: ([value], count) => convertElement(finish(value!, count), "float64", dtype),
    };
  };
}

/** The phase that finds the largest or smallest element; NaN where there is one. */
export function extremum(dtype: DType, word: "max" | "min"): Phase {
  const combine = typedOp(word, dtype);
  const scalar = registerTypes[dtype];
  const { min, max } = isFloat(dtype) ? { min: -Infinity, max: Infinity } : integerRange(dtype);
  return { combine, initial: scalarConstant(scalar, word === "max" ? min : max) };
}

const magnitude = (x: Expr, dtype: DType): Expr => {
  if (isFloat(dtype)) return op("abs", x);
  return isUnsigned(dtype) ? x : op("max_s", x, op("neg", x));
};

/** log(sum(e^x)) = m + log(sum(e^(x - m))) with the largest element m, beside which no exponential overflows. */
function logSumExp(dtype: DType): Reducer {
  if (!isFloat(dtype)) {
    const toDouble = (x: Expr): Expr => convertElement(x, dtype, "float64");
    const [largest, exponentials] = logSumExp("float64").phases as [Phase, Phase];
    return {
      phases: [
        { ...largest, map: toDouble },
        { ...exponentials, map: (x, earlier, at) => exponentials.map!(toDouble(x), earlier, at) },
      ],
      finish: ([m, total]) => convertElement(fromShifted(m!, total!), "float64", dtype),
    };
  }
  return {
    phases: [extremum(dtype, "max"), sum(dtype, (x, [m]) => math.exp(op("sub", x, finiteShift(m!))))],
    finish: ([m, total]) => fromShifted(m!, total!),
  };
}

/** Without a finite largest element nothing is shifted: infinities and NaN go their own way. */
const finiteShift = (m: Expr): Expr => select(op("lt", op("abs", m), Infinity), m, 0);

const fromShifted = (m: Expr, total: Expr): Expr => op("add", math.log(total), finiteShift(m));

const byAttributes = [1, 11, 13, 18];

const extremumOperator = (name: string, word: "max" | "min", summary: string): Operator =>
  reduction({
    name,
    summary,
    since: [1, 11, 12, 13, 18, 20],
    axesInputSince: 18,
    types: ordered,
    reducer: (dtype) => ({ phases: [extremum(dtype, word)] }),
    combineDims: word === "max" ? maxDims : minDims,
  });

export const reductionOperators: readonly Operator[] = [
  reduction({
    name: "ReduceSum",
    summary: "Sum over axes.",
    since: [1, 11, 13],
    axesInputSince: 13,
    types: arithmetic,
    reducer: (dtype) => ({ phases: [sum(dtype)] }),
    combineDims: addDims,
  }),
  reduction({
    name: "ReduceMean",
    summary: "Mean over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: fractional(
      (x) => x,
      (value, count) => op("div", value, count(value.type.scalar as "f32" | "f64")),
    ),
  }),
  reduction({
    name: "ReduceProd",
    summary: "Product over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: (dtype) => ({
      phases: [{ combine: "mul", initial: scalarConstant(registerTypes[dtype], 1) }],
    }),
    combineDims: multiplyDims,
  }),
  reduction({
    name: "ReduceSumSquare",
    summary: "Sum of squares over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: (dtype) => ({ phases: [sum(dtype, (x) => op("mul", x, x))] }),
  }),
  reduction({
    name: "ReduceL1",
    summary: "Sum of absolute values over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: (dtype) => ({ phases: [sum(dtype, (x) => magnitude(x, dtype))] }),
  }),
  reduction({
    name: "ReduceL2",
    summary: "Euclidean norm over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: fractional(
      (x) => op("mul", x, x),
      (value) => op("sqrt", value),
    ),
  }),
  reduction({
    name: "ReduceLogSum",
    summary: "Logarithm of the sum over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: fractional(
      (x) => x,
      (value) => math.log(value),
    ),
  }),
  reduction({
    name: "ReduceLogSumExp",
    summary: "Logarithm of the sum of exponentials over axes.",
    since: byAttributes,
    axesInputSince: 18,
    types: arithmetic,
    reducer: logSumExp,
  }),
  extremumOperator("ReduceMax", "max", "Largest element over axes."),
  extremumOperator("ReduceMin", "min", "Smallest element over axes."),
];
