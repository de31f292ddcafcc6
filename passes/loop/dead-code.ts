/** What a block computes and nobody uses. */

import { read } from "../../compiler/loop/builder.js";
import type { Expr, Statement, Variable } from "../../compiler/loop/ir.js";
import { operandsOf, statementsIn, variablesOf } from "../../compiler/loop/rewrite.js";

type Block = readonly Statement[];

/** Removes variables that no store, bound or condition depends on, with all that is assigned to them. */
export function withoutDeadCode(block: Block): Statement[] {
  const live = liveVariables(block);
  const keep = (statements: Block): Statement[] =>
    statements.flatMap((statement): Statement[] => {
      if (statement.kind === "let" || statement.kind === "assign")
        return live.has(statement.variable) ? [statement] : [];
      if (statement.kind === "for") {
        const body = keep(statement.body);
        return body.length > 0 ? [{ ...statement, body }] : [];
      }
      if (statement.kind !== "if") return [statement];
      const [whenTrue, whenFalse] = [keep(statement.whenTrue), keep(statement.whenFalse)];
      return whenTrue.length + whenFalse.length > 0 ? [{ ...statement, whenTrue, whenFalse }] : [];
    });
  const kept = keep(block);
  // A loop that is gone no longer uses what its bounds were made of.
  return countOf(kept) < countOf(block) ? withoutDeadCode(kept) : kept;
}

const countOf = (block: Block): number => [...statementsIn(block)].length;

function liveVariables(block: Block): Set<Variable> {
  const live = new Set<Variable>();
  const definitions = new Map<Variable, Expr[]>();
  const pending: Expr[] = [];
  for (const statement of statementsIn(block)) {
    if (statement.kind === "let" || statement.kind === "assign") {
      const known = definitions.get(statement.variable);
      if (known === undefined) definitions.set(statement.variable, [statement.value]);
      else known.push(statement.value);
    } else {
      pending.push(...operandsOf(statement));
      if (statement.kind === "store" && statement.pointer !== undefined)
        pending.push(read(statement.pointer));
    }
  }
  for (let expr = pending.pop(); expr !== undefined; expr = pending.pop()) {
    for (const variable of variablesOf(expr)) {
      if (live.has(variable)) continue;
      live.add(variable);
      pending.push(...(definitions.get(variable) ?? []));
    }
  }
  return live;
}
