/** The buffers of a program where the memory plan puts them, and when they are live. */

import { stays } from "../../passes/memory/blocks.js";
import type { MemoryPlan, RunPlan, SymbolBounds } from "../../passes/memory/plan.js";
import { evaluateDim, isSymbol, printDim } from "../ir/dim.js";
import { callsOf, type Program, type ProgramBuffer } from "../loop/program.js";

export interface Placed {
  readonly address: number;
  readonly bytes: number;
  readonly kind: ProgramBuffer["kind"];
  readonly name: string;
  /** Calls at which it is live, both counted; constants always are. */
  readonly first: number;
  readonly last: number;
}

/** By address, and by time where an address is used again. */
export function placedBuffers(program: Program, { addresses, values }: RunPlan): Placed[] {
  const end = Math.max(0, callsOf(program).length - 1);
  const touched = new Map<ProgramBuffer, { first: number; last: number }>();
  callsOf(program).forEach(({ args }, at) => {
    for (const { buffer } of args) {
      const first = touched.get(buffer)?.first ?? at;
      touched.set(buffer, { first, last: at });
    }
  });
  return [...addresses]
    .map(([buffer, address]) => {
      const { name, kind } = buffer;
      const bytes = Math.max(0, evaluateDim(buffer.byteLength, values));
      const { first, last } = touched.get(buffer) ?? { first: 0, last: 0 };
      const isResult = program.outputs.includes(buffer);
      const lives = stays(buffer);
      const lifetime = { first: lives || kind === "input" ? 0 : first, last: isResult || lives ? end : last };
      return { address, bytes, kind, name, ...lifetime };
    })
    .sort((a, b) => a.address - b.address || a.first - b.first || a.last - b.last);
}

/**
 * Sizes of an example of a run, for inputs that are open: the largest that bounds allow, 1 for batches, else what the
 * plan supposes (its order of placing is made for it). Empty where no size is open.
 */
export function exampleSizes(
  { inputShapes }: Program,
  { dynamic }: MemoryPlan,
  bounds: SymbolBounds,
): Map<string, number> {
  const supposed = dynamic?.valuesAt(new Map());
  const isBatch = (name: string): boolean =>
    inputShapes.every((shape) =>
      shape.every((dim, axis) => {
        const isThere = printDim(dim).includes(name);
        return !isThere || (axis === 0 && shape.length > 1 && isSymbol(dim));
      }),
    );
  return new Map(
    (dynamic?.inputSymbols ?? []).map((name) => {
      return [name, bounds.get(name)?.max ?? (isBatch(name) ? 1 : supposed!.get(name)!)];
    }),
  );
}

/** The first call at which the most bytes are live. */
export function peakOf(buffers: readonly Placed[], calls: number): number {
  const live = new Array<number>(Math.max(1, calls)).fill(0);
  for (const { kind, bytes, first, last } of buffers) {
    if (stays({ kind })) continue;
    for (let at = first; at <= last; at++) live[at]! += bytes;
  }
  return live.indexOf(live.reduce((most, bytes) => Math.max(most, bytes), 0));
}
