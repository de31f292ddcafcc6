/** Interval evaluation of dims: what values an expression can take when its symbols stay within bounds. */

import type { Dim, DimAtom } from "./dim.js";

export interface DimBounds {
  readonly min: number;
  readonly max: number;
}

/** What is known of a symbol that nobody bounds: it stands for a dim, and no dim is negative. */
const unboundSymbol: DimBounds = { min: 0, max: Number.POSITIVE_INFINITY };

/**
 * Bounds of the dim where every symbol stays within its own (0 and infinity for symbols that are not listed).
 *
 * Conservative: every value that the dim can take lies within, but the bounds need not be reached, because a symbol
 * that occurs twice is taken for two. Divisors are taken to be non-zero, since dividing by zero has no value.
 */
export function dimBounds(
  dim: Dim,
  bounds: ReadonlyMap<string, DimBounds>,
  unbound = unboundSymbol,
): DimBounds {
  if (typeof dim === "number") return { min: dim, max: dim };
  let sum: DimBounds = { min: dim.constant, max: dim.constant };
  for (const term of dim.terms) {
    let product: DimBounds = { min: term.coefficient, max: term.coefficient };
    for (const [atom, power] of powers(term.atoms)) {
      product = multiply(product, raise(atomBounds(atom, bounds, unbound), power));
    }
    sum = { min: sum.min + product.min, max: sum.max + product.max };
  }
  return sum;
}

function atomBounds(atom: DimAtom, bounds: ReadonlyMap<string, DimBounds>, unbound: DimBounds): DimBounds {
  if (atom.kind === "symbol") {
    const isInteger = atom.name.startsWith("~");
    return bounds.get(atom.name) ?? (isInteger ? { min: -unbound.max, max: unbound.max } : unbound);
  }
  const a = dimBounds(atom.a, bounds, unbound);
  const b = dimBounds(atom.b, bounds, unbound);
  switch (atom.kind) {
    case "min":
      return { min: Math.min(a.min, b.min), max: Math.min(a.max, b.max) };
    case "max":
      return { min: Math.max(a.min, b.min), max: Math.max(a.max, b.max) };
    case "equal":
      return { min: 0, max: 1 };
    case "floordiv":
      return floorDivide(a, b);
    case "mod":
      return remainder(a, b);
  }
}

/** Equal atoms stand next to each other: N*N is a power, which is never negative even where N may be. */
function powers(atoms: readonly DimAtom[]): Map<DimAtom, number> {
  const counted = new Map<DimAtom, number>();
  let last: DimAtom | undefined;
  for (const atom of atoms) {
    if (last === undefined || last.text !== atom.text) last = atom;
    counted.set(last, (counted.get(last) ?? 0) + 1);
  }
  return counted;
}

function raise(base: DimBounds, power: number): DimBounds {
  const ends = [base.min ** power, base.max ** power];
  const crossesZero = base.min < 0 && base.max > 0;
  return { min: power % 2 === 0 && crossesZero ? 0 : Math.min(...ends), max: Math.max(...ends) };
}

function multiply(a: DimBounds, b: DimBounds): DimBounds {
  // Zero times infinity is zero here: the bound is infinite, the values below it are not.
  const times = (x: number, y: number) => (x === 0 || y === 0 ? 0 : x * y);
  const ends = [times(a.min, b.min), times(a.min, b.max), times(a.max, b.min), times(a.max, b.max)];
  return { min: Math.min(...ends), max: Math.max(...ends) };
}

function floorDivide(a: DimBounds, b: DimBounds): DimBounds {
  const ends: number[] = [];
  for (const divisor of divisors(b)) ends.push(floorQuotient(a.min, divisor), floorQuotient(a.max, divisor));
  return ends.length === 0 ? everything : { min: Math.min(...ends), max: Math.max(...ends) };
}

/** The divisors at which a quotient can be extreme: the ends of the negative and of the positive part. */
function divisors({ min, max }: DimBounds): number[] {
  const ends: number[] = [];
  if (min < 0) ends.push(min, Math.min(max, -1));
  if (max > 0) ends.push(Math.max(min, 1), max);
  return ends;
}

/** floor(a / b), and its limit where b is infinite. */
function floorQuotient(a: number, b: number): number {
  if (Number.isFinite(b)) return Math.floor(a / b) + 0;
  return a === 0 || a > 0 === b > 0 ? 0 : -1;
}

function remainder(a: DimBounds, b: DimBounds): DimBounds {
  if (a.min >= 0 && a.max < b.min) return a;
  // The remainder lies between zero and the divisor, and has its sign.
  const least = b.min < 0 ? b.min + 1 : 0;
  const most = b.max > 0 ? b.max - 1 : 0;
  return { min: least, max: a.min >= 0 && b.min >= 0 ? Math.min(most, a.max) : most };
}

const everything: DimBounds = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
