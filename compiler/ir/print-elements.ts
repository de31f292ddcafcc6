/**
 * Numbers and the elements of tensors as text that reads back to the same bits: -0 and the payloads of NaNs
 * included. 16-bit floats and minifloats are printed as their stored bits, because no decimal is as exact and as short.
 */

import { type DType, dtypes, type TypedArray } from "./dtype.js";
import type { TensorData } from "./tensor.js";

/** Bits of the NaN that text spells `nan`; any other NaN is spelled with its bits, `nan(0xffc00000)`. */
export const canonicalNaN = { float32: 0x7fc00000n, float64: 0x7ff8000000000000n } as const;

/** The shortest text that reads back as the same number. */
export function printNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (Object.is(value, -0)) return "-0.0";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return String(value);
}

/** The elements in row-major order, one text each. */
export function printElements(tensor: TensorData): string[] {
  const texts: string[] = [];
  for (let i = 0; i < tensor.data.length; i++) texts.push(printElement(tensor.dtype, tensor.data, i));
  return texts;
}

function printElement(dtype: DType, data: TypedArray, index: number): string {
  const element = data[index]!;
  switch (dtype) {
    case "float16":
    case "bfloat16":
      return `0x${element.toString(16).padStart(4, "0")}`;
    case "bool":
      return element === 0 ? "false" : element === 1 ? "true" : String(element);
    case "float32":
    case "float64":
      if (Number.isNaN(element)) return printNaN(dtype, nanBits(data, index));
      return dtype === "float32" ? printFloat32(Number(element)) : printNumber(Number(element));
    default:
      return dtypes[dtype].kind === "minifloat" ? `0x${element.toString(16)}` : String(element);
  }
}

/** The fewest digits that still round to this float32: 0.1, not 0.10000000149011612. */
function printFloat32(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(shorter), value)) return printNumber(shorter);
  }
  return printNumber(value);
}

function printNaN(dtype: "float32" | "float64", bits: bigint): string {
  return bits === canonicalNaN[dtype] ? "nan" : `nan(0x${bits.toString(16)})`;
}

/** The stored bits: reading the element as a number need not keep the payload of a NaN. */
function nanBits(data: TypedArray, index: number): bigint {
  const view = new DataView(data.buffer, data.byteOffset + index * data.BYTES_PER_ELEMENT);
  return data.BYTES_PER_ELEMENT === 4 ? BigInt(view.getUint32(0, true)) : view.getBigUint64(0, true);
}
