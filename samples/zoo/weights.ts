/**
 * Made-up weights. The n-th number depends on the seed and n alone, so tensors can be made in any order or not at all;
 * and only on arithmetic that is exact, so that it is the same on every machine.
 */

/** Evenly distributed numbers from number `first` on. */
export function randomWeights(
  seed: number,
  first: number,
  count: number,
  { mean = 0, deviation }: Distribution,
): Float32Array {
  const values = new Float32Array(count);
  const start = scramble(seed);
  const halfRange = Math.sqrt(3) * deviation;
  for (let i = 0; i < count; i++) {
    const share = scramble(start + first + i) / 2 ** 32;
    values[i] = mean + (2 * share - 1) * halfRange;
  }
  return values;
}

export interface Distribution {
  /** Default: 0. */
  readonly mean?: number;
  readonly deviation: number;
}

/** A bijection of 32-bit numbers without visible pattern: the hash "lowbias32" of C. Wellons. */
function scramble(value: number): number {
  let bits = value >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}
