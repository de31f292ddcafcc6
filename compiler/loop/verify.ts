/** Checks that a program keeps its rules: buffers, constants, and steps that fit their kernels. */

import { KilnError } from "../diagnostics.js";
import { type Dim, dimSymbols, isStatic, printDim } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import { type Buffer, i32, sameType } from "./ir.js";
import { printCall } from "./print.js";
import {
  type Call,
  type CallArgument,
  type Define,
  kernelsOf,
  listsOf,
  type Once,
  type Program,
  type ProgramBuffer,
  type Step,
} from "./program.js";
import { verifyKernel } from "./verify-kernel.js";

export { verifyKernel } from "./verify-kernel.js";

/** The invariants of a program; those of its kernels come before, in `verify-kernel.ts`. */
const invariants = {
  16: "buffers of a program have distinct names, kernels too",
  17: "buffers have a length that is not negative",
  18: "constants, and only they, have data, of the stated length",
  19: "inputs are input buffers of the program, outputs are buffers of it that hold a result",
  20: "a call has one argument for each buffer of its kernel, and one value for each size",
  21: "arguments are buffers of the program with elements as wide as the kernel's",
  22: "arguments start inside their buffer and the kernel's extent ends inside it",
  23: "inputs and constants are not written",
  24: "what a call only reads has been written before, or is an input or constant",
  25: "in-place pairs name a written and another, read argument",
  26: "flops are a number that is not negative",
  27: "the symbols of a step have a value there: inputs' dims from the start, others behind their definition",
  28: "conditions are bool, counters and trips int64, and definitions read integers",
  29: "only a first run writes what is kept, and what else it writes is gone behind it",
} as const;

type Invariant = keyof typeof invariants;

/** Verifies the program and each of its kernels; E_INTERNAL names the call and the broken invariant. */
export function verifyProgram(program: Program): void {
  new ProgramVerifier(program).run();
}

/** True for buffers whose bytes do not come from a call. */
const isGiven = ({ kind }: ProgramBuffer): boolean => !["output", "temporary", "kept"].includes(kind);

class ProgramVerifier {
  private readonly buffers: ReadonlySet<ProgramBuffer>;

  constructor(private readonly program: Program) {
    this.buffers = new Set(program.buffers);
  }

  run(): void {
    const { program } = this;
    const kernels = kernelsOf(program);
    kernels.forEach(verifyKernel);
    this.distinct("buffers", program.buffers);
    this.distinct("kernels", kernels);
    for (const buffer of program.buffers) this.buffer(buffer);
    for (const { name, kind } of program.inputs)
      this.check(kind === "input" || kind === "state", 19, `input ${name} is ${kind}`);
    for (const { name, kind } of program.outputs) {
      this.check(kind !== "temporary" && kind !== "error", 19, `output ${name} is ${kind}`);
    }
    for (const buffer of [...program.inputs, ...program.outputs]) {
      this.check(this.buffers.has(buffer), 19, `${buffer.name} is not among the buffers`);
    }
    const written = new Set(program.buffers.filter((buffer) => isGiven(buffer) || buffer.byteLength === 0));
    const symbols = new Set<string>();
    for (const dim of program.inputShapes.flat()) dimSymbols(dim, symbols);
    this.steps(program.steps, written, symbols);
    const unwritten = program.outputs.find((buffer) => !written.has(buffer));
    this.check(unwritten === undefined, 19, `no call writes output ${unwritten?.name}`);
  }

  private steps(steps: readonly Step[], written: Set<ProgramBuffer>, symbols: Set<string>): void {
    for (const step of steps) {
      switch (step.kind) {
        case "call":
          this.call(step, written, symbols);
          break;
        case "define":
          this.define(step, written, symbols);
          break;
        case "require":
          this.known(step.a, symbols);
          this.known(step.b, symbols);
          break;
        case "branch":
          this.scalar(step.condition, "bool", written);
          break;
        case "repeat":
          this.check(step.counter.dtype === "int64", 28, `${step.counter.name} counts passes`);
          written.add(step.counter);
          if (step.trips !== null) this.scalar(step.trips, "int64", written);
          if (step.condition !== null) this.scalar(step.condition, "bool", written);
          break;
        case "once":
          this.once(step, written, symbols);
          continue;
      }
      for (const inner of listsOf(step)) this.steps(inner, written, symbols);
    }
  }

  private once({ done, body }: Once, written: Set<ProgramBuffer>, symbols: ReadonlySet<string>): void {
    this.check(done.kind === "kept" && done.dtype === "int32", 29, `${done.name} is ${done.kind}`);
    const inside = new Set(written);
    for (const call of body) this.call(call, inside, symbols, true);
    for (const buffer of inside) if (buffer.kind === "kept") written.add(buffer);
  }

  private define(
    { symbols: defined }: Define,
    written: ReadonlySet<ProgramBuffer>,
    symbols: Set<string>,
  ): void {
    for (const { value } of defined) {
      if (typeof value === "object" && "buffer" in value) {
        const { buffer } = value;
        this.check(written.has(buffer), 24, `${buffer.name} is read before it is written`);
        this.check(dtypes[buffer.dtype].kind !== "float", 28, `${buffer.name} is ${buffer.dtype}`);
      } else this.known(value, symbols);
    }
    for (const { name } of defined) symbols.add(name);
  }

  private scalar({ buffer }: CallArgument, dtype: string, written: ReadonlySet<ProgramBuffer>): void {
    this.check(buffer.dtype === dtype, 28, `${buffer.name} is ${buffer.dtype}, not ${dtype}`);
    this.check(written.has(buffer), 24, `${buffer.name} is read before it is written`);
  }

  private known(dim: Dim, symbols: ReadonlySet<string>, call?: Call): void {
    const open = [...dimSymbols(dim)].find((name) => !symbols.has(name));
    this.check(open === undefined, 27, `"${open}" in ${printDim(dim)}`, call);
  }

  private distinct(what: string, named: readonly { readonly name: string }[]): void {
    const names = new Set<string>();
    for (const { name } of named) {
      this.check(!names.has(name), 16, `two ${what} are called ${name}`);
      names.add(name);
    }
  }

  private buffer({ name, kind, byteLength, data }: ProgramBuffer): void {
    const isLength = !isStatic(byteLength) || (Number.isSafeInteger(byteLength) && byteLength >= 0);
    this.check(isLength, 17, `${name} has ${printDim(byteLength)} bytes`);
    this.check((kind === "constant") === (data !== undefined), 18, `${name} is ${kind}`);
    const fits = data === undefined || data.byteLength === byteLength;
    this.check(fits, 18, `${name} has ${data?.byteLength} bytes of data, not ${printDim(byteLength)}`);
  }

  private call(call: Call, written: Set<ProgramBuffer>, symbols: ReadonlySet<string>, isFirst = false): void {
    const { kernel, args, sizes, flops } = call;
    const counted = args.length === kernel.buffers.length;
    this.check(counted, 20, `${args.length} arguments for ${kernel.buffers.length} buffers`, call);
    const sized = sizes.length === kernel.sizes.length;
    this.check(sized, 20, `${sizes.length} values for ${kernel.sizes.length} sizes`, call);
    const other = kernel.sizes.find(({ type }) => !sameType(type, i32));
    this.check(other === undefined, 20, `size ${other?.name} is no i32`, call);
    this.check(Number.isFinite(flops) && flops >= 0, 26, `${flops} flops`, call);
    for (const size of sizes) this.known(size, symbols, call);
    args.forEach((argument, i) => {
      const parameter = kernel.buffers[i]!;
      const { buffer, byteOffset } = argument;
      this.check(this.buffers.has(buffer), 21, `${buffer.name} is not among the buffers`, call);
      this.known(byteOffset, symbols, call);
      this.known(buffer.byteLength, symbols, call);
      this.fit(call, argument, parameter);
      const writes = parameter.access !== "read";
      const mayWrite = buffer.kind !== "input" && buffer.kind !== "constant";
      this.check(!writes || mayWrite, 23, `${buffer.name} is ${buffer.kind}`, call);
      const mayKeep = isFirst ? ["kept", "temporary"].includes(buffer.kind) : buffer.kind !== "kept";
      this.check(!writes || mayKeep, 29, `${buffer.name} is ${buffer.kind}`, call);
      this.check(writes || written.has(buffer), 24, `${buffer.name} is read before it is written`, call);
    });
    args.forEach(({ buffer }, i) => {
      if (kernel.buffers[i]!.access !== "read") written.add(buffer);
    });
    for (const pair of call.inPlace) this.pair(call, pair);
  }

  private fit(call: Call, { buffer, byteOffset }: CallArgument, parameter: Buffer): void {
    const width = dtypes[parameter.dtype].bytes;
    const sameWidth = dtypes[buffer.dtype].bytes === width;
    this.check(sameWidth, 21, `${buffer.dtype} ${buffer.name} for ${parameter.dtype}`, call);
    if (!isStatic(byteOffset) || !isStatic(buffer.byteLength)) return;
    const { name, byteLength } = buffer;
    const startsInside = Number.isSafeInteger(byteOffset) && byteOffset >= 0 && byteOffset <= byteLength;
    this.check(startsInside, 22, `${name} + ${byteOffset} of ${byteLength} bytes`, call);
    const end = byteOffset + (parameter.elements ?? 0) * width;
    const detail = `${parameter.name} reaches byte ${end} of ${name}, which has ${byteLength}`;
    this.check(end <= byteLength, 22, detail, call);
  }

  private pair(call: Call, [written, read]: readonly [number, number]): void {
    const { buffers } = call.kernel;
    const [target, origin] = [buffers[written], buffers[read]];
    const valid =
      target !== undefined &&
      origin !== undefined &&
      target !== origin &&
      target.access !== "read" &&
      origin.access !== "write";
    this.check(valid, 25, `pair ${written}:${read}`, call);
  }

  private check(holds: boolean, invariant: Invariant, found: string, call?: Call): asserts holds {
    if (holds) return;
    const where = call === undefined ? "" : `\n  in: ${printCall(call)}`;
    throw new KilnError(
      "E_INTERNAL",
      `program @${this.program.name} breaks invariant ${invariant}, ${invariants[invariant]}: ${found}${where}`,
    );
  }
}
