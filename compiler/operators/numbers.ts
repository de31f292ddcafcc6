/** Elements of tensors as JavaScript numbers: decoded from and encoded to the form that each dtype is stored in. */

import { type DType, dtypes, isBigInt, isMinifloat } from "../ir/dtype.js";
import { decodeMinifloat, encodeMinifloat } from "../ir/minifloat.js";
import { elementCount, type TensorData, tensor } from "../ir/tensor.js";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16, narrowToOdd } from "../loop/half.js";

type Stored = number | bigint;

const isHalf = (dtype: DType): boolean => dtype === "float16" || dtype === "bfloat16";

/** The number that a stored element stands for. */
export function decodeElement(dtype: DType, stored: Stored): number {
  if (dtype === "float16") return decodeFloat16(Number(stored));
  if (dtype === "bfloat16") return decodeBfloat16(Number(stored));
  return isMinifloat(dtype) ? decodeMinifloat(dtype, Number(stored)) : Number(stored);
}

/** The stored form nearest to a number, rounded once; integers must be whole, and wrap. */
export function encodeElement(dtype: DType, value: number): Stored {
  if (isBigInt(dtype)) return BigInt(value);
  if (dtype === "float16") return encodeFloat16(narrowToOdd(value));
  if (dtype === "bfloat16") return encodeBfloat16(narrowToOdd(value));
  return isMinifloat(dtype) ? encodeMinifloat(dtype, value, { saturate: false, roundMode: "up" }) : value;
}

/** All elements as numbers. Integers beyond 2^53 lose precision: see `isExact`. */
export function decodeElements({ dtype, data }: TensorData): ArrayLike<number> {
  if (isHalf(dtype)) return decodeHalves(dtype, data as Uint16Array);
  if (!isBigInt(dtype) && !isMinifloat(dtype)) return data as ArrayLike<number>;
  return Float64Array.from(data as ArrayLike<number>, (stored) => decodeElement(dtype, stored));
}

/** What all bits of a half stand for, in their order: weights are many. */
const halfValues = new Map<DType, Float32Array>();

function decodeHalves(dtype: DType, data: Uint16Array): Float32Array {
  let values = halfValues.get(dtype);
  if (values === undefined) {
    values = Float32Array.from({ length: 2 ** 16 }, (_, bits) => decodeElement(dtype, bits));
    halfValues.set(dtype, values);
  }
  const decoded = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) decoded[i] = values[data[i]!]!;
  return decoded;
}

/** A tensor of numbers rounded to the dtype. */
export function encodeElements(dtype: DType, dims: readonly number[], values: ArrayLike<number>): TensorData {
  const data = new dtypes[dtype].array(elementCount(dims));
  for (let i = 0; i < data.length; i++) data[i] = encodeElement(dtype, values[i]!);
  return tensor(dtype, dims, data);
}

/** True where a number stands for the element without loss. */
export function isExact({ dtype, data }: TensorData): boolean {
  if (!isBigInt(dtype)) return true;
  return (data as BigInt64Array).every((value) => Number.isSafeInteger(Number(value)));
}
