/** Choices of one fuzz case: the same for the same seed and number of the case, on every machine. */

import { randomNumbers } from "../harness-random.js";

export class Random {
  private readonly next: () => number;

  constructor(seed: number, index: number) {
    this.next = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
    this.next(); // neighbouring states give neighbouring first numbers
  }

  /** A whole number from 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Numbers that are often a limit of something, and small ones, which lead further into the compiler. */
  integer(): bigint {
    if (this.chance(0.5)) return BigInt(this.below(12) - 3);
    return this.pick(edges);
  }

  float(): number {
    if (this.chance(0.4)) return this.below(9) / 4 - 1;
    return this.pick([0, -0, NaN, Infinity, -Infinity, 1e-45, 3.4e38, -3.4e38, 2 ** 31, 2 ** 53, 0.1, 1e9]);
  }
}

const edges: readonly bigint[] = [
  ...[0n, 1n, -1n, 2n, 16n, 63n, 64n, 100n, 127n, 128n, 255n, 256n, 1000n, 4096n, 65535n, 65536n],
  ...[20, 24, 30, 31, 32, 33, 48, 53, 62, 63].map((power) => 2n ** BigInt(power)),
  ...[31, 32, 53, 63].flatMap((power) => [2n ** BigInt(power) - 1n, -(2n ** BigInt(power))]),
  1_000_003n,
  -1000n,
  -65536n,
];
