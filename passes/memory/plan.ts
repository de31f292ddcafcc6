/**
 * Memory plan: where every buffer lies.
 *
 * Where all lengths are numbers, so are all addresses: blocks are placed one by one, each at the lowest address where it
 * overlaps no block that lives at the same time (first fit), in the best of a few orders. Else the module places the
 * blocks itself, when the dims of a run are known (`dynamic.ts`). The lower bound is the largest sum of live bytes at
 * any step: no plan can do with less for this order of steps.
 *
 * Memory: [0, 1024) unused, so that no tensor lies at address 0; then constants; then what the first run computes from
 * the last of them, in part where these lay (`derived.ts`); then states, the error number and the tables of a dynamic
 * plan; then the arena with all the rest.
 */

import { evaluateDim, isStatic } from "../../compiler/ir/dim.js";
import type { Program, ProgramBuffer } from "../../compiler/loop/program.js";
import { align, alignedBytes, type Block, blocksOf, buffersIn } from "./blocks.js";
import { placeDerived, splitConstants } from "./derived.js";
import { DynamicPlan } from "./dynamic.js";

const pageBytes = 65536;
const firstAddress = 1024;

export interface MemoryPlan {
  /** Addresses that are known at compile time: constants and states always, others unless the plan is dynamic. */
  readonly addresses: ReadonlyMap<ProgramBuffer, number>;
  /** Constants that calls use, in address order. */
  readonly constants: readonly ProgramBuffer[];
  readonly weights: { readonly address: number; readonly byteLength: number };
  /** Of a dynamic plan, as large as the bounds of its symbols need, or empty where there are none. */
  readonly arena: { readonly address: number; readonly byteLength: number };
  /** Largest sum of live bytes at any step. */
  readonly arenaLowerBound: number;
  /** Bytes that all arena buffers would take side by side. */
  readonly unsharedBytes: number;
  /** Linear memory at the start, a multiple of the page size. */
  readonly memoryBytes: number;
  /** How the module places buffers whose lengths depend on symbols; null where all lengths are numbers. */
  readonly dynamic: DynamicPlan | null;
}

/** Largest values of symbols that have bounds. */
export type SymbolBounds = ReadonlyMap<string, { readonly min: number; readonly max: number }>;

export function planMemory(program: Program, bounds: SymbolBounds = new Map()): MemoryPlan {
  const addresses = new Map<ProgramBuffer, number>();
  const { lasting, passing } = splitConstants(program);
  const constants = [...lasting, ...passing];
  let address = firstAddress;
  for (const buffer of constants) {
    addresses.set(buffer, address);
    address = align(address + buffer.data!.byteLength);
  }
  const weights = { address: firstAddress, byteLength: constants.length === 0 ? 0 : address - firstAddress };
  address = placeDerived(program, passing, addresses, address);
  const used = buffersIn(program.steps);
  for (const buffer of program.buffers) {
    const isLasting =
      ["error", "state"].includes(buffer.kind) || (buffer.kind === "kept" && used.has(buffer));
    if (!isLasting || addresses.has(buffer)) continue;
    addresses.set(buffer, address);
    address = align(address + Math.max(buffer.byteLength as number, 1));
  }
  const { blocks, steps, unshared } = blocksOf(program);
  const fixed = DynamicPlan.isNeeded(program) ? null : fixedBlocks(blocks);
  if (fixed === null) {
    const dynamic = new DynamicPlan(program, blocks, address, bounds);
    const arena = { address: dynamic.arena, byteLength: dynamic.reservedBytes };
    return {
      addresses,
      constants,
      weights,
      arena,
      arenaLowerBound: dynamic.lowerBound(steps),
      unsharedBytes: 0,
      memoryBytes: toPages(arena.address + arena.byteLength),
      dynamic,
    };
  }
  const arenaBytes = place(fixed);
  for (const block of fixed)
    for (const buffer of block.buffers) addresses.set(buffer, address + block.offset);
  return {
    addresses,
    constants,
    weights,
    arena: { address, byteLength: arenaBytes },
    arenaLowerBound: lowerBound(fixed, steps),
    unsharedBytes: unshared.reduce<number>((sum, bytes) => sum + Number(bytes), 0),
    memoryBytes: toPages(address + arenaBytes),
    dynamic: null,
  };
}

/** The memory of one run. */
export interface RunPlan extends Omit<MemoryPlan, "dynamic" | "constants"> {
  /** Values of all symbols in that run. */
  readonly values: ReadonlyMap<string, number>;
}

/** Where everything lies in a run with these values of symbols: what the module does with a dynamic plan. */
export function planAt(plan: MemoryPlan, sizes: ReadonlyMap<string, number>): RunPlan {
  const { dynamic, weights } = plan;
  if (dynamic === null) return { ...plan, values: new Map() };
  const values = dynamic.valuesAt(sizes);
  const blocks = dynamic.blocksAt(values);
  const byteLength = placeInOrder(blocks);
  const addresses = new Map(plan.addresses);
  for (const { buffers, offset } of blocks)
    for (const buffer of buffers) addresses.set(buffer, dynamic.arena + offset);
  const buffers = blocks.flatMap((block) => block.buffers);
  return {
    addresses,
    weights,
    arena: { address: dynamic.arena, byteLength },
    arenaLowerBound: lowerBound(blocks, Math.max(0, ...blocks.map(({ last }) => last))),
    unsharedBytes: buffers.reduce((sum, buffer) => sum + evaluateDim(alignedBytes(buffer), values), 0),
    memoryBytes: toPages(dynamic.arena + byteLength),
    values,
  };
}

const toPages = (bytes: number): number => Math.ceil(bytes / pageBytes) * pageBytes;

/** A block of known size, and its place. */
export interface FixedBlock {
  readonly buffers: readonly ProgramBuffer[];
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  offset: number;
}

function fixedBlocks(blocks: readonly Block[]): FixedBlock[] | null {
  return blocks.every(({ bytes }) => isStatic(bytes))
    ? blocks.map((block) => ({ ...block, bytes: block.bytes as number, offset: 0 }))
    : null;
}

type Order = (a: FixedBlock, b: FixedBlock) => number;

const largestFirst: Order = (a, b) => b.bytes - a.bytes || a.first - b.first;

/** Orders in which blocks are placed: which one wastes least depends on the lifetimes. */
const orders: readonly Order[] = [
  largestFirst,
  (a, b) => b.bytes * lifetime(b) - a.bytes * lifetime(a) || a.first - b.first,
  (a, b) => lifetime(b) - lifetime(a) || b.bytes - a.bytes || a.first - b.first,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
];

const lifetime = ({ first, last }: FixedBlock): number => last - first + 1;

/** Pairs of blocks that are looked at to find a better order: less than a second. */
const PAIRS = 1e8;
/** Orders that are tried beside those. */
const PROMOTIONS = 200;

/** Gives every block an offset, in the order that needs least; returns the bytes needed. */
export function place(blocks: readonly FixedBlock[]): number {
  const bound = lowerBound(blocks, Math.max(0, ...blocks.map(({ last }) => last)));
  let best: FixedBlock[] = [];
  let least = Number.POSITIVE_INFINITY;
  const attempt = (order: FixedBlock[]): number => {
    const end = placeInOrder(order);
    if (end < least) [least, best] = [end, order];
    return end;
  };
  for (const order of orders) if (least > bound) attempt([...blocks].sort(order));
  // The highest block did not fit where others lie: it is placed before them.
  let order = best;
  let end = placeInOrder(order);
  const times = Math.min(PROMOTIONS, PAIRS / blocks.length ** 2);
  for (let i = 0; i < times && least > bound; i++) {
    const highest = order.findLast(({ offset, bytes }) => offset + bytes === end)!;
    order = [highest, ...order.filter((block) => block !== highest)];
    end = attempt(order);
  }
  return placeInOrder(best);
}

/** The same in the order in which a module places blocks itself. */
export const placeLargestFirst = (blocks: readonly FixedBlock[]): number =>
  placeInOrder([...blocks].sort(largestFirst));

function placeInOrder(blocks: readonly FixedBlock[]): number {
  /** By offset. */
  const placed: FixedBlock[] = [];
  let end = 0;
  for (const block of blocks) {
    let offset = 0;
    for (const other of placed) {
      if (other.first > block.last || block.first > other.last) continue;
      if (offset + block.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    block.offset = offset;
    const at = placed.findIndex((other) => other.offset >= offset);
    placed.splice(at < 0 ? placed.length : at, 0, block);
    end = Math.max(end, offset + block.bytes);
  }
  return end;
}

export function lowerBound(blocks: readonly Omit<FixedBlock, "offset">[], steps: number): number {
  let largest = 0;
  for (let at = 0; at <= steps; at++) {
    const live = blocks.reduce(
      (sum, block) => (block.first <= at && at <= block.last ? sum + block.bytes : sum),
      0,
    );
    largest = Math.max(largest, live);
  }
  return largest;
}
