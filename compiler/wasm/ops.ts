/**
 * What every operation of Loop IR is in WebAssembly: one table by register shape and operation.
 *
 * Most are one instruction of the same name, the rest short sequences. Operands may be used several times, since the
 * emitter keeps such nodes in locals.
 */

import { invariant } from "../diagnostics.js";
import { type Expr, type ExprType, printExprType } from "../loop/ir.js";
import type { ValueType } from "./builder.js";
import type { Node, Nodes } from "./nodes.js";
import type { Rules } from "./ops-rule.js";
import { scalarRules } from "./ops-scalar.js";
import { vectorRules } from "./ops-vector.js";

const table: { readonly [shape: string]: Rules } = { ...scalarRules, ...vectorRules };

/** The nodes of an operation whose operands have nodes already. */
export function operationNode(nodes: Nodes, expr: Expr & { kind: "op" }, args: readonly Node[]): Node {
  const shape = printExprType(shapeOf(expr));
  const rule = table[shape]?.[expr.op];
  invariant(rule !== undefined, `${expr.op} on ${shape} has no instructions`);
  return rule(nodes, args, expr.immediates ?? []);
}

/** The type that an operation works on. */
function shapeOf({ op, type, args }: Expr & { kind: "op" }): ExprType {
  if (op === "splat") return type;
  return args[op === "select" ? 1 : 0]!.type;
}

export function valueTypeOf({ scalar, lanes }: ExprType): ValueType {
  if (lanes > 1) return "v128";
  return scalar === "bool" ? "i32" : scalar;
}
