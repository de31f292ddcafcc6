/**
 * Dimensions: non-negative integers that are numbers where they are known and expressions over named symbols
 * where they are not.
 *
 * An expression is kept as a polynomial in normal form: a constant plus terms, each an integer coefficient times a
 * sorted product of atoms, where an atom is a symbol or an irreducible operation (floor division, remainder,
 * minimum, maximum). Two expressions that are the same polynomial have the same text, so equality is comparison of
 * text, and every operation on numbers folds to a number.
 */

import { invariant, KilnError } from "../diagnostics.js";

export type Dim = number | DimExpression;

export type DimOperation = "floordiv" | "mod" | "min" | "max";

export type DimAtom =
  | { readonly kind: "symbol"; readonly name: string }
  | { readonly kind: DimOperation; readonly a: Dim; readonly b: Dim };

interface Term {
  readonly coefficient: number;
  readonly atoms: readonly DimAtom[];
}

export class DimExpression {
  /** Canonical text; equal expressions have equal text. */
  readonly text: string;

  /** Use the functions below: they keep the normal form. */
  constructor(
    readonly terms: readonly Term[],
    readonly constant: number,
  ) {
    this.text = printPolynomial(terms, constant);
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

export const symbolDim = (name: string): Dim => fromAtom({ kind: "symbol", name });

export function addDims(a: Dim, b: Dim): Dim {
  if (isStatic(a) && isStatic(b)) return a + b;
  const x = polynomial(a);
  const y = polynomial(b);
  return normalise([...x.terms, ...y.terms], x.constant + y.constant);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (isStatic(a) && isStatic(b)) return a * b;
  const x = withConstantTerm(polynomial(a));
  const y = withConstantTerm(polynomial(b));
  const terms = x.flatMap((s) =>
    y.map((t) => ({ coefficient: s.coefficient * t.coefficient, atoms: [...s.atoms, ...t.atoms] })),
  );
  return normalise(terms, 0);
}

export const subtractDims = (a: Dim, b: Dim): Dim => addDims(a, multiplyDims(b, -1));

/** floor(a / b); exact division of a polynomial by a constant stays a polynomial. */
export function floorDivDims(a: Dim, b: Dim): Dim {
  if (b === 1) return a;
  if (isStatic(b)) invariant(b !== 0, "division of a dim by zero");
  if (isStatic(a) && isStatic(b)) return Math.floor(a / b);
  if (equalDims(a, b)) return 1;
  const quotient = divideExactly(a, b);
  return quotient ?? fromAtom({ kind: "floordiv", a, b });
}

export const ceilDivDims = (a: Dim, b: Dim): Dim =>
  isStatic(a) && isStatic(b) ? Math.ceil(a / b) : floorDivDims(addDims(a, subtractDims(b, 1)), b);

export function modDims(a: Dim, b: Dim): Dim {
  if (isStatic(a) && isStatic(b)) return a - Math.floor(a / b) * b;
  return divideExactly(a, b) !== undefined ? 0 : fromAtom({ kind: "mod", a, b });
}

export const minDims = (a: Dim, b: Dim): Dim => extremum("min", a, b);
export const maxDims = (a: Dim, b: Dim): Dim => extremum("max", a, b);

export const productOfDims = (dims: readonly Dim[]): Dim => dims.reduce(multiplyDims, 1 as Dim);

export const equalDims = (a: Dim, b: Dim): boolean =>
  isStatic(a) || isStatic(b) ? a === b : a.text === b.text;

export const equalShapes = (a: readonly Dim[], b: readonly Dim[]): boolean =>
  a.length === b.length && a.every((dim, i) => equalDims(dim, b[i]!));

export const printDim = (dim: Dim): string => (isStatic(dim) ? String(dim) : dim.text);

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
    return operations[atom.kind](substituteDim(atom.a, bindings), substituteDim(atom.b, bindings));
  };
  const terms = dim.terms.map((term) =>
    term.atoms.map(bindAtom).reduce(multiplyDims, term.coefficient as Dim),
  );
  return terms.reduce(addDims, dim.constant as Dim);
}

const operations: Record<DimOperation, (a: Dim, b: Dim) => Dim> = {
  floordiv: floorDivDims,
  mod: modDims,
  min: minDims,
  max: maxDims,
};

/** The dim built from `symbol` and the operation names, as the parser of IR text needs it. */
export const applyDimOperation = (kind: DimOperation, a: Dim, b: Dim): Dim => operations[kind](a, b);

function extremum(kind: "min" | "max", a: Dim, b: Dim): Dim {
  if (isStatic(a) && isStatic(b)) return Math[kind](a, b);
  const difference = subtractDims(a, b);
  if (isStatic(difference)) return difference < 0 === (kind === "min") ? a : b;
  const [first, second] = printDim(a) <= printDim(b) ? [a, b] : [b, a];
  return fromAtom({ kind, a: first, b: second });
}

function polynomial(dim: Dim): { terms: readonly Term[]; constant: number } {
  return isStatic(dim) ? { terms: [], constant: dim } : dim;
}

function withConstantTerm({ terms, constant }: { terms: readonly Term[]; constant: number }): Term[] {
  return constant === 0 ? [...terms] : [...terms, { coefficient: constant, atoms: [] }];
}

function fromAtom(atom: DimAtom): DimExpression {
  return new DimExpression([{ coefficient: 1, atoms: [atom] }], 0);
}

function normalise(terms: readonly Term[], constant: number): Dim {
  const byAtoms = new Map<string, Term>();
  let sum = constant;
  for (const term of terms) {
    if (term.atoms.length === 0) {
      sum += term.coefficient;
      continue;
    }
    const atoms = [...term.atoms].sort((a, b) => (printAtom(a) < printAtom(b) ? -1 : 1));
    const key = atoms.map(printAtom).join("*");
    const coefficient = term.coefficient + (byAtoms.get(key)?.coefficient ?? 0);
    byAtoms.set(key, { coefficient, atoms });
  }
  const kept = [...byAtoms.entries()].filter(([, term]) => term.coefficient !== 0);
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  return kept.length === 0
    ? sum
    : new DimExpression(
        kept.map(([, term]) => term),
        sum,
      );
}

function divideExactly(a: Dim, b: Dim): Dim | undefined {
  const x = polynomial(a);
  if (isStatic(b)) {
    const divisible = x.constant % b === 0 && x.terms.every((term) => term.coefficient % b === 0);
    if (!divisible) return undefined;
    return normalise(
      x.terms.map((term) => ({ ...term, coefficient: term.coefficient / b })),
      x.constant / b,
    );
  }
  const factor = b.terms.length === 1 && b.constant === 0 ? b.terms[0]! : undefined;
  if (factor === undefined || x.constant !== 0) return undefined;
  const quotients: Term[] = [];
  for (const term of x.terms) {
    const quotient = divideTerm(term, factor);
    if (quotient === undefined) return undefined;
    quotients.push(quotient);
  }
  return normalise(quotients, 0);
}

function divideTerm(term: Term, factor: Term): Term | undefined {
  if (term.coefficient % factor.coefficient !== 0) return undefined;
  const remaining = [...term.atoms];
  for (const atom of factor.atoms) {
    const at = remaining.findIndex((other) => printAtom(other) === printAtom(atom));
    if (at < 0) return undefined;
    remaining.splice(at, 1);
  }
  return { coefficient: term.coefficient / factor.coefficient, atoms: remaining };
}

const plainName = /^[A-Za-z_][A-Za-z0-9_.]*$/;

function printAtom(atom: DimAtom): string {
  if (atom.kind === "symbol") return plainName.test(atom.name) ? atom.name : JSON.stringify(atom.name);
  return `${atom.kind}(${printDim(atom.a)}, ${printDim(atom.b)})`;
}

function printTerm(term: Term): string {
  const atoms = term.atoms.map(printAtom).join("*");
  return term.coefficient === 1 ? atoms : `${term.coefficient}*${atoms}`;
}

function printPolynomial(terms: readonly Term[], constant: number): string {
  const parts = terms.map(printTerm);
  if (constant !== 0) parts.push(String(constant));
  return parts.join(" + ");
}
