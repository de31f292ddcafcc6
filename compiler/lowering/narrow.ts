/** Constants of float32 that fit in fewer bits. */

import { type TensorData, tensor } from "../ir/tensor.js";
import { lanes } from "../kernels/tile.js";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "../loop/half.js";
import type { Expr } from "../loop/ir.js";
import type { Derivation } from "./context.js";

/** Fewer are not worth the code. */
const fewest = 1024;

/** Formats that are tried, in this order. */
const halves = [
  { dtype: "float16", encode: encodeFloat16, decode: decodeFloat16 },
  { dtype: "bfloat16", encode: encodeBfloat16, decode: decodeBfloat16 },
] as const;

/**
 * The same numbers as halves, where each of them is one: so it is in models that were made of halves. Null otherwise,
 * or where they are few.
 */
export function narrowed({ dtype, dims, data }: TensorData): TensorData | null {
  if (dtype !== "float32" || data.length < fewest) return null;
  for (const { dtype, encode, decode } of halves) {
    const bits = new Uint16Array(data.length);
    const isOne = (data as Float32Array).every((value, i) => {
      bits[i] = encode(value);
      return Object.is(decode(bits[i]!), value);
    });
    if (isOne) return tensor(dtype, dims, bits);
  }
  return null;
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
