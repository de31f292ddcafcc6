/**
 * Nests that read along one loop and write along the other work on tiles of 4 x 4 elements.
 *
 *   for u in 0..U { for v in 0..V vectorize { y[u * V + v] = x[v * U + u] } }
 *
 * Neither loop has vectors at both ends: those along v would be gathered from x lane by lane. A tile loads four vectors
 * along u, transposes them in registers with eight shuffles, and stores four vectors along v. Everything else in the
 * body is widened along v as usual. What the tiles leave of V and U is done by the original loops.
 *
 * A tile stores for later u before the loads of earlier u at later v, which is right as long as no load finds there
 * what it should have read before: all loads are from buffers that the nest only reads, and of these only one that is
 * walked like the result can share its memory (see program.ts), each element of which is read where it is stored.
 */

import { constantValue, dependsOnAny, Indices, splitBy } from "../../compiler/loop/affine.js";
import { add, constantIndex, i32Constant, op, read } from "../../compiler/loop/builder.js";
import {
  type Expr,
  type For,
  i32,
  type Kernel,
  type Load,
  type Statement,
  type Variable,
} from "../../compiler/loop/ir.js";
import { highHalves, highLanes, lowHalves, lowLanes } from "../../compiler/loop/lanes.js";
import {
  bottomUp,
  copyBlock,
  declaredIn,
  dependsOn,
  exprsIn,
  mapBlocks,
  mapExprs,
  Names,
  substitute,
  substitution,
} from "../../compiler/loop/rewrite.js";
import { inlineIndexLets } from "./inline.js";
import type { LoopPass } from "./pass.js";
import { KernelRanges } from "./ranges.js";
import { analyseLanes, laneStride, type VectorPlan, valuesIn } from "./vectorize-plan.js";
import { widenBody } from "./widen.js";

type Block = readonly Statement[];

const TILE = 4;

export const transpose: LoopPass = {
  name: "transpose",
  run: (kernel) => ({ ...kernel, body: new Transposing(kernel).block(kernel.body) }),
};

/** A nest that transposes: the loops, the body in terms of their variables, and the loads along the outer loop. */
interface Nest {
  readonly outer: For;
  readonly inner: For;
  readonly plan: VectorPlan;
  readonly across: readonly Load[];
}

class Transposing {
  private readonly names: Names;
  private readonly ranges: KernelRanges;

  constructor(kernel: Kernel) {
    this.names = new Names(kernel);
    this.ranges = new KernelRanges(kernel);
  }

  block(block: Block): Statement[] {
    return block.flatMap((statement) => {
      this.ranges.enter(statement);
      const inside = mapBlocks(statement, (inner) => this.block(inner));
      const nest = inside.kind === "for" ? this.nestOf(inside) : null;
      return nest === null ? [inside] : this.tiled(nest);
    });
  }

  private nestOf(outer: For): Nest | null {
    const last = outer.body.at(-1);
    if (last?.kind !== "for" || last.mode !== "vectorize") return null;
    const body = inlineIndexLets(outer.body, new Set([outer.variable]));
    const loop = body[0];
    if (body.length !== 1 || loop?.kind !== "for") return null;
    if (outer.mode === "unroll" || ![outer, loop].every((each) => this.isLongEnough(each))) return null;
    if (dependsOn(loop.end, new Set([outer.variable]))) return null;
    const inner = { ...loop, body: inlineIndexLets(loop.body, new Set([outer.variable, loop.variable])) };
    const plan = isOneStore(inner.body) ? analyseLanes(inner) : null;
    if (plan === null || plan.lanes !== TILE || usesAsValue(inner)) return null;
    const across = loadsAcross(plan, outer, inner);
    return across === null ? null : { outer, inner, plan, across };
  }

  /** From 0 to what is no constant, or a constant of at least one tile. */
  private isLongEnough({ start, end, step }: For): boolean {
    const extent = constantIndex(end);
    const atLeastOne = extent !== undefined ? extent >= TILE : this.ranges.isExtent(end);
    return constantIndex(start) === 0 && step === 1 && atLeastOne;
  }

  private tiled(nest: Nest): Statement[] {
    const { outer, inner } = nest;
    const lets: Statement[] = [];
    const [outerEnd, innerEnd] = [this.tileEnd(outer, lets), this.tileEnd(inner, lets)];
    const [u, v] = [this.names.copyOf(outer.variable), this.names.copyOf(inner.variable)];
    const tiles: For = {
      ...inner,
      variable: v,
      end: innerEnd,
      step: TILE,
      mode: "serial",
      body: this.tile(nest, u, v),
    };
    const rows: For = {
      ...outer,
      variable: this.names.copyOf(outer.variable),
      start: read(u),
      end: add(read(u), TILE),
    };
    const rest = this.restOf(inner, innerEnd, new Map([[outer.variable, read(rows.variable)]]));
    const columnRest: Statement[] = rest === null ? [] : [{ ...rows, mode: "serial", body: [rest] }];
    const tiledRows: For = { ...outer, variable: u, end: outerEnd, step: TILE, body: [tiles, ...columnRest] };
    const rowRest = isSame(outerEnd, outer.end) ? [] : [{ ...outer, start: outerEnd, body: [inner] }];
    return [...lets, tiledRows, ...rowRest];
  }

  /** The multiple of the tile below the end of a loop. */
  private tileEnd({ variable, end }: For, lets: Statement[]): Expr {
    const extent = constantIndex(end);
    if (extent !== undefined) return i32Constant(extent - (extent % TILE));
    const tiled = this.names.variable(`${variable.name}_tiles`, i32);
    lets.push({ kind: "let", variable: tiled, value: op("and", end, -TILE) });
    return read(tiled);
  }

  private restOf(loop: For, start: Expr, values: ReadonlyMap<Variable, Expr>): Statement | null {
    if (isSame(start, loop.end)) return null;
    return copyBlock([{ ...loop, start, mode: "serial" }], this.names, values)[0]!;
  }

  private tile({ outer, inner, plan, across }: Nest, u: Variable, v: Variable): Statement[] {
    const lets: Statement[] = [];
    const bind = (name: string, value: Expr): Variable => {
      const variable = this.names.variable(name, value.type);
      lets.push({ kind: "let", variable, value });
      return variable;
    };
    const rows = across.map((load) => this.transposed(load, outer, inner, u, v, bind));
    // In the body a scalar stands for each load, to which each row of the tile gives its own vector.
    const scalars = across.map((load) => this.names.variable(load.buffer.name, load.type));
    const body = mapExprs(inner.body, replaceLoads(across, scalars));
    const varying = new Set([...plan.varying, ...scalars]);
    const copies = Array.from({ length: TILE }, (_, row) => {
      const loop = { ...inner, body: substitute(body, new Map([[outer.variable, add(read(u), row)]])) };
      const accumulators = new Map(scalars.map((scalar, i) => [scalar, [rows[i]![row]!]]));
      const wide = { plan: { ...plan, varying }, loop, names: this.names, accumulators, laneNumbers: null };
      return widenBody(wide, v, 1);
    });
    return [...lets, ...copies.flat()];
  }

  /** The vectors along v of a load along u, one for each row of the tile. */
  private transposed(
    load: Load,
    outer: For,
    inner: For,
    u: Variable,
    v: Variable,
    bind: (name: string, value: Expr) => Variable,
  ): Variable[] {
    const type = { scalar: load.type.scalar, lanes: TILE } as const;
    const columns = Array.from({ length: TILE }, (_, lane) => {
      const at = new Map([
        [outer.variable, read(u)],
        [inner.variable, add(read(v), lane)],
      ]);
      return read(bind(load.buffer.name, { ...load, type, index: substitution(at)(load.index) }));
    });
    const [a, b, c, d] = columns as [Expr, Expr, Expr, Expr];
    const [low, high] = [lowLanes, highLanes].map((move) => [move(a, b), move(c, d)]);
    const halves = [low!, high!].map(([x, y]) => [read(bind("pairs", x!)), read(bind("pairs", y!))]);
    return halves.flatMap(([x, y]) => [
      bind(load.buffer.name, lowHalves(x!, y!)),
      bind(load.buffer.name, highHalves(x!, y!)),
    ]);
  }
}

const isSame = (a: Expr, b: Expr): boolean =>
  a === b || (constantIndex(a) !== undefined && constantIndex(a) === constantIndex(b));

/** True for lets and, at the end, one store. */
const isOneStore = (body: Block): boolean =>
  body.at(-1)?.kind === "store" &&
  body.slice(0, -1).every((statement) => statement.kind === "let" && !statement.variable.mutable);

const usesAsValue = ({ body, variable }: For): boolean =>
  [...valuesIn(body)].some((value) => value.kind === "variable" && value.variable === variable);

/** The loads to transpose, or null where there are none, or where some other access has no vectors along v. */
function loadsAcross(plan: VectorPlan, outer: For, inner: For): Load[] | null {
  const store = inner.body.at(-1)!;
  if (store.kind !== "store" || laneStride(plan, inner, store.index) !== 1) return null;
  const across: Load[] = [];
  for (const expr of exprsIn(inner.body)) {
    if (expr.kind !== "load") continue;
    const stride = laneStride(plan, inner, expr.index);
    if (expr.buffer.access !== "read") return null;
    if (stride === 0 || stride === 1) continue;
    if (!isAlong(outer.variable, expr, inner)) return null;
    across.push(expr);
  }
  return across.length > 0 ? across : null;
}

/** True where the load walks its buffer by one element with the variable, whatever it does in the inner loop. */
function isAlong(variable: Variable, { index }: Load, inner: For): boolean {
  const indices = new Indices();
  const byOuter = splitBy(indices.of(index), variable);
  const byInner = byOuter && splitBy(byOuter.rest, inner.variable);
  if (byOuter === null || byInner === null || constantValue(byOuter.coefficient) !== 1) return false;
  const locals = declaredIn(inner.body);
  return !dependsOnAny(byInner.rest, locals) && !dependsOnAny(byInner.coefficient, locals);
}

function replaceLoads(loads: readonly Load[], by: readonly Variable[]): (expr: Expr) => Expr {
  const replacements = new Map<Expr, Expr>(loads.map((load, i) => [load, read(by[i]!)]));
  return bottomUp((expr) => replacements.get(expr) ?? expr);
}
