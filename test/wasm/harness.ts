/** Runs kernels in WebAssembly and in the interpreter on the same memory, and compares every byte that either wrote. */

import { expect } from "vitest";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { interpretKernel } from "../../compiler/loop/interpret.js";
import type { Kernel } from "../../compiler/loop/ir.js";
import { withInvoked } from "../../compiler/loop/program.js";
import { ModuleBuilder, type WasmFeatures } from "../../compiler/wasm/builder.js";
import { emitKernels } from "../../compiler/wasm/emit.js";
import type { OptimizationLevel } from "../../compiler/wasm/passes.js";

export const simd: WasmFeatures = { simd: true, relaxedSimd: false };

const PAGE = 65536;

export interface RunOptions {
  readonly optimize?: OptimizationLevel;
  readonly sizes?: readonly number[];
  /** Address of the first buffer. */
  readonly base?: number;
}

/** A module whose one export beside the memory is the kernel, `kernel`. */
export function kernelModule(
  kernel: Kernel,
  pages = 1,
  optimize: OptimizationLevel = 3,
  features = simd,
): Uint8Array<ArrayBuffer> {
  using builder = new ModuleBuilder(features);
  builder.memory(pages);
  const named = withInvoked([kernel]).map((one): [Kernel, string] => [one, one.name]);
  emitKernels(builder, { names: new Map([...named, [kernel, "kernel"]]), hot: new Map() });
  builder.export("kernel");
  builder.optimize(optimize);
  return builder.binary() as Uint8Array<ArrayBuffer>;
}

interface Image {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly addresses: readonly number[];
}

/** Buffers one after the other, with a gap that nobody may write to. */
function imageOf(kernel: Kernel, contents: readonly ArrayBufferView[], base: number): Image {
  const addresses: number[] = [];
  let end = base;
  kernel.buffers.forEach((_, i) => {
    addresses.push(end);
    end += Math.ceil(contents[i]!.byteLength / 16) * 16 + 16;
  });
  const bytes = new Uint8Array(Math.ceil(end / PAGE) * PAGE).fill(0xa5);
  contents.forEach(({ buffer, byteOffset, byteLength }, i) => {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), addresses[i]);
  });
  return { bytes, addresses };
}

/** Runs a kernel both ways. Both must end with the same memory, up to the bits of NaN, or both must trap. */
export function expectSame(
  kernel: Kernel,
  contents: readonly ArrayBufferView[],
  { optimize = 3, sizes = [], base = 16 }: RunOptions = {},
): void {
  const image = imageOf(kernel, contents, base);
  const interpreted = image.bytes.slice();
  const expected = outcome(() =>
    interpretKernel(kernel, { memory: interpreted.buffer, addresses: image.addresses, sizes }),
  );
  const emitted = image.bytes.slice();
  const actual = outcome(() => runWasm(kernel, emitted, image.addresses, sizes, optimize));
  expect(actual, kernel.name).toBe(expected);
  if (expected === "trapped") return;
  for (const memory of [interpreted, emitted]) normaliseNaN(kernel, contents, memory, image.addresses);
  if (Buffer.compare(interpreted, emitted) === 0) return;
  const at = interpreted.findIndex((byte, i) => byte !== emitted[i]);
  expect.fail(`${kernel.name} differs at ${placeOf(kernel, image.addresses, at)}`);
}

function outcome(run: () => void): "returned" | "trapped" {
  try {
    run();
    return "returned";
  } catch (error) {
    const isTrap = error instanceof WebAssembly.RuntimeError || (error as Error).name === "Trap";
    if (!isTrap) throw error;
    return "trapped";
  }
}

function runWasm(
  kernel: Kernel,
  memory: Uint8Array,
  addresses: readonly number[],
  sizes: readonly number[],
  optimize: OptimizationLevel,
): void {
  const module = new WebAssembly.Module(kernelModule(kernel, memory.length / PAGE, optimize));
  const instance = new WebAssembly.Instance(module);
  const exports = instance.exports as { memory: WebAssembly.Memory; kernel(...args: number[]): void };
  const linear = new Uint8Array(exports.memory.buffer);
  linear.set(memory);
  exports.kernel(...addresses, ...sizes);
  memory.set(linear);
}

/** The sign and payload of a NaN are up to the engine. */
function normaliseNaN(
  kernel: Kernel,
  contents: readonly ArrayBufferView[],
  memory: Uint8Array<ArrayBuffer>,
  addresses: readonly number[],
): void {
  kernel.buffers.forEach(({ dtype }, i) => {
    if (dtype !== "float32" && dtype !== "float64") return;
    const Elements = dtype === "float32" ? Float32Array : Float64Array;
    const elements = new Elements(memory.buffer, addresses[i], contents[i]!.byteLength / dtypes[dtype].bytes);
    elements.forEach((value, at) => {
      if (Number.isNaN(value)) elements[at] = Number.NaN;
    });
  });
}

function placeOf(kernel: Kernel, addresses: readonly number[], at: number): string {
  const i = addresses.findLastIndex((address) => address <= at);
  const { name, dtype } = kernel.buffers[i]!;
  return `${name}[${Math.floor((at - addresses[i]!) / dtypes[dtype].bytes)}]`;
}

/** Elements of a dtype from numbers, wrapped as typed arrays wrap them. */
export function elements(dtype: DType, values: readonly (number | bigint)[]): ArrayBufferView {
  const array = new dtypes[dtype].array(values.length);
  values.forEach((value, i) => {
    array[i] = (typeof array[i] === "bigint" ? BigInt(value) : Number(value)) as never;
  });
  return array;
}
