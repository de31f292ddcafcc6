/**
 * What a compiled module says of itself: JSON in its custom section `kiln`. runtime/ABI.md documents it for hosts
 * in other languages. This is the only file of the runtime that the compiler imports.
 */

import { arrayTypes, bytesOf, isDim, sizeOf, type TensorType } from "./elements.js";
import { KilnRuntimeError } from "./errors.js";

export type { TensorType } from "./elements.js";

/** ABI version that this package writes and reads. */
export const ABI_VERSION = 2;

/** Name of the custom section that holds the metadata. */
export const METADATA_SECTION = "kiln";

/** A range of linear memory, in bytes. */
interface MemoryRange {
  address: number;
  byteLength: number;
}

/**
 * A tensor in linear memory: at a fixed place, or at one that the module tells through cells (int32 in memory), where
 * its dims may be strings: of an input they name symbols, of an output they are expressions of them.
 */
export type TensorBinding = FixedBinding | DynamicBinding;

interface Described {
  name: string;
  type: TensorType;
}

export interface FixedBinding extends Described, MemoryRange {
  dims: number[];
}

export interface DynamicBinding extends Described {
  dims: (number | string)[];
  /** Addresses of the cells that hold the tensor's address and its dims; null for dims that are numbers. */
  cells: { address: number; dims: (number | null)[] };
}

/** A symbol of the inputs' dims: the host writes its value to the cell before it calls `prepare`. */
export interface SymbolBinding {
  name: string;
  cell: number;
  min: number;
  max: number;
}

export interface WeightsBinding extends MemoryRange {
  /** False: the bytes are in a file of their own, to be written at `address` before the first run. */
  embedded: boolean;
  /** Lower-case hexadecimal digest of the weights as they lie in memory. */
  sha256: string;
}

/** The memory that a module with threads imports. */
export interface SharedMemory {
  /** In pages. */
  initial: number;
  maximum: number;
  /** Address of an int32: where it is not 0, `init` takes the data to be in place. */
  placed: number;
  /** Addresses of the passive data segments. */
  data: number[];
}

/** Something that can only be found wrong while the model runs. */
export interface RunErrorInfo {
  message: string;
  /** Name of the node, where it is one's. */
  node?: string;
}

/** A call of a kernel in `run`, as a module compiled with `profile` tells of it. */
export interface ProfiledCall {
  /** Name of the function. */
  readonly kernel: string;
  /** Names of the ONNX nodes that it computes, and what they are. */
  readonly nodes: readonly string[];
  readonly operators: readonly string[];
  /** Types of what the first of the nodes reads and the last one gives, such as `float32[1, 64, 56, 56]`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Multiply-adds of convolutions and matrix products count two; 0 where only the run knows. */
  readonly flops: number;
  /** Bytes of the tensors that it takes. */
  readonly bytes: number;
}

export interface ModelMetadata {
  abi: typeof ABI_VERSION;
  /** Compiler and version, such as "onnx-kiln 0.1.0". */
  producer: string;
  /** Name of the model. */
  name: string;
  /** WebAssembly features that the module was compiled for: "simd128", "relaxed-simd", "threads". */
  features: string[];
  inputs: TensorBinding[];
  outputs: TensorBinding[];
  weights: WeightsBinding;
  /** Working memory; of a module with symbols it begins there and grows as it is needed. */
  arena: MemoryRange;
  /** Empty where all shapes are fixed: then there is no `prepare` either. */
  symbols: SymbolBinding[];
  /** What the numbers that `run` and `prepare` return mean, from 1 on. */
  errors: RunErrorInfo[];
  /** Tensors that live across runs, all zero at first. */
  states: FixedBinding[];
  /** Of a module with threads. */
  sharedMemory?: SharedMemory;
  /** Of a module compiled with `profile`: its calls, in the order of the numbers that it tells its host. */
  calls?: ProfiledCall[];
}

/** Reads the payload of the custom section `kiln`: UTF-8 JSON. Throws E_ABI where it is damaged, or of an ABI this runtime cannot run. */
export function decodeMetadata(payload: BufferSource): ModelMetadata {
  const metadata = parse(payload);
  if (metadata?.abi !== ABI_VERSION) {
    throw new KilnRuntimeError(
      "E_ABI",
      `the module follows Kiln ABI version ${metadata?.abi}, this runtime reads version ${ABI_VERSION}: ` +
        "use the onnx-kiln that compiled it, or compile it again",
    );
  }
  const { name, features, inputs, outputs, weights, arena, symbols, errors, states } = metadata;
  expect(typeof name === "string", "name");
  expect(Array.isArray(features) && features.every((feature) => typeof feature === "string"), "features");
  expect(isRange(weights) && typeof weights.embedded === "boolean", "weights");
  expect(isRange(arena), "arena");
  expect(Array.isArray(inputs), "inputs");
  expect(Array.isArray(outputs), "outputs");
  expect(Array.isArray(errors), "errors");
  expect(Array.isArray(states) && states.every((state) => !("cells" in state)), "states");
  expect(
    Array.isArray(symbols) && symbols.every(({ name, cell }) => typeof name === "string" && isDim(cell)),
    "symbols",
  );
  if (metadata.sharedMemory) {
    const { placed, data } = metadata.sharedMemory;
    expect(isDim(placed) && Array.isArray(data) && data.every(isDim), "sharedMemory");
  }
  for (const binding of [...inputs, ...outputs, ...states]) checkBinding(binding);
  for (const { dims, name } of inputs) {
    const isKnown = (dim: number | string) => isDim(dim) || symbols.some((symbol) => symbol.name === dim);
    expect(dims.every(isKnown), `dims of tensor "${name}"`);
  }
  return metadata;
}

function parse(payload: BufferSource): ModelMetadata {
  try {
    return JSON.parse(new TextDecoder().decode(payload)) as ModelMetadata;
  } catch (cause) {
    throw new KilnRuntimeError("E_ABI", `section "${METADATA_SECTION}" is not JSON`, cause);
  }
}

function checkBinding(binding: TensorBinding): void {
  const name = binding?.name;
  expect(typeof name === "string", "name of a tensor");
  const array = arrayTypes.get(binding.type);
  expect(array, `type of tensor "${name}"`);
  expect(Array.isArray(binding.dims), `dims of tensor "${name}"`);
  const { dims } = binding;
  expect(
    dims.every((dim) => isDim(dim) || typeof dim === "string"),
    `dims of tensor "${name}"`,
  );
  if ("cells" in binding) {
    const cells = [binding.cells?.address, ...(binding.cells?.dims ?? [])];
    expect(cells.length === dims.length + 1, `cells of tensor "${name}"`);
    expect(
      cells.every((cell, i) => isDim(cell) || (i > 0 && isDim(dims[i - 1]))),
      `cells of tensor "${name}"`,
    );
    return;
  }
  const bytes = bytesOf(binding.type, sizeOf(dims as number[]));
  expect(isRange(binding) && binding.byteLength === bytes, `memory of tensor "${name}"`);
}

const isRange = (range: MemoryRange): boolean => isDim(range?.address) && isDim(range.byteLength);

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new KilnRuntimeError("E_ABI", `metadata of the module are damaged: ${what}`);
}
