/**
 * Where the buffers lie that the first run computes from constants. Constants that nothing else reads come last, in the
 * opposite order of the calls that read them, and results from behind the first of them on, in the same order: a call
 * writes where constants of the calls before it lay, never where its own lie or those of a call behind it. So all of
 * them together take little more memory than the results alone.
 */

import type { Call, Program, ProgramBuffer } from "../../compiler/loop/program.js";
import { align, buffersIn } from "./blocks.js";

/** Constants that every run reads, and those that only the first does, in the order of their addresses. */
export function splitConstants(program: Program): {
  readonly lasting: readonly ProgramBuffer[];
  readonly passing: readonly ProgramBuffer[];
} {
  const inEveryRun = buffersIn(program.steps.filter(({ kind }) => kind !== "once"));
  const inFirst = new Set(firstCalls(program).flatMap((call) => buffersOf(call, "constant")));
  const isLasting = (buffer: ProgramBuffer): boolean => buffer.kind === "constant" && inEveryRun.has(buffer);
  return {
    lasting: program.buffers.filter(isLasting),
    passing: [...inFirst].filter((buffer) => !isLasting(buffer)),
  };
}

/**
 * Gives addresses to what the first run computes, where the constants have theirs.
 *
 * @param passing constants that only the first run reads
 * @param end of all constants
 * @returns the end of the results, or of the constants where that lies behind
 */
export function placeDerived(
  program: Program,
  passing: readonly ProgramBuffer[],
  addresses: Map<ProgramBuffer, number>,
  end: number,
): number {
  const endOf = (buffer: ProgramBuffer): number => align(addresses.get(buffer)! + Number(buffer.byteLength));
  let free = passing.length === 0 ? end : addresses.get(passing[0]!)!;
  for (const call of firstCalls(program)) {
    const own = buffersOf(call, "constant").filter((buffer) => passing.includes(buffer));
    free = Math.max(free, ...own.map(endOf));
    for (const buffer of buffersOf(call, "kept")) {
      addresses.set(buffer, free);
      free = endOf(buffer);
    }
  }
  return Math.max(end, free);
}

/** The calls of the first run, the last first. */
const firstCalls = ({ steps }: Program): Call[] =>
  steps.flatMap((step) => (step.kind === "once" ? step.body : [])).reverse();

const buffersOf = ({ args }: Call, kind: ProgramBuffer["kind"]): ProgramBuffer[] =>
  args.map(({ buffer }) => buffer).filter((buffer) => buffer.kind === kind);
