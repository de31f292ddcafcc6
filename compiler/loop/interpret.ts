/**
 * Runs kernels and programs of Loop IR without compiling them to WebAssembly: the oracle that tests and passes compare
 * with.
 */

import { invariant, KilnError } from "../diagnostics.js";
import { type Dim, dimSymbols, evaluateDim } from "../ir/dim.js";
import { dtypes, isMemoryType } from "../ir/dtype.js";
import type { EvaluationOptions } from "./evaluate.js";
import { compileKernel, type KernelArguments } from "./interpret-kernel.js";
import { elementAccess } from "./interpret-memory.js";
import type { Kernel } from "./ir.js";
import {
  type Branch,
  type Call,
  type CallArgument,
  type Define,
  kernelsOf,
  type Program,
  type ProgramBuffer,
  type Repeat,
  type Require,
  type Step,
} from "./program.js";

/** Runs a kernel on a linear memory image, in place. Throws E_INTERNAL on an access outside a buffer. */
export function interpretKernel(
  kernel: Kernel,
  args: {
    readonly memory: ArrayBuffer | DataView;
    /** Byte address of each buffer. */
    readonly addresses: readonly number[];
    readonly sizes?: readonly number[];
  },
  options?: EvaluationOptions,
): void {
  const memory = args.memory instanceof DataView ? args.memory : new DataView(args.memory);
  compileKernel(kernel, options)({ memory, addresses: args.addresses, sizes: args.sizes ?? [] });
}

/**
 * Runs a program on the bytes of its inputs, by name; gives the bytes of its outputs, by name.
 *
 * @param symbols values of the symbols in the inputs' shapes
 * @throws KilnError E_INPUT where an input does not fit, or where a run-time error of the program occurs
 */
export function interpretProgram(
  program: Program,
  inputs: ReadonlyMap<string, Uint8Array>,
  options?: EvaluationOptions,
  symbols: ReadonlyMap<string, number> = new Map(),
): Map<string, Uint8Array> {
  const results = runProgram(program, inputs, options, symbols);
  return new Map(program.outputs.map(({ name }, i) => [name, results[i]!.bytes]));
}

/** The same, in the order of the outputs and with their dims. */
export function runProgram(
  program: Program,
  inputs: ReadonlyMap<string, Uint8Array>,
  options?: EvaluationOptions,
  symbols: ReadonlyMap<string, number> = new Map(),
): { bytes: Uint8Array; dims: number[] }[] {
  const run = new ProgramRun(program, options, new Map(symbols));
  run.start(inputs);
  run.steps(program.steps);
  run.checkErrors();
  return program.outputs.map((buffer, i) => ({
    bytes: run.bytesOf(buffer).slice(),
    dims: program.outputShapes[i]!.map((dim) => evaluateDim(dim, run.symbols)),
  }));
}

/**
 * One memory in which no two buffers share a byte. What nobody has written yet is all ones, that is NaN or -1, so that
 * a kernel that reads it shows.
 */
class ProgramRun {
  private memory = new Uint8Array(1 << 16).fill(0xff);
  private end = 0;
  private readonly addresses = new Map<ProgramBuffer, number>();
  private readonly kernels: ReadonlyMap<Kernel, (args: KernelArguments) => void>;

  constructor(
    private readonly program: Program,
    options: EvaluationOptions | undefined,
    readonly symbols: Map<string, number>,
  ) {
    this.kernels = new Map(kernelsOf(program).map((kernel) => [kernel, compileKernel(kernel, options)]));
  }

  start(inputs: ReadonlyMap<string, Uint8Array>): void {
    const { program } = this;
    for (const buffer of program.buffers) this.allocate(buffer);
    for (const buffer of program.buffers) {
      if (buffer.kind === "input" || buffer.kind === "state")
        this.bytesOf(buffer).set(this.inputBytes(buffer, inputs));
      else if (buffer.data !== undefined) this.bytesOf(buffer).set(buffer.data);
      else if (buffer.kind === "error") this.bytesOf(buffer).fill(0);
    }
  }

  private inputBytes(buffer: ProgramBuffer, inputs: ReadonlyMap<string, Uint8Array>): Uint8Array {
    const given = inputs.get(buffer.name);
    const needed = this.value(buffer.byteLength);
    if (given?.byteLength === needed) return given;
    const found = given === undefined ? "is missing" : `has ${given.byteLength} bytes, not ${needed}`;
    throw new KilnError("E_INPUT", `input "${buffer.name}" of program @${this.program.name} ${found}`);
  }

  bytesOf(buffer: ProgramBuffer): Uint8Array {
    const start = this.addresses.get(buffer)!;
    return this.memory.subarray(start, start + this.value(buffer.byteLength));
  }

  /** Fresh memory for the buffer, once all symbols of its length have a value. */
  private allocate(buffer: ProgramBuffer): void {
    for (const name of dimSymbols(buffer.byteLength)) if (!this.symbols.has(name)) return;
    const bytes = this.value(buffer.byteLength);
    this.addresses.set(buffer, this.end);
    this.end += Math.ceil(bytes / 16) * 16;
    if (this.end <= this.memory.length) return;
    const larger = new Uint8Array(2 * this.end).fill(0xff);
    larger.set(this.memory);
    this.memory = larger;
  }

  private value(dim: Dim): number {
    return evaluateDim(dim, this.symbols);
  }

  steps(steps: readonly Step[]): void {
    for (const step of steps) {
      switch (step.kind) {
        case "call":
          this.call(step);
          break;
        case "define":
          this.define(step);
          break;
        case "require":
          this.require(step);
          break;
        case "branch":
          this.branch(step);
          break;
        case "repeat":
          this.repeat(step);
          break;
        case "once":
          // A program is interpreted for one run.
          this.steps(step.body);
          break;
      }
    }
  }

  private call({ kernel, args, sizes }: Call): void {
    const start = ({ buffer, byteOffset }: CallArgument): number =>
      this.addresses.get(buffer)! + this.value(byteOffset);
    this.kernels.get(kernel)!({
      memory: new DataView(this.memory.buffer),
      addresses: args.map(start),
      ends: args.map(({ buffer }) => this.addresses.get(buffer)! + this.value(buffer.byteLength)),
      sizes: sizes.map((size) => this.value(size)),
    });
  }

  private define({ symbols }: Define): void {
    this.checkErrors();
    const values = symbols.map(({ name, value }): [string, number] => {
      const isElement = typeof value === "object" && "buffer" in value;
      return [name, isElement ? this.element(value.buffer, value.index) : this.value(value)];
    });
    for (const [name, value] of values) this.symbols.set(name, value);
    const defined = new Set(symbols.map(({ name }) => name));
    for (const buffer of this.program.buffers) {
      if ([...dimSymbols(buffer.byteLength)].some((name) => defined.has(name))) this.allocate(buffer);
    }
  }

  private require({ a, b, message, source }: Require): void {
    this.checkErrors();
    if (this.value(a) !== this.value(b)) throw runError(message, source);
  }

  private branch({ condition, whenTrue, whenFalse }: Branch): void {
    this.steps(this.scalar(condition) !== 0 ? whenTrue : whenFalse);
  }

  private repeat({ counter, trips, condition, body }: Repeat): void {
    for (let pass = 0n; ; pass++) {
      new DataView(this.memory.buffer).setBigInt64(this.addresses.get(counter)!, pass, true);
      if (trips !== null && pass >= BigInt(this.scalar(trips))) return;
      if (condition !== null && this.scalar(condition) === 0) return;
      this.steps(body);
      this.checkErrors();
    }
  }

  private scalar({ buffer, byteOffset }: CallArgument): number {
    const address = this.addresses.get(buffer)! + this.value(byteOffset);
    const { dtype } = buffer;
    invariant(isMemoryType(dtype), `a program reads a number of ${dtype}`);
    return Number(elementAccess[dtype].read(new DataView(this.memory.buffer), address));
  }

  private element(buffer: ProgramBuffer, index: number): number {
    const { byteLength } = buffer;
    const width = dtypes[buffer.dtype].bytes;
    if ((index + 1) * width > this.value(byteLength)) {
      throw new KilnError("E_INTERNAL", `${buffer.name} has no element ${index}`);
    }
    const value = this.scalar({ buffer, byteOffset: index * width });
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, value));
  }

  /** Raises the error that a kernel has written. */
  checkErrors(): void {
    const buffer = this.program.buffers.find(({ kind }) => kind === "error");
    if (buffer === undefined) return;
    const number = this.element(buffer, 0);
    const error = this.program.errors[number - 1];
    if (error !== undefined) throw runError(error.message, error.source);
  }
}

function runError(message: string, source: readonly string[]): KilnError {
  return new KilnError("E_INPUT", message, source[0] === undefined ? {} : { node: source[0] });
}
