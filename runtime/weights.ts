/** Weights in a file of their own: written straight into linear memory, never held twice. */

import { KilnRuntimeError } from "./errors.js";
import type { WeightsBinding } from "./metadata.js";
import { diagnose, isLocation, open, type Source, type SourceOptions } from "./source.js";

/**
 * Writes the weights from `source` to their place in memory.
 * Throws E_LOAD where they cannot be read, E_WEIGHTS where they have another size.
 */
export async function placeWeights(
  memory: WebAssembly.Memory,
  { address, byteLength }: WeightsBinding,
  source: Source,
  options: SourceOptions,
): Promise<void> {
  const opened = await open(source, options);
  const target = new Uint8Array(memory.buffer, address, byteLength);
  const length = await opened.copyTo(target);
  if (length !== byteLength) {
    const got = length > byteLength ? "more" : length;
    throw new KilnRuntimeError(
      "E_WEIGHTS",
      `${opened.label}: expected ${byteLength} bytes of weights, got ${got}${diagnose(target)}`,
    );
  }
}

/** Where split weights lie unless the user says so: beside the module. Throws E_WEIGHTS where that says nothing. */
export function weightsBeside(model: string, source: unknown): string {
  const text = isLocation(source) ? `${source}` : "";
  const beside = text.replace(/\.wasm(?=$|[?#])/, ".weights");
  if (beside !== text) return beside;
  throw new KilnRuntimeError(
    "E_WEIGHTS",
    `model "${model}" has its weights in a file of their own: pass options.weights`,
  );
}

/** Throws E_WEIGHTS unless the weights in memory have the digest of the metadata. */
export async function verifyWeights(memory: WebAssembly.Memory, weights: WeightsBinding): Promise<void> {
  const { address, byteLength, sha256 } = weights;
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new KilnRuntimeError("E_WEIGHTS", "verifyWeights needs crypto.subtle: a secure context");
  let bytes = new Uint8Array(memory.buffer as ArrayBuffer, address, byteLength);
  // Shared memory cannot be hashed in place.
  if (!(memory.buffer instanceof ArrayBuffer)) bytes = bytes.slice();
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== sha256) {
    throw new KilnRuntimeError("E_WEIGHTS", `weights: expected sha256 ${sha256}, got ${hex}`);
  }
}
