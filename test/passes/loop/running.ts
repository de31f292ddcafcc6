/** Runs kernels before and after passes on the same random data. */

import { type DType, dtypes } from "../../../compiler/ir/dtype.js";
import { interpretKernel } from "../../../compiler/loop/interpret.js";
import type { Kernel } from "../../../compiler/loop/ir.js";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { printKernel } from "../../../compiler/loop/print.js";
import type { Call, Program, ProgramBuffer } from "../../../compiler/loop/program.js";
import { exprsIn, statementsIn } from "../../../compiler/loop/rewrite.js";
import { verifyKernel } from "../../../compiler/loop/verify.js";
import type { LoopPass } from "../../../passes/loop/pass.js";
import { kernelModule } from "../../wasm/harness.js";

export interface RunOptions {
  readonly sizes?: readonly number[];
  /** Elements of the buffers whose extent the kernel does not know. */
  readonly elements?: number;
  /** Pairs of buffers (by position) that share their memory. */
  readonly shared?: readonly (readonly [number, number])[];
  readonly seed?: number;
}

/** Small deterministic numbers; float buffers hold small integers, so that sums are exact in any order. */
function randomBytes(dtype: DType, elements: number, next: () => number): Uint8Array {
  const array = new dtypes[dtype].array(elements);
  for (let i = 0; i < elements; i++) {
    const value = dtype === "bool" ? next() & 1 : (next() % 17) - (dtypes[dtype].kind === "uint" ? 0 : 8);
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(value);
    else array[i] = dtype === "float16" ? 0x3c00 + (next() % 4) * 0x400 : value;
  }
  return new Uint8Array(array.buffer);
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

export interface Image {
  readonly memory: Uint8Array<ArrayBuffer>;
  readonly addresses: readonly number[];
}

/** Memory with random elements in each buffer, that depend on the buffers and the seed only. */
export function imageFor(kernel: Kernel, { elements = 64, shared = [], seed = 1 }: RunOptions = {}): Image {
  const next = generator(seed);
  const addresses: number[] = [];
  let end = 16;
  const images = kernel.buffers.map((buffer, position) => {
    const image = randomBytes(buffer.dtype, buffer.elements ?? elements, next);
    const partner = shared.find(([written]) => written === position)?.[1];
    addresses.push(partner !== undefined && partner < position ? addresses[partner]! : end);
    if (partner === undefined || partner > position) end += (image.byteLength + 31) & ~15;
    return image;
  });
  const memory = new Uint8Array(end + 64);
  images.forEach((image, i) => {
    memory.set(image, addresses[i]!);
  });
  return { memory, addresses };
}

/** The memory after a kernel has run. */
export function runKernel(kernel: Kernel, run: RunOptions = {}): Uint8Array<ArrayBuffer> {
  const { memory, addresses } = imageFor(kernel, run);
  interpretKernel(kernel, { memory: memory.buffer, addresses, sizes: run.sizes ?? [] });
  return memory;
}

/** The memory that the kernel as a module leaves. */
export function runModule(kernel: Kernel, run: RunOptions = {}): Uint8Array {
  const { memory, addresses } = imageFor(kernel, run);
  const module = new WebAssembly.Module(kernelModule(kernel, Math.ceil(memory.length / 65536)));
  const exports = new WebAssembly.Instance(module).exports as {
    memory: WebAssembly.Memory;
    kernel(...args: number[]): void;
  };
  const linear = new Uint8Array(exports.memory.buffer);
  linear.set(memory);
  exports.kernel(...addresses, ...(run.sizes ?? []));
  return linear.slice(0, memory.length);
}

/** Applies passes one by one; each result must verify and leave the same memory as the kernel it was made from. */
export function checkPasses(
  kernel: Kernel,
  passes: readonly LoopPass[],
  runs: readonly RunOptions[] = [{}],
): Kernel {
  verifyKernel(kernel);
  const expected = runs.map((run) => runKernel(kernel, run));
  let current = kernel;
  for (const pass of passes) {
    current = pass.run(current);
    verifyKernel(current);
    runs.forEach((run, i) => {
      const difference = firstDifference(runKernel(current, run), expected[i]!);
      if (difference < 0) return;
      const text = `${printKernel(kernel)}\n${printKernel(current)}`;
      throw new Error(`${pass.name} changes byte ${difference} for ${JSON.stringify(run)}\n${text}`);
    });
  }
  return current;
}

/** The text of a kernel after a pass, which must keep what the kernel computes. */
export const textAfter = (pass: LoopPass, text: string, runs: readonly RunOptions[] = [{}]): string =>
  bodyText(checkPasses(parseKernel(text), [pass], runs));

/** A kernel without its head and its last brace. */
const bodyText = (kernel: Kernel): string =>
  printKernel(kernel)
    .split("\n")
    .slice(1, -1)
    .map((line) => line.slice(2))
    .join("\n");

/** Position of the first byte that differs, or -1. Matchers of the test framework are slow on large arrays. */
export const firstDifference = (a: Uint8Array, b: Uint8Array): number =>
  a.findIndex((byte, i) => byte !== b[i]);

export interface Counts {
  loops: number;
  stores: number;
  vectorStores: number;
  loads: number;
  vectorLoads: number;
  lets: number;
}

export function countKernel(kernel: Kernel): Counts {
  const counts: Counts = { loops: 0, stores: 0, vectorStores: 0, loads: 0, vectorLoads: 0, lets: 0 };
  for (const statement of statementsIn(kernel.body)) {
    if (statement.kind === "for") counts.loops += 1;
    if (statement.kind === "let") counts.lets += 1;
    if (statement.kind === "store") counts[statement.value.type.lanes > 1 ? "vectorStores" : "stores"] += 1;
  }
  for (const expr of exprsIn(kernel.body)) {
    if (expr.kind === "load") counts[expr.type.lanes > 1 && !expr.splat ? "vectorLoads" : "loads"] += 1;
  }
  return counts;
}

/** A program that calls each kernel once, on buffers of its own. */
export function programOf(kernels: readonly Kernel[]): Program {
  const calls = kernels.map((kernel): Call => {
    const args = kernel.buffers.map(({ name, dtype, elements }) => {
      const buffer: ProgramBuffer = {
        name,
        dtype,
        byteLength: (elements ?? 0) * dtypes[dtype].bytes,
        kind: "temporary",
      };
      return { buffer, byteOffset: 0 };
    });
    return { kind: "call", kernel, args, sizes: [], source: [], flops: 0, inPlace: [] };
  });
  const nothing = { buffers: [], inputs: [], outputs: [], inputShapes: [], outputShapes: [], errors: [] };
  return { name: "p", steps: calls, ...nothing };
}
