/** Matrix products. */

import { type Dim, isStatic, multiplyDims, printDim, productOfDims, staticDim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import { type MatmulParameters, matmul, packedKey, packMatrix } from "../kernels/matmul.js";
import { takesRows } from "../kernels/matmul-dot.js";
import { i32Constant } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import type { KernelScope, Placement } from "../lowering/scope.js";
import { broadcastIndex, broadcastPlace, broadcastShapes } from "./broadcast.js";
import { joinedRow, joinRows } from "./joined-rows.js";
import { multiplyMatrices } from "./matmul-evaluate.js";
import {
  defineOperator,
  type EvaluationContext,
  type LayoutChoice,
  type NodeView,
  type Operator,
} from "./operator.js";
import { floats } from "./pointwise.js";

type Empty = Record<never, never>;

const types: readonly DType[] = [...floats, "int32", "int64", "uint32", "uint64"];

/** Operands with vectors made matrices: [depth] is a row on the left and a column on the right. */
function matrixShapes(a: readonly Dim[], b: readonly Dim[]): [readonly Dim[], readonly Dim[]] {
  return [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
}

function inferMatmul(context: NodeView) {
  const [x, y] = [context.input(0), context.input(1)];
  if (x.dtype !== y.dtype) context.fail(`combines ${x.dtype} and ${y.dtype}`);
  if (x.rank === 0 || y.rank === 0) context.fail("takes no scalars", "E_SHAPE");
  const [a, b] = matrixShapes(x.shape, y.shape);
  const [depth, other] = [a.at(-1)!, b.at(-2)!];
  const [left, right] = [x, y].map((value) => `[${value.shape.map(printDim).join(", ")}]`);
  context.requireEqual(depth, other, `${left} x ${right}: inner dims differ`);
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)], context);
  const rows = x.rank === 1 ? [] : [a.at(-2)!];
  const columns = y.rank === 1 ? [] : [b.at(-1)!];
  return [{ dtype: x.dtype, shape: [...batch, ...rows, ...columns] }];
}

function parametersOf(context: NodeView): MatmulParameters & { batch: Dim[] } {
  const [a, b] = matrixShapes(context.input(0).shape, context.input(1).shape);
  const [depth, other] = [a.at(-1)!, b.at(-2)!];
  return {
    rows: a.at(-2)!,
    depth: isStatic(depth) ? depth : other,
    columns: b.at(-1)!,
    batch: broadcastShapes([a.slice(0, -2), b.slice(0, -2)], context),
  };
}

/** A vector seen as a matrix in memory. */
function asMatrix(placement: Placement, at: "row" | "column"): Placement {
  const { shape, strides, offset } = placement.strided;
  if (shape.length > 1) return placement;
  const [dim, stride] = [shape[0]!, strides[0]!];
  const strided =
    at === "row"
      ? { shape: [1, dim], offset, strides: [0, stride] }
      : { shape: [dim, 1], offset, strides: [stride, 0] };
  return { buffer: placement.buffer, strided };
}

function lowerMatmul(context: LoweringContext): void {
  const { batch, ...p } = parametersOf(context);
  const { dtype, constant } = context.input(1);
  const constantRight = dtype === "float32" ? constant : null;
  const leftMatrix = asMatrix(context.placement(0), "row");
  const left = context.input(1).rank > 2 ? null : joinRows(context, p, batch, leftMatrix);
  const rows = left === null ? p.rows : multiplyDims(p.rows, productOfDims(batch));
  const parameters = { ...p, rows };
  const flops = productOfDims([2, p.rows, p.depth, p.columns, ...batch]);
  const kind = dtype === "float32" ? "matmul" : `matmul_${dtype}`;
  const sizes = [rows, p.depth, p.columns].map((dim) => (isStatic(dim) ? dim : "n")).join("x");
  const name = `${kind}_${sizes}${constantRight === null ? "" : "_packed"}`;
  const resultRank = context.node.outputs[0]!.rank;
  context.kernel({ name, flops: isStatic(flops) ? flops : 0 }, (s) => {
    const leftView = s.view("a", left ?? leftMatrix, "read");
    const right =
      constantRight === null
        ? asMatrix(context.placement(1), "column")
        : context.packed(constantRight, packedKey(parameters), () => {
            const [depth, columns] = [p.depth, p.columns].map((dim) => staticDim(dim, "a constant's dim"));
            return packMatrix({ rows, depth: depth!, columns: columns! }, constantRight);
          });
    const rightView = s.view("b", right, "read");
    const loops = left === null ? batch : [];
    const nest = (indices: readonly Expr[]): void => {
      const extent = loops[indices.length];
      if (extent !== undefined) {
        s.for("batch", 0, s.dim(extent), (i) => nest([...indices, i]), {
          mode: indices.length === 0 ? "parallel" : "serial",
        });
        return;
      }
      matmul(s, parameters, {
        left: leftView,
        right: rightView,
        packed: constantRight !== null,
        leftBatch: batchIndices(s, context, 0, indices, leftView.strided.shape.length - 2),
        rightBatch: batchIndices(
          s,
          context,
          1,
          indices,
          rightView.strided.shape.length - (constantRight === null ? 2 : 1),
        ),
        result: (value, row, column) => {
          const ownRow = context.input(0).rank === 1 ? [] : [row];
          const rows = left === null ? [...indices, ...ownRow] : joinedRow(batch, p.rows, row);
          s.result(value, [...rows, ...(context.input(1).rank === 1 ? [] : [column])], {
            axis: resultRank - 1,
            count: value.type.lanes,
          });
        },
      });
    };
    nest([]);
  });
}

/** Indices of an operand's `count` batch dims: broadcast ones stay at zero, as do all where the batch is joined. */
function batchIndices(
  s: KernelScope,
  context: NodeView,
  operand: 0 | 1,
  indices: readonly Expr[],
  count: number,
): Expr[] {
  const batches = [0, 1].map((i) => context.input(i).shape.slice(0, -2));
  const { batch } = parametersOf(context);
  const own = batches[operand]!;
  const lead = batch.length - count;
  return Array.from({ length: count }, (_, axis) => {
    const index = indices[axis + lead];
    if (index === undefined) return i32Constant(0);
    const dims = batches.flatMap((dims) => dims[axis + lead - batch.length + dims.length] ?? []);
    const way = broadcastIndex(own[axis]!, dims, batch[axis + lead]!);
    return broadcastPlace(way, index, () => s.dim(own[axis]!));
  });
}

function evaluateMatmul(context: EvaluationContext): TensorData[] {
  const [x, y] = [context.input(0), context.input(1)];
  const [a, b] = matrixShapes(x.dims, y.dims) as [number[], number[]];
  const { dims } = context.outputs[0]!;
  const vectors = (x.dims.length === 1 ? 1 : 0) + (y.dims.length === 1 ? 1 : 0);
  const batch = dims.slice(0, dims.length - 2 + vectors);
  return [multiplyMatrices({ ...x, dims: a }, { ...y, dims: b }, batch, dims)];
}

/** Few rows take a right operand as it is where both operands have the depth side by side. */
function rightLayout(context: NodeView): LayoutChoice {
  const [x, y] = [context.input(0), context.input(1)];
  const isFloat = x.dtype === "float32" && y.rank > 1;
  const fits = isFloat && innermost(x) === x.rank - 1 && innermost(y) === y.rank - 2;
  return fits && takesRows(parametersOf(context)) ? "any" : "row-major";
}

/** The axis whose elements are side by side in memory. */
function innermost({ rank, shape, type: { layout } }: Value): number | undefined {
  const order = layout ?? shape.map((_, axis) => axis);
  return order.findLast((axis) => shape[axis] !== 1) ?? rank - 1;
}

const MatMul = defineOperator<Empty>({
  name: "MatMul",
  summary: "Matrix product over the last two dims, broadcast over the others.",
  inputs: ["A", "B"],
  types,
  attributes: {},
  versions: [{ since: 1 }, { since: 9 }, { since: 13 }],
  infer: inferMatmul,
  flops: (context) => {
    const { rows, depth, columns, batch } = parametersOf(context);
    const count = productOfDims([2, rows, depth, columns, ...batch]);
    return isStatic(count) ? count : 0;
  },
  layout: (context) => ({ inputs: ["any", rightLayout(context)], output: "row-major" }),
  epilogue: true,
  lower: lowerMatmul,
  evaluate: evaluateMatmul,
});

export const matmulOperators: readonly Operator[] = [MatMul];
