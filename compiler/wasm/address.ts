/**
 * Splits an index into a part that is computed and a constant for the instruction's offset immediate.
 *
 * The immediate is added without wrapping. It may only be used where the computed part, taken by itself, is an address
 * that lies in memory: where the index without its constant is known not to be negative.
 */

import type { Expr, Variable } from "../loop/ir.js";

export interface SplitIndex {
  /** Null where the index is a constant. */
  readonly dynamic: Expr | null;
  readonly constant: number;
}

/** index = dynamic + constant, with constants taken out of sums and of products with constants. */
export function splitIndex(index: Expr): SplitIndex {
  if (index.kind === "constant") return { dynamic: null, constant: Number(index.value) };
  const unsplit = { dynamic: index, constant: 0 };
  if (index.kind !== "op") return unsplit;
  const [a, b] = index.args as [Expr, Expr];
  switch (index.op) {
    case "add":
    case "sub": {
      const [left, right] = [splitIndex(a), splitIndex(b)];
      const sign = index.op === "add" ? 1 : -1;
      if (left.constant === 0 && right.constant === 0) return unsplit;
      return {
        dynamic: combine(index, left.dynamic, right.dynamic),
        constant: left.constant + sign * right.constant,
      };
    }
    case "mul": {
      if (b.kind !== "constant") return unsplit;
      const left = splitIndex(a);
      if (left.constant === 0 || left.dynamic === null) return unsplit;
      const dynamic: Expr = { ...index, args: [left.dynamic, b] };
      return { dynamic, constant: left.constant * Number(b.value) };
    }
    default:
      return unsplit;
  }
}

/** left + right or left - right, where a part that is null is zero. */
function combine(sum: Expr & { kind: "op" }, left: Expr | null, right: Expr | null): Expr | null {
  if (right === null) return left;
  if (left !== null) return { ...sum, args: [left, right] };
  return sum.op === "add" ? right : { kind: "op", type: sum.type, op: "neg", args: [right] };
}

/** Whether an i32 expression, as a number that did not wrap, is known not to be negative. */
export function isNonNegative(expr: Expr, variables: ReadonlySet<Variable>): boolean {
  const known = (part: Expr): boolean => isNonNegative(part, variables);
  switch (expr.kind) {
    case "constant":
      return Number(expr.value) >= 0;
    case "variable":
      return variables.has(expr.variable);
    case "load":
      return expr.buffer.dtype === "uint8" || expr.buffer.dtype === "uint16" || expr.buffer.dtype === "bool";
    case "op":
      break;
    default:
      return false;
  }
  const [a, b] = expr.args as [Expr, Expr];
  switch (expr.op) {
    case "add":
    case "mul":
    case "min_s":
    case "div_s":
    case "shr_s":
      return known(a) && known(b);
    case "max_s":
    case "and":
    case "rem_u":
      return known(a) || known(b);
    case "shl":
    case "rem_s":
      return known(a);
    case "div_u":
      return known(a) || (b.kind === "constant" && Number(b.value) >>> 0 > 1);
    case "shr_u":
      return known(a) || (b.kind === "constant" && (Number(b.value) & 31) > 0);
    case "select":
      return known(b) && known(expr.args[2]!);
    default:
      return false;
  }
}
