/** Nearest neighbours by integer arithmetic: floor((numerator i + offset) / denominator), exactly as the places round. */

import { add, div, i32Constant, maxIndex, minIndex, mul, op, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { KnownAxis } from "./resize-place.js";

/** The index in the input that is nearest to element `index` of the result. */
export function nearestIndex(index: Expr, axis: KnownAxis, round: (place: number) => number): Expr {
  const { from, to, place } = axis;
  if (to > LONGEST) return roundedIndex(index, axis, round);
  const wanted = Array.from({ length: to }, (_, i) => Math.min(Math.max(round(place(i)), 0), from - 1));
  if (wanted.every((one) => one === wanted[0])) return i32Constant(wanted[0] ?? 0);
  const line = integerLine(wanted, from, ratiosOf(axis));
  if (line !== null) {
    const { numerator, offset, denominator, passesEnd } = line;
    const nearest = div(add(mul(index, numerator), offset), denominator);
    return passesEnd ? minIndex(nearest, from - 1) : nearest;
  }
  return roundedIndex(index, axis, round);
}

/** Axes up to this length are looked at element by element. */
const LONGEST = 2 ** 20;

/** For ratios that are not those of small numbers; ties are then no matter of exactness. */
function roundedIndex(
  index: Expr,
  { from, slope, start }: KnownAxis,
  round: (place: number) => number,
): Expr {
  const exact = op("add", op("mul", op("i32_to_f64_s", index), slope), start);
  return nearestTo(exact, i32Constant(from), round);
}

/** The index of the element that is nearest to a place. */
export function nearestTo(place: Expr, from: Expr, round: (place: number) => number): Expr {
  return maxIndex(minIndex(op("f64_to_i32_s", roundExpr(place, round)), sub(from, 1)), 0);
}

/** The rounding itself, told from what it does to a half and to what lies beside it. */
function roundExpr(place: Expr, round: (place: number) => number): Expr {
  if (round(0.5) === 0) return round(0.6) === 0 ? op("floor", place) : op("ceil", op("sub", place, 0.5));
  return round(0.4) === 1 ? op("ceil", place) : op("floor", op("add", place, 0.5));
}

interface IntegerLine {
  readonly numerator: number;
  readonly offset: number;
  readonly denominator: number;
  /** The line leaves the input at its end, where the last element is wanted. */
  readonly passesEnd: boolean;
}

/** Candidates for numerator / denominator, the simplest first. */
function ratiosOf({ from, to, slope }: KnownAxis): [number, number][] {
  const candidates: [number, number][] = [];
  for (const [a, b] of [[from, to], [from - 1, to - 1], ...smallRatios(slope)] as [number, number][]) {
    const divisor = greatestCommonDivisor(a, b);
    if (a > 0 && b > 0) candidates.push([a / divisor, b / divisor], [(2 * a) / divisor, (2 * b) / divisor]);
  }
  return candidates.sort((x, y) => x[1] - y[1]);
}

/** Fractions near the slope, by its continued fraction. */
function smallRatios(slope: number): [number, number][] {
  const ratios: [number, number][] = [];
  let [a, b, c, d] = [0, 1, 1, 0]; // the last two convergents a/b, c/d
  let rest = slope;
  for (let step = 0; step < 6 && Number.isFinite(rest) && rest >= 0; step++) {
    const whole = Math.floor(rest);
    [a, b, c, d] = [c, d, whole * c + a, whole * d + b];
    if (d > 4096) break;
    ratios.push([c, d]);
    rest = 1 / (rest - whole);
  }
  return ratios;
}

/** The first ratio for which an offset exists that puts every element where it is wanted. */
function integerLine(
  wanted: readonly number[],
  from: number,
  ratios: readonly (readonly [number, number])[],
): IntegerLine | null {
  for (const [numerator, denominator] of ratios) {
    if (numerator * wanted.length + denominator > 2 ** 31 - 1) continue;
    let [low, high] = [0, Number.POSITIVE_INFINITY];
    wanted.forEach((index, i) => {
      low = Math.max(low, index * denominator - numerator * i);
      // The last element may be overshot: the end is then held by a minimum.
      if (index < from - 1) high = Math.min(high, (index + 1) * denominator - numerator * i - 1);
    });
    if (low > high) continue;
    const last = numerator * (wanted.length - 1) + low;
    return { numerator, offset: low, denominator, passesEnd: Math.floor(last / denominator) > from - 1 };
  }
  return null;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
