/** What the generators of several families share. */

import fc from "fast-check";
import type { DType } from "../../compiler/ir/dtype.js";
import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { randomNumbers, randomTensor } from "../harness-random.js";

export const whole = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

/** As many as there are dims. */
export const each = <T>(count: number, values: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(values, { minLength: count, maxLength: count });

export const shapes = (minRank: number, maxRank: number, largest = 6): fc.Arbitrary<number[]> =>
  fc.array(whole(1, largest), { minLength: minRank, maxLength: maxRank });

export const seeds: fc.Arbitrary<number> = whole(0, 2 ** 30);

/** The element types of data that is moved and not computed with. */
export const moved: fc.Arbitrary<DType> = fc.constantFrom("float32", "float32", "int64", "int32", "uint8");

export const ints = (values: readonly number[]): TensorData => tensorOf("int64", [values.length], values);

export const floats = (values: readonly number[]): TensorData => tensorOf("float32", [values.length], values);

/** Elements of any type whose values are told apart. */
export const data = (seed: number, dims: readonly number[], dtype: DType = "float32"): TensorData =>
  randomTensor(seed, dims, { dtype, low: dtype === "float32" ? -2 : 0, high: dtype === "float32" ? 2 : 100 });

/** Indices into a dim, counted from the end as often as from the start. */
export const indices = (
  seed: number,
  dims: readonly number[],
  size: number,
  dtype: DType = "int64",
): TensorData => randomTensor(seed, dims, { dtype, low: -size, high: size - 1 });

/** An axis of this rank, from either end. */
export const axisOf = (rank: number): fc.Arbitrary<number> => whole(-rank, rank - 1);

/** Numbers below `count` in random order. */
export function shuffled(seed: number, count: number): number[] {
  const next = randomNumbers(seed);
  const keys = Array.from({ length: count }, (_, i): [number, number] => [next(), i]);
  return keys.sort(([a], [b]) => a - b).map(([, i]) => i);
}
