/**
 * How Loop IR is spelled: the parts that the printer and the parser must agree on.
 *
 *   kernel @matmul(x: read f32[3072], w: read f32[?], y: write f32[4096], size n) {
 *     for i in 0..64 step 8 vectorize {
 *       var acc: f32x4 = 0.0
 *       for k in 0..n {
 *         %1 = i * 48 + k
 *         acc = fma(x[%1 : splat f32x4], w[k * 4 : f32x4], acc)
 *       }
 *       y[i * 4 @8] = acc
 *     }
 *   }
 *
 * - An access is `buffer[index]`, with `@n` for the offset in elements and `pointer -> index` where a pointer replaces
 *   the buffer's address. `: type` or `: splat type` follows where a load is not one element of the register type.
 * - `invoke @kernel(x, y) sizes (n)` runs a kernel, which stands before this one, on buffers of this one.
 * - `&buffer` is the byte address of its element 0.
 * - `%n = ...` before a statement names an operation or load that the statement uses more than once.
 * - A bare literal has the type that its place asks for (a declared variable, a store, the operands beside it), else
 *   i32 without a fraction, f32 with one, or bool. Any other type is written around it: `i64(7)`, `f32x4(1.0)`.
 * - Infix operators are those below; everything else is `name(operands)`, with immediates as `name[1, 2](operands)`.
 * - Names that are not plain words, or that would be taken for something else, stand in double quotes.
 */

import { type Expr, type ExprType, type OpName, opInfo, printExprType } from "./ir.js";

interface Infix {
  readonly symbol: string;
  /** Operators of a higher level bind tighter. All are left-associative. */
  readonly level: number;
}

/** Comparisons do not chain: an operand that is itself a comparison stands in parentheses. */
export const COMPARISON_LEVEL = 4;

export const infix: { readonly [O in OpName]?: Infix } = {
  or: { symbol: "|", level: 1 },
  xor: { symbol: "^", level: 2 },
  and: { symbol: "&", level: 3 },
  eq: { symbol: "==", level: COMPARISON_LEVEL },
  ne: { symbol: "!=", level: COMPARISON_LEVEL },
  lt: { symbol: "<", level: COMPARISON_LEVEL },
  le: { symbol: "<=", level: COMPARISON_LEVEL },
  gt: { symbol: ">", level: COMPARISON_LEVEL },
  ge: { symbol: ">=", level: COMPARISON_LEVEL },
  lt_s: { symbol: "<s", level: COMPARISON_LEVEL },
  le_s: { symbol: "<=s", level: COMPARISON_LEVEL },
  gt_s: { symbol: ">s", level: COMPARISON_LEVEL },
  ge_s: { symbol: ">=s", level: COMPARISON_LEVEL },
  lt_u: { symbol: "<u", level: COMPARISON_LEVEL },
  le_u: { symbol: "<=u", level: COMPARISON_LEVEL },
  gt_u: { symbol: ">u", level: COMPARISON_LEVEL },
  ge_u: { symbol: ">=u", level: COMPARISON_LEVEL },
  shl: { symbol: "<<", level: 5 },
  shr_s: { symbol: ">>s", level: 5 },
  shr_u: { symbol: ">>u", level: 5 },
  add: { symbol: "+", level: 6 },
  sub: { symbol: "-", level: 6 },
  mul: { symbol: "*", level: 7 },
  div: { symbol: "/", level: 7 },
  div_s: { symbol: "/s", level: 7 },
  div_u: { symbol: "/u", level: 7 },
  rem_s: { symbol: "%s", level: 7 },
  rem_u: { symbol: "%u", level: 7 },
};

/** Words that mean something where a name could stand. */
const reserved = new Set(
  "true false inf nan for let var if else size splat extract replace shuffle kernel buffer call".split(" "),
);

/** Dots join parts of a name, as in `i.1`; two dots are a range. */
export const NAME_PATTERN = "[A-Za-z_][A-Za-z0-9_]*(?:\\.[A-Za-z0-9_]+)*";

const plainName = new RegExp(`^${NAME_PATTERN}$`);

export const printName = (name: string): string =>
  plainName.test(name) && !reserved.has(name) ? name : JSON.stringify(name);

/** The type of a literal that nothing around it gives a type. */
export const defaultLiteralType = (form: "integer" | "fraction" | "bool"): ExprType => ({
  scalar: { integer: "i32", fraction: "f32", bool: "bool" }[form] as ExprType["scalar"],
  lanes: 1,
});

/**
 * The type that an operand has if it is a literal: that of the first operand that is none, where the operation takes
 * operands of one type. Undefined where literals must say their type.
 */
export function literalType(
  op: OpName,
  position: number,
  types: readonly (ExprType | undefined)[],
): ExprType | undefined {
  const { result, arity } = opInfo(op);
  if (op === "replace") {
    const vector = types[0];
    return position === 1 && vector ? { scalar: vector.scalar, lanes: 1 } : undefined;
  }
  if (result === "select") return position === 0 ? undefined : (types[1] ?? types[2]);
  return arity === 1 ? undefined : types.find((type) => type !== undefined);
}

/** A constant that shows its type by its form alone, or under a context of exactly its type. */
export function printConstant(expr: Expr & { kind: "constant" }, expected: ExprType | undefined): string {
  const text = printValue(expr);
  const implied = expected ?? defaultLiteralType(literalForm(text));
  const sameAsImplied = implied.scalar === expr.type.scalar && implied.lanes === expr.type.lanes;
  return sameAsImplied ? text : `${printExprType(expr.type)}(${text})`;
}

function literalForm(text: string): "integer" | "fraction" | "bool" {
  if (text === "true" || text === "false") return "bool";
  return /^-?\d+$/.test(text) ? "integer" : "fraction";
}

function printValue({ type, value }: Expr & { kind: "constant" }): string {
  if (type.scalar === "bool" && (value === 0 || value === 1)) return value === 1 ? "true" : "false";
  if (typeof value === "bigint" || type.scalar === "i32") return String(value);
  return printFloat(value, type.scalar === "f32");
}

/** The shortest decimal that reads back as the same value: rounded to f32 for an f32. */
function printFloat(value: number, single: boolean): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const text = String(single ? shortestSingle(value) : value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function shortestSingle(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
