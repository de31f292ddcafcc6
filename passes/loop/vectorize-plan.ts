/**
 * Whether a loop can be vectorised, and what of it: which values differ between the lanes, which variables are
 * reductions, and whether vectors pay.
 *
 * Mode `vectorize` is the kernel's word that no iteration stores an element that another one touches. What remains to
 * be guarded is a read buffer that shares memory with a written one, where each element is read for the last time no
 * later than it is written: loads may come earlier than they did, stores may not. Lanes in lockstep put the stores of
 * later lanes before whatever stands after them in the body; so a load there must touch the very element that the
 * lane itself stores, or one element for all lanes, which nothing in the loop can store before its last iteration.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import {
  constantValue,
  dependsOnAny,
  equalPolynomials,
  Indices,
  type Polynomial,
  scale,
  splitBy,
} from "../../compiler/loop/affine.js";
import { i32Constant } from "../../compiler/loop/builder.js";
import type { Access, Expr, ExprType, For, Statement, Variable } from "../../compiler/loop/ir.js";
import {
  blocksOf,
  dependsOn,
  exprsIn,
  nodesOf,
  operandsOf,
  statementsIn,
  variablesOf,
} from "../../compiler/loop/rewrite.js";
import { findReductions, type Reduction } from "./reductions.js";
import { vectorsPay } from "./vectorize-cost.js";

type Block = readonly Statement[];

export interface VectorPlan {
  readonly lanes: 2 | 4;
  readonly indices: Indices;
  /** The loop variable, and the locals whose values differ between lanes. */
  readonly varying: ReadonlySet<Variable>;
  readonly reductions: ReadonlyMap<Variable, Reduction>;
}

/** A plan for a loop of step 1, or null where it must stay scalar, or where vectors would be slower. */
export function planVectors(loop: For): VectorPlan | null {
  const plan = analyseLanes(loop);
  return plan !== null && vectorsPay(plan, loop) ? plan : null;
}

/** What can be vectorised, whether it pays or not. */
export function analyseLanes(loop: For): VectorPlan | null {
  const { body, variable } = loop;
  const reductions = findReductions(body);
  if (loop.step !== 1 || reductions === null || !isScalarCode(body)) return null;
  const varying = varyingVariables(variable, body, reductions);
  if (!hasUniformControl(body, varying)) return null;
  const lanes = lanesFor(body, varying, reductions);
  if (lanes === null) return null;
  const plan: VectorPlan = { lanes, indices: new Indices(), varying, reductions };
  return keepsMemoryOrder(plan, loop) ? plan : null;
}

/** How far apart in memory neighbouring lanes are, in elements; null where that is no constant. */
export function laneStride(plan: VectorPlan, loop: For, index: Expr): number | null {
  const split = splitBy(plan.indices.of(index), loop.variable);
  if (split === null || dependsOnAny(split.rest, plan.varying)) return null;
  if (dependsOnAny(split.coefficient, plan.varying)) return null;
  return constantValue(split.coefficient) ?? null;
}

function isScalarCode(body: Block): boolean {
  for (const expr of exprsIn(body)) if (expr.type.lanes > 1) return false;
  return true;
}

/** Spreads from the loop variable through values until nothing changes; reductions differ between lanes too. */
function varyingVariables(
  variable: Variable,
  body: Block,
  reductions: ReadonlyMap<Variable, Reduction>,
): Set<Variable> {
  const varying = new Set([variable, ...reductions.keys()]);
  for (let before = 0; before < varying.size; ) {
    before = varying.size;
    for (const statement of statementsIn(body)) {
      if (statement.kind !== "let" && statement.kind !== "assign") continue;
      if (dependsOn(statement.value, varying)) varying.add(statement.variable);
    }
  }
  return varying;
}

/** True where all lanes take the same way: no bound and no condition differs between them. */
function hasUniformControl(body: Block, varying: ReadonlySet<Variable>): boolean {
  for (const statement of statementsIn(body)) {
    if (statement.kind === "for" && statement.mode === "vectorize") return false;
    if (statement.kind !== "for" && statement.kind !== "if") continue;
    if (operandsOf(statement).some((operand) => dependsOn(operand, varying))) return false;
  }
  return true;
}

/** The values that the lanes compute: operands without the insides of indices, which stay scalar. */
export function* valuesIn(body: Block): Generator<Expr> {
  const seen = new Set<Expr>();
  function* visit(expr: Expr): Generator<Expr> {
    if (seen.has(expr)) return;
    seen.add(expr);
    if (expr.kind === "op") for (const arg of expr.args) yield* visit(arg);
    yield expr;
  }
  for (const statement of statementsIn(body)) {
    if (statement.kind === "for" || statement.kind === "invoke") continue;
    yield* visit(statement.kind === "if" ? statement.condition : statement.value);
  }
}

/** 128 bits of the one width that the varying values have; masks are as wide as what was compared. */
function lanesFor(
  body: Block,
  varying: ReadonlySet<Variable>,
  reductions: ReadonlyMap<Variable, Reduction>,
): 2 | 4 | null {
  const found = new Set<2 | 4>();
  const note = ({ scalar }: ExprType): void => {
    if (scalar !== "bool") found.add(scalar === "i64" || scalar === "f64" ? 2 : 4);
  };
  for (const value of valuesIn(body)) if (dependsOn(value, varying)) note(value.type);
  for (const variable of reductions.keys()) note(variable.type);
  for (const statement of statementsIn(body)) if (statement.kind === "store") note(statement.value.type);
  return found.size === 1 ? [...found][0]! : null;
}

interface PlacedAccess {
  readonly access: Access;
  readonly isStore: boolean;
  /** Position in the text, and the innermost loops around the access, outermost first. */
  readonly order: number;
  readonly loops: readonly Statement[];
}

function accessesOf(body: Block): PlacedAccess[] {
  const found: PlacedAccess[] = [];
  let order = 0;
  const visit = (block: Block, loops: readonly Statement[]): void => {
    for (const statement of block) {
      order += 1;
      const seen = new Set<Expr>();
      for (const operand of operandsOf(statement)) {
        for (const node of nodesOf(operand, seen)) {
          if (node.kind === "load") found.push({ access: node, isStore: false, order, loops });
        }
      }
      if (statement.kind === "store")
        found.push({ access: statement, isStore: true, order: order + 0.5, loops });
      const around = statement.kind === "for" ? [...loops, statement] : loops;
      for (const inner of blocksOf(statement)) visit(inner, around);
    }
  };
  visit(body, []);
  return found;
}

function keepsMemoryOrder(plan: VectorPlan, loop: For): boolean {
  const accesses = accessesOf(loop.body);
  const stores = accesses.filter(({ isStore }) => isStore);
  return stores.every(
    (store) =>
      dependsOn(store.access.index, plan.varying) &&
      laneStride(plan, loop, store.access.index) !== 0 &&
      accesses.every((other) => other.isStore || mayRunInLockstep(plan, loop.variable, store, other)),
  );
}

/** True where running the lanes of a store and a load side by side cannot change what is read. */
function mayRunInLockstep(
  { indices, varying }: VectorPlan,
  variable: Variable,
  store: PlacedAccess,
  load: PlacedAccess,
): boolean {
  const [stored, loaded] = [bytesOf(indices, store.access), bytesOf(indices, load.access)];
  if (equalPolynomials(stored, loaded) && movesWith(stored, variable) && !readsMutable(stored)) return true;
  if (store.access.buffer === load.access.buffer) return false;
  const repeats = store.loops.some((around) => load.loops.includes(around));
  if (load.order < store.order && !repeats) return true;
  return !dependsOnAny(loaded, varying);
}

/** A place in terms of mutable variables may be another one where it is computed again. */
const readsMutable = (place: Polynomial): boolean =>
  [...place.values()].some(({ factors }) =>
    factors.some((factor) => [...variablesOf(factor)].some(({ mutable }) => mutable)),
  );

/** True where the element differs from lane to lane. */
function movesWith(place: Polynomial, variable: Variable): boolean {
  const split = splitBy(place, variable);
  return split !== null && (constantValue(split.coefficient) ?? 0) !== 0;
}

const bytesOf = (indices: Indices, { buffer, index, offset }: Access): Polynomial =>
  scale(indices.sum(indices.of(index), indices.of(i32Constant(offset))), dtypes[buffer.dtype].bytes);
