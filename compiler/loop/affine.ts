/**
 * Index arithmetic as polynomials.
 *
 * An i32 index is seen as a sum of terms `coefficient * factor * factor ...` whose factors are variables or expressions
 * that are no sums or products (divisions, loads, ...). With fixed shapes the sum is affine in the loop variables;
 * with run-time sizes the coefficient of a loop variable is itself a polynomial of sizes. Coefficients wrap like i32,
 * so that every equality found here holds for the machine's arithmetic too.
 */

import { add, constantIndex, i32Constant, mul, op, sub } from "./builder.js";
import type { Expr, Variable } from "./ir.js";
import { childrenOf, dependsOn } from "./rewrite.js";

export interface Term {
  readonly factors: readonly Expr[];
  readonly coefficient: number;
}

/** Terms by the key of their factors, in the order of their first appearance; the constant has the empty key. */
export type Polynomial = ReadonlyMap<string, Term>;

/** More terms than this and a product is not multiplied out: the sum would cost more than it tells. */
const MAX_TERMS = 24;

/** Decomposes expressions of one kernel; polynomials of different instances must not be mixed. */
export class Indices {
  private readonly known = new Map<Expr, Polynomial>();
  private readonly ids = new Map<Expr, number>();
  private readonly idsByShape = new Map<string, number>();
  private readonly firsts: Expr[] = [];
  private readonly variableIds = new Map<object, number>();

  /** Variables with a definition are seen through. */
  constructor(private readonly definitions: ReadonlyMap<Variable, Expr> = new Map()) {}

  of(expr: Expr): Polynomial {
    let polynomial = this.known.get(expr);
    if (polynomial === undefined) {
      polynomial = this.decompose(expr);
      this.known.set(expr, polynomial);
    }
    return polynomial;
  }

  private decompose(expr: Expr): Polynomial {
    const value = constantIndex(expr);
    if (value !== undefined) return constantPolynomial(value);
    if (expr.kind === "variable") {
      const definition = this.definitions.get(expr.variable);
      return definition !== undefined ? this.of(definition) : this.single(expr);
    }
    if (expr.kind !== "op" || expr.type.lanes !== 1 || expr.type.scalar !== "i32") return this.single(expr);
    const [a, b] = expr.args;
    if (expr.op === "add") return this.sum(this.of(a!), this.of(b!));
    if (expr.op === "sub") return this.difference(this.of(a!), this.of(b!));
    if (expr.op === "neg") return scale(this.of(a!), -1);
    if (expr.op === "mul") return this.product(this.of(a!), this.of(b!)) ?? this.single(expr);
    if (expr.op === "shl") {
      const bits = constantIndex(b!);
      if (bits !== undefined && bits >= 0 && bits < 31) return scale(this.of(a!), 1 << bits);
    }
    return this.single(expr);
  }

  private single(expr: Expr): Polynomial {
    const key = String(this.idOf(expr));
    return new Map([[key, { factors: [expr], coefficient: 1 }]]);
  }

  sum(a: Polynomial, b: Polynomial): Polynomial {
    const terms = new Map(a);
    for (const [key, term] of b) addTerm(terms, key, term);
    return terms;
  }

  difference(a: Polynomial, b: Polynomial): Polynomial {
    return this.sum(a, scale(b, -1));
  }

  /** The product multiplied out, or null where it has too many terms. */
  product(a: Polynomial, b: Polynomial): Polynomial | null {
    if (a.size * b.size > MAX_TERMS) return null;
    const terms = new Map<string, Term>();
    for (const left of a.values()) {
      for (const right of b.values()) {
        const factors = [...left.factors, ...right.factors].sort((x, y) => this.idOf(x) - this.idOf(y));
        const coefficient = Math.imul(left.coefficient, right.coefficient);
        addTerm(terms, this.keyOf(factors), { factors, coefficient });
      }
    }
    return terms;
  }

  private keyOf(factors: readonly Expr[]): string {
    return factors.map((factor) => this.idOf(factor)).join("*");
  }

  /** The first expression met that has the structure of this one: equal expressions become shared ones. */
  canonical(expr: Expr): Expr {
    return this.firsts[this.idOf(expr)]!;
  }

  /** Equal numbers for expressions of equal structure. */
  private idOf(expr: Expr): number {
    let id = this.ids.get(expr);
    if (id === undefined) {
      const shape = this.shapeOf(expr);
      id = this.idsByShape.get(shape) ?? this.firsts.length;
      if (id === this.firsts.length) this.firsts.push(expr);
      this.idsByShape.set(shape, id);
      this.ids.set(expr, id);
    }
    return id;
  }

  private shapeOf(expr: Expr): string {
    const head = `${expr.kind} ${expr.type.scalar} ${expr.type.lanes}`;
    const operands = childrenOf(expr).map((child) => this.idOf(child));
    switch (expr.kind) {
      case "constant":
        return `${head} ${Object.is(expr.value, -0) ? "-0" : expr.value}`;
      case "variable":
        return `${head} ${this.objectId(expr.variable)}`;
      case "address":
        return `${head} ${this.objectId(expr.buffer)}`;
      case "op":
        return `${head} ${expr.op} ${operands} ${expr.immediates ?? ""}`;
      case "load": {
        const pointer = expr.pointer && this.objectId(expr.pointer);
        return `${head} ${this.objectId(expr.buffer)} ${operands} ${expr.offset} ${expr.splat} ${pointer ?? ""}`;
      }
    }
  }

  private objectId(object: object): number {
    let id = this.variableIds.get(object);
    if (id === undefined) {
      id = this.variableIds.size;
      this.variableIds.set(object, id);
    }
    return id;
  }
}

export const constantPolynomial = (value: number): Polynomial =>
  new Map(value === 0 ? [] : [["", { factors: [], coefficient: value | 0 }]]);

function addTerm(terms: Map<string, Term>, key: string, term: Term): void {
  const coefficient = ((terms.get(key)?.coefficient ?? 0) + term.coefficient) | 0;
  if (coefficient === 0) terms.delete(key);
  else terms.set(key, { factors: term.factors, coefficient });
}

export function scale(polynomial: Polynomial, by: number): Polynomial {
  const terms = new Map<string, Term>();
  for (const [key, { factors, coefficient }] of polynomial) {
    const scaled = Math.imul(coefficient, by);
    if (scaled !== 0) terms.set(key, { factors, coefficient: scaled });
  }
  return terms;
}

export function equalPolynomials(a: Polynomial, b: Polynomial): boolean {
  if (a.size !== b.size) return false;
  for (const [key, term] of a) if (b.get(key)?.coefficient !== term.coefficient) return false;
  return true;
}

/** Equal strings for equal polynomials of the same instance. */
export const polynomialKey = (polynomial: Polynomial): string =>
  [...polynomial]
    .map(([key, { coefficient }]) => `${key}:${coefficient}`)
    .sort()
    .join(",");

export const constantOf = (polynomial: Polynomial): number => polynomial.get("")?.coefficient ?? 0;

/** The value of a polynomial that has no other term than a constant. */
export const constantValue = (polynomial: Polynomial): number | undefined =>
  polynomial.size === (polynomial.has("") ? 1 : 0) ? constantOf(polynomial) : undefined;

/** The terms that fulfil a condition, and the others. */
export function partition(
  polynomial: Polynomial,
  condition: (term: Term) => boolean,
): [matching: Polynomial, others: Polynomial] {
  const [matching, others] = [new Map<string, Term>(), new Map<string, Term>()];
  for (const [key, term] of polynomial) (condition(term) ? matching : others).set(key, term);
  return [matching, others];
}

export const withoutConstant = (polynomial: Polynomial): Polynomial =>
  partition(polynomial, ({ factors }) => factors.length > 0)[0];

export interface Split {
  /** What the variable is multiplied by. */
  readonly coefficient: Polynomial;
  /** The terms without the variable. */
  readonly rest: Polynomial;
}

/** polynomial = coefficient * variable + rest, or null where it depends on the variable in another way. */
export function splitBy(polynomial: Polynomial, variable: Variable): Split | null {
  const isVariable = (factor: Expr): boolean => factor.kind === "variable" && factor.variable === variable;
  const only = new Set([variable]);
  const coefficient = new Map<string, Term>();
  const rest = new Map<string, Term>();
  for (const [key, term] of polynomial) {
    const at = term.factors.findIndex(isVariable);
    const others = at < 0 ? term.factors : term.factors.filter((_, i) => i !== at);
    if (others.some((factor) => dependsOn(factor, only))) return null;
    if (at < 0) rest.set(key, term);
    else coefficient.set(keyWithout(key, at), { factors: others, coefficient: term.coefficient });
  }
  return { coefficient, rest };
}

const keyWithout = (key: string, at: number): string =>
  key
    .split("*")
    .filter((_, i) => i !== at)
    .join("*");

export const dependsOnAny = (polynomial: Polynomial, variables: ReadonlySet<Variable>): boolean => {
  for (const term of polynomial.values()) {
    if (term.factors.some((factor) => dependsOn(factor, variables))) return true;
  }
  return false;
};

/** The expression of a polynomial: its terms in order, the constant last. */
export function rebuild(polynomial: Polynomial): Expr {
  let total: Expr | undefined;
  for (const { factors, coefficient } of polynomial.values()) {
    if (factors.length === 0) continue;
    const [first, ...others] = factors as [Expr, ...Expr[]];
    const subtracts = coefficient === -1;
    const product = others.reduce((a, b) => mul(a, b), subtracts ? first : mul(first, coefficient));
    if (total === undefined) total = subtracts ? op("neg", product) : product;
    else total = subtracts ? sub(total, product) : add(total, product);
  }
  return total === undefined ? i32Constant(constantOf(polynomial)) : add(total, constantOf(polynomial));
}

/**
 * The same polynomial with its terms, and the factors in each, from those that change least often to those that change
 * most: a sum built in this order has the invariant part of every loop as a subexpression.
 */
export function ordered(polynomial: Polynomial, depth: (factor: Expr) => number): Polynomial {
  const depthOf = ({ factors }: Term): number => Math.max(-1, ...factors.map(depth));
  return new Map(
    [...polynomial]
      .sort(([, a], [, b]) => depthOf(a) - depthOf(b))
      .map(([key, { factors, coefficient }]) => [
        key,
        { factors: [...factors].sort((a, b) => depth(a) - depth(b)), coefficient },
      ]),
  );
}
