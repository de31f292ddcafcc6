/**
 * Matrix product of rows, [rows, depth] x [columns, depth]': both operands have the depth side by side in memory, as
 * queries and keys do. Sums run along the depth, four steps in the lanes of a vector, so that neither operand is
 * transposed; at the end the lanes of four sums are added up together, which makes a vector of four columns.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import { add, combineLanes, constant, mul, op, read } from "../loop/builder.js";
import { type Expr, f32x4, type Variable } from "../loop/ir.js";
import { highHalves, highLanes, lowHalves, lowLanes } from "../loop/lanes.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import type { MatmulOperands, MatmulParameters } from "./matmul.js";
import { panelsAtRunTime } from "./panels.js";
import { lanes, type Tile, tileRuns } from "./tile.js";

/**
 * Rows up to which the right operand is not transposed first. Of 128 by 1024, of depth 64, `kiln profile` printed 3.1 ms
 * for this kernel, and 2.8 for the other after 0.2 for the transposition.
 */
const MAX_ROWS = 32;

/** Whole vectors along the depth. */
const isWhole = (depth: Dim): boolean => isStatic(depth) && depth > 0 && depth % lanes === 0;

/** True where a product of so many rows is better off with a right operand whose depth is side by side as it is. */
export const takesRows = ({ rows, depth }: Pick<MatmulParameters, "rows" | "depth">): boolean =>
  isWhole(depth) && !(isStatic(rows) && rows > MAX_ROWS);

/** True where both operands lie as this kernel reads them. */
export function canMultiplyRows({ depth }: MatmulParameters, left: TensorView, right: TensorView): boolean {
  const [leftDepth, rightDepth] = [left.strided.strides.at(-1), right.strided.strides.at(-2)];
  return isWhole(depth) && leftDepth === 1 && rightDepth === 1 && right.strided.strides.at(-1) !== 1;
}

export function multiplyRows(s: NodeScope, p: MatmulParameters, operands: MatmulOperands): void {
  const isOneRow = p.rows === 1;
  const runs = tileRuns(s, p.rows, isOneRow ? 1 : 2);
  for (const panel of panelsAtRunTime(s, p.columns, isOneRow ? 8 : 4)) {
    s.for("panel", 0, panel.count, (i) => {
      const column = s.let("column", add(panel.start, mul(i, panel.columns)));
      for (const run of runs) {
        s.for("tile", 0, run.count, (j) => {
          const row = s.let("row", add(run.start, mul(j, run.rows)));
          multiplyTile(s, p, operands, { rows: run.rows, columns: panel.columns }, row, column);
        });
      }
    });
  }
}

function multiplyTile(
  s: NodeScope,
  { depth }: MatmulParameters,
  { left, right, leftBatch, rightBatch, result }: MatmulOperands,
  tile: Tile,
  row: Expr,
  column: Expr,
): void {
  const sums = Array.from({ length: tile.rows }, () =>
    Array.from({ length: tile.columns }, () => s.variable("sum", constant(f32x4, 0))),
  );
  const addStep = (k: Expr): void => {
    const a = sums.map((_, r) => {
      const indices = [...leftBatch, add(row, r), k];
      return s.let("a", left.load(indices, { axis: indices.length - 1, count: lanes }));
    });
    for (let c = 0; c < tile.columns; c++) {
      const indices = [...rightBatch, k, add(column, c)];
      const b = s.let("b", right.load(indices, { axis: indices.length - 2, count: lanes }));
      sums.forEach((ofRow, r) => {
        s.assign(ofRow[c]!, op("fma", a[r]!, b, read(ofRow[c]!)));
      });
    }
  };
  s.for("k", 0, s.dim(depth), addStep, { step: lanes });
  sums.forEach((ofRow, r) => {
    finish(s, ofRow, (value, c) => result(value, add(row, r), add(column, c)));
  });
}

/** Hands out the sums of a row's columns: four as a vector, others one by one. */
function finish(
  s: NodeScope,
  sums: readonly Variable[],
  result: (value: Expr, column: number) => void,
): void {
  const whole = sums.length - (sums.length % lanes);
  for (let c = 0; c < whole; c += lanes) result(sumOfEach(s, sums.slice(c, c + lanes).map(read)), c);
  for (let c = whole; c < sums.length; c++) result(combineLanes("add", read(sums[c]!)), c);
}

/** A vector of what the lanes of each of four vectors make together. */
function sumOfEach(s: NodeScope, vectors: readonly Expr[]): Expr {
  const [a, b, c, d] = vectors as [Expr, Expr, Expr, Expr];
  const inPairs = (x: Expr, y: Expr): Expr => s.let("pairs", op("add", lowLanes(x, y), highLanes(x, y)));
  const [x, y] = [inPairs(a, b), inPairs(c, d)];
  return op("add", lowHalves(x, y), highHalves(x, y));
}
