/** Random kernels that keep all invariants, made from a list of choices so that fast-check can shrink them. */

import fc from "fast-check";
import type { MemoryType } from "../../compiler/ir/dtype.js";
import { constant, extract, read, replace, shuffle } from "../../compiler/loop/builder.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type ExprType,
  i32,
  type Kernel,
  type OpName,
  opInfo,
  ops,
  printExprType,
  registerTypes,
  type ScalarType,
  type Statement,
  sameType,
  type Variable,
} from "../../compiler/loop/ir.js";

/** Without bias towards small choices and short lists, which would give leaves and empty blocks most of the time. */
export const arbitraryKernel = fc
  .noBias(fc.array(fc.nat(10_000), { minLength: 1, maxLength: 500, size: "max" }))
  .map((choices) => new KernelMaker(choices).kernel());

/** Every buffer has this many elements. */
export const ELEMENTS = 16;

const types: ExprType[] = [
  ...(["i32", "i64", "f32", "f64", "bool"] as const).map((scalar) => ({ scalar, lanes: 1 as const })),
  { scalar: "i32", lanes: 4 },
  { scalar: "f32", lanes: 4 },
  { scalar: "bool", lanes: 4 },
  { scalar: "i64", lanes: 2 },
  { scalar: "f64", lanes: 2 },
  { scalar: "bool", lanes: 2 },
];

const dtypes: MemoryType[] = [
  "float32",
  "int32",
  "int64",
  "float64",
  "int8",
  "uint16",
  "float16",
  "bfloat16",
  "bool",
];

const edgeValues: { readonly [S in ScalarType]: readonly number[] } = {
  i32: [0, 1, -1, 2, 7, 2 ** 31 - 1, -(2 ** 31), 65536],
  i64: [0, 1, -1, 3, 2 ** 53, -(2 ** 63), 2 ** 40],
  f32: [0, -0, 1, -1, 0.1, 1e-45, 3.4e38, Infinity, -Infinity, Number.NaN, 16777216, 1e21, 2.5e-7],
  f64: [0, -0, 1, -1, 0.1, 5e-324, 1e308, Infinity, -Infinity, Number.NaN, 2 ** 53, 1e21, 2.5e-7],
  bool: [0, 1],
};

/** Plain names, and some that have to be quoted. */
const oddNames = [
  "t",
  "max",
  "x.1",
  "if",
  "conv/out:0",
  'a"b',
  "é",
  "nan",
  "f32x4",
  "splat",
  "step",
  "in",
  "",
];

const candidates = new Map(
  types.map((type) => [
    printExprType(type),
    (Object.keys(ops) as OpName[]).filter((op) => operandType(op, type)),
  ]),
);

/** A type of operands from which the operation gives this result, or undefined. Comparisons take any of `options`. */
function operandType(op: OpName, result: ExprType, choice = 0): ExprType | undefined {
  const info = opInfo(op);
  const fits = types.filter((type) => {
    if (!info.on.includes(type.scalar)) return false;
    if (info.result === "same" || info.result === "select") {
      const onVectors = op === "replace" || op === "shuffle";
      return sameType(type, result) && (!onVectors || type.lanes > 1);
    }
    if (info.result === "splat") return type.scalar === result.scalar && type.lanes === 1 && result.lanes > 1;
    if (info.result === "extract")
      return type.scalar === result.scalar && type.lanes > 1 && result.lanes === 1;
    return info.result === result.scalar && type.lanes === result.lanes;
  });
  return fits[choice % fits.length];
}

class KernelMaker {
  private at = 0;
  private names = new Set<string>();
  private readonly buffers: Buffer[];
  private readonly pointers = new Map<Buffer, Variable>();
  private scope: Variable[] = [];
  /** Nodes of the statement at hand, to be used again. */
  private nodes: Expr[] = [];

  constructor(private readonly choices: readonly number[]) {
    this.buffers = dtypes.map((dtype) => ({
      kind: "buffer",
      name: this.name(dtype),
      dtype,
      access: "readwrite",
      elements: ELEMENTS,
    }));
  }

  kernel(): Kernel {
    const size = this.variable(i32, false);
    this.scope.push(size);
    const pointed = this.pick(this.buffers);
    const pointer = this.variable(i32, true);
    this.pointers.set(pointed, pointer);
    const address: Expr = { kind: "address", type: i32, buffer: pointed };
    const first: Statement = { kind: "let", variable: pointer, value: address };
    return { name: this.name("k"), buffers: this.buffers, sizes: [size], body: [first, ...this.block(0)] };
  }

  /** The next choice below n; 0 when there are no more, so that every kernel ends. */
  private choose(n: number): number {
    return (this.choices[this.at++] ?? 0) % n;
  }

  private pick<T>(all: readonly T[]): T {
    return all[this.choose(all.length)]!;
  }

  private name(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.names.has(name); i++) name = `${wanted}.${i}`;
    this.names.add(name);
    return name;
  }

  private variable(type: ExprType, mutable: boolean): Variable {
    return { kind: "variable", name: this.name(this.pick(oddNames)), type, mutable };
  }

  private block(depth: number): Statement[] {
    const outer = this.scope.length;
    const statements: Statement[] = [];
    while (statements.length < 6 && this.at < this.choices.length) {
      this.nodes = [];
      statements.push(this.statement(depth));
    }
    this.scope.length = outer;
    return statements;
  }

  private statement(depth: number): Statement {
    const mutable = this.scope.filter((variable) => variable.mutable);
    switch (this.choose(depth < 2 ? 6 : 4)) {
      case 0: {
        const type = this.pick(types);
        const value = this.expr(type, 4);
        const variable = this.variable(type, this.choose(2) === 0);
        this.scope.push(variable);
        return { kind: "let", variable, value };
      }
      case 1:
        if (mutable.length > 0) {
          const variable = this.pick(mutable);
          return { kind: "assign", variable, value: this.expr(variable.type, 4) };
        }
        return this.store();
      case 4:
        return this.loop(depth);
      case 5: {
        const condition = this.expr({ scalar: "bool", lanes: 1 }, 3);
        const whenTrue = this.block(depth + 1);
        return { kind: "if", condition, whenTrue, whenFalse: this.choose(2) ? this.block(depth + 1) : [] };
      }
      default:
        return this.store();
    }
  }

  private loop(depth: number): Statement {
    const variable = this.variable(i32, false);
    const start = constant(i32, this.choose(3));
    const end = this.choose(2) ? constant(i32, this.choose(7)) : this.boundedIndex(1);
    this.scope.push(variable);
    const body = this.block(depth + 1);
    this.scope.splice(this.scope.indexOf(variable), 1);
    const mode = this.pick(["serial", "vectorize", "unroll", "parallel"] as const);
    return { kind: "for", variable, start, end, step: 1 + this.choose(3), mode, body };
  }

  private store(): Statement {
    const access = this.access();
    const scalar = registerTypes[access.buffer.dtype];
    const type = this.pick(types.filter((candidate) => candidate.scalar === scalar));
    return { kind: "store", ...access, value: this.expr(type, 4) };
  }

  private access(): Access {
    const buffer = this.pick(this.buffers);
    const pointer = this.pointers.get(buffer);
    const index = this.boundedIndex(2);
    return { buffer, index, offset: this.choose(5), ...(pointer && { pointer }) };
  }

  /** An index below 8, which leaves room for an offset and four lanes. */
  private boundedIndex(depth: number): Expr {
    const args = [this.expr(i32, depth), constant(i32, 8)];
    return { kind: "op", type: i32, op: "rem_u", args };
  }

  private expr(type: ExprType, depth: number): Expr {
    const again = this.nodes.filter((node) => sameType(node.type, type));
    if (again.length > 0 && this.choose(4) === 0) return this.pick(again);
    const made = depth === 0 || this.choose(5) === 0 ? this.leaf(type) : this.inner(type, depth);
    this.nodes.push(made);
    return made;
  }

  private leaf(type: ExprType): Expr {
    const readable = this.scope.filter((variable) => sameType(variable.type, type));
    if (readable.length > 0 && this.choose(2) === 0) return read(this.pick(readable));
    return constant(type, this.pick(edgeValues[type.scalar]));
  }

  private inner(type: ExprType, depth: number): Expr {
    if (type.scalar !== "bool" && this.choose(4) === 0) return this.load(type);
    const op = this.pick(candidates.get(printExprType(type))!);
    const operand = operandType(op, type, this.choose(4))!;
    const part = (wanted: ExprType): Expr => this.expr(wanted, depth - 1);
    if (op === "extract") return extract(part(operand), this.choose(operand.lanes));
    if (op === "replace") {
      return replace(part(operand), this.choose(operand.lanes), part({ scalar: operand.scalar, lanes: 1 }));
    }
    if (op === "shuffle") return shuffle(part(operand), part(operand), this.selectors(operand));
    const args = Array.from({ length: opInfo(op).arity }, (_, i) =>
      part(op === "select" && i === 0 ? { scalar: "bool", lanes: operand.lanes } : operand),
    );
    return { kind: "op", type, op, args };
  }

  private selectors({ lanes }: ExprType): number[] {
    const width = 16 / lanes;
    const moved = Array.from({ length: lanes }, () => this.choose(2 * lanes) * width);
    return moved.flatMap((start) => Array.from({ length: width }, (_, byte) => start + byte));
  }

  private load(type: ExprType): Expr {
    const access = this.access();
    const fits = registerTypes[access.buffer.dtype] === type.scalar;
    if (!fits) return this.leaf(type);
    return { kind: "load", type, splat: type.lanes > 1 && this.choose(2) === 0, ...access };
  }
}
