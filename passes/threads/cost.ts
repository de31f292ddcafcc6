/** About how much a piece of a kernel does, to tell whether it is worth waking another thread for. */

import { constantIndex } from "../../compiler/loop/builder.js";
import type { Expr, Statement } from "../../compiler/loop/ir.js";
import { blocksOf, nodesOf, operandsOf } from "../../compiler/loop/rewrite.js";

/** Passes of a loop whose number only the run knows. */
const OPEN_PASSES = 32;

/** Operations and accesses of a block, on scalars or vectors. */
export function costOf(block: readonly Statement[]): number {
  return block.reduce((sum, statement) => sum + statementCost(statement), 0);
}

function statementCost(statement: Statement): number {
  const isWork = ({ kind }: Expr): boolean => kind === "op" || kind === "load";
  const own = operandsOf(statement).reduce((sum, operand) => sum + nodesOf(operand).filter(isWork).length, 1);
  const inner = blocksOf(statement).reduce((sum, block) => sum + costOf(block), 0);
  return statement.kind === "for" ? own + inner * passes(statement) : own + inner;
}

function passes({ start, end, step }: Statement & { kind: "for" }): number {
  const [first, last] = [constantIndex(start), constantIndex(end)];
  if (first !== undefined && last !== undefined) return Math.max(0, Math.ceil((last - first) / step));
  // The blocks of a loop that was cut into pieces: min(start + n, end).
  const piece = end.kind === "op" && end.op === "min_s" ? end.args[0]! : end;
  const length = piece.kind === "op" && piece.op === "add" ? constantIndex(piece.args[1]!) : undefined;
  return length !== undefined && length > 0 ? Math.ceil(length / step) : OPEN_PASSES;
}
