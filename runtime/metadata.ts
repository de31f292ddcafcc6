/**
 * What a compiled module says of itself: JSON in its custom section `kiln`. runtime/ABI.md documents it for hosts
 * in other languages. This is the only file of the runtime that the compiler imports.
 */

import { arrayTypes, isDim, sizeOf, type TensorType } from "./elements.js";
import { KilnRuntimeError } from "./errors.js";

export type { TensorType } from "./elements.js";

/** ABI version that this package writes and reads. */
export const ABI_VERSION = 1;

/** Name of the custom section that holds the metadata. */
export const METADATA_SECTION = "kiln";

/** A range of linear memory, in bytes. */
interface MemoryRange {
  address: number;
  byteLength: number;
}

/** A tensor at a fixed place in linear memory. A string among the dims names a symbolic one (no ABI 1 module has any). */
export interface TensorBinding extends MemoryRange {
  name: string;
  type: TensorType;
  dims: (number | string)[];
}

export interface WeightsBinding extends MemoryRange {
  /** False: the bytes are in a file of their own, to be written at `address` before the first run. */
  embedded: boolean;
  /** Lower-case hexadecimal digest of the weights as they lie in memory. */
  sha256: string;
}

export interface ModelMetadata {
  abi: typeof ABI_VERSION;
  /** Compiler and version, such as "onnx-kiln 0.1.0". */
  producer: string;
  /** Name of the model. */
  name: string;
  /** WebAssembly features that the module was compiled for: "simd128", "relaxed-simd". */
  features: string[];
  inputs: TensorBinding[];
  outputs: TensorBinding[];
  weights: WeightsBinding;
  arena: MemoryRange;
  /** Tensors that live across runs; empty in ABI 1. */
  states: TensorBinding[];
}

/** Payload of the custom section `kiln`: UTF-8 JSON, its keys in the order given. */
export function encodeMetadata(metadata: ModelMetadata): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(metadata));
}

/** Reads the payload of the section `kiln`. Throws E_ABI where it is damaged, or of an ABI this runtime cannot run. */
export function decodeMetadata(payload: BufferSource): ModelMetadata {
  const metadata = parse(payload);
  if (metadata?.abi !== ABI_VERSION) {
    throw new KilnRuntimeError(
      "E_ABI",
      `the module follows Kiln ABI version ${metadata?.abi}, this runtime reads version ${ABI_VERSION}: ` +
        "use the onnx-kiln that compiled it, or compile it again",
    );
  }
  const { name, features, inputs, outputs, weights, arena } = metadata;
  expect(typeof name === "string", "name");
  expect(Array.isArray(features) && features.every((feature) => typeof feature === "string"), "features");
  expect(isRange(weights) && typeof weights.embedded === "boolean", "weights");
  expect(isRange(arena), "arena");
  expect(Array.isArray(inputs), "inputs");
  expect(Array.isArray(outputs), "outputs");
  for (const binding of [...inputs, ...outputs]) checkBinding(binding);
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
  const symbol = binding.dims.find((dim) => typeof dim === "string");
  if (symbol !== undefined) {
    throw new KilnRuntimeError(
      "E_ABI",
      `tensor "${name}" has the dynamic dimension "${symbol}", which this runtime cannot run yet: ` +
        `compile the model with a value for it (--dim ${symbol}=N)`,
    );
  }
  expect(binding.dims.every(isDim), `dims of tensor "${name}"`);
  const bytes = sizeOf(binding.dims as number[]) * array.BYTES_PER_ELEMENT;
  expect(isRange(binding) && binding.byteLength === bytes, `memory of tensor "${name}"`);
}

const isRange = (range: MemoryRange): boolean => isDim(range?.address) && isDim(range.byteLength);

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new KilnRuntimeError("E_ABI", `metadata of the module are damaged: ${what}`);
}
