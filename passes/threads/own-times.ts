/**
 * How long a run is in the code of each kernel itself, without that of the kernels it invokes.
 *
 * The passes of a loop are counted with what a call gives for sizes, as kernels that were merged have them in the place
 * of constants, and with the first values of the loops around it.
 */

import { laneFunction } from "../../compiler/loop/evaluate.js";
import type { Expr, For, Kernel, OpName, Statement, Variable } from "../../compiler/loop/ir.js";
import { callsOf, type Program } from "../../compiler/loop/program.js";
import { blocksOf, nodesOf } from "../../compiler/loop/rewrite.js";
import { OPEN_PASSES, operationsOf, operationsPerNanosecond } from "./cost.js";

/** Values of variables, as far as they are known. */
type Values = Map<Variable, number>;

/** Nanoseconds of a run, about, by kernel; a first run's calls are counted as well. */
export function ownTimes(program: Program): Map<Kernel, number> {
  const counts = new Map<Kernel, number>();
  for (const { kernel, sizes } of callsOf(program)) {
    const values: Values = new Map();
    kernel.sizes.forEach((size, i) => {
      const dim = sizes[i];
      if (typeof dim === "number") values.set(size, dim);
    });
    if (kernel.share) values.set(kernel.share.part, 0).set(kernel.share.parts, 1);
    count(kernel, 1, values, counts);
  }
  return new Map([...counts].map(([kernel, operations]) => [kernel, operations / operationsPerNanosecond]));
}

/** Adds the operations of a kernel that is run so many times, and of those that it invokes. */
function count(kernel: Kernel, runs: number, values: Values, counts: Map<Kernel, number>): void {
  let operations = 0;
  const visit = (block: readonly Statement[], times: number): void => {
    for (const statement of block) {
      operations += times * operationsOf(statement);
      if (statement.kind === "let") define(statement.variable, statement.value, values);
      const inner = statement.kind === "for" ? times * passesOf(statement, values) : times;
      if (inner > 0) for (const one of blocksOf(statement)) visit(one, inner);
      if (statement.kind !== "invoke") continue;
      const given: Values = new Map();
      for (const [i, size] of statement.kernel.sizes.entries()) {
        define(size, statement.sizes[i]!, values, given);
      }
      count(statement.kernel, times, given, counts);
    }
  };
  visit(kernel.body, runs);
  counts.set(kernel, (counts.get(kernel) ?? 0) + operations);
}

function define(variable: Variable, value: Expr, values: Values, into = values): void {
  const known = variable.mutable ? undefined : integerOf(value, values);
  if (known !== undefined) into.set(variable, known);
}

/** How many passes a loop makes; gives its variable the first value. */
function passesOf({ variable, start, end, step }: For, values: Values): number {
  const [first, last] = [integerOf(start, values), integerOf(end, values)];
  if (first === undefined) return OPEN_PASSES;
  values.set(variable, first);
  return last === undefined ? OPEN_PASSES : Math.max(0, Math.ceil((last - first) / step));
}

/** The value of an i32, if it follows from those that are known. */
function integerOf(expr: Expr, values: Values): number | undefined {
  const known = new Map<Expr, number>();
  for (const node of nodesOf(expr)) {
    const value = valueOfNode(node, values, known);
    if (value === undefined) return undefined;
    known.set(node, value);
  }
  return known.get(expr);
}

function valueOfNode(expr: Expr, values: Values, known: ReadonlyMap<Expr, number>): number | undefined {
  if (expr.type.scalar !== "i32" || expr.type.lanes !== 1) return undefined;
  if (expr.kind === "constant") return Number(expr.value);
  if (expr.kind === "variable") return values.get(expr.variable);
  if (expr.kind !== "op") return undefined;
  const apply = laneFunction(expr.op, "i32");
  const [a, b, c] = expr.args.map((operand) => known.get(operand)!);
  if (apply === undefined || (b === 0 && divisions.has(expr.op))) return undefined;
  return Number(apply(a!, b, c));
}

const divisions: ReadonlySet<OpName> = new Set<OpName>(["div_s", "div_u", "rem_s", "rem_u"]);
