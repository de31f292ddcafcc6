/** Checks that a program keeps its rules: buffers, constants, and calls that fit their kernels. */

import { KilnError } from "../diagnostics.js";
import { dtypes } from "../ir/dtype.js";
import type { Buffer } from "./ir.js";
import { printCall } from "./print.js";
import { type Call, type CallArgument, kernelsOf, type Program, type ProgramBuffer } from "./program.js";
import { verifyKernel } from "./verify-kernel.js";

export { verifyKernel } from "./verify-kernel.js";

/** The invariants of a program; those of its kernels come before, in `verify-kernel.ts`. */
const invariants = {
  16: "buffers of a program have distinct names, kernels too",
  17: "buffers have a length that is not negative",
  18: "constants, and only they, have data, of the stated length",
  19: "inputs are input buffers of the program, outputs are buffers of it that hold a result",
  20: "a call has one argument for each buffer of its kernel, and the kernel takes no sizes",
  21: "arguments are buffers of the program with elements as wide as the kernel's",
  22: "arguments start inside their buffer and the kernel's extent ends inside it",
  23: "inputs and constants are not written",
  24: "what a call only reads has been written before, or is an input or constant",
  25: "in-place pairs name a written and another, read argument",
  26: "flops are a number that is not negative",
} as const;

type Invariant = keyof typeof invariants;

/** Verifies the program and each of its kernels; E_INTERNAL names the call and the broken invariant. */
export function verifyProgram(program: Program): void {
  const kernels = kernelsOf(program);
  kernels.forEach(verifyKernel);
  checkDistinct(program, "buffers", program.buffers);
  checkDistinct(program, "kernels", kernels);
  const buffers = new Set(program.buffers);
  for (const buffer of program.buffers) checkBuffer(program, buffer);
  for (const { name, kind } of program.inputs) {
    check(program, kind === "input", 19, `input ${name} is ${kind}`);
  }
  for (const { name, kind } of program.outputs) {
    check(program, kind !== "temporary", 19, `output ${name} is ${kind}`);
  }
  for (const buffer of [...program.inputs, ...program.outputs]) {
    check(program, buffers.has(buffer), 19, `${buffer.name} is not among the buffers`);
  }
  const written = new Set(program.buffers.filter((buffer) => isGiven(buffer) || buffer.byteLength === 0));
  for (const call of program.calls) checkCall(program, call, buffers, written);
  const unwritten = program.outputs.find((buffer) => !written.has(buffer));
  check(program, unwritten === undefined, 19, `no call writes output ${unwritten?.name}`);
}

/** True for buffers whose bytes do not come from a call. */
const isGiven = ({ kind }: ProgramBuffer): boolean => kind === "input" || kind === "constant";

function checkDistinct(program: Program, what: string, named: readonly { readonly name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of named) {
    check(program, !names.has(name), 16, `two ${what} are called ${name}`);
    names.add(name);
  }
}

function checkBuffer(program: Program, { name, kind, byteLength, data }: ProgramBuffer): void {
  check(program, Number.isSafeInteger(byteLength) && byteLength >= 0, 17, `${name} has ${byteLength} bytes`);
  check(program, (kind === "constant") === (data !== undefined), 18, `${name} is ${kind}`);
  const fits = data === undefined || data.byteLength === byteLength;
  check(program, fits, 18, `${name} has ${data?.byteLength} bytes of data, not ${byteLength}`);
}

function checkCall(
  program: Program,
  call: Call,
  buffers: ReadonlySet<ProgramBuffer>,
  written: Set<ProgramBuffer>,
): void {
  const { kernel, args, flops } = call;
  const counted = args.length === kernel.buffers.length;
  check(program, counted, 20, `${args.length} arguments for ${kernel.buffers.length} buffers`, call);
  check(program, kernel.sizes.length === 0, 20, `@${kernel.name} takes sizes`, call);
  check(program, Number.isFinite(flops) && flops >= 0, 26, `${flops} flops`, call);
  args.forEach((argument, i) => {
    const parameter = kernel.buffers[i]!;
    const { buffer } = argument;
    check(program, buffers.has(buffer), 21, `${buffer.name} is not among the buffers`, call);
    checkFit(program, call, argument, parameter);
    const writes = parameter.access !== "read";
    check(program, !(writes && isGiven(buffer)), 23, `${buffer.name} is ${buffer.kind}`, call);
    check(program, writes || written.has(buffer), 24, `${buffer.name} is read before it is written`, call);
  });
  args.forEach(({ buffer }, i) => {
    if (kernel.buffers[i]!.access !== "read") written.add(buffer);
  });
  for (const pair of call.inPlace) checkPair(program, call, pair);
}

function checkFit(program: Program, call: Call, argument: CallArgument, parameter: Buffer): void {
  const { buffer, byteOffset } = argument;
  const width = dtypes[parameter.dtype].bytes;
  const sameWidth = dtypes[buffer.dtype].bytes === width;
  check(program, sameWidth, 21, `${buffer.dtype} ${buffer.name} for ${parameter.dtype}`, call);
  const startsInside = Number.isSafeInteger(byteOffset) && byteOffset >= 0 && byteOffset <= buffer.byteLength;
  check(program, startsInside, 22, `${buffer.name} + ${byteOffset} of ${buffer.byteLength} bytes`, call);
  const end = byteOffset + (parameter.elements ?? 0) * width;
  const detail = `${parameter.name} reaches byte ${end} of ${buffer.name}, which has ${buffer.byteLength}`;
  check(program, end <= buffer.byteLength, 22, detail, call);
}

function checkPair(program: Program, call: Call, [written, read]: readonly [number, number]): void {
  const { buffers } = call.kernel;
  const [target, origin] = [buffers[written], buffers[read]];
  const valid =
    target !== undefined &&
    origin !== undefined &&
    target !== origin &&
    target.access !== "read" &&
    origin.access !== "write";
  check(program, valid, 25, `pair ${written}:${read}`, call);
}

function check(program: Program, holds: boolean, invariant: Invariant, found: string, call?: Call): void {
  if (holds) return;
  const where = call === undefined ? "" : `\n  in: ${printCall(call)}`;
  throw new KilnError(
    "E_INTERNAL",
    `program @${program.name} breaks invariant ${invariant}, ${invariants[invariant]}: ${found}${where}`,
  );
}
