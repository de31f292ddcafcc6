/** A planned program as a WebAssembly module: one function for each distinct kernel, and `run`, which calls them. */

import { METADATA_SECTION } from "../../runtime/metadata.js";
import { invariant, KilnError } from "../diagnostics.js";
import type { Kernel } from "../loop/ir.js";
import { type Call, kernelsOf, type Program, type ProgramBuffer } from "../loop/program.js";
import { type Expression, ModuleBuilder, type WasmFeatures } from "./builder.js";
import { emitKernel } from "./emit.js";
import type { OptimizationLevel } from "./passes.js";
import { assemble, functionSizes } from "./sections.js";

export interface EmissionInput {
  readonly program: Program;
  /** Byte address of every buffer of the program. */
  readonly addresses: ReadonlyMap<ProgramBuffer, number>;
  readonly memoryBytes: number;
  readonly features: WasmFeatures;
  readonly optimize: OptimizationLevel;
  /** Payload of the custom section `kiln`. */
  readonly metadata: Uint8Array;
  /** Constants whose bytes become data segments. */
  readonly embed: readonly ProgramBuffer[];
}

export interface EmittedModule {
  readonly wasm: Uint8Array;
  /** Bytes of the module beside its data section. */
  readonly codeBytes: number;
  /** Bytes of code by kernel name. */
  readonly kernelBytes: Map<string, number>;
}

const PAGE_BYTES = 65536;

/** Optimising compilers take time and memory that grow faster than the function. */
const MAX_KERNEL_BYTES = 100 * 1024;

/** Calls in one function of `run`. */
const STAGE_CALLS = 500;

/**
 * Emits the module of a program.
 *
 * @throws KilnError E_LIMIT where a kernel is too large or the module is, E_INTERNAL where its code is not valid
 */
export function emitModule(input: EmissionInput): EmittedModule {
  const { program, addresses, features, optimize, embed, metadata } = input;
  const kernels = kernelsOf(program);
  const code = emitCode(input, kernels, features, optimize);
  const segments = embed.map((buffer) => {
    invariant(buffer.data !== undefined, `${buffer.name} has no data to embed`);
    return { address: addressOf(addresses, buffer), bytes: buffer.data };
  });
  const kernelBytes = sizesOf(kernels, functionSizes(code));
  const custom = { name: METADATA_SECTION, payload: metadata };
  const codeBytes = assemble(code, [], custom).length;
  return { wasm: assemble(code, segments, custom), codeBytes, kernelBytes };
}

function emitCode(
  { program, addresses, memoryBytes }: EmissionInput,
  kernels: readonly Kernel[],
  features: WasmFeatures,
  optimize: OptimizationLevel,
): Uint8Array {
  using builder = new ModuleBuilder(features);
  builder.memory(Math.ceil(memoryBytes / PAGE_BYTES));
  const names = kernelNames(kernels);
  // Kernels come first, so that their places in the code section are those in the list.
  for (const kernel of kernels) emitKernel(builder, kernel, names.get(kernel)!);
  const calls = program.calls.map(
    (call) => (): Expression => callExpression(builder, call, names.get(call.kernel)!, addresses),
  );
  emitRun(builder, calls);
  builder.export("run");
  builder.optimize(optimize);
  return builder.binary();
}

/** A name in characters that the text format takes. */
export const wasmName = (name: string): string => name.replace(/[^A-Za-z0-9_.$-]/g, "_") || "kernel";

/** Names of the functions: those of the kernels, made distinct. */
export function kernelNames(kernels: readonly Kernel[]): Map<Kernel, string> {
  const taken = new Set(["run"]);
  const names = new Map<Kernel, string>();
  for (const kernel of kernels) {
    const base = wasmName(kernel.name);
    let name = base;
    for (let count = 2; taken.has(name); count++) name = `${base}.${count}`;
    taken.add(name);
    names.set(kernel, name);
  }
  return names;
}

function callExpression(
  builder: ModuleBuilder,
  { kernel, args }: Call,
  name: string,
  addresses: EmissionInput["addresses"],
): Expression {
  invariant(kernel.sizes.length === 0, `kernel @${kernel.name} takes sizes, calls have none`);
  invariant(kernel.buffers.length === args.length, `kernel @${kernel.name} needs an argument a buffer`);
  const operands = args.map(({ buffer, byteOffset }) => addressOf(addresses, buffer) + byteOffset);
  return builder.call(
    name,
    operands.map((address) => builder.i32(address | 0)),
  );
}

function addressOf(addresses: EmissionInput["addresses"], buffer: ProgramBuffer): number {
  const address = addresses.get(buffer);
  invariant(address !== undefined, `buffer ${buffer.name} has no address`);
  return address;
}

/** `run` makes the calls itself, or calls stages that make them where they are many. */
function emitRun(builder: ModuleBuilder, calls: readonly (() => Expression)[]): void {
  const define = (name: string, body: readonly Expression[]): void =>
    builder.function({ name, params: [], locals: [], body: builder.block(body) });
  if (calls.length <= STAGE_CALLS) {
    define(
      "run",
      calls.map((call) => call()),
    );
    return;
  }
  const stages: string[] = [];
  for (let at = 0; at < calls.length; at += STAGE_CALLS) {
    const name = `run:${stages.length}`;
    define(
      name,
      calls.slice(at, at + STAGE_CALLS).map((call) => call()),
    );
    stages.push(name);
  }
  define(
    "run",
    stages.map((stage) => builder.call(stage, [])),
  );
}

function sizesOf(kernels: readonly Kernel[], sizes: readonly number[]): Map<string, number> {
  const bytes = new Map<string, number>();
  kernels.forEach(({ name }, i) => {
    const size = sizes[i]!;
    if (size > MAX_KERNEL_BYTES) {
      throw new KilnError(
        "E_LIMIT",
        `kernel "${name}" has ${size} bytes of code, more than ${MAX_KERNEL_BYTES}`,
      );
    }
    bytes.set(name, (bytes.get(name) ?? 0) + size);
  });
  return bytes;
}
