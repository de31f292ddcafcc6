/** Seeded random tensors, so that a failing case can be run again. */

import type { DType } from "../compiler/ir/dtype.js";
import { elementCount, type TensorData, tensorOf } from "../compiler/ir/tensor.js";

/** Cases of each sweep: some dozens in `npm test`, as many as `KILN_CASES` says for a longer run. */
export const caseCount = (usual: number): number => Number(process.env.KILN_CASES ?? usual);

/** Settings of every sweep: the same cases each time, unless `KILN_SEED` asks for others. */
export const sweep = (usual = 24) => ({
  numRuns: caseCount(usual),
  seed: Number(process.env.KILN_SEED ?? 1),
  // Every step of shrinking compiles a model: a few hundred of them would take minutes.
  interruptAfterTimeLimit: 600_000,
});

/** Numbers in [0, 1): mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Elements between `low` and `high`: whole numbers for integer types. */
export function randomTensor(
  seed: number,
  dims: readonly number[],
  { dtype = "float32", low = -1, high = 1 }: { dtype?: DType; low?: number; high?: number } = {},
): TensorData {
  const next = randomNumbers(seed);
  const isFloat = dtype === "float32" || dtype === "float64";
  const values = Array.from({ length: elementCount(dims) }, () => {
    const value = low + next() * (high - low);
    return isFloat ? value : Math.round(value);
  });
  return tensorOf(dtype, dims, values);
}
