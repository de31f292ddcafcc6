/**
 * Ranges of index expressions, to find accesses outside their buffer without running anything.
 *
 * An i32 expression is kept as a linear form: a constant plus coefficients times atoms. An atom is a loop variable
 * with the interval of its values, or a subexpression that is not linear with an interval that holds all its values
 * and maybe more. A form whose atoms are all loop variables with constant bounds is exact: it takes both ends of its
 * interval, because each variable runs through its values whatever the others are.
 */

import type { Access, Expr, OpName, Variable } from "./ir.js";

interface Atom {
  readonly low: number;
  readonly high: number;
  /** Both ends are reached, independently of all other atoms. */
  readonly exact: boolean;
}

interface Linear {
  readonly constant: number;
  readonly terms: ReadonlyMap<Atom, number>;
}

export type Range = Atom;

/**
 * Whether a statement is executed whenever its kernel is: `sometimes` below a condition, `open` in a loop that may be
 * empty (where sizes are open, perhaps in every run), `never` where the condition is known to fail.
 */
export type Reached = "always" | "sometimes" | "open" | "never";

const reaches: readonly Reached[] = ["always", "sometimes", "open", "never"];

/** How a statement is reached within one that is reached itself only so. */
export const reachedWithin = (outer: Reached, inner: Reached): Reached =>
  reaches[Math.max(reaches.indexOf(outer), reaches.indexOf(inner))]!;

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

/** Coefficients beyond this are not followed, so that all arithmetic here stays exact in doubles. */
const MAX_COEFFICIENT = 2 ** 20;

const anything = (): Atom => ({ low: INT_MIN, high: INT_MAX, exact: false });

const constantForm = (constant: number): Linear => ({ constant, terms: new Map() });
const atomForm = (atom: Atom): Linear => ({ constant: 0, terms: new Map([[atom, 1]]) });

export class IndexRanges {
  private readonly variables = new Map<Variable, Linear>();
  private readonly truths = new Map<Variable, boolean>();
  /** Forms of the nodes of one statement: mutable variables and memory change between statements. */
  private nodes = new Map<Expr, Linear>();
  private conditions = new Map<Expr, Truth>();

  nextStatement(): void {
    this.nodes = new Map();
    this.conditions = new Map();
  }

  /** Records what a let says of its variable. Mutable variables may hold anything. */
  define(variable: Variable, value: Expr): void {
    if (variable.mutable || variable.type.lanes > 1) return;
    if (variable.type.scalar === "i32") this.variables.set(variable, this.form(value));
    const truth = this.truth(value);
    if (truth !== undefined) this.truths.set(variable, truth);
  }

  /** Records the values of a loop variable, and says whether the body is reached where the loop is. */
  defineLoop(variable: Variable, start: Expr, end: Expr, step: number): Reached {
    const first = this.range(start);
    const last = this.range(end);
    const known = first.low === first.high && last.low === last.high;
    const passes = Math.ceil((last.high - first.low) / step);
    const high = known ? first.low + (passes - 1) * step : last.high - 1;
    if (passes <= 0) return "never";
    this.variables.set(variable, atomForm({ low: first.low, high, exact: known }));
    if (known) return "always";
    const length = this.difference(end, start);
    return length !== undefined && length.low > 0 ? "always" : "open";
  }

  /** The value of a condition that is the same at every point of the loops around it, or undefined. */
  truth(expr: Expr): boolean | undefined {
    if (expr.type.scalar !== "bool" || expr.type.lanes > 1) return undefined;
    if (expr.kind === "constant") return expr.value !== 0;
    if (expr.kind === "variable") return this.truths.get(expr.variable);
    if (expr.kind !== "op") return undefined;
    if (!this.conditions.has(expr)) this.conditions.set(expr, this.opTruth(expr));
    return this.conditions.get(expr);
  }

  /** Why the access is certainly wrong, or undefined where it is right or cannot be judged. */
  accessProblem(
    { buffer, index, offset, pointer }: Access,
    lanes: number,
    reached: Reached,
  ): string | undefined {
    if (buffer.elements === null || pointer !== undefined) return undefined;
    if (reached === "open" || reached === "never") return undefined;
    const { low, high, exact } = this.range(index);
    const first = low + offset;
    const last = high + offset + lanes - 1;
    const allOutside = high + offset < 0 || first + lanes - 1 >= buffer.elements;
    const someOutside = first < 0 || last >= buffer.elements;
    if (!allOutside && !(someOutside && exact && reached === "always")) return undefined;
    return `elements ${first} to ${last} of ${buffer.name}, which has ${buffer.elements}`;
  }

  /** The values that an i32 expression can take. */
  range(expr: Expr): Range {
    return rangeOf(this.form(expr)) ?? anything();
  }

  private form(expr: Expr): Linear {
    const known = this.nodes.get(expr);
    if (known !== undefined) return known;
    const form = this.computeForm(expr);
    this.nodes.set(expr, form);
    return form;
  }

  private computeForm(expr: Expr): Linear {
    if (expr.type.scalar !== "i32" || expr.type.lanes > 1) return atomForm(anything());
    switch (expr.kind) {
      case "constant":
        return constantForm(Number(expr.value));
      case "variable":
        return this.variables.get(expr.variable) ?? atomForm(anything());
      case "load":
        // An atom of its own: two loads have the same range, not the same value.
        return atomForm({ ...(loadedRanges[expr.buffer.dtype] ?? anything()) });
      case "op":
        return this.opForm(expr) ?? atomForm(this.opRange(expr) ?? anything());
      case "address":
        return atomForm(anything());
    }
  }

  /** The linear form of a sum, difference or multiple, or undefined. */
  private opForm({ op, args }: Expr & { kind: "op" }): Linear | undefined {
    if (op !== "add" && op !== "sub" && op !== "mul" && op !== "shl") return undefined;
    const [a, b] = args.map((arg) => this.form(arg)) as [Linear, Linear];
    if (op === "add") return combine(a, b, 1);
    if (op === "sub") return combine(a, b, -1);
    if (op === "shl") return isConstant(b) ? combine(constantForm(0), a, 2 ** (b.constant & 31)) : undefined;
    if (isConstant(b)) return combine(constantForm(0), a, b.constant);
    return isConstant(a) ? combine(constantForm(0), b, a.constant) : undefined;
  }

  private opRange({ op, args }: Expr & { kind: "op" }): Atom | undefined {
    if (op === "select") return joined(this.range(args[1]!), this.range(args[2]!));
    const rule = rangeRules[op];
    if (rule === undefined) return undefined;
    const [a, b] = args.map((arg) => this.range(arg)) as [Atom, Atom];
    const [low, high] = rule(a, b) ?? [INT_MIN, INT_MAX];
    return { low, high, exact: false };
  }

  private opTruth(expr: Expr & { kind: "op" }): Truth {
    const compare = comparisons[expr.op];
    if (compare !== undefined) return this.compared(expr, compare);
    return connectives[expr.op]?.(expr.args.map((arg) => this.truth(arg)));
  }

  private compared({ op, args }: Expr & { kind: "op" }, compare: Comparison): boolean | undefined {
    const [a, b] = args as [Expr, Expr];
    if (a.type.scalar !== "i32") return undefined;
    if (op.endsWith("_u") && (this.range(b).low < 0 || this.range(a).low < 0)) {
      // A negative left side counts as larger than every right side that is not negative.
      const huge = this.range(a).high < 0 && this.range(b).low >= 0;
      return huge ? compare({ low: 1, high: 1, exact: false }) : undefined;
    }
    const difference = this.difference(a, b);
    return difference && compare(difference);
  }

  /** Range of a - b over the integers, where neither side wraps. */
  private difference(a: Expr, b: Expr): Range | undefined {
    const [x, y] = [this.form(a), this.form(b)];
    if (!rangeOf(x) || !rangeOf(y)) return undefined;
    const form = combine(x, y, -1);
    return form && unboundedRange(form);
  }
}

const isConstant = (form: Linear): boolean => form.terms.size === 0;

/** a + factor * b, or undefined where the numbers grow too large to follow. */
function combine(a: Linear, b: Linear, factor: number): Linear | undefined {
  const terms = new Map(a.terms);
  for (const [atom, coefficient] of b.terms) {
    const sum = (terms.get(atom) ?? 0) + coefficient * factor;
    if (sum === 0) terms.delete(atom);
    else terms.set(atom, sum);
  }
  const constant = a.constant + b.constant * factor;
  const followed = [...terms.values()].every((coefficient) => Math.abs(coefficient) <= MAX_COEFFICIENT);
  return followed && Number.isSafeInteger(constant) ? { constant, terms } : undefined;
}

function unboundedRange({ constant, terms }: Linear): Range {
  let [low, high, exact] = [constant, constant, true];
  for (const [atom, coefficient] of terms) {
    low += coefficient * (coefficient > 0 ? atom.low : atom.high);
    high += coefficient * (coefficient > 0 ? atom.high : atom.low);
    exact &&= atom.exact;
  }
  return { low, high, exact };
}

/** Undefined where the value may wrap around. */
function rangeOf(form: Linear): Range | undefined {
  const range = unboundedRange(form);
  return range.low >= INT_MIN && range.high <= INT_MAX ? range : undefined;
}

const joined = (a: Range, b: Range): Atom => ({
  low: Math.min(a.low, b.low),
  high: Math.max(a.high, b.high),
  exact: false,
});

const loadedRanges: { readonly [dtype: string]: Atom } = {
  int8: { low: -128, high: 127, exact: false },
  int16: { low: -32768, high: 32767, exact: false },
  uint8: { low: 0, high: 255, exact: false },
  uint16: { low: 0, high: 65535, exact: false },
  bool: { low: 0, high: 255, exact: false },
};

type RangeRule = (a: Range, b: Range) => [low: number, high: number] | undefined;

/** Division, remainder and masks are followed only for operands that are never negative. */
const quotient: RangeRule = (a, b) =>
  a.low >= 0 && b.low > 0 ? [Math.floor(a.low / b.high), Math.floor(a.high / b.low)] : undefined;
const remainder: RangeRule = (a, b) =>
  a.low >= 0 && b.low > 0 ? [0, Math.min(a.high, b.high - 1)] : undefined;
const smaller: RangeRule = (a, b) => [Math.min(a.low, b.low), Math.min(a.high, b.high)];
const larger: RangeRule = (a, b) => [Math.max(a.low, b.low), Math.max(a.high, b.high)];
const ifNotNegative =
  (rule: RangeRule): RangeRule =>
  (a, b) =>
    a.low >= 0 && b.low >= 0 ? rule(a, b) : undefined;
const shiftedRight: RangeRule = (a, b) =>
  a.low >= 0 && b.low === b.high && b.low >= 0 && b.low < 32 ? [a.low >> b.low, a.high >> b.low] : undefined;

const rangeRules: { readonly [O in OpName]?: RangeRule } = {
  div_s: quotient,
  div_u: quotient,
  rem_s: remainder,
  rem_u: remainder,
  min_s: smaller,
  max_s: larger,
  min_u: ifNotNegative(smaller),
  max_u: ifNotNegative(larger),
  and: (a, b) => (a.low >= 0 ? [0, a.high] : b.low >= 0 ? [0, b.high] : undefined),
  shr_s: shiftedRight,
  shr_u: shiftedRight,
};

/** A comparison of a and b from the range of a - b. */
type Comparison = (difference: Range) => boolean | undefined;

const decide = (isTrue: boolean, isFalse: boolean): boolean | undefined =>
  isTrue ? true : isFalse ? false : undefined;
const less: Comparison = ({ low, high }) => decide(high < 0, low >= 0);
const lessOrEqual: Comparison = ({ low, high }) => decide(high <= 0, low > 0);
const greater: Comparison = ({ low, high }) => decide(low > 0, high <= 0);
const greaterOrEqual: Comparison = ({ low, high }) => decide(low >= 0, high < 0);
const equal: Comparison = ({ low, high }) => decide(low === 0 && high === 0, low > 0 || high < 0);

const comparisons: { readonly [O in OpName]?: Comparison } = {
  lt_s: less,
  lt_u: less,
  le_s: lessOrEqual,
  le_u: lessOrEqual,
  gt_s: greater,
  gt_u: greater,
  ge_s: greaterOrEqual,
  ge_u: greaterOrEqual,
  eq: equal,
  ne: ({ low, high }) => decide(low > 0 || high < 0, low === 0 && high === 0),
};

type Truth = boolean | undefined;

const connectives: { readonly [O in OpName]?: (args: readonly Truth[]) => Truth } = {
  and: ([a, b]) => decide(a === true && b === true, a === false || b === false),
  or: ([a, b]) => decide(a === true || b === true, a === false && b === false),
  not: ([a]) => (a === undefined ? undefined : !a),
};
