/** A loaded model: checks feeds, copies them in, runs, copies the results out. */

import { arrayTypes, type TypedArray } from "./elements.js";
import { KilnRuntimeError } from "./errors.js";
import type { ModelMetadata, TensorBinding } from "./metadata.js";
import {
  arrayName,
  checkData,
  checkDims,
  type Feed,
  Tensor,
  type TensorInfo,
  type TensorLike,
} from "./tensor.js";

/** A model in an instance of its own. The type parameters are for generated loaders, which know the tensors' names. */
export interface Model<I = Record<string, Feed>, O = Record<string, Tensor>> {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** As `runSync`; calls are carried out in turn, each before it returns, so feeds may be reused at once. */
  run(feeds: I): Promise<O>;
  /**
   * Copies the feeds in, runs, and returns fresh copies of the outputs.
   * Throws E_FEED (before anything is copied), E_TRAP or E_DISPOSED.
   */
  runSync(feeds: I): O;
  /** Lets go of the instance and its memory; a second call does nothing. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** The instance as a model. Throws E_ABI where its exports do not fit the metadata. */
export function createModel(instance: WebAssembly.Instance, metadata: ModelMetadata): Model {
  checkExports(instance, metadata);
  const { memory, run } = instance.exports as { memory: WebAssembly.Memory; run: () => void };
  const { name, inputs, outputs } = metadata;
  let entry: (() => void) | undefined = run;
  let bytes: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(memory.buffer as ArrayBuffer);

  function runSync(feeds: Record<string, Feed>): Record<string, Tensor> {
    if (!entry || !bytes) throw new KilnRuntimeError("E_DISPOSED", `model "${name}" was disposed`);
    const values = checkFeeds(name, inputs, feeds);
    for (const [i, value] of values.entries()) write(bytes, inputs[i]!, value);
    try {
      entry();
    } catch (cause) {
      throw new KilnRuntimeError("E_TRAP", trapMessage(name, cause), cause);
    }
    const memoryBytes = bytes;
    return Object.fromEntries(outputs.map((binding) => [binding.name, read(memoryBytes, binding)]));
  }
  const dispose = () => {
    entry = bytes = undefined;
  };
  return {
    inputs: inputs.map(info),
    outputs: outputs.map(info),
    run: async (feeds) => runSync(feeds),
    runSync,
    dispose,
    [Symbol.dispose]: dispose,
  };
}

function checkExports({ exports }: WebAssembly.Instance, metadata: ModelMetadata): void {
  const { name, inputs, outputs, weights, arena } = metadata;
  const size = (exports.memory as WebAssembly.Memory | undefined)?.buffer?.byteLength;
  if (size === undefined || typeof exports.run !== "function") {
    throw new KilnRuntimeError("E_ABI", `model "${name}" does not export memory and run`);
  }
  if ([...inputs, ...outputs, weights, arena].some((range) => range.address + range.byteLength > size)) {
    throw new KilnRuntimeError(
      "E_ABI",
      `model "${name}" places a tensor outside its memory of ${size} bytes`,
    );
  }
}

const info = ({ name, type, dims }: TensorBinding): TensorInfo =>
  Object.freeze({ name, type, dims: Object.freeze(dims) });

/** Elements of each input, in order. Throws E_FEED for an unknown, missing or unfit feed. */
function checkFeeds(
  model: string,
  inputs: readonly TensorBinding[],
  feeds: Record<string, Feed>,
): TypedArray[] {
  const known = inputs.map((input) => `"${input.name}"`).join(", ") || "none";
  if (typeof feeds !== "object" || feeds === null) {
    throw new KilnRuntimeError(
      "E_FEED",
      `feeds of "${model}" must be an object with a value for each of: ${known}`,
    );
  }
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((input) => input.name === name)) {
      throw new KilnRuntimeError("E_FEED", `model "${model}" has no input "${name}"; its inputs: ${known}`);
    }
  }
  return inputs.map((input) => {
    if (!Object.hasOwn(feeds, input.name) || feeds[input.name] === undefined) {
      throw new KilnRuntimeError(
        "E_FEED",
        `input "${input.name}" is missing; inputs of "${model}": ${known}`,
      );
    }
    return checkFeed(input, feeds[input.name]!);
  });
}

function checkFeed({ name, type, dims }: TensorBinding, feed: Feed): TypedArray {
  const what = `input "${name}"`;
  const bare = arrayName(feed) !== "" || typeof feed !== "object" || Array.isArray(feed);
  const value = (bare ? { type, data: feed, dims } : feed) as TensorLike;
  if (value.type !== type) {
    throw new KilnRuntimeError("E_FEED", `${what}: expected type ${type}, got ${value.type}`);
  }
  checkData(what, type, value.data);
  if (`${value.dims}` !== `${dims}`) {
    throw new KilnRuntimeError("E_FEED", `${what}: expected shape [${dims}], got [${value.dims}]`);
  }
  checkDims(what, value.dims, value.data);
  return value.data;
}

function write(memory: Uint8Array, { type, address }: TensorBinding, data: TypedArray): void {
  memory.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
  if (type === "bool") {
    // The compiled code relies on 0 and 1.
    for (let i = address; i < address + data.byteLength; i++) if (memory[i]) memory[i] = 1;
  }
}

function read(memory: Uint8Array<ArrayBuffer>, { type, dims, address, byteLength }: TensorBinding): Tensor {
  const { buffer } = memory.slice(address, address + byteLength);
  return new Tensor(type, new (arrayTypes.get(type)!)(buffer), dims as number[]);
}

/** Names the model and, where the engine's stack shows it (as V8's does), the function of the module. */
function trapMessage(model: string, cause: unknown): string {
  const { message, stack } = cause as Error;
  const frame = /at (\S+) \(\S*:wasm-function\[/.exec(stack ?? "")?.[1];
  return `model "${model}" trapped${frame ? ` in ${frame}` : ""}: ${message}`;
}
