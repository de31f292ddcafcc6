/**
 * Memory plan: an address for every buffer.
 *
 * A buffer lives from the call that first touches it to the one that last does; inputs from the start, outputs past
 * the end. Buffers whose calls allow it share memory in place. The rest is packed by size, largest first, each at the
 * lowest address where it overlaps no buffer that lives at the same time (first fit decreasing). The lower bound is
 * the largest sum of live bytes at any call: no plan can do with less for this order of calls.
 *
 * Memory: [0, 1024) unused, so that no tensor lies at address 0; then constants; then the arena with all the rest.
 */

import type { Call, Program, ProgramBuffer } from "../../compiler/loop/program.js";

const pageBytes = 65536;
const firstAddress = 1024;
const alignment = 64;

export interface MemoryPlan {
  readonly addresses: ReadonlyMap<ProgramBuffer, number>;
  /** Constants that calls use, in address order. */
  readonly constants: readonly ProgramBuffer[];
  readonly weights: { readonly address: number; readonly byteLength: number };
  readonly arena: { readonly address: number; readonly byteLength: number };
  /** Largest sum of live bytes at any call. */
  readonly arenaLowerBound: number;
  /** Bytes that all arena buffers would take side by side. */
  readonly unsharedBytes: number;
  /** Whole linear memory, a multiple of the page size. */
  readonly memoryBytes: number;
}

const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

export function planMemory(program: Program): MemoryPlan {
  const addresses = new Map<ProgramBuffer, number>();
  const constants = program.buffers.filter((buffer) => buffer.kind === "constant" && isUsed(program, buffer));
  let address = firstAddress;
  for (const buffer of constants) {
    addresses.set(buffer, address);
    address = align(address + buffer.byteLength);
  }
  const weights = { address: firstAddress, byteLength: constants.length === 0 ? 0 : address - firstAddress };
  const blocks = shareInPlace(program, lifetimes(program));
  const arenaBytes = place(blocks);
  for (const block of blocks)
    for (const buffer of block.buffers) addresses.set(buffer, address + block.offset);
  return {
    addresses,
    constants,
    weights,
    arena: { address, byteLength: arenaBytes },
    arenaLowerBound: lowerBound(blocks, program.calls.length),
    unsharedBytes: blocks.reduce(
      (sum, block) => sum + block.buffers.reduce((s, b) => s + align(b.byteLength), 0),
      0,
    ),
    memoryBytes: Math.ceil((address + arenaBytes) / pageBytes) * pageBytes,
  };
}

/** One stretch of the arena, for one buffer or several that follow one another in place. */
export interface Block {
  readonly buffers: ProgramBuffer[];
  readonly bytes: number;
  /** Calls at which it is live, both counted. */
  readonly first: number;
  last: number;
  offset: number;
}

const isUsed = (program: Program, buffer: ProgramBuffer): boolean =>
  program.calls.some((call) => call.args.some((arg) => arg.buffer === buffer));

function lifetimes(program: Program): Map<ProgramBuffer, Block> {
  const blocks = new Map<ProgramBuffer, Block>();
  const touch = (buffer: ProgramBuffer, at: number): void => {
    if (buffer.kind === "constant") return;
    const block = blocks.get(buffer);
    if (block !== undefined) block.last = Math.max(block.last, at);
    else
      blocks.set(buffer, {
        buffers: [buffer],
        bytes: align(buffer.byteLength),
        first: at,
        last: at,
        offset: 0,
      });
  };
  for (const buffer of program.inputs) touch(buffer, 0);
  program.calls.forEach((call, at) => {
    for (const { buffer } of call.args) touch(buffer, at);
  });
  // Past the last call, so that this call does not count as the one after which their memory is free.
  for (const buffer of program.outputs) touch(buffer, program.calls.length);
  return blocks;
}

/** Lets results take over the memory of operands that die in the same call. */
function shareInPlace(program: Program, blocks: Map<ProgramBuffer, Block>): Block[] {
  program.calls.forEach((call, at) => {
    for (const [written, read] of call.inPlace) {
      const result = blocks.get(call.args[written]!.buffer);
      const operand = blocks.get(call.args[read]!.buffer);
      if (
        result === undefined ||
        operand === undefined ||
        !canTakeOver(call, at, written, read, result, operand)
      )
        continue;
      operand.buffers.push(...result.buffers);
      operand.last = result.last;
      for (const buffer of result.buffers) blocks.set(buffer, operand);
      break;
    }
  });
  return [...new Set(blocks.values())];
}

function canTakeOver(
  call: Call,
  at: number,
  written: number,
  read: number,
  result: Block,
  operand: Block,
): boolean {
  const sameStart = call.args[written]!.byteOffset === call.args[read]!.byteOffset;
  return (
    result !== operand &&
    sameStart &&
    operand.last === at &&
    result.first === at &&
    result.bytes === operand.bytes
  );
}

/** Gives every block an offset; returns the bytes needed. */
export function place(blocks: readonly Block[]): number {
  const placed: Block[] = [];
  let end = 0;
  const order = [...blocks].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const block of order) {
    const neighbours = placed
      .filter((other) => other.first <= block.last && block.first <= other.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of neighbours) {
      if (offset + block.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    block.offset = offset;
    placed.push(block);
    end = Math.max(end, offset + block.bytes);
  }
  return end;
}

export function lowerBound(blocks: readonly Block[], calls: number): number {
  let largest = 0;
  for (let at = 0; at <= calls; at++) {
    const live = blocks.reduce(
      (sum, block) => (block.first <= at && at <= block.last ? sum + block.bytes : sum),
      0,
    );
    largest = Math.max(largest, live);
  }
  return largest;
}
