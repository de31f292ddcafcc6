/**
 * Which buffers need memory of their own, and when. A buffer lives from the step that first touches it to the one that
 * last does; inputs from the start, outputs past the end. One that is used both inside and outside a loop lives as long
 * as the loop, since every pass may need it. Buffers whose calls allow it share memory in place.
 */

import { ceilDivDims, type Dim, equalDims, multiplyDims } from "../../compiler/ir/dim.js";
import {
  type Call,
  type CallArgument,
  listsOf,
  type Program,
  type ProgramBuffer,
  type Step,
} from "../../compiler/loop/program.js";

export const alignment = 64;

/** True for buffers that have their place for as long as the module lives. */
export const stays = ({ kind }: Pick<ProgramBuffer, "kind">): boolean =>
  kind === "constant" || kind === "error" || kind === "state" || kind === "kept";

/** One stretch of the arena, for one buffer or several that follow one another in place. */
export interface Block {
  readonly buffers: ProgramBuffer[];
  readonly bytes: Dim;
  /** Steps at which it is live, both counted; steps inside others are counted in their order. */
  first: number;
  last: number;
}

export interface Blocks {
  readonly blocks: readonly Block[];
  /** Number of steps, those inside others counted too. */
  readonly steps: number;
  /** Bytes that all buffers would take side by side. */
  readonly unshared: Dim[];
}

export const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Bytes that a buffer takes up: its own, rounded up so that the next begins aligned. */
export const alignedBytes = ({ byteLength }: ProgramBuffer): Dim =>
  multiplyDims(ceilDivDims(byteLength, alignment), alignment);

export function blocksOf(program: Program): Blocks {
  const collector = new Collector();
  collector.input(program.inputs);
  collector.walk(program.steps);
  collector.output(program.outputs);
  const blocks = collector.blocks();
  return {
    blocks: shareInPlace(collector.calls, blocks),
    steps: collector.position,
    unshared: [...blocks.keys()].map(alignedBytes),
  };
}

class Collector {
  /** Calls with their positions. */
  readonly calls: { call: Call; at: number }[] = [];
  position = 0;
  /** Inner loops before those around them. */
  private readonly loops: { start: number; end: number }[] = [];
  private readonly lives = new Map<ProgramBuffer, { first: number; last: number }>();

  input(buffers: readonly ProgramBuffer[]): void {
    for (const buffer of buffers) this.touch(buffer, 0);
  }

  /** Past the last step, so that this step does not count as the one after which their memory is free. */
  output(buffers: readonly ProgramBuffer[]): void {
    for (const buffer of buffers) this.touch(buffer, this.position);
  }

  walk(steps: readonly Step[]): void {
    for (const step of steps) {
      const at = this.position++;
      for (const buffer of buffersOf(step)) this.touch(buffer, at);
      if (step.kind === "call") this.calls.push({ call: step, at });
      for (const inner of listsOf(step)) this.walk(inner);
      // A loop looks at its condition and its count again behind the last step of its body.
      if (step.kind === "repeat") this.endLoop(at, this.position++, buffersOf(step));
    }
  }

  blocks(): Map<ProgramBuffer, Block> {
    for (const { start, end } of this.loops) {
      for (const life of this.lives.values()) {
        // First touched by a pass and read behind the loop: every pass must leave it alone from its start.
        if (life.first > start && life.first <= end && life.last > end) life.first = start;
      }
    }
    return new Map(
      [...this.lives].map(([buffer, life]) => [
        buffer,
        { buffers: [buffer], bytes: alignedBytes(buffer), ...life },
      ]),
    );
  }

  private touch(buffer: ProgramBuffer, at: number): void {
    if (stays(buffer)) return;
    const life = this.lives.get(buffer);
    if (life !== undefined) life.last = Math.max(life.last, at);
    else this.lives.set(buffer, { first: at, last: at });
  }

  private endLoop(start: number, end: number, control: readonly ProgramBuffer[]): void {
    for (const buffer of control) this.touch(buffer, end);
    this.loops.push({ start, end });
    for (const life of this.lives.values()) {
      if (life.first < start && life.last >= start) life.last = Math.max(life.last, end);
    }
  }
}

/** The buffers that a program's steps touch. */
export function buffersIn(steps: readonly Step[], into = new Set<ProgramBuffer>()): Set<ProgramBuffer> {
  for (const step of steps) {
    for (const buffer of buffersOf(step)) into.add(buffer);
    for (const inner of listsOf(step)) buffersIn(inner, into);
  }
  return into;
}

/**
 * The buffers that a step itself touches.
 */
function buffersOf(step: Step): ProgramBuffer[] {
  const of = (argument: CallArgument | null) => (argument === null ? [] : [argument.buffer]);
  switch (step.kind) {
    case "call":
      return step.args.map(({ buffer }) => buffer);
    case "define":
      return step.symbols.flatMap(({ value }) =>
        typeof value === "object" && "buffer" in value ? [value.buffer] : [],
      );
    case "require":
      return [];
    case "branch":
      return of(step.condition);
    case "repeat":
      return [step.counter, ...of(step.trips), ...of(step.condition)];
    case "once":
      return [step.done];
  }
}

/** Lets results take over the memory of operands that die in the same call. */
function shareInPlace(
  calls: readonly { call: Call; at: number }[],
  blocks: Map<ProgramBuffer, Block>,
): Block[] {
  for (const { call, at } of calls) {
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
  }
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
  const sameStart = equalDims(call.args[written]!.byteOffset, call.args[read]!.byteOffset);
  return (
    result !== operand &&
    sameStart &&
    operand.last === at &&
    result.first === at &&
    equalDims(result.bytes, operand.bytes)
  );
}
