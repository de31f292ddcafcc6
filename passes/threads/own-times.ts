/**
 * How long a run is in the code of each kernel itself, without that of the kernels it invokes.
 *
 * The passes of a loop are counted with what a call gives for sizes, as kernels that were merged have them in the place
 * of constants, and with the first values of the loops around it.
 */

import { constantIndex, i32Constant } from "../../compiler/loop/builder.js";
import {
  type Expr,
  type For,
  i32,
  type Kernel,
  type Statement,
  sameType,
  type Variable,
} from "../../compiler/loop/ir.js";
import { callsOf, type Program } from "../../compiler/loop/program.js";
import { blocksOf, bottomUp, substitution } from "../../compiler/loop/rewrite.js";
import { simplifyOp } from "../loop/simplify-rules.js";
import { OPEN_PASSES, operationsOf, operationsPerNanosecond } from "./cost.js";

/** Variables of which the value is known, and that constant. */
type Values = Map<Variable, Expr>;

/** Nanoseconds of a run, about, by kernel; a first run's calls are counted as well. */
export function ownTimes(program: Program): Map<Kernel, number> {
  const counts = new Map<Kernel, number>();
  for (const { kernel, sizes } of callsOf(program)) {
    const values: Values = new Map();
    kernel.sizes.forEach((size, i) => {
      const dim = sizes[i];
      if (typeof dim === "number") values.set(size, i32Constant(dim));
    });
    if (kernel.share) values.set(kernel.share.part, i32Constant(0)).set(kernel.share.parts, i32Constant(1));
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
      if (statement.kind === "let" && !statement.variable.mutable)
        define(values, statement.variable, known(statement.value, values));
      const inner = statement.kind === "for" ? times * passesOf(statement, values) : times;
      if (inner > 0) for (const one of blocksOf(statement)) visit(one, inner);
      if (statement.kind !== "invoke") continue;
      const given: Values = new Map();
      for (const [i, size] of statement.kernel.sizes.entries()) {
        define(given, size, known(statement.sizes[i]!, values));
      }
      count(statement.kernel, times, given, counts);
    }
  };
  visit(kernel.body, runs);
  counts.set(kernel, (counts.get(kernel) ?? 0) + operations);
}

function define(values: Values, variable: Variable, value: number | undefined): void {
  if (value !== undefined) values.set(variable, i32Constant(value));
}

/** How many passes a loop makes; gives its variable the first value. */
function passesOf({ variable, start, end, step }: For, values: Values): number {
  const [first, last] = [known(start, values), known(end, values)];
  define(values, variable, first);
  if (first === undefined || last === undefined) return OPEN_PASSES;
  return Math.max(0, Math.ceil((last - first) / step));
}

/** The value of an i32, if it follows from those that are known. */
function known(expr: Expr, values: Values): number | undefined {
  if (!sameType(expr.type, i32)) return undefined;
  const folded = bottomUp((node) => (node.kind === "op" && simplifyOp(node)) || node);
  return constantIndex(folded(substitution(values)(expr)));
}
