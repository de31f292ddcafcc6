/**
 * An estimate of what a loop's body costs for as many iterations as a vector has lanes, scalar and vectorised. Only
 * what differs between lanes is counted; index arithmetic costs the same either way.
 */

import type { Expr, For, OpName, Statement } from "../../compiler/loop/ir.js";
import { blocksOf, dependsOn } from "../../compiler/loop/rewrite.js";
import { laneStride, type VectorPlan } from "./vectorize-plan.js";

interface Cost {
  scalar: number;
  vector: number;
  /** Vector operations in one pass, without weights. */
  operations: number;
}

/** Passes of an inner loop that an estimate reckons with. */
const INNER_PASSES = 8;

export const vectorsPay = (plan: VectorPlan, loop: For): boolean => {
  const { scalar, vector } = bodyCost(plan, loop);
  return vector < scalar;
};

export function bodyCost(plan: VectorPlan, loop: For): Cost {
  const cost: Cost = { scalar: 0, vector: 0, operations: 0 };
  const visitBlock = (block: readonly Statement[], weight: number): void => {
    for (const statement of block) {
      const seen = new Set<Expr>();
      const visit = (expr: Expr): void => {
        if (seen.has(expr) || !dependsOn(expr, plan.varying)) return;
        seen.add(expr);
        if (expr.kind === "op") expr.args.forEach(visit);
        if (expr.kind !== "variable" || expr.variable === loop.variable) count(vectorCost(plan, loop, expr));
      };
      const count = (vector: number): void => {
        cost.scalar += plan.lanes * weight;
        cost.vector += vector * weight;
        cost.operations += vector;
      };
      if (statement.kind === "let" || statement.kind === "assign" || statement.kind === "store") {
        visit(statement.value);
      }
      if (statement.kind === "store") count(memoryCost(plan, loop, statement.index));
      const inner = statement.kind === "for" ? weight * INNER_PASSES : weight;
      for (const block of blocksOf(statement)) visitBlock(block, inner);
    }
  };
  visitBlock(loop.body, 1);
  return cost;
}

function vectorCost(plan: VectorPlan, loop: For, expr: Expr): number {
  if (expr.kind === "load") return memoryCost(plan, loop, expr.index);
  if (expr.kind !== "op") return 1;
  const shiftsApart = shifts.has(expr.op) && dependsOn(expr.args[1]!, plan.varying);
  return shiftsApart || hasNoVectorForm(expr.op, expr.args[0]!) ? 3 * plan.lanes : 1;
}

/** One access forwards, one and a shuffle backwards; else for each lane an access and the move of the lane. */
function memoryCost(plan: VectorPlan, loop: For, index: Expr): number {
  const stride = laneStride(plan, loop, index);
  if (stride === 0 || stride === 1) return 1;
  return stride === -1 ? 2 : 2 * plan.lanes;
}

const shifts = new Set<OpName>(["shl", "shr_s", "shr_u"]);
const divisions = new Set<OpName>(["div_s", "div_u", "rem_s", "rem_u"]);
const only32 = new Set<OpName>(["min_s", "max_s", "min_u", "max_u", "lt_u", "le_u", "gt_u", "ge_u"]);

function hasNoVectorForm(op: OpName, operand: Expr): boolean {
  const { scalar } = operand.type;
  if (divisions.has(op) || /^(i64_to_f|f64_to_i)/.test(op)) return true;
  return scalar === "i64" && only32.has(op);
}
