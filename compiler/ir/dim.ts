/**
 * Dimensions: non-negative integers that are numbers where they are known and expressions over named symbols
 * where they are not. A symbol stands for a dim, so it is never negative; an expression may be (shape arithmetic
 * passes through `N - 1`).
 *
 * An expression is kept as a polynomial in normal form: a constant plus terms, each an integer coefficient times a
 * sorted product of atoms, where an atom is a symbol or an irreducible operation (floor division, remainder,
 * minimum, maximum, equality as 1 or 0). Two expressions that are the same polynomial have the same text, so equality is comparison of
 * text, and every operation on numbers folds to a number. Division moves whole multiples of the divisor out of the
 * atom (floor((2*N + 3) / 2) is N + 1) and merges nested divisions, so that the sizes of strided layers that are
 * equal mostly look equal too.
 */

import { invariant, KilnError } from "../diagnostics.js";
import { type DimBounds, dimBounds } from "./dim-bounds.js";

export type Dim = number | DimExpression;

export type DimOperation = "floordiv" | "mod" | "min" | "max" | "equal";

export type DimAtom =
  | { readonly kind: "symbol"; readonly name: string; readonly text: string }
  | { readonly kind: DimOperation; readonly a: Dim; readonly b: Dim; readonly text: string };

interface Term {
  readonly coefficient: number;
  /** Sorted by text; never empty. */
  readonly atoms: readonly DimAtom[];
  /** The product of the atoms as text: terms of equal text are added up. */
  readonly text: string;
}

interface Polynomial {
  readonly terms: readonly Term[];
  readonly constant: number;
}

/** Expressions that refer to others twice can double with every operation: no real shape comes near this. */
const maxTextLength = 1 << 16;
const maxProducts = 1 << 20;

export class DimExpression implements Polynomial {
  /** Canonical text; equal expressions have equal text. */
  readonly text: string;

  /** Use the functions below: they keep the normal form. */
  constructor(
    readonly terms: readonly Term[],
    readonly constant: number,
  ) {
    this.text = printPolynomial(terms, constant);
    requireSize(this.text.length <= maxTextLength);
  }

  toString(): string {
    return this.text;
  }
}

export const isStatic = (dim: Dim): dim is number => typeof dim === "number";

/** The dim as a number, or E_SHAPE saying what it is needed for. */
export function staticDim(dim: Dim, what: string): number {
  if (isStatic(dim)) return dim;
  throw new KilnError("E_SHAPE", `${what} must be known at compile time, but is ${dim.text}`, {
    hint: `bind it with ${[...dimSymbols(dim)].map((name) => `--dim "${name}=N"`).join(" ")}`,
  });
}

export const symbolDim = (name: string): Dim =>
  fromAtom({ kind: "symbol", name, text: plainName.test(name) ? name : JSON.stringify(name) });

export function addDims(a: Dim, b: Dim): Dim {
  if (isStatic(a) && isStatic(b)) return a + b;
  const x = polynomial(a);
  const y = polynomial(b);
  return fromTerms([...x.terms, ...y.terms], x.constant + y.constant);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (isStatic(a)) return scale(b, a);
  if (isStatic(b)) return scale(a, b);
  requireSize(a.terms.length * b.terms.length <= maxProducts);
  const products = a.terms.flatMap((s) =>
    b.terms.map((t) => makeTerm(s.coefficient * t.coefficient, [...s.atoms, ...t.atoms])),
  );
  const scaled = [...scaleTerms(a.terms, b.constant), ...scaleTerms(b.terms, a.constant)];
  return fromTerms([...products, ...scaled], a.constant * b.constant);
}

export const subtractDims = (a: Dim, b: Dim): Dim => addDims(a, scale(b, -1));

/** floor(a / b). The divisor must not be zero; a symbolic one is taken not to be. */
export function floorDivDims(a: Dim, b: Dim): Dim {
  if (isStatic(b)) {
    invariant(b !== 0, "division of a dim by zero");
    if (b < 0) return floorDivDims(scale(a, -1), -b);
  }
  const { quotient, rest } = splitMultiples(a, b);
  return addDims(quotient, floorDivRest(rest, b));
}

/** ceil(a / b) for a positive divisor. */
export const ceilDivDims = (a: Dim, b: Dim): Dim => floorDivDims(addDims(a, subtractDims(b, 1)), b);

/** a - floor(a / b) * b: it has the sign of the divisor, which must not be zero. */
export function modDims(a: Dim, b: Dim): Dim {
  if (isStatic(b)) {
    invariant(b !== 0, "remainder of a dim divided by zero");
    if (b < 0) return scale(modDims(scale(a, -1), -b), -1);
  }
  const { rest } = splitMultiples(a, b);
  return rest === 0 || (isStatic(rest) && isStatic(b)) ? rest : fromOperation("mod", rest, b);
}

export const minDims = (a: Dim, b: Dim): Dim => extremum("min", a, b);
export const maxDims = (a: Dim, b: Dim): Dim => extremum("max", a, b);

export const productOfDims = (dims: readonly Dim[]): Dim => dims.reduce(multiplyDims, 1 as Dim);

export const equalDims = (a: Dim, b: Dim): boolean =>
  isStatic(a) || isStatic(b) ? a === b : a.text === b.text;

export const equalShapes = (a: readonly Dim[], b: readonly Dim[]): boolean =>
  a.length === b.length && a.every((dim, i) => equalDims(dim, b[i]!));

export const printDim = (dim: Dim): string => (isStatic(dim) ? String(dim) : dim.text);

/** True for a symbol alone. */
export const isSymbol = (dim: Dim): boolean =>
  !isStatic(dim) &&
  dim.constant === 0 &&
  dim.terms.length === 1 &&
  dim.terms[0]!.coefficient === 1 &&
  dim.terms[0]!.atoms.length === 1 &&
  dim.terms[0]!.atoms[0]!.kind === "symbol";

/** The names of the symbols in a dim. */
export function dimSymbols(dim: Dim, into = new Set<string>()): Set<string> {
  if (isStatic(dim)) return into;
  for (const term of dim.terms) {
    for (const atom of term.atoms) {
      if (atom.kind === "symbol") into.add(atom.name);
      else {
        dimSymbols(atom.a, into);
        dimSymbols(atom.b, into);
      }
    }
  }
  return into;
}

/** Replaces symbols by their bindings; unbound symbols stay. */
export function substituteDim(dim: Dim, bindings: ReadonlyMap<string, Dim>): Dim {
  if (isStatic(dim)) return dim;
  const bindAtom = (atom: DimAtom): Dim => {
    if (atom.kind === "symbol") return bindings.get(atom.name) ?? fromAtom(atom);
    return applyDimOperation(atom.kind, substituteDim(atom.a, bindings), substituteDim(atom.b, bindings));
  };
  const terms = dim.terms.map((term) => scale(productOfDims(term.atoms.map(bindAtom)), term.coefficient));
  return terms.reduce(addDims, dim.constant as Dim);
}

/** The value of a dim whose symbols all have one. Division by zero, which has no value, gives 0. */
export function evaluateDim(dim: Dim, symbols: ReadonlyMap<string, number>): number {
  if (isStatic(dim)) return dim;
  let sum = dim.constant;
  for (const { coefficient, atoms } of dim.terms) {
    sum += atoms.reduce((product, atom) => product * evaluateAtom(atom, symbols), coefficient);
  }
  return sum;
}

function evaluateAtom(atom: DimAtom, symbols: ReadonlyMap<string, number>): number {
  if (atom.kind === "symbol") {
    const value = symbols.get(atom.name);
    invariant(value !== undefined, `symbol ${atom.name} has no value`);
    return value;
  }
  const [a, b] = [evaluateDim(atom.a, symbols), evaluateDim(atom.b, symbols)];
  switch (atom.kind) {
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "floordiv":
      return b === 0 ? 0 : Math.floor(a / b);
    case "mod":
      return b === 0 ? 0 : a - Math.floor(a / b) * b;
    case "equal":
      return a === b ? 1 : 0;
  }
}

/** 1 where the dims are equal, 0 where they are not. */
export function equalityOfDims(a: Dim, b: Dim): Dim {
  const difference = dimBounds(subtractDims(a, b), noBounds, anyDim);
  if (difference.min > 0 || difference.max < 0) return 0;
  if (difference.min === 0 && difference.max === 0) return 1;
  const [first, second] = printDim(a) <= printDim(b) ? [a, b] : [b, a];
  return fromOperation("equal", first, second);
}

/**
 * The same size as one factor of products: sums of many terms, each for one case of what is known only at run time,
 * would otherwise be multiplied out. Nothing but zero may be negative in it.
 */
export const groupDim = (size: Dim): Dim =>
  isStatic(size) || size.terms.length < 2 ? size : fromOperation("max", 0, size);

/** 1 for a negative dim, else 0. */
export const negativityOfDim = (dim: Dim): Dim => multiplyDims(maxDims(minDims(dim, 0), -1), -1);

/** `a` where the flag is 1, `b` where it is 0. */
export const selectDims = (flag: Dim, a: Dim, b: Dim): Dim =>
  addDims(b, multiplyDims(flag, subtractDims(a, b)));

/**
 * `a` where the flag is 1, `b` where it is 0, for sizes: as `selectDims`, but what is not known is one term, so that
 * products of many of these stay short.
 */
export function selectSize(flag: Dim, a: Dim, b: Dim): Dim {
  if (isStatic(flag)) return flag === 1 ? a : b;
  return maxDims(multiplyDims(flag, a), multiplyDims(subtractDims(1, flag), b));
}

const operations: Record<DimOperation, (a: Dim, b: Dim) => Dim> = {
  floordiv: floorDivDims,
  mod: modDims,
  min: minDims,
  max: maxDims,
  equal: equalityOfDims,
};

/** The dim built from an operation's name, as the parser of IR text needs it. */
export const applyDimOperation = (kind: DimOperation, a: Dim, b: Dim): Dim => operations[kind](a, b);

const noBounds: ReadonlyMap<string, DimBounds> = new Map();
/** A symbol is a dim, so it is exact as a number: this lets `min(N, INT64_MAX)`, the end of a slice, be N. */
const anyDim = { min: 0, max: Number.MAX_SAFE_INTEGER };

/**
 * A symbol for any integer, negative ones too: an element of a tensor. What is known of a symbol must be seen in its
 * name, since equal names are one symbol: these begin with `~`.
 */
export const integerSymbol = (name: string): Dim => symbolDim(`~${name}`);

function extremum(kind: "min" | "max", a: Dim, b: Dim): Dim {
  // In the order of their texts, so that min(a, b) and min(b, a) are one, even where a and b are equal unseen.
  const [first, second] = printDim(a) <= printDim(b) ? [a, b] : [b, a];
  const difference = dimBounds(subtractDims(first, second), noBounds, anyDim);
  if (difference.max <= 0) return kind === "min" ? first : second;
  if (difference.min >= 0) return kind === "min" ? second : first;
  return fromOperation(kind, first, second);
}

/**
 * a as quotient * b + rest. By a positive number, the rest has a constant in [0, b) and coefficients nearer to zero than b;
 * by a product of symbols, no term of the rest is a multiple of it. By any other sum, only equality is seen.
 */
function splitMultiples(a: Dim, b: Dim): { quotient: Dim; rest: Dim } {
  if (equalDims(a, b)) return { quotient: 1, rest: 0 };
  const { terms, constant } = polynomial(a);
  if (isStatic(b)) {
    const quotients = terms.map((term) => withCoefficient(term, Math.trunc(term.coefficient / b)));
    const quotient = fromTerms(quotients, Math.floor(constant / b));
    return { quotient, rest: subtractDims(a, scale(quotient, b)) };
  }
  const [factor, ...others] = b.terms;
  if (others.length > 0 || b.constant !== 0) return { quotient: 0, rest: a };
  const divided = terms.map((term) => ({ term, quotient: divideTerm(term, factor!) }));
  return {
    quotient: divided.reduce((sum: Dim, { quotient }) => addDims(sum, quotient ?? 0), 0),
    rest: fromTerms(
      divided.filter(({ quotient }) => quotient === undefined).map(({ term }) => term),
      constant,
    ),
  };
}

/** floor(a / b) where `a` holds no multiples of b any more; a `b` that is a number is positive. */
function floorDivRest(a: Dim, b: Dim): Dim {
  if (a === 0) return 0;
  if (!isStatic(b)) return fromOperation("floordiv", a, b);
  if (isStatic(a)) return floorQuotient(a, b);
  const divisor = a.terms.reduce((common, term) => greatestCommonDivisor(common, term.coefficient), b);
  if (divisor > 1) {
    // floor((g*p + c) / (g*d)) is floor((p + floor(c / g)) / d): what is left of c / g cannot reach the next unit.
    const parts = a.terms.map((term) => withCoefficient(term, term.coefficient / divisor));
    return floorDivDims(fromTerms(parts, floorQuotient(a.constant, divisor)), b / divisor);
  }
  const [{ coefficient, atoms }] = a.terms as [Term];
  const [atom] = atoms;
  const nested = a.terms.length === 1 && coefficient === 1 && atoms.length === 1 && atom?.kind === "floordiv";
  if (nested && isStatic(atom.b)) {
    // floor((floor(x / c) + k) / b) is floor((x + k*c) / (b*c)).
    return floorDivDims(addDims(atom.a, a.constant * atom.b), b * atom.b);
  }
  return fromOperation("floordiv", a, b);
}

/** The term divided by a factor that it is a multiple of. */
function divideTerm(term: Term, factor: Term): Dim | undefined {
  if (term.coefficient % factor.coefficient !== 0) return undefined;
  const remaining = [...term.atoms];
  for (const atom of factor.atoms) {
    const at = remaining.findIndex((other) => other.text === atom.text);
    if (at < 0) return undefined;
    remaining.splice(at, 1);
  }
  const coefficient = term.coefficient / factor.coefficient;
  return remaining.length === 0 ? coefficient : fromTerms([makeTerm(coefficient, remaining)], 0);
}

/** Adding zero makes 0 of -0, which numbers in JavaScript have and dims do not. */
const floorQuotient = (a: number, b: number): number => Math.floor(a / b) + 0;

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? Math.abs(a) : greatestCommonDivisor(b, a % b);

const polynomial = (dim: Dim): Polynomial => (isStatic(dim) ? { terms: [], constant: dim } : dim);

function scale(dim: Dim, factor: number): Dim {
  if (isStatic(dim)) return dim * factor + 0;
  if (factor === 1) return dim;
  return fromTerms(scaleTerms(dim.terms, factor), dim.constant * factor);
}

const scaleTerms = (terms: readonly Term[], factor: number): Term[] =>
  terms.map((term) => withCoefficient(term, term.coefficient * factor));

const withCoefficient = ({ atoms, text }: Term, coefficient: number): Term => ({ coefficient, atoms, text });

const fromAtom = (atom: DimAtom): DimExpression =>
  new DimExpression([{ coefficient: 1, atoms: [atom], text: atom.text }], 0);

const fromOperation = (kind: DimOperation, a: Dim, b: Dim): DimExpression =>
  fromAtom({ kind, a, b, text: `${kind}(${printDim(a)}, ${printDim(b)})` });

function makeTerm(coefficient: number, unsorted: readonly DimAtom[]): Term {
  const atoms = [...unsorted].sort((a, b) => compareTexts(a.text, b.text));
  return { coefficient, atoms, text: atoms.map((atom) => atom.text).join("*") };
}

/** The sum of the terms in normal form. */
function fromTerms(terms: readonly Term[], constant: number): Dim {
  const byText = new Map<string, Term>();
  for (const term of terms) {
    const coefficient = term.coefficient + (byText.get(term.text)?.coefficient ?? 0);
    byText.set(term.text, withCoefficient(term, coefficient));
  }
  const kept = [...byText.values()].filter((term) => term.coefficient !== 0);
  if (kept.length === 0) return constant + 0;
  requireSize(kept.every((term) => Number.isSafeInteger(term.coefficient)));
  return new DimExpression(
    kept.sort((a, b) => compareTexts(a.text, b.text)),
    constant + 0,
  );
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const plainName = /^[A-Za-z_][A-Za-z0-9_.]*$/;

function printPolynomial(terms: readonly Term[], constant: number): string {
  const parts = terms.map(({ coefficient, text }) => (coefficient === 1 ? text : `${coefficient}*${text}`));
  if (constant !== 0) parts.push(String(constant));
  return parts.join(" + ");
}

function requireSize(fits: boolean): void {
  if (!fits) throw new KilnError("E_LIMIT", "an expression of symbolic dims grows too large");
}
