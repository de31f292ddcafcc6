/**
 * Variables that a loop reduces into: declared outside it, and only ever changed by `acc = op(acc, x)` with one
 * associative operation. Such a variable may be split into partial accumulators that start at the identity of the
 * operation and are combined after the loop.
 *
 * Sums and products of floats are reassociated by this; pmin and pmax may return the other one of two equal zeros.
 */

import { constant } from "../../compiler/loop/builder.js";
import type { Expr, ExprType, OpName, Statement, Variable } from "../../compiler/loop/ir.js";
import {
  assignedIn,
  declaredIn,
  operandsOf,
  statementsIn,
  variablesOf,
} from "../../compiler/loop/rewrite.js";

export interface Reduction {
  /** Combines two partial results. */
  readonly op: OpName;
}

type Op = Expr & { kind: "op" };

/** How an operation reduces: at which operands the accumulator may stand, and how partial results are combined. */
const reducing: {
  readonly [O in OpName]?: { readonly accumulator: readonly number[]; readonly op: OpName };
} = {
  add: { accumulator: [0, 1], op: "add" },
  sub: { accumulator: [0], op: "add" },
  fma: { accumulator: [2], op: "add" },
  mul: { accumulator: [0, 1], op: "mul" },
  min: { accumulator: [0, 1], op: "min" },
  max: { accumulator: [0, 1], op: "max" },
  // With the accumulator first, a NaN is passed over, wherever it stands.
  pmin: { accumulator: [0], op: "pmin" },
  pmax: { accumulator: [0], op: "pmax" },
  min_s: { accumulator: [0, 1], op: "min_s" },
  max_s: { accumulator: [0, 1], op: "max_s" },
  min_u: { accumulator: [0, 1], op: "min_u" },
  max_u: { accumulator: [0, 1], op: "max_u" },
  and: { accumulator: [0, 1], op: "and" },
  or: { accumulator: [0, 1], op: "or" },
  xor: { accumulator: [0, 1], op: "xor" },
};

/** The reductions of a loop's body, or null where a variable carries something else from pass to pass. */
export function findReductions(body: readonly Statement[]): Map<Variable, Reduction> | null {
  const declared = declaredIn(body);
  const reductions = new Map<Variable, Reduction>();
  for (const variable of assignedIn(body)) {
    if (declared.has(variable)) continue;
    const reduction = reductionOf(body, variable);
    if (reduction === null) return null;
    reductions.set(variable, reduction);
  }
  return reductions;
}

function reductionOf(body: readonly Statement[], variable: Variable): Reduction | null {
  if (variable.type.lanes !== 1 || variable.type.scalar === "bool") return null;
  let found: Reduction | null = null;
  for (const statement of statementsIn(body)) {
    if (statement.kind === "assign" && statement.variable === variable) {
      const op = combiningOp(statement.value, variable);
      if (op === null || (found !== null && found.op !== op)) return null;
      found = { op };
    } else if (operandsOf(statement).some((operand) => variablesOf(operand).has(variable))) {
      return null;
    }
  }
  return found;
}

/** What combines partial results of `value`, if it is an operation on the variable and something without it. */
export function combiningOp(value: Expr, variable: Variable): OpName | null {
  const how = value.kind === "op" ? reducing[value.op] : undefined;
  if (how === undefined) return null;
  const { args } = value as Op;
  const reading = args.flatMap((arg, i) => (variablesOf(arg).has(variable) ? [i] : []));
  const [at] = reading;
  if (at === undefined || reading.length > 1 || !how.accumulator.includes(at)) return null;
  return args[at]!.kind === "variable" ? how.op : null;
}

/** What changes nothing when it is combined with any value. */
export function identityOf(op: OpName, type: ExprType): Expr {
  const bits = type.scalar === "i64" ? 64n : 32n;
  const isFloat = type.scalar === "f32" || type.scalar === "f64";
  switch (op) {
    case "add":
      // A sum that starts at +0 would lose the sign of a sum of negative zeros.
      return constant(type, isFloat ? -0 : 0);
    case "mul":
      return constant(type, 1);
    case "min":
    case "pmin":
      return constant(type, Number.POSITIVE_INFINITY);
    case "max":
    case "pmax":
      return constant(type, Number.NEGATIVE_INFINITY);
    case "min_s":
      return constant(type, 2n ** (bits - 1n) - 1n);
    case "max_s":
      return constant(type, -(2n ** (bits - 1n)));
    case "min_u":
    case "and":
      return constant(type, -1);
    default:
      return constant(type, 0);
  }
}
