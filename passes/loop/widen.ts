/**
 * The body of a vectorised loop for one step: `parts` vectors side by side, each of as many lanes as the plan says.
 *
 * A value that differs between lanes becomes one vector for each part; all others stay scalar and are computed once.
 * Statements keep their order, and each does its work for all parts before the next one begins, so that parts share
 * inner loops and independent operations stand next to each other.
 */

import { KilnError } from "../../compiler/diagnostics.js";
import { add, extract, op, read, replace, shuffle, splat } from "../../compiler/loop/builder.js";
import type { Expr, For, Load, Statement, Store, Variable } from "../../compiler/loop/ir.js";
import { bottomUp, dependsOn, type ExprMap, type Names, substitution } from "../../compiler/loop/rewrite.js";
import { laneStride, type VectorPlan } from "./vectorize-plan.js";

type Block = readonly Statement[];

export interface WideLoop {
  readonly plan: VectorPlan;
  readonly loop: For;
  readonly names: Names;
  /** Vector accumulators of each reduction, at least as many as there are parts. */
  readonly accumulators: ReadonlyMap<Variable, readonly Variable[]>;
  /** A vector that holds 0, 1, 2, ... where the loop variable is used as a value. */
  readonly laneNumbers: Variable | null;
}

/** The body for the lanes that start at `base`. */
export function widenBody(wide: WideLoop, base: Variable, parts: number): Statement[] {
  return new Widening(wide, base, parts).block(wide.loop.body);
}

class Widening {
  /** What reads of uniform variables become; the loop variable reads as that of the first lane. */
  private readonly scalars = new Map<Variable, Expr>();
  private readonly vectors: Map<Variable, readonly Variable[]>;
  private readonly uniform: ExprMap;
  private readonly vectorMemos: Map<Expr, Expr>[];
  private readonly laneMaps = new Map<number, ExprMap>();

  constructor(
    private readonly wide: WideLoop,
    private readonly base: Variable,
    private readonly parts: number,
  ) {
    this.scalars.set(wide.loop.variable, read(base));
    this.uniform = substitution(this.scalars);
    this.vectors = new Map(wide.accumulators);
    this.vectorMemos = Array.from({ length: parts }, () => new Map());
  }

  private get lanes(): 2 | 4 {
    return this.wide.plan.lanes;
  }

  block(block: Block): Statement[] {
    return block.flatMap((statement) => this.statement(statement));
  }

  private statement(statement: Statement): Statement[] {
    switch (statement.kind) {
      case "let":
        return this.define(statement.variable, statement.value);
      case "assign":
        return this.assign(statement.variable, statement.value);
      case "store":
        return this.eachPart((part) => this.store(statement, part));
      case "for": {
        const variable = this.rename(statement.variable);
        const [start, end] = [this.uniform(statement.start), this.uniform(statement.end)];
        return [{ ...statement, variable, start, end, body: this.block(statement.body) }];
      }
      case "if": {
        const condition = this.uniform(statement.condition);
        const [whenTrue, whenFalse] = [this.block(statement.whenTrue), this.block(statement.whenFalse)];
        return [{ ...statement, condition, whenTrue, whenFalse }];
      }
      case "invoke":
        throw new KilnError("E_INTERNAL", `a loop that invokes @${statement.kernel.name} is not widened`);
    }
  }

  private eachPart(make: (part: number) => Statement[]): Statement[] {
    return Array.from({ length: this.parts }, (_, part) => make(part)).flat();
  }

  private define(variable: Variable, value: Expr): Statement[] {
    if (!this.wide.plan.varying.has(variable)) {
      const mapped = this.uniform(value);
      return [{ kind: "let", variable: this.rename(variable), value: mapped }];
    }
    const type = { scalar: variable.type.scalar, lanes: this.lanes };
    const copies = Array.from({ length: this.parts }, () =>
      this.wide.names.variable(variable.name, type, variable.mutable),
    );
    const lets = this.eachPart((part) => [
      { kind: "let", variable: copies[part]!, value: this.vector(value, part) },
    ]);
    this.vectors.set(variable, copies);
    return lets;
  }

  private assign(variable: Variable, value: Expr): Statement[] {
    const copies = this.vectors.get(variable);
    if (copies === undefined) {
      const target = this.scalars.get(variable);
      const renamed = target?.kind === "variable" ? target.variable : variable;
      return [{ kind: "assign", variable: renamed, value: this.uniform(value) }];
    }
    return this.eachPart((part) => [
      { kind: "assign", variable: copies[part]!, value: this.vector(value, part) },
    ]);
  }

  private rename(variable: Variable): Variable {
    const copy = this.wide.names.copyOf(variable);
    this.scalars.set(variable, read(copy));
    return copy;
  }

  private stride(index: Expr): number | null {
    return laneStride(this.wide.plan, this.wide.loop, index);
  }

  /** The value in all lanes of one part. */
  private vector(expr: Expr, part: number): Expr {
    return splat(this.value(expr, part), this.lanes);
  }

  /** A vector, or a scalar where all lanes have the same value. */
  private value(expr: Expr, part: number): Expr {
    if (!dependsOn(expr, this.wide.plan.varying)) return this.uniform(expr);
    const memo = this.vectorMemos[part]!;
    let result = memo.get(expr);
    if (result === undefined) {
      result = this.makeValue(expr, part);
      memo.set(expr, result);
    }
    return result;
  }

  private makeValue(expr: Expr, part: number): Expr {
    if (expr.kind === "load") return this.load(expr, part);
    if (expr.kind === "variable") {
      const copies = this.vectors.get(expr.variable);
      if (copies !== undefined) return read(copies[part]!);
      const first = add(read(this.base), part * this.lanes);
      return op("add", splat(first, this.lanes), read(this.wide.laneNumbers!));
    }
    if (expr.kind !== "op") return expr;
    const args = expr.args.map((arg) => this.value(arg, part));
    if (args.every(({ type }) => type.lanes === 1)) return { ...expr, args };
    const type = { scalar: expr.type.scalar, lanes: this.lanes };
    return { ...expr, type, args: args.map((arg) => splat(arg, this.lanes)) };
  }

  private load(load: Load, part: number): Expr {
    const stride = this.stride(load.index);
    const type = { scalar: load.type.scalar, lanes: this.lanes };
    const index = this.uniform(load.index);
    const first = part * this.lanes;
    if (stride === 0) return { ...load, index };
    if (stride === 1) return { ...load, type, index, offset: load.offset + first };
    if (stride === -1) return this.reverse({ ...load, type, index: add(index, 1 - first - this.lanes) });
    const lane = (number: number): Expr => ({ ...load, ...this.laneAccess(load, first + number) });
    let vector = splat(lane(0), this.lanes);
    for (let number = 1; number < this.lanes; number++) vector = replace(vector, number, lane(number));
    return vector;
  }

  private store(store: Store, part: number): Statement[] {
    const stride = this.stride(store.index);
    const index = this.uniform(store.index);
    const first = part * this.lanes;
    const value = this.value(store.value, part);
    const vector = (): Expr => splat(value, this.lanes);
    if (stride === 1) return [{ ...store, index, offset: store.offset + first, value: vector() }];
    if (stride === -1) {
      return [{ ...store, index: add(index, 1 - first - this.lanes), value: this.reverse(vector()) }];
    }
    const lets: Statement[] = [];
    let laneOf = (_: number): Expr => value;
    if (value.type.lanes > 1) {
      const variable = this.wide.names.variable("lanes", value.type);
      lets.push({ kind: "let", variable, value });
      laneOf = (number) => extract(read(variable), number);
    }
    const stores = Array.from({ length: this.lanes }, (_, number): Statement => {
      return { ...store, ...this.laneAccess(store, first + number), value: laneOf(number) };
    });
    return [...lets, ...stores];
  }

  /** Index and offset of one lane, counted from the first lane of the first part. */
  private laneAccess({ index, offset }: Load | Store, lane: number): { index: Expr; offset: number } {
    const stride = this.stride(index);
    if (stride === null) return { index: this.atLane(lane)(index), offset };
    const first = this.uniform(index);
    // Offsets reach forwards only: what lies before the first lane is in the index.
    return stride > 0
      ? { index: first, offset: offset + stride * lane }
      : { index: add(first, stride * lane), offset };
  }

  /** Expressions as scalars, as one lane sees them. */
  private atLane(lane: number): ExprMap {
    let map = this.laneMaps.get(lane);
    if (map === undefined) {
      const part = Math.floor(lane / this.lanes);
      map = bottomUp((expr) => {
        if (expr.kind !== "variable") return expr;
        if (expr.variable === this.wide.loop.variable) return add(read(this.base), lane);
        const copies = this.vectors.get(expr.variable);
        if (copies !== undefined) return extract(read(copies[part]!), lane % this.lanes);
        return this.scalars.get(expr.variable) ?? expr;
      });
      this.laneMaps.set(lane, map);
    }
    return map;
  }

  private reverse(vector: Expr): Expr {
    const bytes = 16 / this.lanes;
    const selectors = Array.from(
      { length: 16 },
      (_, at) => 16 - bytes * (1 + Math.floor(at / bytes)) + (at % bytes),
    );
    return shuffle(vector, vector, selectors);
  }
}
