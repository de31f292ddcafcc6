/**
 * Index polynomials as intervals whose ends are polynomials over the sizes of a kernel, which are never negative.
 */

import {
  constantPolynomial,
  constantValue,
  type Indices,
  type Polynomial,
  scale,
} from "../../compiler/loop/affine.js";
import { constantIndex } from "../../compiler/loop/builder.js";
import type { Expr } from "../../compiler/loop/ir.js";

export interface Interval {
  readonly low: Polynomial;
  readonly high: Polynomial;
}

/** Substitutions of quotients that a proof may need: one for each stretch of tiles of an open extent. */
const MAX_QUOTIENTS = 8;

export class Signs {
  constructor(private readonly indices: Indices) {}

  isPositive(polynomial: Polynomial): boolean {
    return this.isNonNegative(this.indices.sum(polynomial, constantPolynomial(-1)));
  }

  /**
   * True only for what cannot be negative, its factors being sizes and quotients of them. A quotient that is subtracted
   * is at most what is divided: c * (x /u c) <= x. A value rounded down by a mask is at most what it was.
   */
  isNonNegative(polynomial: Polynomial, depth = MAX_QUOTIENTS): boolean {
    const negative = [...polynomial.values()].filter(({ coefficient }) => coefficient < 0);
    const isCounted = [...polynomial.values()].every(({ factors }) =>
      factors.every((one) => this.isCount(one)),
    );
    if (!isCounted) return false;
    if (negative.length === 0) return true;
    if (depth === 0) return false;
    for (const term of negative) {
      for (const factor of term.factors) {
        const bound = quotientBound(factor);
        if (bound === null || term.coefficient % bound.divisor !== 0) continue;
        const whole = this.indices.of(bound.whole);
        if (!this.isNonNegative(whole, depth - 1)) continue;
        const others = term.factors.filter((other) => other !== factor);
        const product = this.product(
          scale(whole, term.coefficient / bound.divisor),
          others.map((other) => this.indices.of(other)),
        );
        if (product === null) continue;
        const rest = new Map([...polynomial].filter(([, other]) => other !== term));
        if (this.isNonNegative(this.indices.sum(rest, product), depth - 1)) return true;
      }
    }
    return false;
  }

  /** Sizes are never negative; of what is made of them only some is known not to be. */
  private isCount(factor: Expr): boolean {
    if (factor.kind === "variable") return true;
    if (factor.kind !== "op" || !counts.has(factor.op)) return false;
    const [first, second] = factor.args.map((arg) => this.indices.of(arg));
    if (factor.op === "max_s") return this.isNonNegative(second!) || this.isNonNegative(first!);
    return this.isNonNegative(first!) && (factor.op !== "min_s" || this.isNonNegative(second!));
  }

  private product(first: Polynomial, others: readonly Polynomial[]): Polynomial | null {
    return others.reduce<Polynomial | null>((a, b) => a && this.indices.product(a, b), first);
  }

  /** True where no multiple of the modulus (only zero where there is none) lies in the interval. */
  excludesMultiples({ low, high }: Interval, modulus: Polynomial | null): boolean {
    if (modulus === null) return this.isPositive(low) || this.isPositive(scale(high, -1));
    const [from, to, by] = [low, high, modulus].map(constantValue);
    if (from !== undefined && to !== undefined && by !== undefined) return Math.ceil(from / by) * by > to;
    if (this.isPositive(low)) return this.isPositive(this.indices.difference(modulus, high));
    return this.isPositive(scale(high, -1)) && this.isPositive(this.indices.sum(modulus, low));
  }
}

const counts = new Set(["div_u", "rem_u", "shr_u", "and", "min_s", "max_s"]);

/** expr <= whole / divisor. */
function quotientBound(expr: Expr): { whole: Expr; divisor: number } | null {
  if (expr.kind !== "op") return null;
  const [whole, by] = [expr.args[0]!, expr.args[1] && constantIndex(expr.args[1])];
  if (by === undefined) return null;
  if (expr.op === "div_u" && by > 0) return { whole, divisor: by };
  return expr.op === "and" ? { whole, divisor: 1 } : null;
}

/** The largest polynomial with one term that divides both, or null where that is not plain. */
export function commonDivisor(indices: Indices, a: Polynomial, b: Polynomial): Polynomial | null {
  if (a.size !== 1 || b.size !== 1) return divides(indices, a, b) ? a : divides(indices, b, a) ? b : null;
  const [[, x], [, y]] = [[...a][0]!, [...b][0]!];
  const rest = [...y.factors];
  const shared = x.factors.filter((factor) => {
    const at = rest.indexOf(factor);
    if (at >= 0) rest.splice(at, 1);
    return at >= 0;
  });
  const number = constantPolynomial(gcd(Math.abs(x.coefficient), Math.abs(y.coefficient)));
  return shared.reduce<Polynomial | null>(
    (product, factor) => product && indices.product(product, indices.of(factor)),
    number,
  );
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** True where `b` is seen to be a multiple of `a`. */
export function divides(indices: Indices, a: Polynomial, b: Polynomial): boolean {
  const [leading] = [...a.values()];
  if (leading === undefined) return false;
  return [...b].every(([, term]) => {
    if (term.coefficient % leading.coefficient !== 0) return false;
    if (a.size > 1) {
      const quotient = term.coefficient / leading.coefficient;
      return equalMultiple(indices, a, b, quotient);
    }
    const rest = [...term.factors];
    return leading.factors.every((factor) => {
      const at = rest.indexOf(factor);
      if (at >= 0) rest.splice(at, 1);
      return at >= 0;
    });
  });
}

const equalMultiple = (indices: Indices, a: Polynomial, b: Polynomial, by: number): boolean =>
  indices.difference(scale(a, by), b).size === 0;
