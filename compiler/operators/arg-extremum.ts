/** The place of the largest or smallest element along an axis, and Hardmax, which marks it. */

import type { Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { tensorOf } from "../ir/tensor.js";
import { type Phase, type Reducer, reduce } from "../kernels/reduce.js";
import { i32Constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { memoryOrder } from "../lowering/loops.js";
import { normaliseAxes } from "./axes.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { isFloat } from "./integer.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type NodeView,
  type Operator,
  type OperatorVersion,
} from "./operator.js";
import { floats, numeric } from "./pointwise.js";
import { reducedShape, resultIndices } from "./reduction.js";
import { extremum } from "./reduction-reducers.js";

const oldAttributes = { axis: attribute.int(0), keepdims: attribute.int(1) } as const;
const attributes = { ...oldAttributes, select_last_index: attribute.int(0) } as const;

function reducedDims(context: NodeView<typeof attributes>): Dim[] {
  const { shape, rank } = context.input(0);
  const [reduced] = normaliseAxes([context.attributes.axis], rank, context);
  return shape.map((_, axis) => Number(axis === reduced));
}

/**
 * The extremum, and then the first (or last) of the places whose element it is. Both are plain reductions, which become
 * vector code. NaN counts as more extreme than any number, as NumPy has it.
 */
function placeOfExtremum(dtype: DType, word: "max" | "min", axis: number, last: boolean): Reducer {
  const nowhere = last ? -1 : 2 ** 31 - 1;
  const isExtreme = (x: Expr, found: Expr): Expr => {
    const same = op("eq", x, found);
    return isFloat(dtype) ? op("or", same, op("ne", x, x)) : same;
  };
  const place: Phase = {
    combine: last ? "max_s" : "min_s",
    initial: i32Constant(nowhere),
    map: (x, [found], indices) => select(isExtreme(x, found!), indices[axis]!, nowhere),
  };
  return {
    phases: [extremum(dtype, word), place],
    finish: ([, index]) => op("i32_to_i64_s", index!),
  };
}

function argExtremum(name: string, word: "max" | "min", summary: string): Operator {
  const lower = (context: LoweringContext<typeof attributes>): void => {
    const { shape, dtype } = context.input(0);
    const reduced = reducedDims(context);
    const axis = reduced.indexOf(1);
    const { keepdims, select_last_index: last } = context.attributes;
    const { rank } = context.node.outputs[0]!;
    const reducer = placeOfExtremum(dtype, word, axis, last !== 0);
    context.kernel({ name: `${name.toLowerCase()}_${shape.join("x")}_axis${axis}`, flops: 0 }, (s) => {
      reduce(
        s,
        { shape, reduced, order: memoryOrder(context.walked(0)), reducer },
        (indices) => s.operand(0, indices),
        (value, indices) => s.result(value, resultIndices(s, indices, reduced, keepdims !== 0, rank)),
      );
    });
  };
  return defineOperator<typeof attributes>({
    name,
    summary,
    inputs: ["data"],
    types: numeric,
    attributes,
    versions: [
      ...[1, 11].map((since) => ({ since, attributes: oldAttributes })),
      ...[12, 13].map((since) => ({ since })),
    ],
    infer: (context) => {
      const { shape } = context.input(0);
      const reduced = reducedDims(context);
      const result = reducedShape(shape, reduced, context.attributes.keepdims !== 0, 1);
      const isNothing = shape[reduced.indexOf(1)] === 0 && !result.includes(0);
      if (isNothing) context.fail("has no elements to choose from", "E_SHAPE");
      return [{ dtype: "int64", shape: result }];
    },
    layout: () => ({ inputs: ["any"], output: "row-major" }),
    epilogue: true,
    prologue: true,
    lower,
    evaluate: evaluateByKernels(lower),
  });
}

/** Before opset 13 the input was seen as a matrix, the axis being where its rows begin. */
const flattened: OperatorVersion["upgrade"] = (b, [x], { attributes: { axis } }) => {
  const matrix = b.op("Flatten", [x!], { axis: axis as number });
  return [b.op("Reshape", [b.op("Hardmax", [matrix], { axis: 1 }), b.op("Shape", [x!])])];
};

const Hardmax = defineExpansion({
  name: "Hardmax",
  summary: "1 at the first of the largest elements along an axis, 0 elsewhere.",
  inputs: ["input"],
  types: floats,
  attributes: { axis: attribute.int(-1) },
  versions: [
    ...[1, 11].map((since) => ({
      since,
      attributes: { axis: attribute.int(1) },
      upgrade: flattened,
    })),
    { since: 13 },
  ],
  expand: (b, [x], view) => {
    const { rank } = x!;
    const axis = normaliseAxes([view.attributes.axis], rank, view)[0]!;
    const places = b.op("ArgMax", [x!], { axis, keepdims: 0 });
    const depth = b.op("Shape", [x!], { start: axis, end: axis + 1 });
    const values = b.constant(tensorOf("float32", [2], [0, 1]));
    return [b.op("OneHot", [places, depth, b.op("CastLike", [values, x!])], { axis })];
  },
});

export const argExtremumOperators: readonly Operator[] = [
  argExtremum("ArgMax", "max", "Place of the largest element along an axis."),
  argExtremum("ArgMin", "min", "Place of the smallest element along an axis."),
  Hardmax,
];
