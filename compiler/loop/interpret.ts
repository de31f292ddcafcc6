/**
 * Runs kernels and programs of Loop IR without compiling them to WebAssembly: the oracle that tests and passes compare
 * with.
 */

import { KilnError } from "../diagnostics.js";
import type { EvaluationOptions } from "./evaluate.js";
import { compileKernel } from "./interpret-kernel.js";
import type { Kernel } from "./ir.js";
import { kernelsOf, type Program, type ProgramBuffer } from "./program.js";

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

/** Runs a program on the bytes of its inputs, by name; gives the bytes of its outputs, by name. */
export function interpretProgram(
  program: Program,
  inputs: ReadonlyMap<string, Uint8Array>,
  options?: EvaluationOptions,
): Map<string, Uint8Array> {
  checkInputs(program, inputs);
  const { memory, addresses } = imageOf(program, inputs);
  const kernels = new Map(kernelsOf(program).map((kernel) => [kernel, compileKernel(kernel, options)]));
  const view = new DataView(memory.buffer);
  for (const { kernel, args } of program.calls) {
    kernels.get(kernel)!({
      memory: view,
      addresses: args.map(({ buffer, byteOffset }) => addresses.get(buffer)! + byteOffset),
      ends: args.map(({ buffer }) => addresses.get(buffer)! + buffer.byteLength),
      sizes: [],
    });
  }
  const bytesOf = (buffer: ProgramBuffer): Uint8Array => {
    const start = addresses.get(buffer)!;
    return memory.slice(start, start + buffer.byteLength);
  };
  return new Map(program.outputs.map((buffer) => [buffer.name, bytesOf(buffer)]));
}

function checkInputs(program: Program, inputs: ReadonlyMap<string, Uint8Array>): void {
  for (const { name, byteLength } of program.inputs) {
    const given = inputs.get(name)?.byteLength;
    if (given === byteLength) continue;
    const found = given === undefined ? "is missing" : `has ${given} bytes, not ${byteLength}`;
    throw new KilnError("E_INPUT", `input "${name}" of program @${program.name} ${found}`);
  }
}

/**
 * One memory in which no two buffers share a byte. What nobody has written yet is all ones, that is NaN or -1, so that
 * a kernel that reads it shows.
 */
function imageOf(
  program: Program,
  inputs: ReadonlyMap<string, Uint8Array>,
): { memory: Uint8Array; addresses: Map<ProgramBuffer, number> } {
  const addresses = new Map<ProgramBuffer, number>();
  let end = 0;
  for (const buffer of program.buffers) {
    addresses.set(buffer, end);
    end += Math.ceil(buffer.byteLength / 16) * 16;
  }
  const memory = new Uint8Array(end).fill(0xff);
  for (const buffer of program.buffers) {
    const data = buffer.kind === "input" ? inputs.get(buffer.name) : buffer.data;
    if (data !== undefined) memory.set(data, addresses.get(buffer)!);
  }
  return { memory, addresses };
}
