/** The transforms of Winograd's minimal filtering with 3 taps, along one dim (Lavin and Gray, 2016, section 4). */

import { op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";

/** Results along each side of a tile. */
export type WinogradSize = 2 | 4;

export interface WinogradTransform {
  /** Bt d: the frequencies of a row of the input. */
  readonly input: (d: readonly Expr[]) => Expr[];
  /** At m: results from frequencies. */
  readonly output: (m: readonly Expr[]) => Expr[];
  /** G g: the frequencies of a row of the weights. */
  readonly weights: (g: readonly Expr[]) => Expr[];
}

const sum = (...terms: Expr[]): Expr => terms.reduce((a, b) => op("add", a, b));
const minus = (a: Expr, b: Expr): Expr => op("sub", a, b);
const times = (a: Expr, factor: number): Expr => op("mul", a, factor);
const over = (a: Expr, divisor: number): Expr => op("div", a, divisor);

/** Of the points 0, 1, -1 and infinity; and 0, 1, -1, 2, -2 and infinity. */
export const winogradTransforms: Readonly<Record<WinogradSize, WinogradTransform>> = {
  2: {
    input: ([a, b, c, d]) => [minus(a!, c!), sum(b!, c!), minus(c!, b!), minus(b!, d!)],
    output: ([a, b, c, d]) => [sum(a!, b!, c!), minus(minus(b!, c!), d!)],
    weights: ([a, b, c]) => {
      const [ends, middle] = [times(sum(a!, c!), 1 / 2), times(b!, 1 / 2)];
      return [a!, sum(ends, middle), minus(ends, middle), c!];
    },
  },
  4: {
    input: ([a, b, c, d, e, f]) => {
      const [even, odd] = [minus(e!, times(c!, 4)), minus(d!, times(b!, 4))];
      const [near, far] = [minus(e!, c!), times(minus(d!, b!), 2)];
      return [
        sum(times(minus(a!, c!), 4), minus(e!, c!)),
        sum(even, odd),
        minus(even, odd),
        sum(near, far),
        minus(near, far),
        sum(times(minus(b!, d!), 4), minus(f!, d!)),
      ];
    },
    output: ([a, b, c, d, e, f]) => {
      const [near, far] = [sum(b!, c!), sum(d!, e!)];
      const [nearOdd, farOdd] = [minus(b!, c!), minus(d!, e!)];
      return [
        sum(a!, near, far),
        sum(nearOdd, times(farOdd, 2)),
        sum(near, times(far, 4)),
        sum(nearOdd, times(farOdd, 8), f!),
      ];
    },
    weights: ([a, b, c]) => {
      // Divisions, as 1 / 6 is not exact, and behind the sums: fewer results are rounded.
      const [near, far, farOdd] = [sum(a!, c!), sum(a!, times(c!, 4)), times(b!, 2)];
      return [
        times(a!, 1 / 4),
        over(sum(near, b!), -6),
        over(minus(near, b!), -6),
        over(sum(far, farOdd), 24),
        over(minus(far, farOdd), 24),
        c!,
      ];
    },
  },
};
