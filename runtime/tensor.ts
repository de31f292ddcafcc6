/** Tensors as values: what `run` takes and returns. */

import {
  arrayTypes,
  elementsPerEntry,
  isDim,
  sizeOf,
  type TensorDataMap,
  type TensorType,
  type TypedArray,
} from "./elements.js";
import { KilnRuntimeError } from "./errors.js";

/** Name, element type and shape of an input or output; a string among the dims names a symbolic dimension. */
export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly (number | string)[];
}

/** Typed arrays that a tensor of this type can be made of. */
export type TensorData<T extends TensorType = TensorType> =
  | TensorDataMap[T]
  | ("uint8" extends T ? Uint8ClampedArray : never);

/** Anything shaped like a tensor: this package's own, or onnxruntime-common's. */
export interface TensorLike<
  T extends TensorType = TensorType,
  D extends readonly number[] = readonly number[],
> {
  readonly type: T;
  readonly data: TensorData<T>;
  readonly dims: D;
}

/** What `run` takes for an input: a tensor or, where the shape is fixed, its elements alone. */
export type Feed<T extends TensorType = TensorType, D extends readonly number[] = readonly number[]> =
  | TensorLike<T, D>
  | TensorData<T>;

/**
 * Elements in row-major order, their type and their shape; the data are shared with the caller, not copied. Elements of
 * less than a byte are packed in a Uint8Array, the first in the lowest bits.
 */
export class Tensor<
  const T extends TensorType = TensorType,
  const D extends readonly number[] = readonly number[],
> {
  readonly type: T;
  readonly data: TensorDataMap[T];
  readonly dims: D;
  /** Number of elements. */
  readonly size: number;

  /**
   * `data` may be plain numbers, which are converted (booleans too for bool). Without `dims` the tensor has one
   * dimension; without `type` it is the one of the typed array. Throws E_FEED where the three do not fit.
   */
  constructor(type: T, data: TensorData<T> | readonly (number | bigint | boolean)[], dims?: D);
  constructor(data: TensorData<T>, dims?: D);
  constructor(...args: [T, unknown, D?] | [unknown, D?]) {
    const [type, values, dims] = (typeof args[0] === "string" ? args : [typeOf(args[0]), ...args]) as [
      T,
      unknown,
      D?,
    ];
    const data = Array.isArray(values) ? convert(type, values) : values;
    checkData("tensor", type, data);
    this.type = type;
    this.data = data as TensorDataMap[T];
    this.dims = (dims ? [...dims] : [data.length * elementsPerEntry(type)]) as readonly number[] as D;
    this.size = checkDims("tensor", type, this.dims, data);
  }
}

/** Throws E_FEED unless `data` is a typed array that can hold elements of the type. */
export function checkData(what: string, type: string, data: unknown): asserts data is TypedArray {
  const array = arrayTypes.get(type as TensorType);
  if (!array) throw new KilnRuntimeError("E_FEED", `${what}: unknown element type "${type}"`);
  // Compared by name: an array of another realm (a frame, a test runner's sandbox) is no instance of ours.
  const given = arrayName(data);
  const fits =
    given === array.name ||
    (type === "float16" && given === "Uint16Array") ||
    (type === "uint8" && given === "Uint8ClampedArray");
  if (!fits) {
    const got = given || (data === null ? "null" : Array.isArray(data) ? "array" : typeof data);
    throw new KilnRuntimeError("E_FEED", `${what}: ${type} expects a ${array.name}, got ${got}`);
  }
}

/** Number of elements of the shape. Throws E_FEED unless it is a shape, and `data` has as many elements. */
export function checkDims(what: string, type: string, dims: readonly number[], data: TypedArray): number {
  if (!Array.isArray(dims) || !dims.every(isDim)) {
    throw new KilnRuntimeError("E_FEED", `${what}: dims expect whole numbers, got ${JSON.stringify(dims)}`);
  }
  const size = sizeOf(dims);
  const perEntry = elementsPerEntry(type);
  const entries = Math.ceil(size / perEntry);
  if (data.length !== entries) {
    const unit = perEntry > 1 ? "bytes" : "elements";
    throw new KilnRuntimeError("E_FEED", `${what}: [${dims}] expects ${entries} ${unit}, got ${data.length}`);
  }
  return size;
}

/** Name of the typed array's constructor, "" for anything else. */
export function arrayName(data: unknown): string {
  return ArrayBuffer.isView(data) ? ((data as TypedArray)[Symbol.toStringTag] ?? "") : "";
}

function typeOf(data: unknown): string {
  const name = arrayName(data).replace("Clamped", "");
  for (const [type, array] of arrayTypes) {
    // bool, and the 16-bit floats, share their arrays with the unsigned integers, which these arrays mean.
    if (array.name === name && !(array === Uint16Array && type !== "uint16")) return type;
  }
  throw new KilnRuntimeError("E_FEED", "tensor: give the element type, unless the data are a typed array");
}

/** True for types whose array holds the bits of their elements. */
const isBits = (type: string, array: string): boolean =>
  /^(bf|float.*e|u?int[24]$)/.test(type) || (type === "float16" && array === "Uint16Array");

function convert(type: TensorType, values: readonly unknown[]): unknown {
  const array = arrayTypes.get(type);
  // Numbers would be taken for bit patterns.
  if (!array || isBits(type, array.name)) return values;
  try {
    if (type === "bool") return Uint8Array.from(values, (value) => (value ? 1 : 0));
    const big = array.name.startsWith("Big");
    return array.from(values.map((value) => (big ? BigInt(value as number) : Number(value))));
  } catch (cause) {
    throw new KilnRuntimeError("E_FEED", `tensor: an element is no ${type}`, cause);
  }
}
