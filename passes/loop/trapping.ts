import type { Expr } from "../../compiler/loop/ir.js";
import { nodesOf } from "../../compiler/loop/rewrite.js";

/** True for an integer division that could trap where the program would not have executed it. */
export function mayTrap(expr: Expr): boolean {
  for (const node of nodesOf(expr)) {
    if (node.kind !== "op" || !/^(div|rem)_[su]$/.test(node.op)) continue;
    const divisor = node.args[1]!;
    if (divisor.kind !== "constant" || Number(divisor.value) === 0 || Number(divisor.value) === -1)
      return true;
  }
  return false;
}
