/** Made-up inputs, the same for the same seed on every machine. */

import { type DType, dtypes, isMinifloat, type TypedArray } from "../ir/dtype.js";
import { makeElements } from "./elements.js";

/** Numbers in [0, 1), by the generator mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers of mean 0 and variance 1, by Box and Muller's method. */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - next())); // of (0, 1], so that the logarithm is finite
    const angle = 2 * Math.PI * next();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/**
 * Floats are normally distributed. Bytes are those of pictures and quantised tensors, so they take their whole range;
 * wider integers are mostly indices into something unknown and masks, so they are 0 or 1.
 */
export function randomElements(dtype: DType, count: number, seed: number): TypedArray {
  if (dtypes[dtype].kind === "float" || isMinifloat(dtype)) return makeElements(dtype, count, normal(seed));
  const next = uniform(seed);
  if (dtype === "uint8") return makeElements(dtype, count, () => Math.floor(next() * 256));
  if (dtype === "int8") return makeElements(dtype, count, () => Math.floor(next() * 256) - 128);
  return makeElements(dtype, count, () => Math.floor(next() * 2));
}
