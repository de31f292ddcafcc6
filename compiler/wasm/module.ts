/** A planned program as a WebAssembly module: one function for each distinct kernel, and `run`, which calls them. */

import type { MemoryPlan } from "../../passes/memory/plan.js";
import { METADATA_SECTION, type SharedMemory } from "../../runtime/metadata.js";
import { invariant, KilnError } from "../diagnostics.js";
import type { Kernel } from "../loop/ir.js";
import type { Call, Program, ProgramBuffer, RunError } from "../loop/program.js";
import { ModuleBuilder, type WasmFeatures } from "./builder.js";
import { emitKernels } from "./emit.js";
import type { OptimizationLevel } from "./passes.js";
import { allKernels, emitRun } from "./run.js";
import { assemble, assemblePassive, type DataSegment, functionSizes, withoutZeros } from "./sections.js";
import { emitInit, PLACED_ADDRESS } from "./threads.js";
import { emitWarmUp, hotKernels } from "./warm-up.js";

export interface EmissionInput {
  readonly program: Program;
  readonly plan: Pick<MemoryPlan, "addresses" | "memoryBytes" | "dynamic">;
  /** Bytes of memory that the module may have. */
  readonly memoryLimit: number;
  readonly features: WasmFeatures;
  readonly optimize: OptimizationLevel;
  /** The host is told of every call (see `run.ts`): the module imports a function then. */
  readonly profile?: boolean;
  /** Payload of the custom section `kiln`, given what only the emitter knows of the module. */
  readonly metadata: (emitted: EmittedFacts) => Uint8Array;
  /** Constants whose bytes become data segments. */
  readonly embed: readonly ProgramBuffer[];
}

export interface EmittedFacts {
  /** What the numbers of errors mean. */
  readonly errors: readonly RunError[];
  /** What the numbers of calls mean. */
  readonly calls: readonly EmittedCall[];
  /** Of a module with threads: its memory, and where the data belong. */
  readonly sharedMemory?: SharedMemory;
}

export interface EmittedModule {
  readonly wasm: Uint8Array;
  /** Bytes of the module beside its data section. */
  readonly codeBytes: number;
  /** Bytes of code by kernel name. */
  readonly kernelBytes: Map<string, number>;
  /** Every call of `run`, in the order of the numbers that a profiled module tells. */
  readonly calls: readonly EmittedCall[];
}

export interface EmittedCall {
  /** Name of the function. */
  readonly kernel: string;
  readonly call: Call;
}

const PAGE_BYTES = 65536;

/** Each costs an instruction of `init` and a number of the metadata: more than what longer runs of zeros would. */
const MAX_PASSIVE_SEGMENTS = 128;

/** Optimising compilers take time and memory that grow faster than the function. */
const MAX_KERNEL_BYTES = 100 * 1024;

/**
 * Emits the module of a program.
 *
 * @throws KilnError E_LIMIT where a kernel is too large or the module is, E_INTERNAL where its code is not valid
 */
export function emitModule(input: EmissionInput): EmittedModule {
  const { program, plan, embed, metadata } = input;
  const kernels = allKernels(program, plan.dynamic);
  const segments = embed.map((buffer) => {
    invariant(buffer.data !== undefined, `${buffer.name} has no data to embed`);
    return { address: addressOf(plan.addresses, buffer), bytes: buffer.data };
  });
  if (plan.dynamic !== null) {
    const { address, data } = plan.dynamic.table;
    segments.push({ address, bytes: data });
  }
  const passive = input.features.threads ? withoutZeros(segments, MAX_PASSIVE_SEGMENTS) : null;
  const { code, errors, calls } = emitCode(input, kernels, passive);
  const kernelBytes = sizesOf(kernels, functionSizes(code));
  const sharedMemory = passive && {
    ...memoryPages(plan, input.memoryLimit),
    placed: PLACED_ADDRESS,
    data: passive.map(({ address }) => address),
  };
  const facts = { errors, calls, ...(sharedMemory && { sharedMemory }) };
  const custom = { name: METADATA_SECTION, payload: metadata(facts) };
  if (passive !== null) {
    const wasm = assemblePassive(code, passive, custom);
    return { wasm, codeBytes: assemblePassive(code, [], custom).length, kernelBytes, calls };
  }
  const codeBytes = assemble(code, [], custom).length;
  return { wasm: assemble(code, segments, custom), codeBytes, kernelBytes, calls };
}

function emitCode(
  { program, plan, memoryLimit, features, optimize, profile = false }: EmissionInput,
  kernels: readonly Kernel[],
  passive: readonly DataSegment[] | null,
): Pick<EmittedModule, "calls"> & { code: Uint8Array; errors: readonly RunError[] } {
  using builder = new ModuleBuilder(features);
  const { addresses, dynamic } = plan;
  const { initial, maximum } = memoryPages(plan, memoryLimit);
  if (passive === null) builder.memory(initial, maximum);
  else builder.sharedMemory(["kiln", "memory"], initial, maximum, passive.length);
  const names = kernelNames(kernels);
  const functions = { names, hot: hotKernels(program) };
  // Kernels come first, so that their places in the code section are those in the list.
  emitWarmUp(builder, emitKernels(builder, functions));
  if (passive !== null) emitInit(builder, passive);
  const { errors, calls } = emitRun(
    builder,
    { program, addresses, dynamic, memoryLimit, profile },
    functions,
  );
  builder.optimize(optimize);
  const named = calls.map((call) => ({ kernel: names.get(call.kernel)!, call }));
  return { code: builder.binary(), errors, calls: named };
}

/** Pages of memory at the start of a module, and at most. */
function memoryPages(
  { memoryBytes, dynamic }: Pick<MemoryPlan, "memoryBytes" | "dynamic">,
  memoryLimit: number,
): { initial: number; maximum: number } {
  const initial = Math.ceil(memoryBytes / PAGE_BYTES);
  const maximum = dynamic === null ? initial : Math.floor(dynamic.limit(memoryLimit) / PAGE_BYTES);
  return { initial, maximum };
}

/** A name in characters that the text format takes. */
export const wasmName = (name: string): string => name.replace(/[^A-Za-z0-9_.$-]/g, "_") || "kernel";

/** Names of the functions: those of the kernels, made distinct. */
export function kernelNames(kernels: readonly Kernel[]): Map<Kernel, string> {
  const taken = new Set(["run", "prepare"]);
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

function addressOf(addresses: ReadonlyMap<ProgramBuffer, number>, buffer: ProgramBuffer): number {
  const address = addresses.get(buffer);
  invariant(address !== undefined, `buffer ${buffer.name} has no address`);
  return address;
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
