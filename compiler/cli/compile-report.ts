/** What a compilation made, as text and as JSON. */

import type { Artifact, CompileReport } from "../options.js";
import { formatFacts, formatTable, left, right } from "./table.js";
import { printable, type Terminal } from "./terminal.js";
import { formatBytes, formatCount, formatTime } from "./units.js";

/** The report and what of the metadata is of use to a script. */
export function reportJson({ wasm, metadata, report }: Artifact): Record<string, unknown> {
  const facts = (bindings: typeof metadata.inputs) =>
    bindings.map(({ name, type, dims }) => ({ name, type, dims }));
  return {
    name: metadata.name,
    features: metadata.features,
    inputs: facts(metadata.inputs),
    outputs: facts(metadata.outputs),
    ...(metadata.states.length > 0 && { states: facts(metadata.states) }),
    wasmBytes: wasm.length,
    ...report,
  };
}

export function printReport({ metadata, report }: Artifact, terminal: Terminal): void {
  const { colors } = terminal;
  terminal.print(`${formatFacts(factsOf(metadata.name, report), colors)}\n`);
  const rows = [...report.kernels]
    .sort((a, b) => b.codeBytes - a.codeBytes)
    .map(({ name, calls, codeBytes }) => [name, calls, codeBytes]);
  terminal.print(formatTable([left("kernel"), right("calls"), right("code bytes")], rows, colors));
}

function factsOf(name: string, report: CompileReport): [string, string][] {
  return [
    ["model", name],
    ["compile time", formatTime(report.compileMs)],
    ["nodes", `${report.nodes.imported} imported, ${report.nodes.lowered} lowered`],
    ["FLOPs", formatCount(report.flops)],
    ["code", formatBytes(report.codeBytes)],
    ["weights", formatBytes(report.weightBytes)],
    ["arena", `${formatBytes(report.arenaBytes)} (lower bound ${formatBytes(report.arenaLowerBoundBytes)})`],
    ...patchFacts(report),
    ["memory", formatBytes(report.memoryBytes)],
  ];
}

function patchFacts({ patches }: CompileReport): [string, string][] {
  if (patches === undefined) return [];
  const { arenaBytesBefore, repeatedShare, segments } = patches;
  return [
    ["without patches", `${formatBytes(arenaBytesBefore)} of arena`],
    ["computed again", `${(repeatedShare * 100).toFixed(1)} % of the FLOPs`],
    ...segments.map(({ from, to, rows, columns }): [string, string] => [
      "patches",
      `${rows} x ${columns} from ${printable(from)} to ${printable(to)}`,
    ]),
  ];
}
