/** The overloads of `create` and `run`, told apart and checked as onnxruntime-common does. */

import type { InferenceSession } from "./session.js";
import type { Tensor } from "./tensor.js";

type SessionOptions = InferenceSession.SessionOptions;
type RunOptions = InferenceSession.RunOptions;

export function createArguments([first, ...rest]: readonly unknown[]): {
  source: string | Uint8Array;
  options: SessionOptions;
} {
  // By their tags: an array or buffer of another realm is no instance of ours.
  const tag = (first as { [Symbol.toStringTag]?: string } | undefined)?.[Symbol.toStringTag];
  if (typeof first === "string" || tag === "Uint8Array") {
    return { source: first as string | Uint8Array, options: optionsOf(rest[0]) };
  }
  if (tag !== "ArrayBuffer" && tag !== "SharedArrayBuffer") {
    throw new TypeError("Unexpected argument[0]: must be 'path' or 'buffer'.");
  }
  const buffer = first as ArrayBuffer;
  if (typeof rest[0] !== "number") return { source: new Uint8Array(buffer), options: optionsOf(rest[0]) };
  const [offset, length = buffer.byteLength - offset, options] = rest as [number, unknown, unknown];
  if (!Number.isSafeInteger(offset)) throw new RangeError("'byteOffset' must be an integer.");
  if (offset < 0 || offset >= buffer.byteLength) {
    throw new RangeError(`'byteOffset' is out of range [0, ${buffer.byteLength}).`);
  }
  if (typeof length !== "number") throw new TypeError("'byteLength' must be a number.");
  if (!Number.isSafeInteger(length)) throw new RangeError("'byteLength' must be an integer.");
  if (length <= 0 || offset + length > buffer.byteLength) {
    throw new RangeError(`'byteLength' is out of range (0, ${buffer.byteLength - offset}].`);
  }
  return { source: new Uint8Array(buffer, offset, length), options: optionsOf(options) };
}

function optionsOf<T extends object>(options: unknown): T {
  if (options === undefined) return {} as T;
  if (typeof options !== "object" || options === null) throw new TypeError("'options' must be an object.");
  return options as T;
}

/** Anything with a type, dims and data: a tensor of this package, or one of onnxruntime-common. */
export const isTensor = (value: unknown): value is Tensor =>
  typeof value === "object" && value !== null && "dims" in value && "type" in value && "data" in value;

type Fetches = Record<string, Tensor | null>;

/** What is to be fetched, all outputs by default, and the options. Throws where a feed is missing. */
export function runArguments(
  { inputNames, outputNames }: Pick<InferenceSession, "inputNames" | "outputNames">,
  feeds: unknown,
  [first, second]: readonly unknown[],
): { fetches: Fetches; options: RunOptions } {
  if (typeof feeds !== "object" || feeds === null || Array.isArray(feeds) || isTensor(feeds)) {
    throw new TypeError(
      "'feeds' must be an object that use input names as keys and OnnxValue as corresponding values.",
    );
  }
  const all = Object.fromEntries(outputNames.map((name) => [name, null]));
  const given = fetchesOf(outputNames, first);
  // An object without a single output is the options.
  const options = given === undefined ? optionsOf<RunOptions>(first) : optionsOf<RunOptions>(second);
  for (const name of inputNames) {
    if ((feeds as Record<string, unknown>)[name] === undefined) {
      throw new Error(`input '${name}' is missing in 'feeds'.`);
    }
  }
  return { fetches: given ?? all, options };
}

function fetchesOf(outputNames: readonly string[], given: unknown): Fetches | undefined {
  if (given === undefined) return undefined;
  if (given === null) throw new TypeError("Unexpected argument[1]: cannot be null.");
  if (typeof given !== "object") {
    throw new TypeError("Unexpected argument[1]: must be 'fetches' or 'options'.");
  }
  if (isTensor(given)) throw new TypeError("'fetches' cannot be a Tensor");
  if (Array.isArray(given)) {
    if (given.length === 0) throw new TypeError("'fetches' cannot be an empty array.");
    for (const name of given) {
      if (typeof name !== "string") throw new TypeError("'fetches' must be a string array or an object.");
      if (!outputNames.includes(name)) {
        throw new RangeError(`'fetches' contains invalid output name: ${name}.`);
      }
    }
    return Object.fromEntries(given.map((name) => [name, null]));
  }
  const values = given as Fetches;
  const names = outputNames.filter(
    (name) => Object.hasOwn(values, name) && (values[name] === null || isTensor(values[name])),
  );
  return names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, values[name]!]));
}
