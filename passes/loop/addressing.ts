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
 * `access-groups.ts` says which accesses belong together and which groups get a pointer where there are many.
 */

import { dtypes } from "../../compiler/ir/dtype.js";
import {
  constantOf,
  constantPolynomial,
  constantValue,
  Indices,
  type Polynomial,
  partition,
  polynomialKey,
  rebuild,
  scale,
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
  statementsIn,
  topDown,
} from "../../compiler/loop/rewrite.js";
import {
  collect,
  type Group,
  grant,
  isInvariant,
  MAX_POINTERS,
  type Site,
  sharingKey,
  sitesOf,
} from "./access-groups.js";
import { indexLets } from "./inline.js";
import type { LoopPass } from "./pass.js";

type Block = readonly Statement[];

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
