/**
 * Vectors become scalars, one for each lane, for targets without SIMD.
 *
 *   let a: f32x4 = load x[i];  store y[i] = a * splat(s)
 *   ->  let a.0 = load x[i]; let a.1 = load x[i + 1]; ...   store y[i] = a.0 * s; store y[i + 1] = a.1 * s; ...
 *
 * Every lane is computed by the operation of the same name on scalars, so results are the same bits as with vectors.
 * What moves lanes (extract, replace, shuffle) costs nothing any more: it only chooses among names.
 */

import { invariant } from "../../compiler/diagnostics.js";
import { read } from "../../compiler/loop/builder.js";
import type { Expr, ExprType, Kernel, Load, Statement, Store, Variable } from "../../compiler/loop/ir.js";
import {
  dependsOn,
  exprsIn,
  mapBlocks,
  mapOperands,
  Names,
  readsMemory,
  topDown,
} from "../../compiler/loop/rewrite.js";
import type { LoopPass } from "./pass.js";

type Block = readonly Statement[];
type Op = Expr & { kind: "op" };

export const scalarize: LoopPass = {
  name: "scalarize",
  run: (kernel) => {
    const hasVectors = exprsIn(kernel.body).some(isVector);
    return hasVectors ? { ...kernel, body: new Scalarizing(kernel).block(kernel.body) } : kernel;
  },
};

const isVector = ({ type }: { type: ExprType }): boolean => type.lanes > 1;

const scalarType = ({ scalar }: ExprType): ExprType => ({ scalar, lanes: 1 });

class Scalarizing {
  private readonly names: Names;
  /** The scalars that stand for a vector. */
  private readonly lanes = new Map<Variable, readonly Variable[]>();

  constructor(kernel: Kernel) {
    this.names = new Names(kernel);
  }

  block(block: Block): Statement[] {
    return block.flatMap((statement) => {
      const one = new ScalarStatement(this.lanes, this.names);
      const made = this.statement(statement, one);
      return [...one.shared, ...made];
    });
  }

  private statement(statement: Statement, one: ScalarStatement): Statement[] {
    const hasNoValue = statement.kind === "for" || statement.kind === "if" || statement.kind === "invoke";
    if (hasNoValue || !isVector(targetOf(statement))) {
      return [mapBlocks(mapOperands(statement, one.scalar), (inner) => this.block(inner))];
    }
    const values = one.lanesOf(statement.value);
    if (statement.kind === "store") return this.store(statement, values, one);
    return statement.kind === "let"
      ? this.define(statement.variable, values)
      : this.assign(statement.variable, values);
  }

  private define(variable: Variable, values: readonly Expr[]): Statement[] {
    const lanes = values.map(() =>
      this.names.variable(variable.name, scalarType(variable.type), variable.mutable),
    );
    this.lanes.set(variable, lanes);
    return values.map((value, lane) => ({ kind: "let", variable: lanes[lane]!, value }));
  }

  private assign(variable: Variable, values: readonly Expr[]): Statement[] {
    const targets = this.lanes.get(variable)!;
    const assigned = new Set<Variable>();
    const overwritten = values.some((value, lane) => {
      const reads = dependsOn(value, assigned);
      assigned.add(targets[lane]!);
      return reads;
    });
    const [lets, sources] = overwritten ? this.named(variable.name, values) : [[], values];
    return [
      ...lets,
      ...sources.map((value, lane): Statement => ({ kind: "assign", variable: targets[lane]!, value })),
    ];
  }

  /** All lanes are read before the first is stored: the memory that they come from may be the same. */
  private store(store: Store, values: readonly Expr[], one: ScalarStatement): Statement[] {
    const [lets, sources] = values.some(readsMemory) ? this.named(store.buffer.name, values) : [[], values];
    const index = one.scalar(store.index);
    return [
      ...lets,
      ...sources.map((value, lane): Statement => ({ ...store, index, offset: store.offset + lane, value })),
    ];
  }

  private named(name: string, values: readonly Expr[]): [Statement[], Expr[]] {
    const variables = values.map(({ type }) => this.names.variable(name, type));
    const lets = values.map((value, i): Statement => ({ kind: "let", variable: variables[i]!, value }));
    return [lets, variables.map(read)];
  }
}

const targetOf = (statement: Statement & { kind: "let" | "assign" | "store" }): { type: ExprType } =>
  statement.kind === "store" ? statement.value : statement.variable;

/** The expressions of one statement; what all lanes have in common is computed once, in lets before it. */
class ScalarStatement {
  readonly shared: Statement[] = [];
  private readonly done = new Map<Expr, Expr[]>();
  private readonly sharedOf = new Map<Expr, Expr>();

  constructor(
    private readonly lanes: ReadonlyMap<Variable, readonly Variable[]>,
    private readonly names: Names,
  ) {}

  /** A scalar expression without the vectors that it takes lanes from. */
  readonly scalar = topDown((expr) => {
    if (expr.kind !== "op" || expr.op !== "extract") return undefined;
    return this.lanesOf(expr.args[0]!)[expr.immediates![0]!]!;
  });

  lanesOf(vector: Expr): Expr[] {
    let lanes = this.done.get(vector);
    if (lanes === undefined) {
      lanes = this.makeLanes(vector);
      this.done.set(vector, lanes);
    }
    return lanes;
  }

  private makeLanes(vector: Expr): Expr[] {
    const type = scalarType(vector.type);
    const forLanes = (make: (lane: number) => Expr) =>
      Array.from({ length: vector.type.lanes }, (_, l) => make(l));
    switch (vector.kind) {
      case "constant":
        return new Array<Expr>(vector.type.lanes).fill({ ...vector, type });
      case "variable": {
        const lanes = this.lanes.get(vector.variable);
        invariant(lanes !== undefined, `${vector.variable.name} has no lanes`);
        return lanes.map(read);
      }
      case "load": {
        const load: Load = { ...vector, type, splat: false, index: this.scalar(vector.index) };
        if (vector.splat) return new Array<Expr>(vector.type.lanes).fill(this.once(load));
        return forLanes((lane) => ({ ...load, offset: load.offset + lane }));
      }
      case "op":
        return this.operation(vector, type, forLanes);
      case "address":
        invariant(false, "an address is no vector");
    }
  }

  private operation(vector: Op, type: ExprType, forLanes: (make: (lane: number) => Expr) => Expr[]): Expr[] {
    const { args, immediates = [] } = vector;
    switch (vector.op) {
      case "splat": {
        const value = this.once(this.scalar(args[0]!));
        return forLanes(() => value);
      }
      case "replace":
        return this.lanesOf(args[0]!).with(immediates[0]!, this.scalar(args[1]!));
      case "shuffle": {
        const from = args.flatMap((arg) => this.lanesOf(arg));
        return forLanes((lane) => from[movedLane(immediates, 16 / vector.type.lanes, lane)]!);
      }
      default: {
        const lanes = args.map((arg) => this.lanesOf(arg));
        return forLanes((lane) => ({ ...vector, type, args: lanes.map((arg) => arg[lane]!) }));
      }
    }
  }

  /** The value in a local of its own, unless it is as short as that. */
  private once(value: Expr): Expr {
    if (value.kind === "constant" || value.kind === "variable") return value;
    let local = this.sharedOf.get(value);
    if (local === undefined) {
      const variable = this.names.variable("all", value.type);
      this.shared.push({ kind: "let", variable, value });
      local = read(variable);
      this.sharedOf.set(value, local);
    }
    return local;
  }
}

/** The lane of both operands together that a shuffle moves to a lane. */
function movedLane(selectors: readonly number[], bytes: number, lane: number): number {
  const moved = selectors.slice(lane * bytes, (lane + 1) * bytes);
  const isWhole = moved[0]! % bytes === 0 && moved.every((selector, i) => selector === moved[0]! + i);
  invariant(isWhole, "a shuffle without SIMD moves whole lanes");
  return moved[0]! / bytes;
}
