/** Operators that put elements at places that a tensor of indices names, in the order in which they are given. */

import { type Dim, isStatic, printDim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { i32Constant, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsInOrder, loopsOver, memoryOrder } from "../lowering/loops.js";
import type { TensorView } from "../lowering/scope.js";
import { normaliseAxes } from "./axes.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { checkIndices, indexChecks, insideIndex } from "./indices.js";
import { typedOp } from "./integer.js";
import { attribute, defineExpansion, defineOperator, type NodeView, type Operator } from "./operator.js";

const reductionAttribute = { reduction: attribute.string("none") } as const;
const axisAttribute = { axis: attribute.int(0) } as const;
const elementsAttributes = { ...axisAttribute, ...reductionAttribute } as const;

/** How what is there and what is put there become one. Truth values add up to `or`, and multiply to `and`. */
const reductions: Readonly<Record<string, (old: Expr, update: Expr, dtype: DType) => Expr>> = {
  none: (_, update) => update,
  add: (old, update, dtype) => op(dtype === "bool" ? "or" : "add", old, update),
  mul: (old, update, dtype) => op(dtype === "bool" ? "and" : "mul", old, update),
  min: (old, update, dtype) => op(typedOp("min", dtype), old, update),
  max: (old, update, dtype) => op(typedOp("max", dtype), old, update),
};

type ScatterView = NodeView<typeof reductionAttribute>;

function checkOperands(context: ScatterView): void {
  const { reduction } = context.attributes;
  if (!Object.hasOwn(reductions, reduction)) context.fail(`reduction "${reduction}" is not defined`);
  const [data, updates] = [context.input(0).dtype, context.input(2).dtype];
  if (data !== updates) context.fail(`puts ${updates} into ${data}`);
}

function checkShape(context: ScatterView, expected: readonly Dim[]): void {
  const { shape } = context.input(2);
  const differs = (dim: Dim, i: number): boolean =>
    isStatic(dim) && isStatic(expected[i]!) && dim !== expected[i];
  if (shape.length === expected.length && !shape.some(differs)) return;
  const [given, wanted] = [shape, expected].map((dims) => `[${dims.map(printDim).join(", ")}]`);
  context.fail(`has updates of shape ${given}, not ${wanted}`, "E_SHAPE");
}

/** The data as they are, before anything is put there. */
function copyData(context: LoweringContext<typeof reductionAttribute>): void {
  const { shape } = context.input(0);
  context.kernel({ name: "scatter_copy", flops: 0, inPlace: [0] }, (s) => {
    const [x, y] = [s.view("x", context.placement(0), "read"), s.view("y", context.output(), "write")];
    loopsOver(s, shape, memoryOrder(context.output()), (indices) => y.store(indices, x.load(indices)));
  });
}

interface Places {
  readonly y: TensorView;
  /** The index that the tensor of indices has at some place, inside the dim. */
  readonly index: (at: readonly Expr[], dim: Dim) => Expr;
  readonly put: (at: readonly Expr[], from: readonly Expr[]) => void;
}

function putUpdates(
  context: LoweringContext<typeof reductionAttribute>,
  visit: (s: NodeScope, places: Places) => void,
): void {
  const { dtype } = context.input(0);
  const { reduction } = context.attributes;
  if (context.input(2).shape.includes(0)) return;
  context.kernel({ name: `scatter_${reduction}`, flops: 0 }, (s) => {
    const indices = s.view("indices", context.placement(1), "read");
    const updates = s.view("updates", context.placement(2), "read");
    const y = s.view("y", context.output(), reduction === "none" ? "write" : "readwrite");
    const inside = { input: context.input, dim: (dim: Dim) => s.dim(dim) };
    visit(s, {
      y,
      index: (at, dim) => s.let("index", insideIndex(inside, 1, indices.load(at), dim)),
      put: (at, from) => {
        const update = updates.load(from);
        const old = reduction === "none" ? update : y.load(at);
        y.store(at, reductions[reduction]!(old, update, dtype));
      },
    });
  });
}

const axisOf = (context: NodeView<typeof elementsAttributes>): number =>
  normaliseAxes([context.attributes.axis], context.input(0).rank, context)[0]!;

function lowerElements(context: LoweringContext<typeof elementsAttributes>): void {
  const { shape } = context.input(0);
  const axis = axisOf(context);
  copyData(context);
  putUpdates(context, (s, { index, put }) => {
    loopsInOrder(s, context.input(1).shape, (at) => {
      put(at.with(axis, index(at, shape[axis]!)), at);
    });
  });
}

const ScatterElements = defineOperator<typeof elementsAttributes>({
  name: "ScatterElements",
  summary: "The data, with each update at its place with the index put in for one axis.",
  inputs: ["data", "indices", "updates"],
  attributes: elementsAttributes,
  versions: [
    ...[11, 13].map((since) => ({ since, attributes: axisAttribute })),
    ...[16, 18].map((since) => ({ since })),
  ],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    checkOperands(context);
    const indices = context.input(1);
    if (indices.rank !== rank) context.fail(`has indices of ${indices.rank} dims for ${rank}`, "E_SHAPE");
    const axis = axisOf(context);
    checkIndices(context, 1, [shape[axis]!]);
    checkShape(context, indices.shape);
    const isLarger = (dim: Dim, i: number) => isStatic(dim) && isStatic(shape[i]!) && dim > shape[i];
    const larger = indices.shape.findIndex((dim, i) => i !== axis && isLarger(dim, i));
    if (larger >= 0) context.fail(`has more indices than elements on axis ${larger}`, "E_SHAPE");
    return [{ dtype, shape }];
  },
  checks: (context) => indexChecks(context, 1, [context.input(0).shape[axisOf(context)]!]),
  layout: () => ({ inputs: ["any", "row-major", "row-major"], output: "follow" }),
  lower: lowerElements,
  evaluate: evaluateByKernels(lowerElements),
});

const Scatter = defineExpansion({
  name: "Scatter",
  summary: "ScatterElements under its first name.",
  inputs: ["data", "indices", "updates"],
  attributes: axisAttribute,
  versions: [{ since: 9 }, { since: 11 }],
  expand: (b, inputs, { attributes: { axis } }) => [b.op("ScatterElements", inputs, { axis })],
});

/** How many dims of the data each index tuple addresses. */
function tupleSize(context: ScatterView): number {
  const { shape, rank } = context.input(1);
  const open = context.input(0).rank;
  const last = shape[rank - 1];
  if (last === undefined || !isStatic(last)) return context.fail("the last dim of its indices must be known");
  if (last > open) context.fail(`indices of ${last} numbers for ${open} dims`, "E_SHAPE");
  return last;
}

function lowerTuples(context: LoweringContext<typeof reductionAttribute>): void {
  const { shape } = context.input(0);
  const size = tupleSize(context);
  const tuples = context.input(1).shape.slice(0, -1);
  copyData(context);
  putUpdates(context, (s, { index, put }) => {
    loopsInOrder(s, tuples, (at) => {
      const place = shape.slice(0, size).map((dim, i) => index([...at, i32Constant(i)], dim));
      const inner = shape.slice(size);
      const order = inner.map((_, i) => i);
      loopsOver(s, inner, order, (rest) => put([...place, ...rest], [...at, ...rest]));
    });
  });
}

const ScatterND = defineOperator<typeof reductionAttribute>({
  name: "ScatterND",
  summary: "The data, with each update at the index that is given for the first dims.",
  inputs: ["data", "indices", "updates"],
  attributes: reductionAttribute,
  versions: [
    ...[11, 13].map((since) => ({ since, attributes: {} })),
    ...[16, 18].map((since) => ({ since })),
  ],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    checkOperands(context);
    const size = tupleSize(context);
    checkIndices(context, 1, shape.slice(0, size));
    checkShape(context, [...context.input(1).shape.slice(0, -1), ...shape.slice(size)]);
    return [{ dtype, shape }];
  },
  checks: (context) => indexChecks(context, 1, context.input(0).shape.slice(0, tupleSize(context))),
  layout: () => ({ inputs: ["any", "row-major", "row-major"], output: "follow" }),
  lower: lowerTuples,
  evaluate: evaluateByKernels(lowerTuples),
});

export const scatterOperators: readonly Operator[] = [Scatter, ScatterElements, ScatterND];
