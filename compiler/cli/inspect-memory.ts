/** The memory plan as a table: which buffer lies where, from which call to which. */

import { type MemoryPlan, planAt, type SymbolBounds } from "../../passes/memory/plan.js";
import { callsOf, type Program } from "../loop/program.js";
import { exampleSizes, type Placed, peakOf, placedBuffers } from "../report/placed.js";
import type { View } from "./inspect.js";
import { formatFacts, formatTable, left, right } from "./table.js";
import type { Colors } from "./terminal.js";
import { formatBytes } from "./units.js";

/** Of a model whose sizes are open, the plan of one run. */
export function memoryView(program: Program, plan: MemoryPlan, bounds: SymbolBounds, colors: Colors): View {
  const sizes = exampleSizes(program, plan, bounds);
  const run = planAt(plan, sizes);
  const buffers = placedBuffers(program, run);
  const peak = peakOf(buffers, callsOf(program).length);
  const { weights, arena, arenaLowerBound, unsharedBytes, memoryBytes } = run;
  const given = [...sizes].map(([name, size]) => `${name}=${size}`).join(" ");
  const facts: [string, string][] = [
    ...(plan.dynamic === null ? [] : [["an example, for", given || "nominal sizes"] as [string, string]]),
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
      ...(plan.dynamic !== null && { exampleSizes: Object.fromEntries(sizes) }),
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
