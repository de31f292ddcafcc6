/** A loaded model: checks feeds, copies them in, runs, copies the results out. */

import { arrayTypes, bytesOf, elementsPerEntry, isDim, sizeOf, type TypedArray } from "./elements.js";
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
import type { Workers } from "./threads.js";

/** A model in an instance of its own. The type parameters are for generated loaders, which know the tensors' names. */
export interface Model<I = Record<string, Feed>, O = Record<string, Tensor>> {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** As `runSync`; calls are carried out in turn, each before it returns, so feeds may be reused at once. */
  run(feeds: I): Promise<O>;
  /**
   * Copies the feeds in, runs, and returns fresh copies of the outputs.
   * Throws E_FEED (before anything is copied), E_RUN (an error that names a node), E_TRAP or E_DISPOSED.
   */
  runSync(feeds: I): O;
  /** Sets all states to zero, as they were before the first run. */
  reset(): void;
  /** Copies of the states, by name. */
  exportStates(): Record<string, Tensor>;
  /** Sets the states that are given. Throws E_FEED, before anything changes, where one does not fit. */
  importStates(states: Readonly<Record<string, Feed>>): void;
  /** Ends the threads, and lets go of the instance and its memory; a second call does nothing. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** The instance as a model. Throws E_ABI where its exports do not fit the metadata. */
export function createModel(
  instance: WebAssembly.Instance,
  metadata: ModelMetadata,
  workers: Workers,
): Model {
  checkExports(instance, metadata);
  const { name, inputs, outputs, states } = metadata;
  let session: Session | undefined = new Session(instance.exports as unknown as Exports, metadata);

  function live(): Session {
    if (!session) throw new KilnRuntimeError("E_DISPOSED", `model "${name}" was disposed`);
    return session;
  }
  const runSync = (feeds: Record<string, Feed>) => live().run(checkFeeds(metadata, feeds));
  const dispose = () => {
    session = undefined;
    for (const worker of workers.splice(0)) worker.terminate();
  };
  return {
    inputs: inputs.map(info),
    outputs: outputs.map(info),
    run: async (feeds) => runSync(feeds),
    runSync,
    reset: () => live().reset(),
    exportStates: () => live().readAll(states),
    importStates: (given) => live().writeStates(checkStates(metadata, given)),
    dispose,
    [Symbol.dispose]: dispose,
  };
}

type Entry = () => number;

interface Exports {
  memory: WebAssembly.Memory;
  run: Entry;
  prepare?: Entry;
}

/** An instance and what its memory holds. */
class Session {
  /** Values of the symbols that the module is prepared for. */
  private prepared: string | undefined;

  constructor(
    private readonly exports: Exports,
    private readonly metadata: ModelMetadata,
  ) {}

  run({ values, symbols }: CheckedFeeds): Record<string, Tensor> {
    const { inputs, outputs } = this.metadata;
    this.bind(symbols);
    for (const [i, value] of values.entries()) this.write(inputs[i]!, value);
    this.call(this.exports.run);
    return this.readAll(outputs);
  }

  readAll(bindings: readonly TensorBinding[]): Record<string, Tensor> {
    return Object.fromEntries(bindings.map((binding) => [binding.name, this.read(binding)]));
  }

  reset(): void {
    for (const { address, byteLength } of this.metadata.states) {
      new Uint8Array(this.exports.memory.buffer, address, byteLength).fill(0);
    }
  }

  writeStates(values: ReadonlyMap<TensorBinding, TypedArray>): void {
    for (const [state, value] of values) this.write(state, value);
  }

  private bind(values: ReadonlyMap<string, number>): void {
    const { symbols } = this.metadata;
    const { prepare } = this.exports;
    const wanted = symbols.map(({ name }) => values.get(name)).join();
    if (!prepare || wanted === this.prepared) return;
    this.prepared = undefined;
    for (const { name, cell } of symbols) this.view().setInt32(cell, values.get(name)!, true);
    this.call(prepare);
    this.prepared = wanted;
  }

  private call(entry: Entry): void {
    const { name, errors } = this.metadata;
    let number: number;
    try {
      number = entry();
    } catch (cause) {
      throw new KilnRuntimeError("E_TRAP", trapMessage(name, cause), cause);
    }
    if (!number) return;
    const { node, message } = errors[number - 1] ?? { message: `error ${number}` };
    throw new KilnRuntimeError("E_RUN", `model "${name}"${node ? `, node "${node}"` : ""}: ${message}`);
  }

  /** Memory may have grown since the last look. */
  private view(): DataView {
    return new DataView(this.exports.memory.buffer);
  }

  private write(binding: TensorBinding, data: TypedArray): void {
    const memory = new Uint8Array(this.exports.memory.buffer);
    const address = this.addressOf(binding);
    memory.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
    if (binding.type === "bool") {
      // The compiled code relies on 0 and 1.
      for (let i = address; i < address + data.byteLength; i++) if (memory[i]) memory[i] = 1;
    }
  }

  private read(binding: TensorBinding): Tensor {
    const array = arrayTypes.get(binding.type)!;
    const cells = "cells" in binding ? binding.cells.dims : [];
    const dims = binding.dims.map((dim, i) =>
      typeof dim === "number" ? dim : this.view().getInt32(cells[i]!, true),
    );
    const address = this.addressOf(binding);
    const size = sizeOf(dims);
    // A slice of the array, not of the buffer: that of a shared buffer would be shared too.
    const bytes = new Uint8Array(this.exports.memory.buffer, address, bytesOf(binding.type, size)).slice();
    const perEntry = elementsPerEntry(binding.type);
    const inLast = size % perEntry;
    // Bits behind the last element are left over from what lay there before.
    if (inLast) bytes[bytes.length - 1]! &= (1 << ((inLast * 8) / perEntry)) - 1;
    return new Tensor(binding.type, new array(bytes.buffer), dims);
  }

  private addressOf(binding: TensorBinding): number {
    return "cells" in binding ? this.view().getInt32(binding.cells.address, true) : binding.address;
  }
}

function checkExports({ exports }: WebAssembly.Instance, metadata: ModelMetadata): void {
  const { name, inputs, outputs, weights, arena, symbols, states } = metadata;
  const size = (exports.memory as WebAssembly.Memory | undefined)?.buffer?.byteLength;
  if (size === undefined || typeof exports.run !== "function") {
    throw new KilnRuntimeError("E_ABI", `model "${name}" does not export memory and run`);
  }
  const isDynamic = [...inputs, ...outputs].some((binding) => "cells" in binding);
  if (isDynamic && typeof exports.prepare !== "function") {
    throw new KilnRuntimeError("E_ABI", `model "${name}" does not export prepare`);
  }
  const ranges = [...inputs, ...outputs].flatMap((binding) =>
    "cells" in binding
      ? [binding.cells.address, ...binding.cells.dims].map((cell) => ({ address: cell ?? 0, byteLength: 4 }))
      : [binding],
  );
  const cells = symbols.map(({ cell }) => ({ address: cell, byteLength: 4 }));
  if (
    [...ranges, ...cells, ...states, weights, arena].some((range) => range.address + range.byteLength > size)
  ) {
    throw new KilnRuntimeError(
      "E_ABI",
      `model "${name}" places a tensor outside its memory of ${size} bytes`,
    );
  }
}

const info = ({ name, type, dims }: TensorBinding): TensorInfo =>
  Object.freeze({ name, type, dims: Object.freeze(dims) });

interface CheckedFeeds {
  /** Elements of each input, in order. */
  values: TypedArray[];
  symbols: Map<string, number>;
}

/** Throws E_FEED for an unknown, missing or unfit feed. */
function checkFeeds(
  { name: model, inputs, symbols }: ModelMetadata,
  feeds: Record<string, Feed>,
): CheckedFeeds {
  const known = checkNames(model, "input", inputs, feeds);
  const bound = new Map<string, number>();
  const values = inputs.map((input) => {
    if (!Object.hasOwn(feeds, input.name) || feeds[input.name] === undefined) {
      throw new KilnRuntimeError(
        "E_FEED",
        `input "${input.name}" is missing; inputs of "${model}": ${known}`,
      );
    }
    return checkFeed("input", input, feeds[input.name]!, bound);
  });
  for (const { name, min, max } of symbols) {
    const value = bound.get(name)!;
    if (value < min || value > max) {
      throw new KilnRuntimeError(
        "E_FEED",
        `dim "${name}" of "${model}" is ${value}, not within ${min}..${max}`,
      );
    }
  }
  return { values, symbols: bound };
}

function checkStates({ name: model, states }: ModelMetadata, given: Record<string, Feed>) {
  checkNames(model, "state", states, given);
  const wanted = states.filter(({ name }) => given[name] !== undefined);
  return new Map(
    wanted.map((state) => [state, checkFeed("state", state, given[state.name]!, new Map())] as const),
  );
}

/** Throws E_FEED unless the values are of names that there are; gives these as a list to read. */
function checkNames(model: string, kind: string, bindings: TensorBinding[], values: object): string {
  const known = bindings.map(({ name }) => `"${name}"`).join(", ") || "none";
  if (typeof values !== "object" || values === null) {
    throw new KilnRuntimeError(
      "E_FEED",
      `${kind === "input" ? "feeds" : "states"} of "${model}" must be an object with a value for each of: ${known}`,
    );
  }
  for (const name of Object.keys(values)) {
    if (!bindings.some((binding) => binding.name === name)) {
      throw new KilnRuntimeError(
        "E_FEED",
        `model "${model}" has no ${kind} "${name}"; its ${kind}s: ${known}`,
      );
    }
  }
  return known;
}

function checkFeed(
  kind: string,
  { name, type, dims }: TensorBinding,
  feed: Feed,
  bound: Map<string, number>,
): TypedArray {
  const what = `${kind} "${name}"`;
  const bare = arrayName(feed) !== "" || typeof feed !== "object" || Array.isArray(feed);
  const value = (bare ? { type, data: feed, dims } : feed) as TensorLike;
  if (value.type !== type) {
    throw new KilnRuntimeError("E_FEED", `${what}: expected type ${type}, got ${value.type}`);
  }
  checkData(what, type, value.data);
  if (bare && !dims.every(isDim)) {
    throw new KilnRuntimeError("E_FEED", `${what}: its shape [${dims}] is open: give a tensor with dims`);
  }
  const fits = (size: number, i: number): boolean => {
    const dim = dims[i]!;
    if (typeof dim === "number") return size === dim;
    if (!bound.has(dim)) bound.set(dim, size);
    return bound.get(dim) === size;
  };
  const isList = Array.isArray(value.dims);
  if (isList ? value.dims.length !== dims.length || !value.dims.every(fits) : `${value.dims}` !== `${dims}`) {
    const shape = dims.map((dim) => (bound.has(dim as string) ? `${dim}=${bound.get(dim as string)}` : dim));
    throw new KilnRuntimeError("E_FEED", `${what}: expected shape [${shape}], got [${value.dims}]`);
  }
  checkDims(what, type, value.dims, value.data);
  return value.data;
}

/** Names the model and, where the engine's stack shows it (as V8's does), the function of the module. */
function trapMessage(model: string, cause: unknown): string {
  const { message, stack } = cause as Error;
  const frame = /at (\S+) \(\S*:wasm-function\[/.exec(stack ?? "")?.[1];
  return `model "${model}" trapped${frame ? ` in ${frame}` : ""}: ${message}`;
}
