/**
 * Lets that hold index arithmetic, seen through: passes that reason on indices want them in terms of loop variables.
 */

import type { Expr, Statement, Variable } from "../../compiler/loop/ir.js";
import {
  dependsOn,
  mapBlocks,
  nodesOf,
  statementsIn,
  substitute,
  substitution,
} from "../../compiler/loop/rewrite.js";

/** Longer values are computed once where they stand. */
const MAX_NODES = 24;

/** Replaces the lets of a block, at any depth, that are i32 arithmetic on the given variables and on each other. */
export function inlineIndexLets(
  block: readonly Statement[],
  on: ReadonlySet<Variable>,
): readonly Statement[] {
  const values = new Map<Variable, Expr>();
  // Values refer to earlier lets, which are in the map already.
  const inlined = substitution(values);
  for (const statement of statementsIn(block)) {
    if (statement.kind !== "let" || statement.variable.mutable || !isIndexArithmetic(statement.value))
      continue;
    const value = inlined(statement.value);
    if (dependsOn(value, on)) values.set(statement.variable, value);
  }
  if (values.size === 0) return block;
  const drop = (statements: readonly Statement[]): Statement[] =>
    statements
      .filter((statement) => statement.kind !== "let" || !values.has(statement.variable))
      .map((statement) => mapBlocks(statement, drop));
  return substitute(drop(block), values);
}

/** What the lets of a block that hold index arithmetic stand for. */
export function indexLets(block: readonly Statement[]): Map<Variable, Expr> {
  const lets = new Map<Variable, Expr>();
  for (const statement of statementsIn(block)) {
    if (statement.kind !== "let" || statement.variable.mutable) continue;
    if (isIndexArithmetic(statement.value)) lets.set(statement.variable, statement.value);
  }
  return lets;
}

/** True for short arithmetic whose value is the same wherever its variables are in scope. */
function isIndexArithmetic(value: Expr): boolean {
  let count = 0;
  for (const node of nodesOf(value)) {
    const pure =
      node.kind === "constant" || node.kind === "op" || (node.kind === "variable" && !node.variable.mutable);
    if (!pure || node.type.scalar !== "i32" || node.type.lanes !== 1 || ++count > MAX_NODES) return false;
  }
  return true;
}
