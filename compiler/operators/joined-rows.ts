/** Products of all rows of a batch with one matrix: the batch is nothing but more rows, where its rows follow one another. */

import { type Dim, equalDims, isStatic, multiplyDims, productOfDims } from "../ir/dim.js";
import { i32Constant, type Operand } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext, NodeScope } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import type { Placement } from "../lowering/scope.js";

/**
 * Where one right matrix serves the whole batch, and the rows of all left matrices follow one another in memory, the
 * batch is nothing but more rows.
 */
export function joinRows(
  context: Pick<LoweringContext, "input" | "joinsDims">,
  p: { readonly rows: Dim; readonly depth: Dim },
  batch: readonly Dim[],
  left: Placement,
): Placement | null {
  const count = productOfDims(batch);
  if (batch.length === 0 || context.input(0).rank !== batch.length + 2) return null;
  const { strides, shape, offset } = left.strided;
  const axes = [...batch.keys(), batch.length];
  const follow = axes.slice(0, -1).every((axis) => {
    if (shape[axis] === 1) return true;
    const inner = shape.slice(axis + 1, batch.length + 1);
    return equalDims(strides[axis]!, productOfDims([strides[batch.length]!, ...inner]));
  });
  if (!follow || !context.joinsDims(axes)) return null;
  const lead = new Array<number>(batch.length).fill(0);
  return {
    buffer: left.buffer,
    strided: {
      shape: [...lead.map(() => 1), multiplyDims(count, p.rows), p.depth],
      offset,
      strides: [...lead, strides.at(-2)!, strides.at(-1)!],
    },
  };
}

/** A row of joined ones, as indices of batch and row: dims that hold one place stay at it, whatever their stride. */
export function joinedRow(batch: readonly Dim[], rows: Dim, row: Expr): Expr[] {
  const dims = [...batch, rows];
  const innermost = dims.reduce<number>((last, dim, axis) => (dim === 1 ? last : axis), 0);
  return dims.map((_, axis) => (axis === innermost ? row : i32Constant(0)));
}

/** A vector is a matrix of one row. */
export function asRows(placement: Placement): Placement {
  const { shape, strides, offset } = placement.strided;
  if (shape.length > 1) return placement;
  return { buffer: placement.buffer, strided: { shape: [1, ...shape], offset, strides: [0, ...strides] } };
}

export interface RowsProduct {
  /** What the kernel's name begins with; its sizes follow. */
  readonly kind: string;
  readonly depth: Dim;
  readonly columns: Dim;
  /** [...batch, rows, depth], as many of each as the node's first input has. */
  readonly left: Placement;
}

/** Rows of a matrix of the batch, or of the whole batch. */
export interface Rows {
  readonly s: NodeScope;
  readonly rows: Dim;
  /** What stands for a row before the last index of what lies as `place` says. */
  readonly rowOf: (row: Operand) => Expr[];
  /** Where the rows of a tensor like the left operand lie, with so many elements each. */
  readonly place: (tensor: Placement, depth: Dim) => Placement;
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

/** The kernel of a product with one matrix: over the rows of all matrices as those of one, where they can be. */
export function lowerRows(
  context: Pick<LoweringContext, "input" | "joinsDims" | "kernel">,
  { kind, depth, columns, left }: RowsProduct,
  build: (rows: Rows) => void,
): void {
  const { shape, rank } = context.input(0);
  const batch = shape.slice(0, -2);
  const rows = shape.at(-2) ?? 1;
  const join = (tensor: Placement, depth: Dim) => joinRows(context, { rows, depth }, batch, tensor);
  const isJoined = join(left, depth) !== null;
  const allRows = isJoined ? multiplyDims(rows, productOfDims(batch)) : rows;
  const flops = productOfDims([2, ...batch, rows, depth, columns]);
  const sizes = [allRows, depth, columns].map((dim) => (isStatic(dim) ? dim : "n")).join("x");
  context.kernel({ name: `${kind}_${sizes}`, flops: isStatic(flops) ? flops : 0 }, (s) => {
    loopsInOrder(s, isJoined ? [] : batch, (matrix) => {
      const outer = isJoined ? batch.map(() => i32Constant(0)) : matrix;
      build({
        s,
        rows: allRows,
        rowOf: (row) => [...outer, typeof row === "number" ? i32Constant(row) : row],
        place: (tensor, depth) => (isJoined ? join(tensor, depth)! : tensor),
        result: (value, row, column) => {
          const place = isJoined ? joinedRow(batch, rows, row) : [...outer, row];
          s.result(value, rank === 1 ? [column] : [...place, column], {
            axis: rank - 1,
            count: value.type.lanes,
          });
        },
      });
    });
  });
}
