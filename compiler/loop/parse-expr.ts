/** Expressions of Loop IR text. Literals wait for the type that their place gives them. */

import { constant } from "./builder.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type ExprType,
  i32,
  type OpName,
  opInfo,
  ops,
  printExprType,
  registerTypes,
  type ScalarType,
  type Variable,
} from "./ir.js";
import { defaultLiteralType, infix, literalType } from "./notation.js";
import type { Token, Tokens } from "./parse-tokens.js";
import { resultType } from "./verify-types.js";

interface Literal {
  readonly kind: "literal";
  readonly form: "integer" | "fraction" | "bool";
  readonly text: string;
  readonly token: Token;
}

type Operand = Expr | Literal;

/** What names stand for at one place. */
export interface Names {
  readonly buffers: ReadonlyMap<string, Buffer>;
  readonly variables: ReadonlyMap<string, Variable>;
  readonly bindings: ReadonlyMap<string, Expr>;
}

const infixBySymbol = new Map(
  (Object.keys(infix) as OpName[]).map((op) => [infix[op]!.symbol, { op, level: infix[op]!.level }]),
);

const withImmediates: ReadonlySet<string> = new Set(["splat", "extract", "replace", "shuffle"]);

const isOp = (word: string): word is OpName => Object.hasOwn(ops, word);

/** Reads `f32x4` and the like. */
export function parseType(tokens: Tokens): ExprType {
  const token = tokens.take("name", "a type");
  return typeOf(token.text) ?? tokens.fail("expected a type", token);
}

function typeOf(word: string): ExprType | undefined {
  const match = /^(i32|i64|f32|f64|bool)(?:x(2|4|8|16))?$/.exec(word);
  return match
    ? { scalar: match[1] as ScalarType, lanes: Number(match[2] ?? 1) as ExprType["lanes"] }
    : undefined;
}

export class ExprParser {
  constructor(
    private readonly tokens: Tokens,
    private readonly names: Names,
  ) {}

  /** An expression; `expected` is the type of a literal that stands there alone. */
  expr(expected?: ExprType): Expr {
    return this.resolve(this.operand(0), expected);
  }

  /** `buffer[pointer -> index @offset`, up to what follows the place itself. */
  access(): Access {
    const name = this.tokens.name("a buffer");
    const buffer = this.names.buffers.get(name.text) ?? this.tokens.fail("unknown buffer", name);
    this.tokens.expect("[");
    const pointer = this.tokens.is("->", 1) ? this.variable() : undefined;
    if (pointer !== undefined) this.tokens.expect("->");
    const index = this.expr(i32);
    const offset = this.tokens.accept("@") ? this.tokens.integer("an offset") : 0;
    return { buffer, index, offset, ...(pointer && { pointer }) };
  }

  /** A variable in scope. */
  variable(): Variable {
    const name = this.tokens.name("a variable");
    return this.names.variables.get(name.text) ?? this.tokens.fail("unknown name", name);
  }

  /** Infix operators of this level and above. */
  private operand(level: number): Operand {
    let left = this.primary();
    while (true) {
      const token = this.tokens.peek();
      const operator = token.kind === "symbol" ? infixBySymbol.get(token.text) : undefined;
      if (operator === undefined || operator.level < level) return left;
      this.tokens.next();
      left = this.apply(operator.op, [left, this.operand(operator.level + 1)]);
    }
  }

  private primary(): Operand {
    const { tokens } = this;
    const token = tokens.peek();
    if (token.kind === "binding") {
      return this.names.bindings.get(tokens.next().text) ?? tokens.fail("unknown binding", token);
    }
    if (tokens.accept("(")) {
      const inner = this.operand(0);
      tokens.expect(")");
      return inner;
    }
    if (tokens.accept("&")) {
      const name = tokens.name("a buffer");
      const buffer = this.names.buffers.get(name.text) ?? tokens.fail("unknown buffer", name);
      return { kind: "address", type: i32, buffer };
    }
    const literal = this.literal();
    if (literal !== undefined) return literal;
    if (token.kind === "name" && withImmediates.has(token.text)) return this.call();
    if (tokens.is("[", 1)) return this.load();
    if (token.kind === "name" && tokens.is("(", 1)) return this.call();
    if (token.kind !== "name" && token.kind !== "string") tokens.fail("expected an expression");
    const variable = this.variable();
    return { kind: "variable", type: variable.type, variable };
  }

  private literal(): Literal | undefined {
    const { tokens } = this;
    const token = tokens.peek();
    const sign = tokens.is("-") ? "-" : "";
    const magnitude = tokens.peek(sign.length);
    const form = literalForm(magnitude);
    if (form === undefined || (form === "bool" && sign !== "")) {
      return sign === "" ? undefined : tokens.fail("expected a number after the sign", magnitude);
    }
    if (sign !== "") tokens.next();
    return { kind: "literal", form, text: sign + tokens.next().text, token };
  }

  private load(): Expr {
    const access = this.access();
    const typed = this.tokens.accept(":");
    const splat = typed && this.tokens.accept("splat");
    const registerType: ExprType = { scalar: registerTypes[access.buffer.dtype], lanes: 1 };
    const type = typed ? parseType(this.tokens) : registerType;
    this.tokens.expect("]");
    return { kind: "load", type, splat, ...access };
  }

  /** `op(operands)`, `op[immediates](operands)` or `type(literal)`. */
  private call(): Expr {
    const { tokens } = this;
    const token = tokens.next();
    const type = typeOf(token.text);
    if (type === undefined && !isOp(token.text)) tokens.fail("unknown operation", token);
    const immediates = tokens.is("[") ? tokens.list("[", "]", () => tokens.integer("a number")) : [];
    const operands = tokens.list("(", ")", () => this.operand(0));
    if (isOp(token.text)) return this.apply(token.text, operands, immediates, token);
    const [literal] = operands;
    return literal?.kind === "literal" && operands.length === 1
      ? this.resolve(literal, type)
      : tokens.fail("expected one literal", token);
  }

  private apply(op: OpName, operands: Operand[], immediates: number[] = [], token?: Token): Expr {
    const { arity } = opInfo(op);
    if (operands.length !== arity) this.tokens.fail(`${op} takes ${arity} operands`, token);
    const types = operands.map((operand) => (operand.kind === "literal" ? undefined : operand.type));
    const args = operands.map((operand, i) => this.resolve(operand, literalType(op, i, types)));
    // Only the lanes of splat are not given by the operands.
    const lanes = (op === "splat" ? immediates[0] : 1) as ExprType["lanes"];
    const type = resultType({ kind: "op", type: { scalar: "i32", lanes }, op, args });
    const stored = op === "splat" ? [] : immediates;
    return { kind: "op", type, op, args, ...(stored.length > 0 && { immediates: stored }) };
  }

  private resolve(operand: Operand, expected: ExprType | undefined): Expr {
    if (operand.kind !== "literal") return operand;
    const type = expected ?? defaultLiteralType(operand.form);
    const value = literalValue(operand, type);
    if (value !== undefined) return constant(type, value);
    return this.tokens.fail(`${operand.text} is no ${printExprType(type)}`, operand.token);
  }
}

function literalForm({ kind, text }: Token): Literal["form"] | undefined {
  if (kind === "number") return /^\d+$/.test(text) ? "integer" : "fraction";
  if (kind !== "name") return undefined;
  if (text === "true" || text === "false") return "bool";
  return text === "inf" || text === "nan" ? "fraction" : undefined;
}

/** The literal as a value of the type, or undefined where the type has no such value. */
function literalValue({ form, text }: Literal, { scalar }: ExprType): number | bigint | undefined {
  if (form === "bool" || scalar === "bool") {
    return form === "bool" && scalar === "bool" ? Number(text === "true") : undefined;
  }
  if (scalar === "i32" || scalar === "i64") {
    if (form !== "integer") return undefined;
    const value = BigInt(text);
    const width = scalar === "i32" ? 32 : 64;
    return BigInt.asIntN(width, value) === value ? value : undefined;
  }
  if (text.endsWith("nan")) return Number.NaN;
  if (text.endsWith("inf")) return text === "-inf" ? -Infinity : Infinity;
  const value = scalar === "f32" ? Math.fround(Number(text)) : Number(text);
  return Number.isFinite(value) ? value : undefined;
}
