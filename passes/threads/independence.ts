/**
 * Whether two accesses of a kernel can touch the same element in different parts of its work.
 *
 * The indices of both are polynomials over loop variables. Those of one side have nothing to do with those of the other:
 * parts run at the same time, each somewhere in its loops. Only the loops that are shared out are known to be at
 * different counts. If the difference of the two indices can never be 0 then, no element is touched by both.
 *
 * To see that, terms whose coefficients are multiples of some G are left out, and the others must lie in an interval
 * without a multiple of G: in y[(n * H + h) * W * C + w * C + c] with h shared out, G = H * W * C, and what is left,
 * (h - h') * W * C + ..., is neither 0 nor as large as G while h and h' differ.
 */

import {
  constantPolynomial,
  constantValue,
  dependsOnAny,
  type Polynomial,
  scale,
  splitBy,
} from "../../compiler/loop/affine.js";
import type { Variable } from "../../compiler/loop/ir.js";
import { variablesOf } from "../../compiler/loop/rewrite.js";
import { commonDivisor, divides, type Interval, Signs } from "./intervals.js";
import type { Counter, Touch, Touches } from "./touches.js";

/** What takes part in a difference: a coefficient times what lies in the interval. */
interface Component {
  readonly coefficient: Polynomial;
  readonly interval: Interval;
}

/** Terms of an index: those of one variable, or one without any. */
interface Part extends Component {
  readonly variable: Variable | null;
}

export class Independence {
  private readonly signs: Signs;
  private readonly components = new Map<Polynomial, readonly Part[] | null>();

  constructor(private readonly touches: Touches) {
    this.signs = new Signs(touches.indices);
  }

  /**
   * True where the accesses are of different elements whenever they are made by different parts. `a` and `b` are the
   * loops that are shared out around each, null for code that one part runs.
   *
   * @param shift elements by which the second buffer begins behind the first
   */
  areApart(a: Touch, b: Touch, loopA: Counter | null, loopB: Counter | null, shift = 0): boolean {
    const left = this.split(a.index);
    const right = this.split(b.index);
    if (left === null || right === null) return false;
    const { indices } = this.touches;
    let fixed = constantPolynomial(-shift);
    for (const { variable, interval } of left)
      if (variable === null) fixed = indices.sum(fixed, interval.low);
    for (const { variable, interval } of right)
      if (variable === null) fixed = indices.difference(fixed, interval.low);
    const shared = this.sharedCoefficient(a, b, loopA, loopB);
    const pieces = shared && this.sharedPieces(left, right, shared, loopA!, loopB!);
    const isTaken = ({ variable }: Part): boolean =>
      variable === null ||
      (shared !== null && (variable === loopA!.variable || variable === loopB!.variable)) ||
      (pieces?.variables.has(variable) ?? false);
    const freeOf = (parts: readonly Part[]): Part[] => this.joined(parts.filter((part) => !isTaken(part)));
    const free: Component[] = freeOf(left);
    for (const { coefficient, interval } of freeOf(right)) {
      free.push({ coefficient, interval: { low: scale(interval.high, -1), high: scale(interval.low, -1) } });
    }
    const start: Interval = {
      low: indices.sum(fixed, constantPolynomial(1 - b.width)),
      high: indices.sum(fixed, constantPolynomial(a.width - 1)),
    };
    if (shared === null) return this.excludes(free, start);
    const top = pieces?.top ?? this.touches.highestOf(loopA!.variable);
    const reach = top && indices.product(shared, top);
    if (reach === null) return false;
    const step = indices.difference(scale(shared, loopA!.step), pieces?.within ?? constantPolynomial(0));
    return [
      { low: step, high: reach },
      { low: scale(reach, -1), high: scale(step, -1) },
    ].every((interval) => this.excludes([...free, { coefficient: shared, interval }], start));
  }

  /** A loop over a piece of an outer loop's range joined with that: the range of their sum is the outer one's. */
  private joined(parts: readonly Part[]): Part[] {
    const { indices, pieces } = this.touches;
    const outers = new Set<Part>();
    const joined = parts.map((part): Part => {
      const piece = part.variable === null ? undefined : pieces.get(part.variable);
      const outer = piece && parts.find(({ variable }) => variable === piece.of);
      const reach = outer && indices.product(part.coefficient, piece.top);
      const grow = [part, outer].every((one) => one?.interval.low.size === 0);
      if (!outer || !reach || !grow) return part;
      if (indices.difference(part.coefficient, outer.coefficient).size > 0) return part;
      outers.add(outer);
      return { ...part, interval: { low: constantPolynomial(0), high: reach } };
    });
    return joined.filter((_, i) => !outers.has(parts[i]!));
  }

  /**
   * Where both indices go on from the variable of the shared loop with that of a loop over a piece of its range, the sum
   * of both has a range that their own do not tell.
   */
  private sharedPieces(
    left: readonly Part[],
    right: readonly Part[],
    shared: Polynomial,
    loopA: Counter,
    loopB: Counter,
  ): { variables: ReadonlySet<Variable>; top: Polynomial; within: Polynomial } | null {
    const { indices, pieces } = this.touches;
    const pieceOf = (parts: readonly Part[], { variable: outer }: Counter): Part | undefined =>
      parts.find(
        ({ variable, coefficient }) =>
          variable !== null &&
          pieces.get(variable)?.of === outer &&
          indices.difference(coefficient, shared).size === 0,
      );
    const [a, b] = [pieceOf(left, loopA), pieceOf(right, loopB)];
    if (a === undefined || b === undefined) return null;
    const [x, y] = [pieces.get(a.variable!)!, pieces.get(b.variable!)!];
    const [one, other] = [a.interval.high, b.interval.high];
    const areAlike = indices.difference(x.top, y.top).size === 0 && indices.difference(one, other).size === 0;
    if (!areAlike) return null;
    return { variables: new Set([a.variable!, b.variable!]), top: x.top, within: one };
  }

  /** What both accesses multiply the count of a loop by that both are shared out along; null where there is none. */
  private sharedCoefficient(
    a: Touch,
    b: Touch,
    loopA: Counter | null,
    loopB: Counter | null,
  ): Polynomial | null {
    if (loopA === null || loopB === null || !this.areAlike(loopA, loopB)) return null;
    const x = splitBy(a.index, loopA.variable)?.coefficient;
    const y = splitBy(b.index, loopB.variable)?.coefficient;
    if (x === undefined || y === undefined || x.size === 0) return null;
    if (this.touches.indices.difference(x, y).size > 0) return null;
    return this.signs.isNonNegative(x) ? x : null;
  }

  private areAlike(a: Counter, b: Counter): boolean {
    if (a === b) return true;
    const { indices } = this.touches;
    return a.step === b.step && indices.difference(indices.of(a.passes), indices.of(b.passes)).size === 0;
  }

  private excludes(components: readonly Component[], start: Interval): boolean {
    const { indices } = this.touches;
    return this.moduli(components).some((modulus) => {
      let { low, high } = start;
      for (const { coefficient, interval } of components) {
        if (modulus !== null && divides(indices, modulus, coefficient)) continue;
        low = indices.sum(low, interval.low);
        high = indices.sum(high, interval.high);
      }
      return this.signs.excludesMultiples({ low, high }, modulus);
    });
  }

  /** None, each coefficient, and the common divisors of the largest ones. */
  private moduli(components: readonly Component[]): (Polynomial | null)[] {
    const { indices } = this.touches;
    const coefficients = components
      .map(({ coefficient }) => coefficient)
      .filter((coefficient) => this.signs.isPositive(coefficient) || coefficient.size > 0)
      .sort(
        (x, y) =>
          y.size - x.size || degree(y) - degree(x) || (constantValue(y) ?? 0) - (constantValue(x) ?? 0),
      );
    const result: (Polynomial | null)[] = [null];
    let divisor: Polynomial | null = null;
    for (const coefficient of coefficients) {
      if (!this.signs.isNonNegative(coefficient)) continue;
      divisor = divisor === null ? coefficient : (commonDivisor(indices, divisor, coefficient) ?? divisor);
      result.push(coefficient, divisor);
    }
    return result;
  }

  /** The index by loop variables; terms without any, as exact intervals, have no variable. */
  private split(index: Polynomial): readonly Part[] | null {
    const known = this.components.get(index);
    if (known !== undefined) return known;
    const result = this.computeSplit(index);
    this.components.set(index, result);
    return result;
  }

  private computeSplit(index: Polynomial): Part[] | null {
    const { touches } = this;
    const { indices, varying } = touches;
    const parts: Part[] = [];
    let rest = index;
    for (const variable of varying) {
      if (!dependsOnAny(rest, new Set([variable]))) continue;
      const split = splitBy(rest, variable);
      if (split === null) continue;
      if (dependsOnAny(split.coefficient, varying)) return null;
      const top = touches.highestOf(variable);
      const reach = top && indices.product(split.coefficient, top);
      if (reach === null) return null;
      const zero = constantPolynomial(0);
      const grows = this.signs.isNonNegative(split.coefficient);
      if (!grows && !this.signs.isNonNegative(scale(split.coefficient, -1))) return null;
      const interval = grows ? { low: zero, high: reach } : { low: reach, high: zero };
      parts.push({
        variable,
        coefficient: grows ? split.coefficient : scale(split.coefficient, -1),
        interval,
      });
      rest = split.rest;
    }
    for (const { factors, coefficient } of rest.values()) {
      const interval = touches.termInterval(factors, coefficient);
      if (interval === null) return null;
      const isFixed = factors.every((factor) => touches.isFixed(factor));
      const variable = isFixed ? null : ([...variablesOf(factors[0]!)][0] ?? null);
      if (!isFixed && variable === null) return null;
      // A value of which only the range is known is never left out: its coefficient is 1.
      const own = isFixed ? interval.low : constantPolynomial(1);
      parts.push({ variable: isFixed ? null : opaqueValue, coefficient: own, interval });
    }
    return parts;
  }
}

/** Stands for what depends on loop variables in a way that is not linear. */
const opaqueValue: Variable = {
  kind: "variable",
  name: "opaque",
  type: { scalar: "i32", lanes: 1 },
  mutable: false,
};

const degree = (polynomial: Polynomial): number =>
  Math.max(0, ...[...polynomial.values()].map(({ factors }) => factors.length));
