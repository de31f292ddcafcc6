/** Constants of float32 that fit in fewer bits. */

import { type TensorData, tensor } from "../ir/tensor.js";
import { lanes } from "../kernels/tile.js";
import type { Expr } from "../loop/ir.js";
import type { Derivation } from "./context.js";

/** Fewer are not worth the code. */
const fewest = 1024;

/** The bits of a float32 as those of the same number in fewer, or -1 where it is none of these. */
type Narrow = (bits: number) => number;

/** Formats that are tried, in this order. */
const halves: readonly (readonly ["float16" | "bfloat16", Narrow])[] = [
  ["float16", toFloat16],
  ["bfloat16", (bits) => ((bits & 0xffff) === 0 ? bits >>> 16 : -1)],
];

function toFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude === 0) return sign;
  if (magnitude === 0x7f800000) return sign | 0x7c00;
  const exponent = (magnitude >>> 23) - 112;
  if (exponent < -9 || exponent > 30) return -1;
  // Below the smallest exponent the leading one is written out, the more bits to the right the smaller the number.
  const isNormal = exponent > 0;
  const fraction = isNormal ? magnitude & 0x7fffff : (magnitude & 0x7fffff) | 0x800000;
  const dropped = isNormal ? 13 : 14 - exponent;
  if ((fraction & ((1 << dropped) - 1)) !== 0) return -1;
  return sign | (isNormal ? exponent << 10 : 0) | (fraction >>> dropped);
}

/**
 * The same numbers as halves, where each of them is one: so it is in models that were made of halves. Null otherwise,
 * or where they are few.
 */
export function narrowed({ dtype, dims, data }: TensorData): TensorData | null {
  if (dtype !== "float32" || data.length < fewest) return null;
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (const [half, narrow] of halves) {
    const result = inFewerBits(words, narrow);
    if (result !== null) return tensor(half, dims, result);
  }
  return null;
}

function inFewerBits(words: Uint32Array, narrow: Narrow): Uint16Array | null {
  const result = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const bits = narrow(words[i]!);
    if (bits < 0) return null;
    result[i] = bits;
  }
  return result;
}

/** How the first run makes float32 of halves. */
export const widening = (from: TensorData): Derivation => ({
  from,
  dims: from.dims,
  name: `widen_${from.dtype}`,
  build: (s, halves, wide) => {
    const elements = from.data.length;
    const whole = elements - (elements % lanes);
    const move = (i: Expr, count?: typeof lanes): void =>
      s.store(wide.buffer, i, s.load(halves.buffer, i, count));
    s.for("i", 0, whole, (i) => move(i, lanes), { step: lanes, mode: "parallel" });
    s.for("i", whole, elements, (i) => move(i));
  },
});
