/** Elements of tensors from plain numbers and back, and between the compiler's tensors and the runtime's. */

import type { TensorLike } from "../../runtime/index.js";
import { type DType, dtypes, isBigInt, isMinifloat, isPacked, type TypedArray } from "../ir/dtype.js";
import { decodeMinifloat, encodeMinifloat } from "../ir/minifloat.js";
import { elementCount, elementsOfBytes, type TensorData, tensorBytes } from "../ir/tensor.js";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "../loop/half.js";

/** `count` elements, each the nearest to what `valueAt` gives; integers are rounded and kept within their range. */
export function makeElements(dtype: DType, count: number, valueAt: (i: number) => number): TypedArray {
  const encode = encoderOf(dtype);
  const data = new dtypes[dtype].array(count) as { [i: number]: number | bigint };
  for (let i = 0; i < count; i++) data[i] = encode(valueAt(i));
  return data as TypedArray;
}

function encoderOf(dtype: DType): (value: number) => number | bigint {
  if (dtype === "float16") return (value) => encodeFloat16(value);
  if (dtype === "bfloat16") return (value) => encodeBfloat16(value);
  if (isMinifloat(dtype)) return (value) => encodeMinifloat(dtype, value);
  const { kind, bits } = dtypes[dtype];
  if (kind === "float") return (value) => value;
  if (kind === "bool") return (value) => (value === 0 ? 0 : 1);
  if (isBigInt(dtype)) return (value) => BigInt(Math.round(kind === "uint" ? Math.max(value, 0) : value));
  const [min, max] = kind === "uint" ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  return (value) => Math.min(Math.max(Math.round(value), min), max);
}

/** Arrays of elements as the runtime gives them: where the engine has a Float16Array, it holds numbers already. */
type Elements = { readonly length: number; readonly [i: number]: number | bigint };

/** A function from the place of an element to its value. */
export function elementReader(dtype: DType, data: Elements): (i: number) => number | bigint {
  const isBits = data instanceof Uint16Array;
  if (dtype === "float16" && isBits) return (i) => decodeFloat16(data[i]!);
  if (dtype === "bfloat16") return (i) => decodeBfloat16(Number(data[i]));
  if (isMinifloat(dtype)) return (i) => decodeMinifloat(dtype, Number(data[i]));
  return (i) => data[i]!;
}

/** What the runtime takes: elements of packed types share bytes there, and have an entry each here. */
export function runtimeTensor({ dtype, dims, data }: TensorData): TensorLike {
  return {
    type: dtype,
    dims,
    data: isPacked(dtype) ? tensorBytes({ dtype, dims, data }) : data,
  } as TensorLike;
}

/** The elements of a tensor of the runtime's. Those of a Float16Array, where the engine has one, as their bits. */
export function runtimeElements({ type, dims, data }: TensorLike): TypedArray {
  const array = data as TypedArray;
  if (isPacked(type)) return elementsOfBytes(type, elementCount(dims), data as Uint8Array);
  if (type !== "float16" || array instanceof Uint16Array) return array;
  return new Uint16Array(array.buffer, array.byteOffset, array.length);
}
