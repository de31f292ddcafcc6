/** Constants of float32 that fit in fewer bits. */

import { type TensorData, tensor } from "../ir/tensor.js";
import { lanes } from "../kernels/tile.js";
import { narrowBfloat16, narrowFloat16 } from "../loop/half.js";
import type { Expr } from "../loop/ir.js";
import type { Derivation } from "./context.js";

/** Fewer are not worth the code. */
const fewest = 1024;

/** Formats that are tried, in this order. */
const halves: readonly (readonly ["float16" | "bfloat16", (bits: number) => number])[] = [
  ["float16", narrowFloat16],
  ["bfloat16", narrowBfloat16],
];

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

function inFewerBits(words: Uint32Array, narrow: (bits: number) => number): Uint16Array | null {
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
