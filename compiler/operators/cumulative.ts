/** Running sums and products along an axis, which may be known at run time only. */

import { isStatic, productOfDims } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { printType } from "../ir/graph.js";
import { add, constant, i32Constant, op, read, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { memoryOrder } from "../lowering/loops.js";
import { normaliseAxes } from "./axes.js";
import { convertElement } from "./cast-emit.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";

const attributes = { exclusive: attribute.int(0), reverse: attribute.int(0) } as const;
type CumulativeContext = LoweringContext<typeof attributes>;

const types: readonly DType[] = [...floats, "int32", "int64", "uint32", "uint64"];

interface Accumulation {
  readonly name: string;
  readonly summary: string;
  readonly since: readonly number[];
  readonly combine: "add" | "mul";
  readonly initial: 0 | 1;
}

/** Whether each dim is the axis: known, or a condition. */
function axisConditions(s: NodeScope, context: CumulativeContext): (boolean | Expr)[] {
  const { rank } = context.input(0);
  const dims = Array.from({ length: rank }, (_, i) => i);
  const [known] = context.elements(1) ?? [];
  if (known !== undefined && isStatic(known)) {
    const [axis] = normaliseAxes([known], rank, context);
    return dims.map((dim) => dim === axis);
  }
  const { shape, dtype } = context.input(1);
  const at = shape.map(() => i32Constant(0));
  const given = s.let("axis", convertElement(s.operand(1, at), dtype, "int32"));
  return dims.map((dim) => s.let("isAxis", op("or", op("eq", given, dim), op("eq", given, dim - rank))));
}

const choose = (flag: boolean | Expr, a: Expr, b: Expr): Expr => {
  if (typeof flag === "boolean") return flag ? a : b;
  return select(flag, a, b);
};

/**
 * Loops over all dims but the axis, in the order of memory, around one along the axis. Where the axis is known, and it
 * is not the innermost dim, neighbouring sums are one vector.
 */
function accumulate(s: NodeScope, context: CumulativeContext, { combine, initial }: Accumulation): void {
  const { shape, dtype } = context.input(0);
  const { exclusive, reverse } = context.attributes;
  const isAxis = axisConditions(s, context);
  const sizes = shape.map((dim) => s.dim(dim));
  const length = sizes.reduce(
    (sum, size, i) => add(sum, choose(isAxis[i]!, size, i32Constant(0))),
    i32Constant(0),
  );
  const along = (outer: readonly Expr[]): void => {
    const total = s.variable("total", constant({ scalar: registerTypes[dtype], lanes: 1 }, initial));
    s.for("t", 0, length, (t) => {
      const place = reverse !== 0 ? sub(sub(length, 1), t) : t;
      const indices = outer.map((index, i) => choose(isAxis[i]!, place, index));
      const next = op(combine, read(total), s.operand(0, indices));
      if (exclusive !== 0) s.result(read(total), indices);
      s.assign(total, next);
      if (exclusive === 0) s.result(read(total), indices);
    });
  };
  const order = memoryOrder(context.walked(0)).filter((dim) => isAxis[dim] !== true);
  const isInnermost = memoryOrder(context.walked(0)).at(-1) === order.at(-1);
  const nest = (depth: number, indices: readonly Expr[]): void => {
    const dim = order[depth];
    if (dim === undefined) {
      along(indices);
      return;
    }
    const extent = choose(isAxis[dim]!, i32Constant(1), sizes[dim]!);
    const canBeVector = isInnermost && isAxis[dim] === false && depth === order.length - 1;
    const visit = (index: Expr): void => nest(depth + 1, indices.with(dim, index));
    s.for(`i${dim}`, 0, extent, visit, { mode: canBeVector ? "vectorize" : "serial" });
  };
  nest(
    0,
    shape.map(() => i32Constant(0)),
  );
}

function cumulative(accumulation: Accumulation): Operator {
  const { name, summary, since } = accumulation;
  const lower = (context: CumulativeContext): void => {
    const { shape } = context.input(0);
    if (shape.includes(0)) return;
    context.kernel({ name: `${name.toLowerCase()}_${shape.join("x")}`, flops: 0 }, (s) => {
      accumulate(s, context, accumulation);
    });
  };
  return defineOperator<typeof attributes>({
    name,
    summary,
    inputs: ["x", "axis"],
    types,
    attributes,
    versions: since.map((version) => ({ since: version })),
    infer: (context) => {
      const { dtype, shape, rank } = context.input(0);
      if (rank === 0) context.fail("a scalar has no axis", "E_SHAPE");
      const { type } = context.input(1);
      const isIndex = type.dtype === "int32" || type.dtype === "int64";
      if (!isIndex || productOfDims(type.shape) !== 1) {
        context.fail(`axis is ${printType(type)}, not one integer`);
      }
      const [axis] = context.elements(1) ?? [];
      if (axis !== undefined && isStatic(axis)) normaliseAxes([axis], rank, context);
      return [{ dtype, shape }];
    },
    checks: (context) => {
      const { rank } = context.input(0);
      return [{ input: 1, what: "axis", ranges: [{ least: -rank, end: rank }] }];
    },
    layout: () => ({ inputs: ["any", "row-major"], output: "row-major" }),
    epilogue: true,
    prologue: true,
    lower,
    evaluate: evaluateByKernels(lower),
  });
}

export const cumulativeOperators: readonly Operator[] = [
  cumulative({
    name: "CumSum",
    summary: "Sums of the elements up to each along an axis.",
    since: [11, 14],
    combine: "add",
    initial: 0,
  }),
  cumulative({
    name: "CumProd",
    summary: "Products of the elements up to each along an axis.",
    since: [26],
    combine: "mul",
    initial: 1,
  }),
];
