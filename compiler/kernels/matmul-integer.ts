/**
 * Matrix products of small integers, added up in int32. Four rows share what is loaded of the right operand, and
 * neighbouring columns become vectors.
 */

import type { Dim } from "../ir/dim.js";
import { add, div, i32Constant, mul, op, read } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";

export interface IntegerMatmul {
  readonly rows: Dim;
  readonly depth: Dim;
  readonly columns: Dim;
  /** Elements in i32 registers, zero points taken off. */
  readonly left: (row: Expr, k: Expr) => Expr;
  readonly right: (k: Expr, column: Expr) => Expr;
  readonly result: (value: Expr, row: Expr, column: Expr) => void;
}

const rowsTogether = 4;

export function integerMatmul(s: KernelScope, p: IntegerMatmul): void {
  const rows = s.dim(p.rows);
  const whole = s.let("whole", mul(div(rows, rowsTogether), rowsTogether));
  const visit = (first: Expr, count: number): void => {
    const column = (place: Expr): void => {
      const sums = Array.from({ length: count }, () => s.variable("sum", i32Constant(0)));
      s.for("k", 0, s.dim(p.depth), (k) => {
        const b = s.let("b", p.right(k, place));
        sums.forEach((sum, row) => {
          s.assign(sum, op("add", read(sum), op("mul", p.left(add(first, row), k), b)));
        });
      });
      sums.forEach((sum, row) => {
        p.result(read(sum), add(first, row), place);
      });
    };
    s.for("column", 0, s.dim(p.columns), column, { mode: "vectorize" });
  };
  s.for("rows", 0, whole, (first) => visit(first, rowsTogether), { step: rowsTogether });
  s.for("row", whole, rows, (row) => visit(row, 1));
}
