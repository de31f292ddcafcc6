/**
 * Loads that stand after a store, moved before it.
 *
 * A body with several results, `y[v] = f(x[v]); z[v] = g(x[v + n])`, loads after it has stored. Lanes in lockstep must
 * not do so (see `vectorize-plan.ts`), so the values of the later stores are computed first. Loads may always come
 * earlier than they did unless they read what the body stores.
 */

import { read } from "../../compiler/loop/builder.js";
import type { Buffer, Expr, Statement } from "../../compiler/loop/ir.js";
import { exprsIn, type Names, readsMemory } from "../../compiler/loop/rewrite.js";

type Block = readonly Statement[];

/** The same straight-line block with its stores at the end; other blocks as they are. */
export function storesLast(block: Block, names: Names): Block {
  const first = block.findIndex(({ kind }) => kind === "store");
  const loadsLater = block.slice(first + 1).some(loadsValue);
  if (first < 0 || !loadsLater || !block.every(isMovable) || loadsStored(block)) return block;
  const before: Statement[] = [];
  const stores: Statement[] = [];
  for (const statement of block) {
    if (statement.kind !== "store") {
      before.push(statement);
      continue;
    }
    const variable = names.variable("value", statement.value.type);
    before.push({ kind: "let", variable, value: statement.value });
    stores.push({ ...statement, value: read(variable) });
  }
  return [...before, ...stores];
}

const loadsValue = (statement: Statement): boolean => "value" in statement && readsMemory(statement.value);

/** Lets that stay as they are, and stores at places that neither memory nor a changing variable decides. */
function isMovable(statement: Statement): boolean {
  if (statement.kind === "let") return !statement.variable.mutable;
  return statement.kind === "store" && !readsMemory(statement.index);
}

function loadsStored(block: Block): boolean {
  const stored = new Set<Buffer>();
  for (const statement of block) if (statement.kind === "store") stored.add(statement.buffer);
  const reads = (expr: Expr): boolean => expr.kind === "load" && stored.has(expr.buffer);
  for (const expr of exprsIn(block)) if (reads(expr)) return true;
  return false;
}
