/** Loading: from a source to a model in an instance of its own. */

import { type Compiled, compile, type ModuleSource } from "./compile.js";
import { copyInto } from "./copy.js";
import { KilnRuntimeError } from "./errors.js";
import { decodeMetadata, METADATA_SECTION, type ModelMetadata } from "./metadata.js";
import { createModel, type Model } from "./model.js";
import type { Segment } from "./segments.js";
import { abortable, type Source, type SourceOptions } from "./source.js";
import { startThreads, type Workers } from "./threads.js";
import { placeWeights, verifyWeights, weightsBeside } from "./weights.js";

export interface LoadOptions extends SourceOptions {
  /**
   * Weights of a model compiled with `weights: "split"`. By default they are looked for beside the module, where it
   * is loaded from a string or URL: `name.weights` beside `name.wasm`.
   */
  weights?: Source | undefined;
  /** Hash the weights and compare with the module's metadata; costs a pass over them, and a copy of them meanwhile. */
  verifyWeights?: boolean | undefined;
  /** Told by a module compiled with `profile`: 0 as a run begins, and i + 1 after the i-th call of a kernel. */
  onKernel?: ((call: number) => void) | undefined;
  /**
   * Threads to run on, the calling one included: by default as many as there are cores, and at most 4. Only for models
   * compiled with the feature "threads"; others run on one.
   */
  threads?: number | undefined;
}

/**
 * Loads a compiled model into an instance of its own.
 * Throws E_LOAD, E_ABI or E_WEIGHTS (KilnRuntimeError), or the reason of `options.signal`.
 */
export function load(source: ModuleSource, options: LoadOptions = {}): Promise<Model> {
  return abortable(loadModel(source, options), options.signal);
}

async function loadModel(source: ModuleSource, options: LoadOptions): Promise<Model> {
  options.signal?.throwIfAborted();
  return loadCompiled(await compile(source, options), source, options);
}

/** The model of a module that was compiled from the source. Throws as `load` does. */
export async function loadCompiled(
  { module, data = [] }: Compiled,
  source: ModuleSource,
  options: LoadOptions,
): Promise<Model> {
  const [section] = WebAssembly.Module.customSections(module, METADATA_SECTION);
  if (!section) {
    throw new KilnRuntimeError("E_ABI", `not a module of Kiln: it has no section "${METADATA_SECTION}"`);
  }
  const metadata = decodeMetadata(section);
  const { name, weights, sharedMemory } = metadata;
  options.signal?.throwIfAborted();
  const workers: Workers = [];
  const instance = await instantiate(module, metadata, options.onKernel);
  const model = createModel(instance, metadata, workers);
  const memory = instance.exports.memory as WebAssembly.Memory;
  try {
    (instance.exports.warmUp as (() => void) | undefined)?.();
    // Workers begin while this thread goes on.
    if (sharedMemory) {
      if (data.length) new Int32Array(memory.buffer)[sharedMemory.placed / 4] = 1;
      startThreads(module, instance, workers, options.threads);
    }
    placeData(memory, metadata, data);
    if (!weights.embedded) {
      await placeWeights(memory, weights, options.weights ?? weightsBeside(name, source), options);
    }
    if (options.verifyWeights) await verifyWeights(memory, weights);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

async function instantiate(
  module: WebAssembly.Module,
  { name, sharedMemory }: ModelMetadata,
  mark: (call: number) => void = () => {},
): Promise<WebAssembly.Instance> {
  try {
    const memory = sharedMemory && new WebAssembly.Memory({ ...sharedMemory, shared: true });
    // Imports that a module does not ask for do not matter.
    return await WebAssembly.instantiate(module, { kiln: { mark, memory: memory! } });
  } catch (cause) {
    throw refused(name, cause);
  }
}

/** Writes data that the module is without. */
function placeData(
  { buffer }: WebAssembly.Memory,
  { name, sharedMemory }: ModelMetadata,
  data: readonly Segment[],
): void {
  try {
    const all = new Uint8Array(buffer);
    data.forEach(([constant, bytes], i) => {
      const address = constant ?? sharedMemory?.data[i];
      if (address === undefined) throw Error("it does not say where its data belong");
      copyInto(all, bytes, address);
    });
  } catch (cause) {
    throw refused(name, cause);
  }
}

const refused = (name: string, cause: unknown): KilnRuntimeError =>
  new KilnRuntimeError(
    "E_LOAD",
    `model "${name}" cannot be instantiated: ${(cause as Error).message}`,
    cause,
  );
