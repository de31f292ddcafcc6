/**
 * Matrix products of any element type as plain loops, for extents that may be known at run time only. The right operand
 * decides the direction of vectors: along its columns where those lie side by side, for four rows at a time; else, where
 * both operands have the depth side by side, along the sum.
 */

import { equalDims } from "../ir/dim.js";
import { add, constant, div, mul, op, read } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import type { MatmulOperands, MatmulParameters } from "./matmul.js";

/** Rows that share what is loaded of the right operand. */
const rowsTogether = 4;

export function directMatmul(s: KernelScope, p: MatmulParameters, operands: MatmulOperands): void {
  const { left, right } = operands;
  const isUnit = (view: typeof left, axis: number): boolean => equalDims(view.strided.strides.at(axis)!, 1);
  const alongDepth = !isUnit(right, -1) && isUnit(right, -2) && isUnit(left, -1);
  const rows = s.dim(p.rows);
  const whole = s.let("whole", mul(div(rows, rowsTogether), rowsTogether));
  const visit = (first: Expr, count: number): void => {
    s.for(
      "column",
      0,
      s.dim(p.columns),
      (column) => {
        const sums = sumProducts(s, p, operands, { first, count, column, alongDepth });
        sums.forEach((sum, row) => {
          operands.result(sum, add(first, row), column);
        });
      },
      { mode: alongDepth ? "serial" : "vectorize" },
    );
  };
  s.for("rows", 0, whole, (first) => visit(first, rowsTogether), { step: rowsTogether });
  s.for("row", whole, rows, (row) => visit(row, 1));
}

interface Place {
  readonly first: Expr;
  readonly count: number;
  readonly column: Expr;
  readonly alongDepth: boolean;
}

/** One element of the result for each of `count` rows. */
function sumProducts(
  s: KernelScope,
  p: MatmulParameters,
  { left, right, leftBatch, rightBatch }: MatmulOperands,
  { first, count, column, alongDepth }: Place,
): Expr[] {
  const scalar = registerTypes[right.dtype];
  const isFloat = scalar === "f32" || scalar === "f64";
  const sums = Array.from({ length: count }, () => s.variable("sum", constant({ scalar, lanes: 1 }, 0)));
  s.for(
    "k",
    0,
    s.dim(p.depth),
    (k) => {
      const b = s.let("b", right.load([...rightBatch, k, column]));
      sums.forEach((sum, row) => {
        const a = left.load([...leftBatch, add(first, row), k]);
        s.assign(sum, isFloat ? op("fma", a, b, read(sum)) : op("add", read(sum), op("mul", a, b)));
      });
    },
    { mode: alongDepth ? "vectorize" : "serial" },
  );
  return sums.map(read);
}
