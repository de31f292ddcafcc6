/**
 * Makes a kernel smaller without changing what it does:
 *
 *   - expressions: constants are folded, identities applied (`simplify-rules.ts`), equal expressions shared, and what
 *     the ranges of loops decide is decided: comparisons, minima, quotients and remainders by a constant;
 *   - lets that only rename, loops that run once or never, conditions that are known, and everything whose value
 *     nobody uses disappear.
 *
 * One walk from the first statement to the last does the rewriting, so that the ranges of variables are known where
 * they are read; a second one, backwards, removes what is dead.
 */

import {
  constantOf,
  constantPolynomial,
  constantValue,
  Indices,
  type Polynomial,
  partition,
  rebuild,
  type Term,
} from "../../compiler/loop/affine.js";
import { add, div, mul, op, rem } from "../../compiler/loop/builder.js";
import type { Access, Expr, For, Kernel, Statement, Variable } from "../../compiler/loop/ir.js";
import {
  bottomUp,
  copyBlock,
  declaredIn,
  type ExprMap,
  exprsIn,
  mapOperands,
  Names,
  nodesOf,
  statementsIn,
} from "../../compiler/loop/rewrite.js";
import { withoutDeadCode } from "./dead-code.js";
import type { LoopPass } from "./pass.js";
import { KernelRanges } from "./ranges.js";
import { boolConstant, type Op, simplifyOp } from "./simplify-rules.js";

type Block = readonly Statement[];

export const simplify: LoopPass = {
  name: "simplify",
  run: (kernel) => ({ ...kernel, body: withoutDeadCode(new Simplifying(kernel).block(kernel.body)) }),
};

class Simplifying {
  private readonly names: Names;
  private readonly ranges: KernelRanges;
  private readonly indices = new Indices();
  /** Names that stand in more than one block, which may not meet in one. */
  private readonly repeated: ReadonlySet<string>;
  /** Variables that accesses name, which no expression can stand for. */
  private readonly pointers: ReadonlySet<Variable>;
  private readonly values = new Map<Variable, Expr>();
  private readonly expr: ExprMap;

  constructor(kernel: Kernel) {
    this.names = new Names(kernel);
    this.ranges = new KernelRanges(kernel);
    this.repeated = repeatedNames(kernel.body);
    this.pointers = pointersIn(kernel.body);
    this.expr = bottomUp((expr) => this.rewritten(expr));
  }

  block(block: Block): Statement[] {
    return block.flatMap((statement) => this.statement(mapOperands(statement, this.expr)));
  }

  /** A statement whose own expressions are simplified. */
  private statement(statement: Statement): Statement[] {
    switch (statement.kind) {
      case "let": {
        const { variable, value } = statement;
        this.ranges.enter(statement);
        if (variable.mutable || this.pointers.has(variable) || !isName(value)) return [statement];
        this.values.set(variable, value);
        return [];
      }
      case "for":
        return this.loop(statement);
      case "if": {
        const { condition } = statement;
        if (condition.kind === "constant") {
          return this.block(this.spliceable(condition.value ? statement.whenTrue : statement.whenFalse));
        }
        const [whenTrue, whenFalse] = [this.block(statement.whenTrue), this.block(statement.whenFalse)];
        if (whenTrue.length > 0) return [{ ...statement, whenTrue, whenFalse }];
        if (whenFalse.length === 0) return [];
        return [
          { ...statement, condition: this.expr(op("not", condition)), whenTrue: whenFalse, whenFalse: [] },
        ];
      }
      case "store":
        return [{ ...statement, index: this.shortIndex(statement.index) }];
      default:
        return [statement];
    }
  }

  private loop(loop: For): Statement[] {
    const { variable, start, end, step } = loop;
    const length = constantValue(this.indices.difference(this.indices.of(end), this.indices.of(start)));
    const known = length !== undefined && !this.mayWrap(loop);
    if (this.ranges.enter(loop) === "never" || (known && length <= 0)) return [];
    if (known && length <= step) {
      const named = isName(start);
      if (named) this.values.set(variable, start);
      const body = this.block(this.spliceable(loop.body));
      return named ? body : [{ kind: "let", variable, value: start }, ...body];
    }
    const body = this.block(loop.body);
    return body.length === 0 ? [] : [{ ...loop, body }];
  }

  /** A difference of bounds tells the number of passes only if neither bound has wrapped around. */
  private mayWrap({ start, end }: For): boolean {
    const mayBeAnything = (expr: Expr): boolean => {
      const { low, high } = this.ranges.range(expr);
      return low <= -(2 ** 31) && high >= 2 ** 31 - 1;
    };
    return mayBeAnything(start) || mayBeAnything(end);
  }

  /** A block that may be put into the block around it: with names of its own, if another block has the same. */
  private spliceable(block: Block): Block {
    const clashes = [...declaredIn(block)].some(({ name }) => this.repeated.has(name));
    return clashes ? copyBlock(block, this.names, new Map()) : block;
  }

  private rewritten(expr: Expr): Expr {
    return this.indices.canonical(this.simplified(expr));
  }

  /** Rewrites a node until no rule applies; its operands are simplified already. */
  private simplified(expr: Expr): Expr {
    if (expr.kind === "variable") return this.values.get(expr.variable) ?? expr;
    if (expr.kind === "load") return this.simplifiedLoad(expr);
    if (expr.kind !== "op") return expr;
    const result = simplifyOp(expr) ?? this.decided(expr);
    return result === undefined || result === expr ? expr : this.expr(result);
  }

  private simplifiedLoad(load: Expr & { kind: "load" }): Expr {
    const index = this.shortIndex(load.index);
    return index === load.index ? load : { ...load, index };
  }

  /** What ranges say of an operation on i32. */
  private decided(expr: Op): Expr | undefined {
    const [a, b] = expr.args as [Expr, Expr];
    if (a.type.scalar !== "i32" || a.type.lanes !== 1) return undefined;
    if (expr.type.scalar === "bool") {
      const truth = this.ranges.truth(expr);
      return truth === undefined ? undefined : boolConstant(truth);
    }
    if (expr.op === "min_s" || expr.op === "max_s") return this.decidedExtremum(expr, a, b);
    const divides = /^(div|rem)_[su]$/.test(expr.op);
    return divides && b.kind === "constant" ? this.divided(expr, a, Number(b.value)) : undefined;
  }

  private decidedExtremum(expr: Op, a: Expr, b: Expr): Expr | undefined {
    const [x, y] = [this.ranges.range(a), this.ranges.range(b)];
    const [smaller, larger] = x.high <= y.low ? [a, b] : y.high <= x.low ? [b, a] : [];
    return expr.op === "min_s" ? smaller : larger;
  }

  /**
   * (q * g + r) / c = q / (c / g) and (q * g + r) % c = q % (c / g) * g + r, where g divides c, q is not negative and
   * r lies in 0..g. With g = c the division is gone.
   */
  private divided(expr: Op, a: Expr, c: number): Expr | undefined {
    if (c <= 1) return undefined;
    const sum = this.indices.of(a);
    for (const g of commonDivisors(sum, c)) {
      const split = this.splitByMultiple(sum, g);
      const [q, r] = [rebuild(split.quotient), rebuild(split.rest)];
      const [qs, rs] = [this.ranges.range(q), this.ranges.range(r)];
      const fits = qs.low >= 0 && rs.low >= 0 && rs.high < g && qs.high * g + rs.high < 2 ** 31;
      if (!fits) continue;
      if (expr.op.startsWith("div")) return div(q, c / g);
      return add(mul(rem(q, c / g), g), r);
    }
    return undefined;
  }

  private splitByMultiple(sum: Polynomial, g: number): { quotient: Polynomial; rest: Polynomial } {
    const isMultiple = ({ factors, coefficient }: Term): boolean =>
      factors.length > 0 && coefficient % g === 0;
    const [multiples, others] = partition(sum, isMultiple);
    const constant = Math.floor(constantOf(sum) / g);
    const quotient = new Map<string, Term>();
    for (const [key, term] of multiples) quotient.set(key, { ...term, coefficient: term.coefficient / g });
    return {
      quotient: this.indices.sum(quotient, constantPolynomial(constant)),
      rest: this.indices.sum(others, constantPolynomial(-constant * g)),
    };
  }

  /** The index as a sum of products, where that takes fewer operations. */
  private shortIndex(index: Expr): Expr {
    if (index.kind !== "op") return index;
    const rebuilt = rebuild(this.indices.of(index));
    return operations(rebuilt) < operations(index) ? this.expr(rebuilt) : index;
  }
}

/** The divisor itself, then what it has in common with coefficients of the sum, the largest first. */
function commonDivisors(sum: Polynomial, c: number): number[] {
  const divisors = new Set([c]);
  for (const { factors, coefficient } of sum.values()) {
    if (factors.length > 0) divisors.add(greatestCommonDivisor(Math.abs(coefficient), c));
  }
  return [...divisors].filter((g) => g > 1).sort((a, b) => b - a);
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

/** Values that are as cheap as a variable that would hold them. */
const isName = (value: Expr): boolean =>
  value.kind === "constant" || (value.kind === "variable" && !value.variable.mutable);

function operations(expr: Expr): number {
  let count = 0;
  for (const { kind } of nodesOf(expr)) if (kind === "op") count += 1;
  return count;
}

function repeatedNames(block: Block): Set<string> {
  const [seen, repeated] = [new Set<string>(), new Set<string>()];
  for (const { name } of declaredIn(block)) (seen.has(name) ? repeated : seen).add(name);
  return repeated;
}

function pointersIn(block: Block): Set<Variable> {
  const pointers = new Set<Variable>();
  const note = ({ pointer }: Access): void => {
    if (pointer !== undefined) pointers.add(pointer);
  };
  for (const statement of statementsIn(block)) if (statement.kind === "store") note(statement);
  for (const expr of exprsIn(block)) if (expr.kind === "load") note(expr);
  return pointers;
}
