/**
 * Loops of mode `vectorize` become loops over vectors.
 *
 * A loop from s to e with lanes L becomes, with W = parts * L:
 *
 *   for b in s..s + (n - n % W) step W   parts vectors a step (`widen.ts`)
 *   the vectors that are left            as one step of fewer parts, or a loop of one part where n is a run-time value
 *   for v in ...e                        the last n % L iterations, scalar; unrolled where that is little code
 *
 * Several parts hide latency: reductions get independent accumulators, and a body with an inner reduction loop
 * (y[v] = sum over r of x[r * C + v]) runs it once for all parts (unroll and jam). Partial accumulators are combined
 * after the vectors, before the scalar rest. `vectorize-plan.ts` says which loops; the others stay serial.
 */

import {
  add,
  combineLanes,
  constantIndex,
  i32Constant,
  maxIndex,
  op,
  read,
  replace,
  splat,
  sub,
} from "../../compiler/loop/builder.js";
import {
  type Expr,
  type For,
  i32,
  type Kernel,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import { mapBlocks, Names, statementsIn } from "../../compiler/loop/rewrite.js";
import { inlineIndexLets } from "./inline.js";
import type { LoopPass } from "./pass.js";
import { KernelRanges } from "./ranges.js";
import { identityOf } from "./reductions.js";
import { storesLast } from "./stores-last.js";
import { bodyCost } from "./vectorize-cost.js";
import { analyseLanes, planVectors, type VectorPlan, valuesIn } from "./vectorize-plan.js";
import { type WideLoop, widenBody } from "./widen.js";

type Block = readonly Statement[];

export const vectorize: LoopPass = {
  name: "vectorize",
  run: (kernel) => ({ ...kernel, body: new Vectorizing(kernel, false).block(kernel.body) }),
};

/** For targets without SIMD: vectors of one part, and only where their lanes side by side pay as scalars, too. */
export const vectorizeNarrow: LoopPass = {
  name: "vectorize",
  run: (kernel) => ({ ...kernel, body: new Vectorizing(kernel, true).block(kernel.body) }),
};

class Vectorizing {
  private readonly names: Names;
  private readonly ranges: KernelRanges;

  constructor(
    kernel: Kernel,
    private readonly isNarrow: boolean,
  ) {
    this.names = new Names(kernel);
    this.ranges = new KernelRanges(kernel);
  }

  block(block: Block): Statement[] {
    return block.flatMap((statement) => {
      this.ranges.enter(statement);
      const inside = mapBlocks(statement, (inner) => this.block(inner));
      if (inside.kind !== "for" || inside.mode !== "vectorize") return [inside];
      return this.vectorized(inside) ?? [{ ...inside, mode: scalarMode(inside) }];
    });
  }

  private vectorized(original: For): Statement[] | null {
    const inlined = inlineIndexLets(original.body, new Set([original.variable]));
    const loop = { ...original, body: storesLast(inlined, this.names) };
    const plan = this.isNarrow ? planScalars(loop) : planVectors(loop);
    if (plan === null) return null;
    const [start, end] = [constantIndex(loop.start), constantIndex(loop.end)];
    if (start === undefined || end === undefined) return this.dynamic(plan, loop);
    const vectors = Math.floor((end - start) / plan.lanes);
    const fewest = plan.reductions.size > 0 ? 2 : 1;
    return vectors < fewest ? null : this.fixed(plan, loop, start, end);
  }

  /** A loop between constants: all counts are known. */
  private fixed(plan: VectorPlan, loop: For, start: number, end: number): Statement[] {
    const vectors = Math.floor((end - start) / plan.lanes);
    const parts = Math.min(this.partsFor(plan, loop), vectors);
    const wide = this.wideLoop(plan, loop, parts);
    const rest = vectors % parts;
    const wideEnd = start + (vectors - rest) * plan.lanes;
    const vectorEnd = start + vectors * plan.lanes;
    const loops = [this.steps(wide, parts, i32Constant(start), i32Constant(wideEnd))];
    if (rest > 0) loops.push(this.steps(wide, rest, i32Constant(wideEnd), i32Constant(vectorEnd)));
    return [
      ...this.prologue(wide),
      ...loops,
      ...this.combined(wide, parts),
      ...(vectorEnd < end ? [scalarRest(loop, i32Constant(vectorEnd), loop.end)] : []),
    ];
  }

  /** A loop with run-time bounds: every stage may be empty. */
  private dynamic(plan: VectorPlan, loop: For): Statement[] {
    const lets: Statement[] = [];
    const bind = (name: string, value: Expr): Expr => {
      if (value.kind === "constant" || (value.kind === "variable" && !value.variable.mutable)) return value;
      const variable = this.names.variable(name, i32);
      lets.push({ kind: "let", variable, value });
      return read(variable);
    };
    const name = loop.variable.name;
    const [start, end] = [bind(`${name}_start`, loop.start), bind(`${name}_end`, loop.end)];
    const difference = sub(end, start);
    const isExtent =
      this.ranges.isExtent(difference) || (constantIndex(start) === 0 && this.ranges.isExtent(loop.end));
    const extent = bind(`${name}_extent`, isExtent ? difference : maxIndex(difference, 0));
    const multiple = (of: number): Expr => add(op("and", extent, -of), start);
    const parts = this.partsFor(plan, loop);
    const wide = this.wideLoop(plan, loop, parts);
    const wideEnd = bind(`${name}_wide`, multiple(parts * plan.lanes));
    const vectorEnd = parts > 1 ? bind(`${name}_vector`, multiple(plan.lanes)) : wideEnd;
    const loops = [this.steps(wide, parts, start, wideEnd)];
    if (parts > 1) loops.push(this.steps(wide, 1, wideEnd, vectorEnd));
    return [
      ...lets,
      ...this.prologue(wide),
      ...loops,
      ...this.combined(wide, parts),
      scalarRest({ ...loop, end }, vectorEnd, end),
    ];
  }

  private partsFor(plan: VectorPlan, loop: For): 1 | 2 | 4 {
    return this.isNarrow ? 1 : partsFor(plan, loop);
  }

  private wideLoop(plan: VectorPlan, loop: For, parts: number): WideLoop {
    const accumulators = new Map<Variable, readonly Variable[]>();
    for (const variable of plan.reductions.keys()) {
      const type = { scalar: variable.type.scalar, lanes: plan.lanes };
      const copies = Array.from({ length: parts }, () => this.names.variable(variable.name, type, true));
      accumulators.set(variable, copies);
    }
    const laneNumbers = usesNumber(loop) ? this.names.variable("lane", { scalar: "i32", lanes: 4 }) : null;
    return { plan, loop, names: this.names, accumulators, laneNumbers };
  }

  /** What must stand before the loops: accumulators at their identity, the lane numbers. */
  private prologue({ plan, accumulators, laneNumbers }: WideLoop): Statement[] {
    const lets = [...accumulators].flatMap(([variable, copies]) => {
      const { op: name } = plan.reductions.get(variable)!;
      return copies.map((copy): Statement => {
        return { kind: "let", variable: copy, value: identityOf(name, copy.type) };
      });
    });
    if (laneNumbers !== null) lets.push({ kind: "let", variable: laneNumbers, value: countedLanes() });
    return lets;
  }

  private steps(wide: WideLoop, parts: number, start: Expr, end: Expr): For {
    const variable = this.names.copyOf(wide.loop.variable);
    const body = widenBody(wide, variable, parts);
    return { kind: "for", variable, start, end, step: parts * wide.plan.lanes, mode: "serial", body };
  }

  /** Partial results into the variable that the scalar rest goes on with. */
  private combined({ plan, accumulators }: WideLoop, parts: number): Statement[] {
    return [...accumulators].flatMap(([variable, copies]): Statement[] => {
      const { op: name } = plan.reductions.get(variable)!;
      let partial = copies.slice(0, parts).map(read);
      while (partial.length > 1) {
        const half = Math.ceil(partial.length / 2);
        const [low, high] = [partial.slice(0, half), partial.slice(half)];
        partial = low.map((a, i) => (high[i] === undefined ? a : op(name, a, high[i])));
      }
      const all = this.names.variable(variable.name, copies[0]!.type);
      const total = op(name, read(variable), combineLanes(name, read(all)));
      return [
        { kind: "let", variable: all, value: partial[0]! },
        { kind: "assign", variable, value: total },
      ];
    });
  }
}

function scalarRest(loop: For, start: Expr, end: Expr): For {
  const rest: For = { ...loop, start, end, mode: "serial" };
  return { ...rest, mode: scalarMode(rest) };
}

/** Loops of less than this, in statements over all passes, cost more to count than to write out. */
const SHORT = 12;

/** A short scalar loop between constants is unrolled, unless it holds other loops. */
function scalarMode({ start, end, step, body }: For): "unroll" | "serial" {
  const [first, last] = [constantIndex(start), constantIndex(end)];
  if (first === undefined || last === undefined) return "serial";
  const statements = statementsIn(body);
  const isShort = ((last - first) / step) * statements.length <= SHORT;
  return isShort && statements.every(({ kind }) => kind !== "for") ? "unroll" : "serial";
}

const usesNumber = (loop: For): boolean => {
  for (const value of valuesIn(loop.body)) {
    if (value.kind === "variable" && value.variable === loop.variable) return true;
  }
  return false;
};

function countedLanes(): Expr {
  let lanes = splat(i32Constant(0), 4);
  for (let lane = 1; lane < 4; lane++) lanes = replace(lanes, lane, i32Constant(lane));
  return lanes;
}

/** Vectors that x64 can hold besides those that a step needs for its operands. */
const ACCUMULATOR_REGISTERS = 12;

/** How many vectors a step should handle: enough to hide latency, as far as registers and code size allow. */
function partsFor(plan: VectorPlan, loop: For): 1 | 2 | 4 {
  const { operations } = bodyCost(plan, loop);
  const { accumulators, jams } = sumsOf(plan, loop);
  const [few, some] = jams || plan.reductions.size > 0 ? [24, 48] : [8, 24];
  if (operations <= few && accumulators * 4 <= ACCUMULATOR_REGISTERS) return 4;
  return operations <= some && accumulators * 2 <= ACCUMULATOR_REGISTERS ? 2 : 1;
}

/** How many running sums a pass has, and whether it runs inner loops. */
function sumsOf(plan: VectorPlan, loop: For): { accumulators: number; jams: boolean } {
  const statements = statementsIn(loop.body);
  const own = statements.filter((statement) => statement.kind === "let" && statement.variable.mutable);
  return {
    accumulators: plan.reductions.size + own.length,
    jams: statements.some(({ kind }) => kind === "for"),
  };
}

/** Operations of a body that is written out for each lane only to be counted less often. */
const SHORT_BODY = 8;

/**
 * Lanes that are scalars pay where a sum would wait for itself, where an inner loop is run once for all of them, and
 * where there is little to do between two counts; each has a register for every sum.
 */
function planScalars(loop: For): VectorPlan | null {
  const plan = analyseLanes(loop);
  if (plan === null) return null;
  const { accumulators, jams } = sumsOf(plan, loop);
  if (accumulators * plan.lanes > ACCUMULATOR_REGISTERS) return null;
  const pays = accumulators > 0 || jams || bodyCost(plan, loop).operations <= SHORT_BODY;
  return pays ? plan : null;
}
