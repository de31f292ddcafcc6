/** Tensors whose elements are known at compile time. */

import { invariant } from "../diagnostics.js";
import { type DType, dtypes, isPacked, storedBytes, type TypedArray } from "./dtype.js";

export interface TensorData {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /**
   * Row-major elements, in the stored form of the dtype; those of packed types take an entry each. May be a view of the
   * model's own bytes: never write to it.
   */
  readonly data: TypedArray;
}

/** Product of the dims: 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

export function tensor(dtype: DType, dims: readonly number[], data: TypedArray): TensorData {
  invariant(
    data.length === elementCount(dims),
    `${dtype}[${dims}] needs ${elementCount(dims)} elements, has ${data.length}`,
  );
  return { dtype, dims, data };
}

/** A tensor of the given shape, its elements converted from plain numbers. */
export function tensorOf(dtype: DType, dims: readonly number[], values: readonly number[]): TensorData {
  const data = new dtypes[dtype].array(elementCount(dims));
  for (let i = 0; i < data.length; i++) {
    data[i] =
      data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(values[i]!) : values[i]!;
  }
  return tensor(dtype, dims, data);
}

/** Elements as plain numbers (int64 values beyond 2^53 lose precision). */
export function toNumbers(value: TensorData): number[] {
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}

/** The tensor's bytes in memory: the array's own, or, of packed types, new ones. */
export function tensorBytes({ dtype, data }: TensorData): Uint8Array {
  if (!isPacked(dtype)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const { bits } = dtypes[dtype];
  const perByte = 8 / bits;
  const bytes = new Uint8Array(storedBytes(dtype, data.length));
  for (let i = 0; i < data.length; i++) {
    bytes[Math.floor(i / perByte)]! |= (Number(data[i]) & (2 ** bits - 1)) << ((i % perByte) * bits);
  }
  return bytes;
}

/** Elements from their bytes in memory: a view of them where they are aligned and not packed. */
export function elementsOfBytes(dtype: DType, count: number, bytes: Uint8Array): TypedArray {
  const { array, bits, bytes: size, kind } = dtypes[dtype];
  if (!isPacked(dtype)) {
    const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
    return new array(aligned.buffer, aligned.byteOffset, count);
  }
  const perByte = 8 / bits;
  const data = new array(count);
  // Shifted to the top of 32 bits and back, by which signed elements keep their sign.
  for (let i = 0; i < count; i++) {
    const raised = bytes[Math.floor(i / perByte)]! << (32 - ((i % perByte) + 1) * bits);
    data[i] = kind === "int" ? raised >> (32 - bits) : raised >>> (32 - bits);
  }
  return data;
}

/** Visits the indices of a shape in row-major order, with the number of each. The array is the same every time. */
export function forEachIndex(
  dims: readonly number[],
  visit: (indices: readonly number[], at: number) => void,
): void {
  const count = elementCount(dims);
  const indices = new Array<number>(dims.length).fill(0);
  for (let at = 0; at < count; at++) {
    visit(indices, at);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      indices[axis] = indices[axis]! + 1;
      if (indices[axis]! < dims[axis]!) break;
      indices[axis] = 0;
    }
  }
}

/**
 * Visits the elements of a shape in row-major order, with the place of each in tensors that are read with strides of
 * their own (0 where they are broadcast). The array of places is the same every time.
 */
export function forEachPlace(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (at: number, places: readonly number[]) => void,
): void {
  const count = elementCount(dims);
  const indices = new Array<number>(dims.length).fill(0);
  const places = new Array<number>(strides.length).fill(0);
  for (let at = 0; at < count; at++) {
    visit(at, places);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      indices[axis] = indices[axis]! + 1;
      const wrapped = indices[axis] === dims[axis];
      const steps = wrapped ? 1 - dims[axis]! : 1;
      for (let j = 0; j < strides.length; j++) places[j] = places[j]! + steps * strides[j]![axis]!;
      if (!wrapped) break;
      indices[axis] = 0;
    }
  }
}
