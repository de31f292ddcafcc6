/**
 * Strength reduction of addresses.
 *
 * In an innermost loop the accesses whose indices are affine in the loop variable are grouped by buffer and by
 * everything but the constant of the index. Each group gets a pointer: a byte address that starts at the group's
 * element of the first iteration and moves on by a fixed stride at the end of each.
 *
 *   for k in 0..K { ... x[i * K + k] ... x[i * K + k + 1] ... }
 *   ->
 *   var p = address(x) + i * K * 4
 *   for k in 0..K { ... p[0 @0] ... p[0 @1] ...; p = p + 4 }
 *
 * Groups that do not move get a pointer that is computed once; where only a part of an index is invariant (gathers),
 * the pointer takes that part. In straight-line code outside innermost loops, accesses that differ by constants share
 * one pointer too.
 *
 * An offset is added without wrapping, so a pointer may not lie before memory when an offset leads back into it. The
 * pointer of a group is therefore the place of an access that happens whenever the pointer is used: the one with the
 * smallest constant in the same block, or in a block around it.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import {
  constantOf,
  constantPolynomial,
  constantValue,
  dependsOnAny,
  Indices,
  type Polynomial,
  partition,
  polynomialKey,
  rebuild,
  scale,
  splitBy,
  withoutConstant,
} from "../../compiler/loop/affine.js";
import { add, i32Constant, read } from "../../compiler/loop/builder.js";
import {
  type Access,
  type Buffer,
  type Expr,
  type For,
  i32,
  type Kernel,
  type Load,
  type Statement,
  type Store,
  type Variable,
} from "../../compiler/loop/ir.js";
import {
  assignedIn,
  changingIn,
  mapBlocks,
  mapOperands,
  Names,
  nodesOf,
  operandsOf,
  readsMemory,
  statementsIn,
  topDown,
} from "../../compiler/loop/rewrite.js";
import { indexLets } from "./inline.js";
import type { LoopPass } from "./pass.js";
import { mayTrap } from "./trapping.js";

type Block = readonly Statement[];
type Site = Load | Store;

/** More pointers than this and x64 has no registers left for them. */
const MAX_POINTERS = 10;

export const addressing: LoopPass = {
  name: "addressing",
  run: (kernel) => ({ ...kernel, body: new Addressing(kernel).block(kernel.body) }),
};

/** Where an access goes: a pointer and what remains of index and offset. */
interface Place {
  readonly pointer: Variable;
  readonly index: Expr;
  readonly offset: number;
}

/** Accesses to one buffer whose indices differ by constants. */
interface Group {
  readonly buffer: Buffer;
  /** Elements that the group moves by when the loop variable grows by one. */
  readonly coefficient: Polynomial;
  /** The index where the loop variable is 0, without its constant. */
  readonly base: Polynomial;
  /** Constant of the access that the pointer points to. */
  readonly lowest: number;
  readonly members: { readonly site: Site; readonly block: Block; readonly constant: number }[];
  readonly key: string;
}

/** Places of accesses, for each block apart: one load may stand in several. */
type Places = Map<Block, Map<Site, Place>>;

class Addressing {
  private readonly names: Names;

  constructor(kernel: Kernel) {
    this.names = new Names(kernel);
  }

  block(block: Block): Statement[] {
    return this.shareInBlock(block).flatMap((statement) => {
      if (statement.kind === "for" && isInnermost(statement)) return this.innermost(statement);
      return [mapBlocks(statement, (inner) => this.block(inner))];
    });
  }

  private innermost(loop: For): Statement[] {
    const changing = changingIn(loop);
    const indices = new Indices(indexLets(loop.body));
    const { groups, gathers } = collect(loop, indices, changing);
    const places: Places = new Map();
    const before: Statement[] = [];
    const moves: Statement[] = [];
    const { granted, others } = grant(groups);
    const pointers = new Map<string, { variable: Variable; group: Group }>();
    for (const group of granted) {
      const variable = this.pointerFor(group, loop, indices, before, moves);
      pointers.set(sharingKey(group), { variable, group });
      placeMembers(places, group, { pointer: variable, index: i32Constant(0) });
    }
    for (const group of others) {
      const shared = pointers.get(sharingKey(group));
      if (shared === undefined) continue;
      const distance = indices.difference(group.base, shared.group.base);
      const elements = indices.sum(distance, constantPolynomial(group.lowest - shared.group.lowest));
      const index = this.bind(`${group.buffer.name}_step`, rebuild(elements), before);
      placeMembers(places, group, { pointer: shared.variable, index });
    }
    if (granted.length < MAX_POINTERS) this.placeGathers(gathers, indices, changing, places, before);
    const body = rewriteAccesses(loop.body, places);
    return [...before, { ...loop, body: [...body, ...moves] }];
  }

  /** Declares the pointer of a group, and how it moves. */
  private pointerFor(
    { buffer, coefficient, base, lowest }: Group,
    loop: For,
    indices: Indices,
    before: Statement[],
    moves: Statement[],
  ): Variable {
    const { bytes } = dtypes[buffer.dtype];
    const walked =
      indices.product(coefficient, indices.of(loop.start)) ?? indices.of(mulByStart(coefficient, loop));
    const first = indices.sum(indices.sum(base, walked), constantPolynomial(lowest));
    const stride = scale(coefficient, loop.step * bytes);
    const variable = this.names.variable(`${buffer.name}_at`, i32, stride.size > 0);
    before.push({ kind: "let", variable, value: add(addressOf(buffer), rebuild(scale(first, bytes))) });
    if (stride.size > 0) {
      const fixed = constantValue(stride);
      const by = fixed ?? this.bind(`${buffer.name}_stride`, rebuild(stride), before);
      moves.push({ kind: "assign", variable, value: add(read(variable), by) });
    }
    return variable;
  }

  private bind(name: string, value: Expr, before: Statement[]): Expr {
    if (value.kind !== "op") return value;
    const variable = this.names.variable(name, i32);
    before.push({ kind: "let", variable, value });
    return read(variable);
  }

  /** Splits indices that are invariant in part: the pointer takes that part, the index keeps the rest. */
  private placeGathers(
    gathers: readonly { site: Site; block: Block }[],
    indices: Indices,
    changing: ReadonlySet<Variable>,
    places: Places,
    before: Statement[],
  ): void {
    const pointers = new Map<string, Variable>();
    for (const { site, block } of gathers) {
      const [fixed, moving] = partition(indices.of(site.index), (term) =>
        isInvariant(new Map([["", term]]), changing),
      );
      const invariant = withoutConstant(fixed);
      if (invariant.size === 0) continue;
      const key = `${site.buffer.name} ${polynomialKey(invariant)}`;
      let pointer = pointers.get(key);
      if (pointer === undefined) {
        if (pointers.size >= MAX_POINTERS / 2) continue;
        pointer = this.names.variable(`${site.buffer.name}_at`, i32);
        const offset = rebuild(scale(invariant, dtypes[site.buffer.dtype].bytes));
        before.push({ kind: "let", variable: pointer, value: add(addressOf(site.buffer), offset) });
        pointers.set(key, pointer);
      }
      const index = rebuild(indices.sum(moving, constantPolynomial(constantOf(fixed))));
      placesIn(places, block).set(site, { pointer, index, offset: site.offset });
    }
  }

  /** Straight-line statements of one block: accesses that differ by constants share a pointer. */
  private shareInBlock(block: Block): Statement[] {
    const assigned = assignedIn(block);
    const indices = new Indices();
    const groups = new Map<string, Group & { first: number }>();
    block.forEach((statement, position) => {
      for (const site of sitesOf(statement)) {
        if (site.pointer !== undefined) continue;
        const polynomial = indices.of(site.index);
        const base = withoutConstant(polynomial);
        if (base.size === 0 || !isInvariant(base, assigned)) continue;
        const constant = constantOf(polynomial) + site.offset;
        const key = `${site.buffer.name} ${polynomialKey(base)}`;
        const known = groups.get(key);
        const group = known ?? {
          buffer: site.buffer,
          base,
          first: position,
          key,
          members: [],
          coefficient: new Map(),
        };
        const lowest = Math.min(known?.lowest ?? constant, constant);
        groups.set(key, { ...group, lowest, members: [...group.members, { site, block, constant }] });
      }
    });
    const shared = [...groups.values()].filter(
      ({ members }) => new Set(members.map(({ site }) => site)).size > 1,
    );
    if (shared.length === 0) return [...block];
    const places: Places = new Map();
    const lets = new Map<number, Statement[]>();
    for (const group of shared) {
      const { buffer, base, lowest, first } = group;
      const pointer = this.names.variable(`${buffer.name}_at`, i32);
      const element = indices.sum(base, constantPolynomial(lowest));
      const value = add(addressOf(buffer), rebuild(scale(element, dtypes[buffer.dtype].bytes)));
      lets.set(first, [...(lets.get(first) ?? []), { kind: "let", variable: pointer, value }]);
      placeMembers(places, group, { pointer, index: i32Constant(0) });
    }
    const rewritten = rewriteStatements(block, places.get(block)!);
    return rewritten.flatMap((statement, position) => [...(lets.get(position) ?? []), statement]);
  }
}

const addressOf = (buffer: Buffer): Expr => ({ kind: "address", type: i32, buffer });

const mulByStart = (coefficient: Polynomial, loop: For): Expr => {
  const by = rebuild(coefficient);
  return { kind: "op", type: i32, op: "mul", args: [by, loop.start] };
};

const isInnermost = ({ body }: For): boolean => {
  for (const { kind } of statementsIn(body)) if (kind === "for") return false;
  return true;
};

/** The same value on every pass, and computable before the first: memory may not be touched before its time. */
const isInvariant = (polynomial: Polynomial, changing: ReadonlySet<Variable>): boolean =>
  !dependsOnAny(polynomial, changing) &&
  [...polynomial.values()].every(({ factors }) =>
    factors.every((factor) => !readsMemory(factor) && !mayTrap(factor)),
  );

/** The accesses that a statement makes itself, each once. */
function sitesOf(statement: Statement): Site[] {
  const seen = new Set<Expr>();
  const sites: Site[] = [];
  for (const operand of operandsOf(statement)) {
    for (const node of nodesOf(operand, seen)) if (node.kind === "load") sites.push(node);
  }
  if (statement.kind === "store") sites.push(statement);
  return sites;
}

interface Collected {
  readonly groups: readonly Group[];
  readonly gathers: readonly { readonly site: Site; readonly block: Block }[];
}

/** Groups the accesses of an innermost loop. */
function collect(loop: For, indices: Indices, changing: ReadonlySet<Variable>): Collected {
  const groups: Group[] = [];
  const gathers: { site: Site; block: Block }[] = [];
  const visit = (block: Block, outer: readonly Group[]): void => {
    const own = new Map<string, Group>();
    for (const statement of block) {
      for (const site of sitesOf(statement)) {
        if (site.pointer !== undefined) continue;
        const group = affineGroup(site, block, loop, indices, changing);
        if (group === null) gathers.push({ site, block });
        else if (group.base.size > 0 || group.coefficient.size > 0)
          own.set(group.key, joined(own.get(group.key), group));
      }
    }
    const visible = [...outer];
    for (const group of own.values()) {
      const around = outer.find(({ key, lowest }) => key === group.key && lowest <= group.lowest);
      if (around !== undefined) around.members.push(...group.members);
      else {
        groups.push(group);
        visible.push(group);
      }
    }
    for (const statement of block) {
      if (statement.kind !== "if") continue;
      visit(statement.whenTrue, visible);
      visit(statement.whenFalse, visible);
    }
  };
  visit(loop.body, []);
  return { groups, gathers };
}

function affineGroup(
  site: Site,
  block: Block,
  loop: For,
  indices: Indices,
  changing: ReadonlySet<Variable>,
): Group | null {
  const split = splitBy(indices.of(site.index), loop.variable);
  if (split === null || !isInvariant(split.rest, changing) || !isInvariant(split.coefficient, changing))
    return null;
  const base = withoutConstant(split.rest);
  const constant = constantOf(split.rest) + site.offset;
  const key = `${site.buffer.name} ${polynomialKey(split.coefficient)} ${polynomialKey(base)}`;
  const members = [{ site, block, constant }];
  return { buffer: site.buffer, coefficient: split.coefficient, base, lowest: constant, members, key };
}

const joined = (a: Group | undefined, b: Group): Group =>
  a === undefined ? b : { ...a, lowest: Math.min(a.lowest, b.lowest), members: [...a.members, ...b.members] };

const sharingKey = ({ buffer, coefficient }: Group): string => `${buffer.name} ${polynomialKey(coefficient)}`;

/** Chooses the groups that get a pointer of their own: at least one for each buffer and stride, then the largest. */
function grant(groups: readonly Group[]): { granted: Group[]; others: Group[] } {
  if (groups.length <= MAX_POINTERS) return { granted: [...groups], others: [] };
  const bySize = [...groups].sort((a, b) => b.members.length - a.members.length);
  const firsts = new Map<string, Group>();
  for (const group of bySize) if (!firsts.has(sharingKey(group))) firsts.set(sharingKey(group), group);
  const first = new Set(firsts.values());
  const ranked = [
    ...bySize.filter((group) => first.has(group)),
    ...bySize.filter((group) => !first.has(group)),
  ];
  const chosen = new Set(ranked.slice(0, MAX_POINTERS));
  return {
    granted: groups.filter((group) => chosen.has(group)),
    others: groups.filter((group) => !chosen.has(group)),
  };
}

function placesIn(places: Places, block: Block): Map<Site, Place> {
  let inBlock = places.get(block);
  if (inBlock === undefined) {
    inBlock = new Map();
    places.set(block, inBlock);
  }
  return inBlock;
}

function placeMembers(places: Places, group: Group, { pointer, index }: Omit<Place, "offset">): void {
  for (const { site, block, constant } of group.members) {
    placesIn(places, block).set(site, { pointer, index, offset: constant - group.lowest });
  }
}

function rewriteAccesses(block: Block, places: Places): Statement[] {
  const inside = block.map((statement) => mapBlocks(statement, (inner) => rewriteAccesses(inner, places)));
  return rewriteStatements(inside, places.get(block) ?? new Map(), block);
}

/** Puts the accesses of a block at their places; `originals` are the statements that places are known for. */
function rewriteStatements(
  block: Block,
  places: ReadonlyMap<Site, Place>,
  originals: Block = block,
): Statement[] {
  const map = topDown((expr, inner) => {
    const place = expr.kind === "load" ? places.get(expr) : undefined;
    return place && { ...(expr as Load), ...place, index: inner(place.index) };
  });
  return block.map((statement, position) => {
    const original = originals[position]!;
    const place = original.kind === "store" ? places.get(original) : undefined;
    const placed =
      place === undefined ? statement : ({ ...(statement as Store & Access), ...place } as Statement);
    return mapOperands(placed, map);
  });
}
