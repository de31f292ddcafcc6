/** The memory plan as a table: which buffer lies where, from which call to which. */

import type { MemoryPlan } from "../../passes/memory/plan.js";
import { isStatic } from "../ir/dim.js";
import { callsOf, type Program, type ProgramBuffer } from "../loop/program.js";
import type { View } from "./inspect.js";
import { formatFacts, formatTable, left, right } from "./table.js";
import type { Colors } from "./terminal.js";
import { formatBytes } from "./units.js";

interface Placed {
  readonly address: number;
  readonly bytes: number;
  readonly kind: ProgramBuffer["kind"];
  readonly name: string;
  /** Calls at which it is live, both counted; constants always are. */
  readonly first: number;
  readonly last: number;
}

export function memoryView(program: Program, plan: MemoryPlan, colors: Colors): View {
  const buffers = placedBuffers(program, plan);
  const peak = peakOf(buffers, callsOf(program).length);
  const { weights, arena, arenaLowerBound, unsharedBytes, memoryBytes } = plan;
  const facts: [string, string][] = [
    ["weights", `${formatBytes(weights.byteLength)} at ${weights.address}`],
    ["arena", `${formatBytes(arena.byteLength)} at ${arena.address}`],
    ["lower bound", formatBytes(arenaLowerBound)],
    ["without sharing", formatBytes(unsharedBytes)],
    ["memory", formatBytes(memoryBytes)],
    ["peak", `call ${peak} of ${callsOf(program).length}: ${callsOf(program)[peak]?.kernel.name ?? "none"}`],
  ];
  return {
    json: {
      weights,
      arena,
      arenaLowerBoundBytes: arenaLowerBound,
      unsharedBytes,
      memoryBytes,
      peak,
      buffers,
    },
    text: () => `${formatFacts(facts, colors)}\n\n${bufferTable(buffers, peak, colors)}`,
  };
}

function bufferTable(buffers: readonly Placed[], peak: number, colors: Colors): string {
  const columns = [
    right("address"),
    right("bytes"),
    left("kind"),
    right("first"),
    right("last"),
    left("peak"),
    left("buffer"),
  ];
  const rows = buffers.map(({ address, bytes, kind, first, last, name }) => {
    const isConstant = kind === "constant";
    const atPeak = !isConstant && first <= peak && peak <= last ? "*" : "";
    return [address, bytes, kind, isConstant ? "" : first, isConstant ? "" : last, atPeak, name];
  });
  return formatTable(columns, rows, colors);
}

/** By address, and by time where an address is used again. */
function placedBuffers(program: Program, { addresses }: MemoryPlan): Placed[] {
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
      const bytes = isStatic(buffer.byteLength) ? buffer.byteLength : 0;
      const { first, last } = touched.get(buffer) ?? { first: 0, last: 0 };
      const isResult = program.outputs.includes(buffer);
      const stays = kind === "constant" || kind === "state";
      const lifetime = { first: stays || kind === "input" ? 0 : first, last: isResult || stays ? end : last };
      return { address, bytes, kind, name, ...lifetime };
    })
    .sort((a, b) => a.address - b.address || a.first - b.first || a.last - b.last);
}

/** The first call at which the most bytes are live. */
function peakOf(buffers: readonly Placed[], calls: number): number {
  const live = new Array<number>(Math.max(1, calls)).fill(0);
  for (const { kind, bytes, first, last } of buffers) {
    if (kind === "constant" || kind === "state") continue;
    for (let at = first; at <= last; at++) live[at]! += bytes;
  }
  return live.indexOf(live.reduce((most, bytes) => Math.max(most, bytes), 0));
}
