/**
 * How kernels are written: expression constructors that fold constants, and a builder that collects statements.
 *
 * Constructors take plain numbers wherever an operand of known type stands beside them. A scalar beside a vector is
 * copied to all lanes, so the same formula serves scalar and vector code.
 */

import { invariant } from "../diagnostics.js";
import type { MemoryType } from "../ir/dtype.js";
import {
  type Buffer,
  type Expr,
  type ExprType,
  f32,
  i32,
  type Kernel,
  type LoopMode,
  type OpName,
  opInfo,
  printExprType,
  registerTypes,
  type Statement,
  sameType,
  type Variable,
} from "./ir.js";

export type Operand = Expr | number;

export function constant(type: ExprType, value: number | bigint): Expr {
  const stored =
    type.scalar === "i64" ? BigInt.asIntN(64, BigInt(value)) : normaliseNumber(type, Number(value));
  return { kind: "constant", type, value: stored };
}

function normaliseNumber(type: ExprType, value: number): number {
  if (type.scalar === "i32" || type.scalar === "bool") return value | 0;
  return type.scalar === "f32" ? Math.fround(value) : value;
}

export const i32Constant = (value: number): Expr => constant(i32, value);
export const f32Constant = (value: number): Expr => constant(f32, value);

export const read = (variable: Variable): Expr => ({ kind: "variable", type: variable.type, variable });

/** The value of a constant i32 expression, or undefined. */
export const constantIndex = (expr: Operand): number | undefined => {
  if (typeof expr === "number") return expr;
  return expr.kind === "constant" ? Number(expr.value) : undefined;
};

/** Applies an operation to operands, giving plain numbers and scalars the type of the widest operand. */
export function op(name: OpName, ...operands: Operand[]): Expr {
  const info = opInfo(name);
  invariant(operands.length === info.arity, `${name} takes ${info.arity} operands`);
  if (name === "select") return select(...(operands as [Operand, Operand, Operand]));
  const args = unify(operands);
  const type = args[0]!.type;
  invariant(info.on.includes(type.scalar), `${name} does not take ${printExprType(type)}`);
  return { kind: "op", type: resultType(name, type), op: name, args };
}

function resultType(name: OpName, operand: ExprType): ExprType {
  const { result } = opInfo(name);
  if (result === "same") return operand;
  if (result === "select" || result === "splat" || result === "extract") {
    throw new Error(`${name} has its own constructor`);
  }
  return { scalar: result, lanes: operand.lanes };
}

function unify(operands: readonly Operand[]): Expr[] {
  const typed = operands.filter((operand): operand is Expr => typeof operand !== "number");
  invariant(typed.length > 0, "an operation needs one operand whose type is known");
  const widest = typed.reduce((a, b) => (b.type.lanes > a.type.lanes ? b : a)).type;
  return operands.map((operand) => {
    if (typeof operand === "number") return constant(widest, operand);
    invariant(
      operand.type.scalar === widest.scalar,
      `${printExprType(operand.type)} beside ${printExprType(widest)}`,
    );
    return splat(operand, widest.lanes);
  });
}

/** condition ? a : b, by lanes where the operands are vectors. */
export function select(condition: Operand, a: Operand, b: Operand): Expr {
  invariant(
    typeof condition !== "number" && condition.type.scalar === "bool",
    "select needs a bool condition",
  );
  const [x, y] = unify([a, b]) as [Expr, Expr];
  const lanes = Math.max(x.type.lanes, condition.type.lanes) as ExprType["lanes"];
  return {
    kind: "op",
    type: { scalar: x.type.scalar, lanes },
    op: "select",
    args: [splat(condition, lanes), splat(x, lanes), splat(y, lanes)],
  };
}

/** Copies a scalar to all lanes; vectors of that many lanes stay as they are. */
export function splat(value: Expr, lanes: ExprType["lanes"]): Expr {
  if (value.type.lanes === lanes) return value;
  invariant(value.type.lanes === 1, `cannot widen ${printExprType(value.type)} to ${lanes} lanes`);
  const type: ExprType = { scalar: value.type.scalar, lanes };
  if (value.kind === "constant") return { kind: "constant", type, value: value.value };
  const isWord = value.type.scalar === "f32" || value.type.scalar === "i32";
  if (value.kind === "load" && !value.splat && lanes === 4 && isWord) {
    return { ...value, type, splat: true };
  }
  return { kind: "op", type, op: "splat", args: [value] };
}

export function extract(vector: Expr, lane: number): Expr {
  const type: ExprType = { scalar: vector.type.scalar, lanes: 1 };
  return { kind: "op", type, op: "extract", args: [vector], immediates: [lane] };
}

export function replace(vector: Expr, lane: number, scalar: Expr): Expr {
  return { kind: "op", type: vector.type, op: "replace", args: [vector, scalar], immediates: [lane] };
}

export function shuffle(a: Expr, b: Expr, bytes: readonly number[]): Expr {
  invariant(
    sameType(a.type, b.type) && bytes.length === 16,
    "shuffle takes two like vectors and 16 selectors",
  );
  return { kind: "op", type: a.type, op: "shuffle", args: [a, b], immediates: bytes };
}

/** Combines the lanes of a vector by an associative operation. */
export function combineLanes(name: OpName, vector: Expr): Expr {
  const lanes = Array.from({ length: vector.type.lanes }, (_, lane) => extract(vector, lane));
  while (lanes.length > 1) {
    const half = lanes.length / 2;
    for (let i = 0; i < half; i++) lanes[i] = op(name, lanes[i]!, lanes[i + half]!);
    lanes.length = half;
  }
  return lanes[0]!;
}

// Index arithmetic: i32, folded so that static shapes leave constants behind.

export function add(a: Operand, b: Operand): Expr {
  const [x, y] = [indexOperand(a), indexOperand(b)];
  const [m, n] = [constantIndex(x), constantIndex(y)];
  if (m !== undefined && n !== undefined) return i32Constant(m + n);
  if (m === 0) return y;
  if (n === 0) return x;
  if (m !== undefined) return add(y, x);
  if (n !== undefined && x.kind === "op" && x.op === "add") {
    const inner = constantIndex(x.args[1]!);
    if (inner !== undefined) return add(x.args[0]!, inner + n);
  }
  return op("add", x, y);
}

export const sub = (a: Operand, b: Operand): Expr => {
  const n = constantIndex(b);
  return n !== undefined ? add(a, -n) : op("sub", indexOperand(a), indexOperand(b));
};

export function mul(a: Operand, b: Operand): Expr {
  const [x, y] = [indexOperand(a), indexOperand(b)];
  const [m, n] = [constantIndex(x), constantIndex(y)];
  if (m !== undefined && n !== undefined) return i32Constant(m * n);
  if (m !== undefined) return mul(y, x);
  if (n === 0) return i32Constant(0);
  if (n === 1) return x;
  return op("mul", x, y);
}

/** Quotient of non-negative i32 values. */
export function div(a: Operand, b: Operand): Expr {
  const [m, n] = [constantIndex(a), constantIndex(b)];
  if (m !== undefined && n !== undefined) return i32Constant(Math.floor(m / n));
  return n === 1 ? indexOperand(a) : op("div_u", indexOperand(a), indexOperand(b));
}

/** Remainder of non-negative i32 values. */
export function rem(a: Operand, b: Operand): Expr {
  const [m, n] = [constantIndex(a), constantIndex(b)];
  if (m !== undefined && n !== undefined) return i32Constant(m % n);
  return n === 1 ? i32Constant(0) : op("rem_u", indexOperand(a), indexOperand(b));
}

export const minIndex = (a: Operand, b: Operand): Expr => foldIndex("min_s", Math.min, a, b);
export const maxIndex = (a: Operand, b: Operand): Expr => foldIndex("max_s", Math.max, a, b);

function foldIndex(name: OpName, fold: (m: number, n: number) => number, a: Operand, b: Operand): Expr {
  const [m, n] = [constantIndex(a), constantIndex(b)];
  return m !== undefined && n !== undefined
    ? i32Constant(fold(m, n))
    : op(name, indexOperand(a), indexOperand(b));
}

export const sumOf = (terms: readonly Operand[]): Expr => terms.reduce<Expr>(add, i32Constant(0));

const indexOperand = (operand: Operand): Expr =>
  typeof operand === "number" ? i32Constant(operand) : operand;

/** Collects the statements of one kernel. */
export class KernelBuilder {
  private readonly buffers: Buffer[] = [];
  private readonly sizes: Variable[] = [];
  private readonly names = new Map<string, number>();
  private block: Statement[] = [];

  constructor(private readonly name: string) {}

  buffer(name: string, dtype: MemoryType, access: Buffer["access"], elements: number | null): Buffer {
    const buffer: Buffer = { kind: "buffer", name: this.unique(name), dtype, access, elements };
    this.buffers.push(buffer);
    return buffer;
  }

  /** An i32 parameter. */
  size(name: string): Expr {
    const variable: Variable = { kind: "variable", name: this.unique(name), type: i32, mutable: false };
    this.sizes.push(variable);
    return read(variable);
  }

  load(buffer: Buffer, index: Operand, lanes: ExprType["lanes"] = 1): Expr {
    const type: ExprType = { scalar: registerTypes[buffer.dtype], lanes };
    return { kind: "load", type, splat: false, buffer, index: indexOperand(index), offset: 0 };
  }

  /** One float32 element copied to four lanes. */
  loadSplat(buffer: Buffer, index: Operand): Expr {
    return splat(this.load(buffer, index), 4);
  }

  store(buffer: Buffer, index: Operand, value: Expr): void {
    this.block.push({ kind: "store", buffer, index: indexOperand(index), offset: 0, value });
  }

  let(name: string, value: Expr): Expr {
    if (value.kind === "constant" || value.kind === "variable") return value;
    const variable: Variable = {
      kind: "variable",
      name: this.unique(name),
      type: value.type,
      mutable: false,
    };
    this.block.push({ kind: "let", variable, value });
    return read(variable);
  }

  /** A mutable local with its first value. */
  variable(name: string, initial: Expr): Variable {
    const variable: Variable = {
      kind: "variable",
      name: this.unique(name),
      type: initial.type,
      mutable: true,
    };
    this.block.push({ kind: "let", variable, value: initial });
    return variable;
  }

  assign(variable: Variable, value: Expr): void {
    this.block.push({ kind: "assign", variable, value });
  }

  /** A loop over [start, end); the body is not run where the range is empty. Loops of one pass are not made. */
  for(
    name: string,
    start: Operand,
    end: Operand,
    body: (index: Expr) => void,
    { step = 1, mode = "serial" as LoopMode } = {},
  ): void {
    const [first, last] = [constantIndex(start), constantIndex(end)];
    if (first !== undefined && last !== undefined) {
      if (first >= last) return;
      if (first + step >= last) {
        body(i32Constant(first));
        return;
      }
    }
    const variable: Variable = { kind: "variable", name: this.unique(name), type: i32, mutable: false };
    const inner = this.collect(() => body(read(variable)));
    this.block.push({
      kind: "for",
      variable,
      start: indexOperand(start),
      end: indexOperand(end),
      step,
      mode,
      body: inner,
    });
  }

  if(condition: Expr, whenTrue: () => void, whenFalse: () => void = () => {}): void {
    this.block.push({
      kind: "if",
      condition,
      whenTrue: this.collect(whenTrue),
      whenFalse: this.collect(whenFalse),
    });
  }

  finish(): Kernel {
    return { name: this.name, buffers: this.buffers, sizes: this.sizes, body: this.block };
  }

  private collect(body: () => void): Statement[] {
    const outer = this.block;
    this.block = [];
    body();
    const inner = this.block;
    this.block = outer;
    return inner;
  }

  private unique(name: string): string {
    const count = this.names.get(name) ?? 0;
    this.names.set(name, count + 1);
    return count === 0 ? name : `${name}.${count}`;
  }
}
