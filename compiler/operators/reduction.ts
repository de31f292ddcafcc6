/** Reductions over axes. */

import { type Dim, staticDim } from "../ir/dim.js";
import { type DType, dtypes } from "../ir/dtype.js";
import { elementCount, forEachIndex, type TensorData } from "../ir/tensor.js";
import * as math from "../kernels/math.js";
import { type Reducer, reduce } from "../kernels/reduce.js";
import { i32Constant, op } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { memoryOrder } from "../lowering/loops.js";
import { allAxes, axesToInput, normaliseAxes } from "./axes.js";
import { encodeElements, isExact } from "./numbers.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";

const attributes = { keepdims: attribute.int(1), noop_with_empty_axes: attribute.int(0) } as const;
type ReduceView = NodeView<typeof attributes>;

interface ReductionDeclaration extends Reducer {
  readonly name: string;
  readonly summary: string;
  readonly since: readonly number[];
  /** First version that takes axes as an input. */
  readonly axesInputSince: number;
  readonly types: readonly DType[];
  /** The same on numbers. */
  readonly fold: (values: readonly number[]) => number;
}

function axesOf(context: ReduceView): number[] {
  const { rank } = context.input(0);
  const given =
    context.optional(1) === null ? [] : context.requireElements(1).map((dim) => staticDim(dim, "an axis"));
  if (given.length > 0) return normaliseAxes(given, rank, context);
  return context.attributes.noop_with_empty_axes !== 0 ? [] : allAxes(rank);
}

function reducedShape(shape: readonly Dim[], axes: readonly number[], keep: boolean): Dim[] {
  if (keep) return shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return shape.filter((_, axis) => !axes.includes(axis));
}

function reduction(declaration: ReductionDeclaration): Operator {
  const { name, summary, since, axesInputSince, types, fold, ...reducer } = declaration;
  const oldAttributes = { axes: attribute.optional("ints"), keepdims: attribute.int(1) };
  return defineOperator({
    name,
    summary,
    inputs: ["data", "axes?"],
    attributes,
    versions: since.map((version) =>
      version < axesInputSince
        ? { since: version, attributes: oldAttributes, upgrade: axesToInput(name, ["keepdims"]) }
        : { since: version },
    ),
    infer: (context) => {
      const { dtype, shape } = context.input(0);
      if (!types.includes(dtype)) context.fail(`does not take ${dtype}`, "E_UNSUPPORTED");
      return [{ dtype, shape: reducedShape(shape, axesOf(context), context.attributes.keepdims !== 0) }];
    },
    layout: () => ({ inputs: ["any", "row-major"], output: "row-major" }),
    epilogue: true,
    prologue: true,
    lower: (context) => {
      const { shape, dtype } = context.input(0);
      const axes = axesOf(context);
      const keep = context.attributes.keepdims !== 0;
      const kernelName = `${name.toLowerCase()}_${shape.map((dim, axis) => (axes.includes(axis) ? `r${dim}` : `${dim}`)).join("x")}`;
      context.kernel({ name: kernelName, flops: 0 }, (s) => {
        const order = memoryOrder(context.walked(0));
        reduce(
          s,
          { shape, axes, order, scalar: registerTypes[dtype], reducer },
          (indices) => s.operand(0, indices),
          (value, indices) => s.result(value, resultIndices(indices, axes, keep)),
        );
      });
    },
    evaluate: (context) => {
      const x = context.input(0);
      const given = context.inputs[1]?.data;
      const listed = given === undefined ? [] : Array.from(given as ArrayLike<number | bigint>, Number);
      const noop = listed.length === 0 && context.attributes.noop_with_empty_axes !== 0;
      const axes =
        listed.length > 0 ? listed.map((a) => (a < 0 ? a + x.dims.length : a)) : allAxes(x.dims.length);
      const folded = foldAxes(x, noop ? [] : axes, context.outputs[0]!.dims, fold);
      return folded === null ? null : [folded];
    },
  });
}

function resultIndices(indices: readonly Expr[], axes: readonly number[], keep: boolean): Expr[] {
  if (keep) return indices.map((index, axis) => (axes.includes(axis) ? i32Constant(0) : index));
  return indices.filter((_, axis) => !axes.includes(axis));
}

/** Null where numbers cannot hold the integers that come out. */
function foldAxes(
  x: TensorData,
  axes: readonly number[],
  dims: readonly number[],
  fold: (values: readonly number[]) => number,
): TensorData | null {
  const kept = x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const groups = Array.from({ length: elementCount(kept) }, (): number[] => []);
  forEachIndex(x.dims, (indices, at) => {
    const place = indices.reduce((sum, i, axis) => sum * kept[axis]! + (axes.includes(axis) ? 0 : i), 0);
    groups[place]!.push(Number(x.data[at]));
  });
  const results = groups.map(fold);
  const exact = dtypes[x.dtype].kind === "float" || (isExact(x) && results.every(Number.isSafeInteger));
  return exact ? encodeElements(x.dtype, dims, results) : null;
}

const numeric: readonly DType[] = ["float32", "float64", "int32", "int64"];
const floats: readonly DType[] = ["float32", "float64"];
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const isFloat = (x: Expr): boolean => x.type.scalar === "f32" || x.type.scalar === "f64";
const largest = (scalar: string): number | bigint =>
  scalar === "i32" ? 2 ** 31 - 1 : scalar === "i64" ? 2n ** 63n - 1n : Number.POSITIVE_INFINITY;
const smallest = (scalar: string): number | bigint =>
  scalar === "i32" ? -(2 ** 31) : scalar === "i64" ? -(2n ** 63n) : Number.NEGATIVE_INFINITY;

export const reductionOperators: readonly Operator[] = [
  reduction({
    name: "ReduceSum",
    summary: "Sum over axes.",
    since: [1, 11, 13],
    axesInputSince: 13,
    types: numeric,
    combine: () => "add",
    initial: () => 0,
    fold: sum,
  }),
  reduction({
    name: "ReduceMean",
    summary: "Mean over axes.",
    since: [1, 11, 13, 18],
    axesInputSince: 18,
    types: floats,
    combine: () => "add",
    initial: () => 0,
    finish: (value, count) => op("div", value, count),
    fold: (values) => sum(values) / values.length,
  }),
  reduction({
    name: "ReduceProd",
    summary: "Product over axes.",
    since: [1, 11, 13, 18],
    axesInputSince: 18,
    types: numeric,
    combine: () => "mul",
    initial: () => 1,
    fold: (values) => values.reduce((a, b) => a * b, 1),
  }),
  reduction({
    name: "ReduceSumSquare",
    summary: "Sum of squares over axes.",
    since: [1, 11, 13, 18],
    axesInputSince: 18,
    types: numeric,
    combine: () => "add",
    initial: () => 0,
    map: (x) => op("mul", x, x),
    fold: (values) => sum(values.map((x) => x * x)),
  }),
  reduction({
    name: "ReduceL1",
    summary: "Sum of absolute values over axes.",
    since: [1, 11, 13, 18],
    axesInputSince: 18,
    types: numeric,
    combine: () => "add",
    initial: () => 0,
    map: (x) => (isFloat(x) ? op("abs", x) : op("max_s", x, op("sub", 0, x))),
    fold: (values) => sum(values.map(Math.abs)),
  }),
  reduction({
    name: "ReduceL2",
    summary: "Euclidean norm over axes.",
    since: [1, 11, 13, 18],
    axesInputSince: 18,
    types: floats,
    combine: () => "add",
    initial: () => 0,
    map: (x) => op("mul", x, x),
    finish: (value) => op("sqrt", value),
    fold: (values) => Math.sqrt(sum(values.map((x) => x * x))),
  }),
  reduction({
    name: "ReduceLogSum",
    summary: "Logarithm of the sum over axes.",
    since: [1, 11, 13, 18],
    axesInputSince: 18,
    types: ["float32"],
    combine: () => "add",
    initial: () => 0,
    finish: (value) => math.log(value),
    fold: (values) => Math.log(sum(values)),
  }),
  extremum("ReduceMax", "max", smallest, Math.max),
  extremum("ReduceMin", "min", largest, Math.min),
];

/** Floats and integers compare with different operations. */
function extremum(
  name: string,
  word: "max" | "min",
  initial: Reducer["initial"],
  pick: (...values: number[]) => number,
): Operator {
  return reduction({
    name,
    summary: `${word === "max" ? "Largest" : "Smallest"} element over axes.`,
    since: [1, 11, 12, 13, 18, 20],
    axesInputSince: 18,
    types: numeric,
    combine: (scalar) => (scalar === "i32" || scalar === "i64" ? `${word}_s` : word),
    initial,
    fold: (values) => values.reduce((a, b) => pick(a, b), pick()),
  });
}
