/**
 * Accesses grouped by what a pointer can serve: one buffer, and indices that differ by constants.
 *
 * The pointer of a group is the place of an access that happens whenever the pointer is used: the one with the smallest
 * constant in its block, or in a block around it. An offset is added without wrapping, so a pointer that lay before
 * memory could not be led back into it.
 */

import {
  constantOf,
  dependsOnAny,
  type Indices,
  type Polynomial,
  polynomialKey,
  splitBy,
  withoutConstant,
} from "../../compiler/loop/affine.js";
import type { Buffer, Expr, For, Load, Statement, Store, Variable } from "../../compiler/loop/ir.js";
import { nodesOf, operandsOf, readsMemory } from "../../compiler/loop/rewrite.js";
import { mayTrap } from "./trapping.js";

type Block = readonly Statement[];
export type Site = Load | Store;

/** More pointers than this and x64 has no registers left for them. */
export const MAX_POINTERS = 10;

/** Accesses to one buffer whose indices differ by constants. */
export interface Group {
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

/** The accesses that a statement makes itself, each once. */
export function sitesOf(statement: Statement): Site[] {
  const seen = new Set<Expr>();
  const sites: Site[] = [];
  for (const operand of operandsOf(statement)) {
    for (const node of nodesOf(operand, seen)) if (node.kind === "load") sites.push(node);
  }
  if (statement.kind === "store") sites.push(statement);
  return sites;
}

export interface Collected {
  readonly groups: readonly Group[];
  readonly gathers: readonly { readonly site: Site; readonly block: Block }[];
}

/** Groups the accesses of an innermost loop. */
export function collect(loop: For, indices: Indices, changing: ReadonlySet<Variable>): Collected {
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

export const sharingKey = ({ buffer, coefficient }: Group): string =>
  `${buffer.name} ${polynomialKey(coefficient)}`;

/** The same value on every pass, and computable before the first: memory may not be touched before its time. */
export const isInvariant = (polynomial: Polynomial, changing: ReadonlySet<Variable>): boolean =>
  !dependsOnAny(polynomial, changing) &&
  [...polynomial.values()].every(({ factors }) =>
    factors.every((factor) => !readsMemory(factor) && !mayTrap(factor)),
  );

/** Chooses the groups that get a pointer of their own: at least one for each buffer and stride, then the largest. */
export function grant(groups: readonly Group[]): { granted: Group[]; others: Group[] } {
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
