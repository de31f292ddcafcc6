/**
 * Identities on single operations, whose operands are simplified already. A rule gives what the operation equals, or
 * undefined. On floats only identities that hold for every bit pattern, NaN payloads aside: x + 0 is not x for -0,
 * x * 0 is not 0 for infinities.
 */

import { constant, constantIndex } from "../../compiler/loop/builder.js";
import { evaluateOp, type Lane, Trap } from "../../compiler/loop/evaluate.js";
import type { Expr, OpName } from "../../compiler/loop/ir.js";

export type Op = Expr & { kind: "op" };
type Rule = (expr: Op, a: Expr, b: Expr, c: Expr) => Expr | undefined;

const isInt = ({ type }: Expr): boolean => type.scalar === "i32" || type.scalar === "i64";

/** True for a constant of this value, in all its lanes. */
const is = (expr: Expr, value: number): boolean =>
  expr.kind === "constant" && Object.is(Number(expr.value), value);

const isIntValue = (expr: Expr, value: number): boolean => isInt(expr) && is(expr, value);

const isOp = (expr: Expr, name: OpName): expr is Op => expr.kind === "op" && expr.op === name;

const isConstant = (expr: Expr): expr is Expr & { kind: "constant" } => expr.kind === "constant";

/** Puts a constant operand last, so that rules look for it in one place only. */
const constantLast = (expr: Op, a: Expr, b: Expr): Expr | undefined =>
  isInt(a) && isConstant(a) && !isConstant(b) ? { ...expr, args: [b, a] } : undefined;

/** (x op c) op d = x op (c op d), for associative operations on integers. */
function nested(expr: Op, a: Expr, b: Expr): Expr | undefined {
  if (!isInt(b) || !isConstant(b) || !isOp(a, expr.op) || !isConstant(a.args[1]!)) return undefined;
  return { ...expr, args: [a.args[0]!, foldConstants(expr, [a.args[1], b])!] };
}

const add: Rule = (expr, a, b) => {
  if (isIntValue(b, 0) || is(b, -0)) return a;
  if (is(a, -0)) return b;
  return constantLast(expr, a, b) ?? nested(expr, a, b);
};

const sub: Rule = (expr, a, b) => {
  if (is(b, 0)) return a;
  if (!isInt(a)) return undefined;
  if (a === b) return constant(expr.type, 0);
  if (!isConstant(b)) return undefined;
  const negated = foldConstants({ ...expr, op: "neg", args: [b] }, [b])!;
  return add({ ...expr, op: "add" }, a, negated, negated) ?? { ...expr, op: "add", args: [a, negated] };
};

const mul: Rule = (expr, a, b) => {
  if (is(b, 1)) return a;
  if (is(a, 1)) return b;
  if (isIntValue(b, 0)) return b;
  return constantLast(expr, a, b) ?? nested(expr, a, b);
};

const quotient: Rule = (expr, a, b) => {
  if (is(b, 1)) return a;
  // Unsigned quotients can be divided on, as long as the product of the divisors is a number of the type.
  if (expr.op !== "div_u" || !isOp(a, "div_u")) return undefined;
  const [inner, outer] = [constantIndex(a.args[1]!), constantIndex(b)];
  if (inner === undefined || outer === undefined || inner <= 0 || outer <= 0) return undefined;
  const product = inner * outer;
  return product < 2 ** 31 ? { ...expr, args: [a.args[0]!, constant(expr.type, product)] } : undefined;
};

const remainder: Rule = (expr, a, b) => {
  if (is(b, 1)) return constant(expr.type, 0);
  if (!isOp(a, expr.op) || expr.op !== "rem_u") return undefined;
  const [inner, outer] = [constantIndex(a.args[1]!), constantIndex(b)];
  if (inner === undefined || outer === undefined || inner <= 0 || outer <= 0) return undefined;
  return inner % outer === 0 ? { ...expr, args: [a.args[0]!, b] } : undefined;
};

const idempotent: Rule = (_, a, b) => (a === b ? a : undefined);

const and: Rule = (expr, a, b) => {
  if (a === b) return a;
  if (expr.type.scalar === "bool") {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const)
      if (isConstant(x)) return is(x, 0) ? x : y;
    return undefined;
  }
  if (is(b, 0)) return b;
  return is(b, -1) ? a : (constantLast(expr, a, b) ?? nested(expr, a, b));
};

const or: Rule = (expr, a, b) => {
  if (a === b) return a;
  if (expr.type.scalar === "bool") {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const)
      if (isConstant(x)) return is(x, 0) ? y : x;
    return undefined;
  }
  return is(b, 0) ? a : (constantLast(expr, a, b) ?? nested(expr, a, b));
};

const shift: Rule = (_, a, b) => (is(b, 0) ? a : undefined);

/** The operation undone by another: what it was applied to. */
const undoes =
  (inner: OpName): Rule =>
  (_, a) =>
    isOp(a, inner) ? a.args[0] : undefined;

const select: Rule = (_, condition, a, b) => {
  if (a === b) return a;
  return isConstant(condition) ? (is(condition, 0) ? b : a) : undefined;
};

const splat: Rule = (expr, a) => {
  if (isConstant(a)) return { ...a, type: expr.type };
  return undefined;
};

const extract: Rule = (expr, a) => {
  if (isConstant(a)) return { ...a, type: expr.type };
  if (isOp(a, "splat")) return a.args[0];
  if (!isOp(a, "replace")) return undefined;
  return a.immediates![0] === expr.immediates![0] ? a.args[1] : { ...expr, args: [a.args[0]!] };
};

const rules: { readonly [O in OpName]?: Rule } = {
  add,
  sub,
  mul,
  div: (_, a, b) => (is(b, 1) ? a : undefined),
  div_s: quotient,
  div_u: quotient,
  rem_s: remainder,
  rem_u: remainder,
  min_s: idempotent,
  max_s: idempotent,
  min_u: idempotent,
  max_u: idempotent,
  and,
  or,
  xor: (expr, a, b) => (isIntValue(b, 0) ? a : constantLast(expr, a, b)),
  shl: shift,
  shr_s: shift,
  shr_u: shift,
  neg: undoes("neg"),
  not: undoes("not"),
  select,
  splat,
  extract,
  f64_to_f32: undoes("f32_to_f64"),
  i64_to_i32: (_, a) => (isOp(a, "i32_to_i64_s") || isOp(a, "i32_to_i64_u") ? a.args[0] : undefined),
};

export function simplifyOp(expr: Op): Expr | undefined {
  const { args } = expr;
  return foldConstants(expr, args) ?? rules[expr.op]?.(expr, args[0]!, args[1]!, args[2]!);
}

/** Result of an operation on constants, or undefined; a trap is left to happen at run time. */
function foldConstants(expr: Op, args: readonly Expr[]): Expr | undefined {
  if (!args.every(isConstant) || movesLanes.has(expr.op)) return undefined;
  const values = args.map(({ value }) => value as Lane);
  const scalar = args[expr.op === "select" ? 1 : 0]!.type.scalar;
  try {
    const value = evaluateOp(expr.op, scalar, values);
    // Whether fma rounds once or twice is for the target to say.
    const fused = expr.op === "fma" ? evaluateOp(expr.op, scalar, values, { fused: true }) : value;
    return Object.is(value, fused) ? { kind: "constant", type: expr.type, value } : undefined;
  } catch (error) {
    if (error instanceof Trap) return undefined;
    throw error;
  }
}

const movesLanes = new Set<OpName>(["splat", "extract", "replace", "shuffle"]);

export const boolConstant = (value: boolean): Expr => constant({ scalar: "bool", lanes: 1 }, value ? 1 : 0);
