/**
 * One kernel as one WebAssembly function: its parameters are the buffers' addresses, then the sizes. That of a hot kernel
 * has one more (see `warm-up.ts`).
 *
 * Variables of the kernel are locals. Within a statement, what is computed or loaded more than once is kept in a
 * local where it is first needed; the statement's operands are evaluated in order, so that place is known.
 */

import { invariant } from "../diagnostics.js";
import {
  type Buffer,
  type Expr,
  type For,
  type Invoke,
  type Kernel,
  parametersOf,
  type Statement,
  type Store,
  type Variable,
} from "../loop/ir.js";
import { invocationsIn } from "../loop/program.js";
import { exprsIn, statementsIn } from "../loop/rewrite.js";
import { isNonNegative } from "./address.js";
import type { Expression, ModuleBuilder, ValueType } from "./builder.js";
import { VectorConstants } from "./constants.js";
import { Nodes } from "./nodes.js";
import { valueTypeOf } from "./ops.js";
import { Selector } from "./select.js";
import { TreeBuilder } from "./trees.js";
import { type HotFunction, warmable } from "./warm-up.js";

/** What kernels are emitted as. */
export interface KernelFunctions {
  readonly names: ReadonlyMap<Kernel, string>;
  /** Those that are warmed up, and the passes that it takes. */
  readonly hot: ReadonlyMap<Kernel, number>;
}

/**
 * Adds the functions of kernels to the module, in order and under their names; those that they invoke are among them.
 * Gives those to warm up.
 */
export function emitKernels(builder: ModuleBuilder, functions: KernelFunctions): HotFunction[] {
  const { names, hot } = functions;
  const invoked = new Set([...names.keys()].flatMap(invocationsIn).map(({ kernel }) => kernel));
  return [...names].flatMap(([kernel, name]) => {
    const params = new KernelEmitter(builder, kernel, functions, invoked.has(kernel)).emit();
    const passes = hot.get(kernel);
    return passes === undefined ? [] : [{ name, params, passes }];
  });
}

/** What a call that is to run a kernel gives it beside addresses and sizes. */
export const noPasses = (builder: ModuleBuilder, { hot }: KernelFunctions, kernel: Kernel): Expression[] =>
  hot.has(kernel) ? [builder.i32(0)] : [];

/** Buffers of which a kernel needs the address: pointers into the others are among its sizes. */
function addressedBuffers({ buffers, body }: Kernel): readonly Buffer[] {
  const addressed = new Set<Buffer>();
  for (const statement of statementsIn(body)) {
    if (statement.kind === "store" && statement.pointer === undefined) addressed.add(statement.buffer);
    if (statement.kind !== "invoke") continue;
    const needed = new Set(addressedBuffers(statement.kernel));
    statement.kernel.buffers.forEach((buffer, i) => {
      if (needed.has(buffer)) addressed.add(statement.buffers[i]!);
    });
  }
  for (const expr of exprsIn(body)) {
    if (expr.kind === "address" || (expr.kind === "load" && expr.pointer === undefined)) {
      addressed.add(expr.buffer);
    }
  }
  return buffers.filter((buffer) => addressed.has(buffer));
}

class KernelEmitter {
  private readonly params: ValueType[];
  private readonly locals: ValueType[] = [];
  private readonly addresses: ReadonlyMap<Buffer, number>;
  private readonly variables = new Map<Variable, number>();
  private readonly nonNegative = new Set<Variable>();
  private labels = 0;
  private readonly constants: VectorConstants;

  constructor(
    private readonly builder: ModuleBuilder,
    private readonly kernel: Kernel,
    private readonly functions: KernelFunctions,
    isInvoked: boolean,
  ) {
    const buffers = isInvoked ? addressedBuffers(kernel) : kernel.buffers;
    const sizes = parametersOf(kernel);
    const passes: ValueType[] = functions.hot.has(kernel) ? ["i32"] : [];
    this.params = [
      ...buffers.map((): ValueType => "i32"),
      ...sizes.map(({ type }) => valueTypeOf(type)),
      ...passes,
    ];
    this.constants = new VectorConstants(builder, this);
    this.addresses = new Map(buffers.map((buffer, i) => [buffer, i]));
    sizes.forEach((size, i) => {
      this.variables.set(size, buffers.length + i);
      // Extents and strides are; what a kernel is invoked with may be anything.
      if (!isInvoked) this.nonNegative.add(size);
    });
  }

  /** Adds the function; gives the types of its parameters. */
  emit(): readonly ValueType[] {
    const { builder, kernel, params, locals } = this;
    const { names, hot } = this.functions;
    const block = builder.block(this.block(kernel.body));
    const body = hot.has(kernel) ? warmable(builder, block, params.length - 1) : block;
    builder.function({ name: names.get(kernel)!, params, locals, body });
    return params;
  }

  private block(statements: readonly Statement[]): Expression[] {
    return statements.flatMap((statement) => this.statement(statement));
  }

  private statement(statement: Statement): Expression[] {
    switch (statement.kind) {
      case "for":
        return this.loop(statement);
      case "let":
      case "assign":
        return [this.definition(statement.variable, statement.value)];
      case "store":
        return [this.store(statement)];
      case "if": {
        const [condition] = this.evaluate([statement.condition]);
        const [whenTrue, whenFalse] = [statement.whenTrue, statement.whenFalse].map((block) =>
          this.constants.branch(() => this.block(block)),
        ) as [Expression[], Expression[]];
        const otherwise = whenFalse.length > 0 ? this.builder.block(whenFalse) : undefined;
        return [this.builder.if(condition!, this.builder.block(whenTrue), otherwise)];
      }
      case "invoke":
        return [this.invoke(statement)];
    }
  }

  private invoke({ kernel, buffers, sizes }: Invoke): Expression {
    const needed = addressedBuffers(kernel).map((buffer) => buffers[kernel.buffers.indexOf(buffer)]!);
    const addresses = needed.map((buffer) => this.builder.get(this.addresses.get(buffer)!, "i32"));
    const passes = noPasses(this.builder, this.functions, kernel);
    const name = this.functions.names.get(kernel)!;
    return this.builder.call(name, [...addresses, ...this.evaluate(sizes), ...passes]);
  }

  private definition(variable: Variable, value: Expr): Expression {
    const isIndex = value.type.scalar === "i32" && value.type.lanes === 1;
    if (isIndex && !variable.mutable && isNonNegative(value, this.nonNegative)) {
      this.nonNegative.add(variable);
    }
    const [result] = this.evaluate([value]);
    return this.builder.set(this.localOf(variable), result!);
  }

  private store(store: Store): Expression {
    const selector = this.selector();
    const { instruction, offset, align, pointer, value } = selector.store(store);
    const [address, stored] = new TreeBuilder(this.builder, this, this.constants).emit([pointer, value]);
    return this.builder.store(instruction, { offset, align }, address!, stored!);
  }

  /**
   * A loop that tests at its end; the test before it is left out where there is a first pass for certain. V8 moves what
   * does not change out of a loop only where the body is passed on every way through it: with the test at the start,
   * exp took 1.6 times as long (Node 20).
   */
  private loop({ variable, start, end, step, body }: For): Expression[] {
    const { builder } = this;
    const counter = this.localOf(variable);
    if (isNonNegative(start, this.nonNegative)) this.nonNegative.add(variable);
    const before = [builder.set(counter, this.evaluate([start])[0]!)];
    const limit = this.limit(end, before);
    const isInside = (): Expression => builder.pure("i32.lt_s", [builder.get(counter, "i32"), limit()]);
    const label = `loop${this.labels++}`;
    const leave = this.constants.enter(body);
    const passes = this.block(body);
    before.unshift(...leave());
    const next = builder.pure("i32.add", [builder.get(counter, "i32"), builder.i32(step)]);
    const loop = builder.doWhile(label, [...passes, builder.set(counter, next)], isInside());
    const isCertain =
      start.kind === "constant" && end.kind === "constant" && Number(start.value) < Number(end.value);
    return [...before, isCertain ? loop : builder.if(isInside(), loop)];
  }

  /** The end of a loop is computed once. */
  private limit(end: Expr, before: Expression[]): () => Expression {
    if (end.kind === "constant") return () => this.builder.i32(Number(end.value));
    if (end.kind === "variable" && !end.variable.mutable) {
      const local = this.localOf(end.variable);
      return () => this.builder.get(local, "i32");
    }
    const local = this.newLocal("i32");
    before.push(this.builder.set(local, this.evaluate([end])[0]!));
    return () => this.builder.get(local, "i32");
  }

  private evaluate(exprs: readonly Expr[]): Expression[] {
    const selector = this.selector();
    return new TreeBuilder(this.builder, this, this.constants).emit(exprs.map((expr) => selector.node(expr)));
  }

  /** Chooses the instructions of one statement. */
  private selector(): Selector {
    return new Selector(new Nodes(this.builder.features), {
      variable: (variable) => this.localOf(variable),
      address: (buffer) => {
        const param = this.addresses.get(buffer);
        invariant(param !== undefined, `kernel @${this.kernel.name} has no buffer ${buffer.name}`);
        return param;
      },
      nonNegative: this.nonNegative,
    });
  }

  private localOf(variable: Variable): number {
    let local = this.variables.get(variable);
    if (local === undefined) {
      local = this.newLocal(valueTypeOf(variable.type));
      this.variables.set(variable, local);
    }
    return local;
  }

  newLocal(type: ValueType): number {
    this.locals.push(type);
    return this.params.length + this.locals.length - 1;
  }
}
