/**
 * A kernel without its integer constants: a text that is equal for kernels which differ in nothing else, and the
 * constants in the order in which the text leaves them out. `fillSkeleton` puts other expressions in their places.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import { op, read } from "../../compiler/loop/builder.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type Kernel,
  type Load,
  parametersOf,
  printExprType,
  type Statement,
  type Store,
  type Variable,
} from "../../compiler/loop/ir.js";
import { blocksOf } from "../../compiler/loop/rewrite.js";

export interface Slot {
  /** The constant; that of an access is in bytes. */
  readonly value: number;
  readonly place: "constant" | "access";
  /** It stands in the body of an innermost loop. */
  readonly isHot: boolean;
}

export interface Skeleton {
  readonly text: string;
  readonly slots: readonly Slot[];
}

/** What takes the place of a slot, if anything does; an access goes `distance` bytes beyond a pointer moved `by`. */
export interface Filling {
  readonly constant: (slot: number) => Expr | null;
  readonly access: (slot: number) => { readonly by: Expr; readonly distance: number } | null;
  /** How much further one of the moves goes than another, where that is at hand. */
  readonly step: (from: Expr, to: Expr) => Expr | null;
  readonly buffer: (buffer: Buffer) => Buffer;
  /** Declares a pointer. */
  readonly pointer: (buffer: Buffer) => Variable;
}

/** Operations whose right operand decides how they are computed: a constant there is no slot. */
const needsConstant: ReadonlySet<string> = new Set([
  "div_s",
  "div_u",
  "rem_s",
  "rem_u",
  "shl",
  "shr_s",
  "shr_u",
]);

export function skeletonOf(kernel: Kernel): Skeleton {
  const walk = new Walk(kernel, null);
  walk.block(kernel.body);
  return { text: walk.text.join(" "), slots: walk.slots };
}

export const isHotAccess = ({ place, isHot }: Slot): boolean => isHot && place === "access";

/** The offsets of accesses in innermost loops, as a text. */
export const hotAccesses = ({ slots }: Skeleton): string =>
  slots
    .filter(isHotAccess)
    .map(({ value }) => value)
    .join();

export function groupBy<T>(things: readonly T[], keyOf: (thing: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const key = keyOf(thing);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [thing]);
    else group.push(thing);
  }
  return [...groups.values()];
}

/** The body of a kernel with other expressions in its slots. */
export const fillSkeleton = (kernel: Kernel, filling: Filling): Statement[] =>
  new Walk(kernel, filling).block(kernel.body);

class Walk {
  readonly text: string[] = [];
  readonly slots: Slot[] = [];
  private readonly numbers = new Map<Variable | Buffer, number>();
  private isHot = false;
  /** What was made of the nodes of the statement at hand. */
  private done = new Map<Expr, { readonly number: number; readonly expr: Expr }>();
  /** Pointers that the statement at hand needs. */
  private before: Statement[] = [];
  /** Pointers of the block at hand, by the pointer and the expression that they are the sum of. */
  private moved = new Map<Variable, Map<Expr, Variable>>();

  constructor(
    kernel: Kernel,
    private readonly filling: Filling | null,
  ) {
    for (const buffer of kernel.buffers) {
      const { dtype, access, elements } = buffer;
      this.text.push(this.name(buffer), dtype, access, access === "scratch" ? `${elements}` : "");
    }
    for (const parameter of parametersOf(kernel)) this.text.push(this.name(parameter));
    this.text.push(kernel.share === undefined ? "" : "shared");
  }

  block(statements: readonly Statement[]): Statement[] {
    const { before, moved } = this;
    this.moved = new Map();
    this.text.push("{");
    const walked = statements.flatMap((statement) => {
      this.done = new Map();
      this.before = [];
      const result = this.statement(statement);
      if (statement.kind === "assign") this.moved.delete(statement.variable);
      return [...this.before, result];
    });
    this.text.push("}");
    this.before = before;
    this.moved = moved;
    return walked;
  }

  private statement(statement: Statement): Statement {
    this.text.push(statement.kind);
    switch (statement.kind) {
      case "for":
        return this.loop(statement);
      case "let":
      case "assign": {
        const { variable } = statement;
        this.text.push(this.name(variable), printExprType(variable.type), variable.mutable ? "var" : "");
        return { ...statement, value: this.expr(statement.value) };
      }
      case "store": {
        const value = this.expr(statement.value);
        return { ...statement, ...this.access(statement), value } as Store;
      }
      case "if": {
        const condition = this.expr(statement.condition);
        const whenTrue = this.block(statement.whenTrue);
        const whenFalse = this.block(statement.whenFalse);
        return { ...statement, condition, whenTrue, whenFalse };
      }
      case "invoke": {
        const { kernel, buffers } = statement;
        this.text.push(`@${kernel.name}`, ...buffers.map((buffer) => this.name(buffer)));
        const sizes = statement.sizes.map((size) => this.expr(size));
        return { ...statement, buffers: buffers.map((buffer) => this.buffer(buffer)), sizes };
      }
    }
  }

  private loop(loop: Statement & { kind: "for" }): Statement {
    const { variable, step, mode } = loop;
    this.text.push(this.name(variable), `${step}`, mode);
    const [start, end] = [this.expr(loop.start), this.expr(loop.end)];
    const { isHot } = this;
    this.isHot = !holdsLoop(loop.body);
    const body = this.block(loop.body);
    this.isHot = isHot;
    return { ...loop, start, end, body };
  }

  private expr(expr: Expr): Expr {
    if (expr.kind === "constant") return this.constant(expr);
    const known = this.done.get(expr);
    if (known !== undefined) {
      this.text.push(`^${known.number}`);
      return known.expr;
    }
    const walked = this.node(expr);
    this.done.set(expr, { number: this.done.size, expr: walked });
    return walked;
  }

  private node(expr: Exclude<Expr, { kind: "constant" }>): Expr {
    switch (expr.kind) {
      case "variable":
        this.text.push(this.name(expr.variable));
        return expr;
      case "address":
        this.text.push("&", this.name(expr.buffer));
        return { ...expr, buffer: this.buffer(expr.buffer) };
      case "load":
        this.text.push("load", printExprType(expr.type), expr.splat ? "splat" : "");
        return { ...expr, ...this.access(expr) } as Load;
      case "op": {
        this.text.push("(", expr.op, printExprType(expr.type), ...(expr.immediates ?? []).map(String));
        const args = expr.args.map((arg, i) => {
          if (i === 0 || arg.kind !== "constant" || !needsConstant.has(expr.op)) return this.expr(arg);
          this.text.push(`${arg.value}`);
          return arg;
        });
        this.text.push(")");
        return { ...expr, args };
      }
    }
  }

  private constant(expr: Expr & { kind: "constant" }): Expr {
    const isInteger = expr.type.scalar === "i32" && expr.type.lanes === 1 && Number(expr.value) >= 0;
    if (!isInteger) {
      this.text.push(printExprType(expr.type), Object.is(expr.value, -0) ? "-0" : `${expr.value}`);
      return expr;
    }
    const slot = this.slot(Number(expr.value), "constant");
    return this.filling?.constant(slot) ?? expr;
  }

  private access({ buffer, pointer, index, offset }: Access): Access {
    this.text.push(this.name(buffer));
    const same = { buffer: this.buffer(buffer), index: this.expr(index), offset };
    if (pointer === undefined) {
      this.text.push(`${offset}`);
      return same;
    }
    this.text.push(this.name(pointer));
    const { bytes } = dtypes[buffer.dtype];
    const slot = this.slot(offset * bytes, "access");
    const other = this.filling?.access(slot) ?? null;
    if (other === null) return { ...same, pointer };
    return { ...same, pointer: this.pointer(pointer, other.by, buffer), offset: other.distance / bytes };
  }

  private buffer(buffer: Buffer): Buffer {
    return this.filling?.buffer(buffer) ?? buffer;
  }

  /**
   * A pointer moved by an expression, declared before the statement at hand. It starts from the one before where it can,
   * so that those of many rows take a register for the stride and not one for each distance.
   */
  private pointer(from: Variable, by: Expr, buffer: Buffer): Variable {
    const known = this.moved.get(from) ?? new Map<Expr, Variable>();
    this.moved.set(from, known);
    let variable = known.get(by);
    if (variable === undefined) {
      variable = this.filling!.pointer(buffer);
      this.before.push({ kind: "let", variable, value: this.movedBeyond([...known].at(-1), from, by) });
      known.set(by, variable);
    }
    return variable;
  }

  private movedBeyond(last: readonly [Expr, Variable] | undefined, from: Variable, by: Expr): Expr {
    const step = last === undefined ? null : this.filling!.step(last[0], by);
    return step === null ? op("add", read(from), by) : op("add", read(last![1]), step);
  }

  private slot(value: number, place: Slot["place"]): number {
    this.text.push("#");
    return this.slots.push({ value, place, isHot: this.isHot }) - 1;
  }

  private name(thing: Variable | Buffer): string {
    let number = this.numbers.get(thing);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(thing, number);
    }
    return `$${number}`;
  }
}

const holdsLoop = (block: readonly Statement[]): boolean =>
  block.some((statement) => statement.kind === "for" || blocksOf(statement).some(holdsLoop));
