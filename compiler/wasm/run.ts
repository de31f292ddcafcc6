/**
 * The steps of a program as the functions that a host calls: `run`, and `prepare` where dims are known only then.
 *
 * Both give the number of the first error, 0 where there was none (metadata lists what the numbers mean). A step that
 * finds an error stores its number and leaves the function.
 */

import type { DynamicPlan, Phase } from "../../passes/memory/dynamic.js";
import { invariant } from "../diagnostics.js";
import { type Dim, isStatic } from "../ir/dim.js";
import type { Kernel } from "../loop/ir.js";
import {
  type Branch,
  type Call,
  type CallArgument,
  callsOf,
  kernelsOf,
  type Once,
  type Program,
  type ProgramBuffer,
  type Repeat,
  type Require,
  type RunError,
  type Step,
} from "../loop/program.js";
import type { Expression, ModuleBuilder } from "./builder.js";
import { type KernelFunctions, noPasses } from "./emit.js";
import { areWorthThreads, begin, dispatch, emitThreads } from "./threads.js";

const PAGE_BYTES = 65536;

/** Steps in one function of `run`. */
const STAGE_STEPS = 500;

export interface RunInput {
  readonly program: Program;
  readonly addresses: ReadonlyMap<ProgramBuffer, number>;
  readonly dynamic: DynamicPlan | null;
  /** No block may reach this address. */
  readonly memoryLimit: number;
  /** The host is told when `run` begins and after every call. */
  readonly profile: boolean;
}

/** What the numbers mean that `run` returns, and those that it tells a host: 0 at the start, i + 1 after call i. */
export interface EmittedRun {
  readonly errors: readonly RunError[];
  readonly calls: readonly Call[];
}

/** What the host gives to a module that is profiled. */
const mark = "mark";

/** All kernels that a module needs: those of its calls, then those that place its buffers. */
export function allKernels(program: Program, dynamic: DynamicPlan | null): Kernel[] {
  const phases = dynamic === null ? [] : [dynamic.start, ...dynamic.phases.values()];
  return [
    ...kernelsOf(program),
    ...phases.map(({ kernel }) => kernel),
    ...(dynamic === null ? [] : [dynamic.placeKernel]),
  ];
}

/** Adds `run` (and `prepare`) to a module that has the kernels. */
export function emitRun(builder: ModuleBuilder, input: RunInput, functions: KernelFunctions): EmittedRun {
  const emitter = new RunEmitter(builder, input, functions);
  emitter.run();
  if (input.dynamic !== null) emitter.prepare(input.dynamic);
  if (emitter.jobs.length > 0) emitThreads(builder, emitter.jobs);
  return emitter;
}

const writesState = (step: Step): boolean =>
  step.kind === "call" &&
  step.args.some(({ buffer }, i) => buffer.kind === "state" && step.kernel.buffers[i]!.access !== "read");

/** What follows a check relies on it: clamped indices are not enough where a dim is empty. */
const mayFail = (call: Call): boolean => call.args.some(({ buffer }) => buffer.kind === "error");

class RunEmitter {
  readonly errors: RunError[];
  readonly calls: Call[] = [];
  private labels = 0;
  /** Functions that do a part of a call each. */
  readonly jobs: string[] = [];
  private readonly errorAddress: number | null;
  private readonly isShared: boolean;

  constructor(
    private readonly builder: ModuleBuilder,
    private readonly input: RunInput,
    private readonly functions: KernelFunctions,
  ) {
    const { program, addresses } = input;
    const times = callsOf(program).map(({ kernel }) => kernel.share?.time ?? 0);
    this.isShared = areWorthThreads(times.reduce((sum, time) => sum + time, 0));
    const error = program.buffers.find(({ kind }) => kind === "error");
    this.errorAddress = error === undefined ? null : addresses.get(error)!;
    // A dynamic plan reports too little memory by the number behind those of the program.
    const memory = { source: [], message: "it needs more memory than it may have" };
    this.errors = input.dynamic === null ? [...program.errors] : [...program.errors, memory];
  }

  /** `run` takes the steps itself, or calls stages that take them where they are many or may leave early. */
  run(): void {
    const { builder } = this;
    const stages = this.stages();
    if (this.input.profile) builder.import(mark, ["i32"]);
    const first = [...this.clearError(), ...this.mark(0)];
    if (stages.length <= 1 && this.errorAddress === null) {
      this.define("run", [...first, ...this.steps(stages.flat()), this.result()], "i32");
    } else {
      const calls = stages.flatMap((steps, i) => {
        this.define(`run:${i}`, this.steps(steps));
        return [builder.call(`run:${i}`, []), ...this.stopOnError("i32")];
      });
      this.define("run", [...first, ...calls, this.result()], "i32");
    }
    builder.export("run");
  }

  /** Steps in lists, after each of which the run ends if there has been an error: states are not changed then. */
  private stages(): Step[][] {
    const { steps } = this.input.program;
    const stages: Step[][] = [];
    const cut = (part: readonly Step[]) => {
      for (let at = 0; at < part.length; at += STAGE_STEPS) stages.push(part.slice(at, at + STAGE_STEPS));
    };
    const storing = this.errorAddress === null ? -1 : steps.findIndex(writesState);
    const end = storing < 0 ? steps.length : storing;
    cut(steps.slice(0, end));
    cut(steps.slice(end));
    return stages;
  }

  /** Computes what depends on the inputs' dims, which the host has written to their cells, and places all buffers. */
  prepare(dynamic: DynamicPlan): void {
    const { builder } = this;
    const { count } = dynamic.counters;
    const reset = builder.store("i32.store", { offset: count, align: 4 }, builder.i32(0), builder.i32(0));
    const body = [...this.clearError(), reset, ...this.phase(dynamic, dynamic.start), this.result()];
    this.define("prepare", body, "i32");
    builder.export("prepare");
  }

  private define(name: string, body: readonly Expression[], result?: "i32"): void {
    const { builder } = this;
    const block =
      result === undefined ? builder.block(body) : builder.value(body.slice(0, -1), body.at(-1)!, result);
    builder.function({ name, params: [], locals: [], body: block, ...(result && { result }) });
  }

  private steps(steps: readonly Step[]): Expression[] {
    return steps.flatMap((step) => this.step(step));
  }

  private step(step: Step): Expression[] {
    switch (step.kind) {
      case "call":
        return [
          this.call(step),
          ...this.mark(this.calls.push(step)),
          ...(mayFail(step) ? this.stopOnError() : []),
        ];
      case "define": {
        const { dynamic } = this.input;
        invariant(dynamic !== null, "symbols are defined where the memory plan is fixed");
        return [...this.phase(dynamic, dynamic.phases.get(step)!), ...this.stopOnError()];
      }
      case "require":
        return [this.require(step)];
      case "branch":
        return [this.branch(step)];
      case "repeat":
        return [this.repeat(step)];
      case "once":
        return [this.once(step)];
    }
  }

  private mark(number: number): Expression[] {
    const { builder, input } = this;
    return input.profile ? [builder.call(mark, [builder.i32(number)])] : [];
  }

  private call({ kernel, args, sizes }: Call): Expression {
    const { builder } = this;
    const operands = [
      ...args.map((argument) => this.address(argument)),
      ...sizes.map((size) => this.dim(size)),
    ];
    const name = this.functions.names.get(kernel)!;
    const passes = noPasses(builder, this.functions, kernel);
    if (kernel.share === undefined) return builder.call(name, [...operands, ...passes]);
    if (!this.isShared) return builder.call(name, [...operands, builder.i32(0), builder.i32(1), ...passes]);
    // Where everything lies is told by constants and cells of memory, so that other threads find it too.
    const share = [builder.get(0, "i32"), builder.get(1, "i32")];
    const job = `job:${this.jobs.length}`;
    const body = builder.block([builder.call(name, [...operands, ...share, ...passes])]);
    builder.function({ name: job, params: ["i32", "i32"], locals: [], body });
    this.jobs.push(job);
    return dispatch(builder, this.jobs.length - 1, kernel.share.time);
  }

  /** A phase's kernel, the placing of its blocks, and as much memory as they need. */
  private phase(dynamic: DynamicPlan, { kernel, values, from, to }: Phase): Expression[] {
    const { builder } = this;
    const { cells, table } = dynamic;
    const operands = [builder.i32(cells.address), builder.i32(table.address)];
    const given = values.map((buffer) => this.address({ buffer, byteOffset: 0 }));
    const evaluate = builder.call(this.functions.names.get(kernel)!, [...operands, ...given]);
    if (from === to) return [evaluate];
    const limit = dynamic.limit(this.input.memoryLimit);
    const place = builder.call(this.functions.names.get(dynamic.placeKernel)!, [
      builder.i32(table.address),
      builder.i32(this.errorAddress!),
      ...[from, to, limit].map((value) => builder.i32(value)),
    ]);
    return [evaluate, place, this.grow(dynamic)];
  }

  /** Grows memory up to the end of all blocks, unless placing them failed already. */
  private grow(dynamic: DynamicPlan): Expression {
    const { builder } = this;
    const end = (): Expression => this.cell(dynamic.counters.end);
    const pages = (): Expression =>
      builder.pure("i32.shr_u", [
        builder.pure("i32.add", [end(), builder.i32(PAGE_BYTES - 1)]),
        builder.i32(16),
      ]);
    const missing = builder.pure("i32.sub", [pages(), builder.memorySize()]);
    const refused = builder.pure("i32.eq", [builder.memoryGrow(missing), builder.i32(-1)]);
    const number = this.input.program.errors.length + 1;
    const grow = builder.if(refused, builder.block([this.setError(number)]));
    const isShort = builder.pure("i32.gt_u", [pages(), builder.memorySize()]);
    const isSound = builder.pure("i32.eqz", [this.cell(this.errorAddress!)]);
    return builder.if(isSound, builder.if(isShort, grow));
  }

  private require({ a, b, message, source }: Require): Expression {
    const { builder } = this;
    this.errors.push({ message, source });
    const differ = builder.pure("i32.ne", [this.dim(a), this.dim(b)]);
    return builder.if(differ, builder.block([this.setError(this.errors.length), builder.return()]));
  }

  private branch({ condition, whenTrue, whenFalse }: Branch): Expression {
    const { builder } = this;
    const otherwise = whenFalse.length > 0 ? builder.block(this.steps(whenFalse)) : undefined;
    return builder.if(this.flag(condition), builder.block(this.steps(whenTrue)), otherwise);
  }

  private repeat({ counter, trips, condition, body }: Repeat): Expression {
    const { builder } = this;
    const at = (): Expression => this.address({ buffer: counter, byteOffset: 0 });
    const count = (): Expression => builder.load("i64.load", { offset: 0, align: 8 }, at());
    const setCount = (value: Expression): Expression =>
      builder.store("i64.store", { offset: 0, align: 8 }, at(), value);
    const goesOn = (): Expression => {
      const conditions = condition === null ? [] : [this.flag(condition)];
      if (trips !== null) {
        const limit = builder.load("i64.load", { offset: 0, align: 8 }, this.address(trips));
        conditions.push(builder.pure("i64.lt_s", [count(), limit]));
      }
      return conditions.reduce((a, b) => builder.pure("i32.and", [a, b]), builder.i32(1));
    };
    const next = setCount(builder.pure("i64.add", [count(), builder.constant("i64", 1)]));
    const loop = builder.doWhile(`repeat${this.labels++}`, [...this.steps(body), next], goesOn());
    return builder.block([setCount(builder.constant("i64", 0)), builder.if(goesOn(), loop)]);
  }

  private once({ done, body }: Once): Expression {
    const { builder } = this;
    const at = (): Expression => this.address({ buffer: done, byteOffset: 0 });
    const isFirst = builder.pure("i32.eqz", [builder.load("i32.load", { offset: 0, align: 4 }, at())]);
    const setDone = builder.store("i32.store", { offset: 0, align: 4 }, at(), builder.i32(1));
    return builder.if(isFirst, builder.block([...this.steps(body), setDone]));
  }

  /** A bool element as i32. */
  private flag(argument: CallArgument): Expression {
    return this.builder.load("i32.load8_u", { offset: 0, align: 1 }, this.address(argument));
  }

  private address({ buffer, byteOffset }: CallArgument): Expression {
    const { builder } = this;
    const fixed = this.input.addresses.get(buffer);
    if (fixed !== undefined && isStatic(byteOffset)) return builder.i32((fixed + byteOffset) | 0);
    const base = fixed === undefined ? this.cell(this.addressCell(buffer)) : builder.i32(fixed | 0);
    return byteOffset === 0 ? base : builder.pure("i32.add", [base, this.dim(byteOffset)]);
  }

  private addressCell(buffer: ProgramBuffer): number {
    invariant(this.input.dynamic !== null, `buffer ${buffer.name} has no address`);
    return this.input.dynamic.addressCell(buffer);
  }

  private dim(dim: Dim): Expression {
    if (isStatic(dim)) return this.builder.i32(dim | 0);
    invariant(this.input.dynamic !== null, "a dim is not known where the memory plan is fixed");
    return this.cell(this.input.dynamic.cellAddress(dim));
  }

  private cell(address: number): Expression {
    return this.builder.load("i32.load", { offset: address, align: 4 }, this.builder.i32(0));
  }

  private setError(number: number): Expression {
    const { builder } = this;
    return builder.store(
      "i32.store",
      { offset: this.errorAddress!, align: 4 },
      builder.i32(0),
      builder.i32(number),
    );
  }

  private clearError(): Expression[] {
    const begun = this.isShared ? [begin(this.builder)] : [];
    return this.errorAddress === null ? begun : [...begun, this.setError(0)];
  }

  /** Leaves the function where there has been an error: with its number, or without a result. */
  private stopOnError(result?: "i32"): Expression[] {
    if (this.errorAddress === null) return [];
    const { builder } = this;
    const leave = builder.return(result === undefined ? undefined : this.result());
    return [builder.if(this.cell(this.errorAddress), leave)];
  }

  private result(): Expression {
    return this.errorAddress === null ? this.builder.i32(0) : this.cell(this.errorAddress);
  }
}
