/** Range: numbers from a start to a limit in equal steps. */

import { ceilDivDims, type Dim, isStatic, maxDims, subtractDims } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { constant, op, select } from "../loop/builder.js";
import { type Expr, i64, registerTypes } from "../loop/ir.js";
import type { GraphBuilder } from "./builder.js";
import { convertElement } from "./cast-emit.js";
import { injective } from "./injective.js";
import { isFloat, isUnsigned } from "./integer.js";
import { type ElementContext, elementsOf, type NodeView, type Operator } from "./operator.js";
import { numeric, pointwise } from "./pointwise.js";

/** The one element of an input that must be known. */
function oneElement(context: NodeView, i: number): Dim {
  const elements = context.requireElements(i);
  if (elements.length !== 1) context.fail(`input ${i} has ${elements.length} elements, not one`, "E_SHAPE");
  return elements[0]!;
}

/** The number of steps from start to limit. */
function stepsOf(context: NodeView): Dim {
  const [start, limit, delta] = [0, 1, 2].map((i) => oneElement(context, i)) as [Dim, Dim, Dim];
  if (delta === 0) context.fail("delta is 0");
  if (isStatic(start) && isStatic(limit) && isStatic(delta)) {
    return Math.max(Math.ceil((limit - start) / delta), 0);
  }
  if (!isStatic(delta)) return context.fail("delta must be known at compile time", "E_UNSUPPORTED");
  const span = delta > 0 ? subtractDims(limit, start) : subtractDims(start, limit);
  return maxDims(ceilDivDims(span, Math.abs(delta)), 0);
}

/** start + index * delta, whose inputs have one element each. */
function step(context: ElementContext, index: Expr, delta: number): Expr {
  const { dtype } = context.input(0);
  const [first, by] = [0, delta].map((i) =>
    context.load(
      i,
      context.input(i).shape.map(() => context.dim(0)),
    ),
  ) as [Expr, Expr];
  return op("add", first, op("mul", convertElement(index, "int32", widened(dtype)), by));
}

/** The type in whose register the elements are computed. */
const widened = (dtype: DType): DType =>
  registerTypes[dtype] === "f32" ? "float32" : registerTypes[dtype] === "i32" ? "int32" : dtype;

function checkTypes(context: NodeView): void {
  const { dtype } = context.input(0);
  if (context.input(1).dtype !== dtype || context.input(2).dtype !== dtype) {
    context.fail("start, limit and delta differ in type");
  }
}

/** Where shape arithmetic does not know the number of steps, it is computed at run time. */
function countedRange(b: GraphBuilder, inputs: (Value | null)[]): Value[] {
  const [start, limit, delta] = inputs as [Value, Value, Value];
  const elements = [start, limit, delta].map(elementsOf);
  if (elements.every((known) => known !== null) && elements[2]!.every(isStatic)) {
    return [b.op("Range", inputs)];
  }
  const count = b.op("kiln.StepCount", inputs);
  return [b.op("kiln.Steps", [start, b.symbols(count), delta])];
}

const Range = injective({
  name: "Range",
  summary: "The numbers from start to limit (which is left out) in steps of delta.",
  inputs: ["start", "limit", "delta"],
  types: numeric,
  attributes: {},
  versions: [11, 27].map((since) => ({ since, upgrade: countedRange })),
  infer: (context) => {
    checkTypes(context);
    return [{ dtype: context.input(0).dtype, shape: [stepsOf(context)] }];
  },
  injective: (context, [index]) => step(context, index!, 2),
});

const Steps = injective({
  name: "Steps",
  domain: "kiln",
  summary: "As many numbers as are asked for, from start on in steps of delta.",
  inputs: ["start", "count", "delta"],
  attributes: {},
  versions: [1],
  infer: (context) => [{ dtype: context.input(0).dtype, shape: [oneElement(context, 1)] }],
  injective: (context, [index]) => step(context, index!, 2),
});

/** Of integers in int64, of floats in float64. A delta of 0 gives -1, which no shape takes. */
function stepCount(start: Expr, limit: Expr, delta: Expr, dtype: DType): Expr {
  const wide = isFloat(dtype) ? "float64" : dtype === "uint64" ? dtype : "int64";
  const [from, to, by] = [start, limit, delta].map((x) => convertElement(x, dtype, wide)) as [
    Expr,
    Expr,
    Expr,
  ];
  const isNothing = op("eq", by, 0);
  if (wide === "float64") {
    const steps = op("f64_to_i64_s", op("max", op("ceil", op("div", op("sub", to, from), by)), 0));
    return select(isNothing, constant(i64, -1), steps);
  }
  const isUpward = isUnsigned(dtype) ? op("ge_u", to, from) : op("gt_s", by, 0);
  const span = select(
    isUpward,
    op("sub", to, from),
    isUnsigned(dtype) ? constant(i64, 0) : op("sub", from, to),
  );
  const size = isUnsigned(dtype) ? by : select(op("gt_s", by, 0), by, op("neg", by));
  const steps = op("div_u", op("add", span, op("sub", size, 1)), select(isNothing, constant(i64, 1), size));
  const none = isUnsigned(dtype) ? op("eq", span, 0) : op("le_s", span, 0);
  return select(isNothing, constant(i64, -1), select(none, constant(i64, 0), steps));
}

const StepCount = pointwise({
  name: "StepCount",
  domain: "kiln",
  summary: "How many steps there are from start to limit.",
  inputs: ["start", "limit", "delta"],
  attributes: {},
  versions: [1],
  types: numeric,
  operands: checkTypes,
  result: () => "int64",
  emit: ([start, limit, delta], context) => stepCount(start!, limit!, delta!, context.input(0).dtype),
  evaluate: ([start, limit, delta]) =>
    delta === 0 ? -1 : Math.max(Math.ceil((limit! - start!) / delta!), 0),
});

export const rangeOperators: readonly Operator[] = [Range, Steps, StepCount];
