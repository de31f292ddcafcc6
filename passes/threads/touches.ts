/** Where the loops of a kernel touch memory: indices as polynomials over loop variables that count from zero. */

import { constantPolynomial, constantValue, Indices, type Polynomial } from "../../compiler/loop/affine.js";
import { add, constantIndex, maxIndex, read, sub } from "../../compiler/loop/builder.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type For,
  i32,
  type Kernel,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import { nodesOf, operandsOf } from "../../compiler/loop/rewrite.js";
import { KernelRanges } from "../loop/ranges.js";
import type { Interval } from "./intervals.js";

/** Elements of a buffer that one access touches: `width` of them from the index on. */
export interface Touch {
  readonly buffer: Buffer;
  readonly index: Polynomial;
  readonly width: number;
  readonly stores: boolean;
}

/** A loop variable, counted from zero: what it counts is `start + counter`. */
export interface Counter {
  readonly variable: Variable;
  readonly step: number;
  /** Passes, as an expression; not known where it changes from one time to the next. */
  readonly passes: Expr;
}

interface Piece {
  readonly of: Variable;
  /** The largest value of the loop's variable. */
  readonly top: Polynomial;
}

export class Touches {
  readonly counters = new Map<For, Counter>();
  readonly indices: Indices;
  private readonly definitions = new Map<Variable, Expr>();
  private readonly ends = new Map<Variable, { readonly length: readonly Expr[]; readonly step: number }>();
  private readonly highest = new Map<Variable, Polynomial | null>();
  private readonly ranges: KernelRanges;
  private readonly opaque = new Map<Expr, { low: number; high: number }>();
  /** Variables that do not have one value for the whole kernel. */
  readonly varying = new Set<Variable>();

  /** Counters of loops over a piece of what an outer loop goes through: of b..min(b + n, N), where b is its variable. */
  readonly pieces = new Map<Variable, Piece>();

  /**
   * @param whole a loop whose start changes is taken to go through all that it ever goes through, not to count on from
   *   its start: nearer to the truth where its start has a range of its own
   */
  constructor(
    kernel: Kernel,
    private readonly whole: boolean,
  ) {
    this.indices = new Indices(this.definitions);
    this.ranges = new KernelRanges(kernel);
    this.enter(kernel.body);
  }

  /** Takes in lets and loops before any index is looked at. */
  private enter(block: readonly Statement[]): void {
    for (const statement of block) {
      this.ranges.enter(statement);
      for (const operand of operandsOf(statement)) for (const node of nodesOf(operand)) this.note(node);
      if (statement.kind === "let") {
        const { variable, value } = statement;
        const isIndex = value.type.scalar === "i32" && value.type.lanes === 1 && !variable.mutable;
        if (isIndex) this.definitions.set(variable, value);
        else this.varying.add(variable);
      } else if (statement.kind === "for") {
        this.count(statement);
        this.enter(statement.body);
      } else if (statement.kind === "if") {
        this.enter(statement.whenTrue);
        this.enter(statement.whenFalse);
      }
    }
  }

  private count(loop: For): void {
    const { start, end, step } = loop;
    const ends = end.kind === "op" && end.op === "min_s" ? end.args : [end];
    const isWhole = this.whole && !this.isFixed(start) && this.ranges.range(start).low >= 0;
    const fromZero = constantIndex(start) === 0 || isWhole;
    const variable: Variable = fromZero
      ? loop.variable
      : { kind: "variable", name: loop.variable.name, type: i32, mutable: false };
    if (!fromZero) this.definitions.set(loop.variable, add(start, read(variable)));
    this.varying.add(variable);
    const last = ends.find((one) => this.isFixed(one));
    if (!fromZero && start.kind === "variable" && last !== undefined) {
      const top = this.indices.sum(this.indices.of(last), constantPolynomial(-1));
      this.pieces.set(variable, { of: start.variable, top });
    }
    const length = ends.map((one) => (fromZero ? one : sub(one, start)));
    this.ends.set(variable, { length, step: isWhole ? 1 : step });
    this.counters.set(loop, { variable, step, passes: passesOf(loop, this.ranges) });
  }

  private note(node: Expr): void {
    if (node.kind !== "op" || node.type.scalar !== "i32" || node.type.lanes !== 1) return;
    const { low, high } = this.ranges.range(node);
    this.opaque.set(node, { low, high });
  }

  /** The touches of a block at any depth. */
  of(block: readonly Statement[]): Touch[] {
    const found: Touch[] = [];
    const visit = (statements: readonly Statement[]): void => {
      for (const statement of statements) {
        for (const operand of operandsOf(statement)) found.push(...this.loads(operand));
        if (statement.kind === "store") found.push(this.touch(statement, statement.value.type.lanes, true));
        if (statement.kind === "for") visit(statement.body);
        if (statement.kind === "if") {
          visit(statement.whenTrue);
          visit(statement.whenFalse);
        }
      }
    };
    visit(block);
    return distinct(found);
  }

  loads(expr: Expr): Touch[] {
    return nodesOf(expr).flatMap((node) =>
      node.kind === "load" ? [this.touch(node, node.splat ? 1 : node.type.lanes, false)] : [],
    );
  }

  private touch({ buffer, index, offset }: Access, width: number, stores: boolean): Touch {
    const place = this.indices.sum(this.indices.of(index), constantPolynomial(offset));
    return { buffer, index: place, width, stores };
  }

  /** True where an expression has one value for the whole kernel. */
  isFixed(expr: Expr): boolean {
    return nodesOf(expr).every((node) => {
      if (node.kind === "load") return false;
      if (node.kind !== "variable") return true;
      const definition = this.definitions.get(node.variable);
      return !this.varying.has(node.variable) && (definition === undefined || this.isFixed(definition));
    });
  }

  /** The largest value of a counter over fixed expressions, or null where there is none. */
  highestOf(variable: Variable): Polynomial | null {
    const known = this.highest.get(variable);
    if (known !== undefined) return known;
    this.highest.set(variable, null);
    const bounds = this.ends.get(variable);
    let best: Polynomial | null = null;
    for (const length of bounds?.length ?? []) {
      const upper = this.upperOf(length);
      if (upper === null) continue;
      // The last pass of a loop whose length is a multiple of its step begins a whole step before its end.
      const isWhole = isMultiple(
        constantIndex(length) ?? constantValue(this.indices.of(length)) ?? length,
        bounds!.step,
      );
      const back = isWhole ? bounds!.step : 1;
      const top = this.indices.sum(upper, constantPolynomial(-back));
      if (best === null || isNearer(top, best)) best = top;
    }
    this.highest.set(variable, best);
    return best;
  }

  private upperOf(length: Expr): Polynomial | null {
    let high: Polynomial = constantPolynomial(0);
    for (const term of this.indices.of(length).values()) {
      const bounds = this.termInterval(term.factors, term.coefficient);
      if (bounds === null) return null;
      high = this.indices.sum(high, bounds.high);
    }
    return high;
  }

  /** The values of a term of a polynomial over fixed expressions, or null where they are not known. */
  termInterval(factors: readonly Expr[], coefficient: number): Interval | null {
    const { indices } = this;
    const [fixed, varying] = [[] as Expr[], [] as Expr[]];
    for (const factor of factors) (this.isFixed(factor) ? fixed : varying).push(factor);
    let product: Polynomial | null = constantPolynomial(coefficient);
    for (const factor of fixed) product = product && indices.product(product, indices.of(factor));
    if (product === null || varying.length > 1) return null;
    const zero = constantPolynomial(0);
    const [one] = varying;
    if (one === undefined) return { low: product, high: product };
    const range = this.valuesOf(one);
    if (range === null) return null;
    const [a, b] = [indices.product(product, range.low), indices.product(product, range.high)];
    if (a === null || b === null || (range.low !== zero && range.low.size > 0 && fixed.length > 0))
      return null;
    return coefficient >= 0 ? { low: a, high: b } : { low: b, high: a };
  }

  private valuesOf(expr: Expr): Interval | null {
    if (expr.kind === "variable") {
      const high = this.highestOf(expr.variable);
      return high && { low: constantPolynomial(0), high };
    }
    const range = this.opaque.get(expr);
    if (range === undefined || range.high - range.low >= 2 ** 30) return null;
    return { low: constantPolynomial(range.low), high: constantPolynomial(range.high) };
  }
}

/** Of two bounds the one that says more: the smaller number, else the one with fewer terms. */
function isNearer(bound: Polynomial, than: Polynomial): boolean {
  const [one, other] = [constantValue(bound), constantValue(than)];
  return one !== undefined && other !== undefined ? one < other : bound.size <= than.size;
}

const isMultiple = (length: Expr | number, step: number): boolean => {
  if (typeof length === "number") return length % step === 0;
  if (length.kind !== "op") return false;
  if (length.op === "and") return constantIndex(length.args[1]!) === -step;
  return length.op === "mul" && (constantIndex(length.args[1]!) ?? 1) % step === 0;
};

function passesOf({ start, end, step }: For, ranges: KernelRanges): Expr {
  const length = sub(end, start);
  const [first, last] = [constantIndex(start), constantIndex(end)];
  if (first !== undefined && last !== undefined) {
    return { kind: "constant", type: i32, value: Math.max(0, Math.ceil((last - first) / step)) };
  }
  const extent = ranges.isExtent(length) ? length : maxIndex(length, 0);
  if (step === 1) return extent;
  const divisor: Expr = { kind: "constant", type: i32, value: step };
  return { kind: "op", type: i32, op: "div_u", args: [add(extent, step - 1), divisor] };
}

function distinct(touches: readonly Touch[]): Touch[] {
  const byKey = new Map<string, Touch>();
  const numbers = new Map<Buffer, number>();
  for (const touch of touches) {
    if (!numbers.has(touch.buffer)) numbers.set(touch.buffer, numbers.size);
    const terms = [...touch.index].map(([key, { coefficient }]) => `${key}:${coefficient}`).sort();
    const key = `${numbers.get(touch.buffer)} ${touch.stores} ${touch.width} ${terms}`;
    byKey.set(key, touch);
  }
  return [...byKey.values()];
}
