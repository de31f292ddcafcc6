/**
 * Loops whose indices take the variable apart, v / c and v % c, become two loops.
 *
 *   for v in 0..N { y[v] = x[v / c * S + v % c] }   ->   for q in 0..N / c { for r in 0..c { y[q * c + r] = x[q * S + r] } }
 *
 * Reshapes that strides cannot express are lowered with such indices. Where c divides N the order of the iterations
 * stays the same, the divisions go, and the inner loop walks memory in a way that can be vectorised. The smallest
 * divisor goes first; what is left of larger ones is found in the outer loop, which is split again.
 */

import { add, constantIndex, i32Constant, mul, read } from "../../compiler/loop/builder.js";
import {
  type Expr,
  type For,
  i32,
  type LoopMode,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import { copyBlock, exprsIn, mapBlocks, Names } from "../../compiler/loop/rewrite.js";
import type { LoopPass } from "./pass.js";
import { simplify } from "./simplify.js";

type Block = readonly Statement[];

export const split: LoopPass = {
  name: "split",
  run(kernel) {
    if (!exprsIn(kernel.body).some(isDivision)) return kernel;
    const body = splitLoops(kernel.body, new Names(kernel));
    // The quotients and remainders of the new variables disappear, and may leave others to be split by.
    return body === kernel.body ? kernel : split.run(simplify.run({ ...kernel, body }));
  },
};

/** The block itself where it has no loop to split. */
function splitLoops(block: Block, names: Names): Block {
  const result = block.map((statement) => {
    const inside = mapChanged(statement, (inner) => splitLoops(inner, names));
    return inside.kind === "for" ? splitLoop(inside, names) : inside;
  });
  return result.every((statement, i) => statement === block[i]) ? block : result;
}

function mapChanged(statement: Statement, map: (block: Block) => Block): Statement {
  let changed = false;
  const mapped = mapBlocks(statement, (block) => {
    const result = map(block);
    changed ||= result !== block;
    return result;
  });
  return changed ? mapped : statement;
}

function splitLoop(loop: For, names: Names): For {
  const extent = constantIndex(loop.end);
  if (constantIndex(loop.start) !== 0 || extent === undefined || loop.step !== 1 || loop.mode === "unroll")
    return loop;
  const divisor = smallestDivisor(loop.body, loop.variable);
  if (divisor >= extent || extent % divisor !== 0) return loop;
  const [quotient, remainder] = [
    names.variable(loop.variable.name, i32),
    names.variable(loop.variable.name, i32),
  ];
  const value = add(mul(read(quotient), divisor), read(remainder));
  const [outerMode, innerMode] = modesOf(loop.mode, divisor);
  const inner: For = {
    ...loop,
    variable: remainder,
    end: i32Constant(divisor),
    mode: innerMode,
    body: copyBlock(loop.body, names, new Map([[loop.variable, value]])),
  };
  return { ...loop, variable: quotient, end: i32Constant(extent / divisor), mode: outerMode, body: [inner] };
}

const isDivision = (expr: Expr): expr is Expr & { kind: "op" } =>
  expr.kind === "op" && /^(div|rem)_[su]$/.test(expr.op);

/** The smallest constant that the variable is divided by; infinity where there is none. */
function smallestDivisor(body: Block, variable: Variable): number {
  const divisors = exprsIn(body).map((expr: Expr): number => {
    if (!isDivision(expr)) return Number.POSITIVE_INFINITY;
    const [dividend, divisor] = [expr.args[0]!, constantIndex(expr.args[1]!)];
    const divides = dividend.kind === "variable" && dividend.variable === variable;
    return divides && divisor !== undefined && divisor > 1 ? divisor : Number.POSITIVE_INFINITY;
  });
  return divisors.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

/** An inner loop shorter than a vector is better unrolled. */
function modesOf(mode: LoopMode, divisor: number): [outer: LoopMode, inner: LoopMode] {
  if (mode === "parallel") return ["parallel", "serial"];
  return ["serial", divisor < 4 && mode === "vectorize" ? "unroll" : mode];
}
