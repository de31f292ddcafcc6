/** What was measured as text for a terminal. */

import { formatFacts, formatTable, left, right } from "../cli/table.js";
import type { Colors } from "../cli/terminal.js";
import { formatBytes, formatCount, formatTime } from "../cli/units.js";
import type { BenchReport, EngineReport } from "./bench.js";
import { type ColdStarts, coldStartRatio } from "./cold-start.js";
import type { PositionedProfile } from "./position.js";
import type { Roofline } from "./roofline.js";

const times = (ratio: number | undefined): string => (ratio === undefined ? "" : `${ratio.toFixed(2)}x`);
const percent = (share: number | undefined): string =>
  share === undefined ? "" : `${Math.round(share * 100)}%`;

export const engineName = ({ label, threads }: EngineReport): string =>
  threads === 1 ? label : `${label}, ${threads} threads`;

export function benchText(report: BenchReport, colors: Colors): string {
  const columns = [
    left("engine"),
    ...["median", "p90", "faster than web", "than native", "GFLOP/s", "of peak", "error"].map(right),
  ];
  const rows = report.engines.map((engine) => [
    engineName(engine),
    formatTime(engine.medianMs),
    formatTime(engine.p90Ms),
    times(engine.ratio),
    times(engine.nativeRatio),
    // Nothing is counted where sizes are open.
    engine.gflops === 0 ? "" : engine.gflops.toFixed(1),
    engine.gflops === 0 ? "" : percent(engine.peakShare),
    engine.difference?.relative.toExponential(1) ?? "",
  ]);
  const { profile } = report;
  const missing = report.missing.map(({ label, reason }) => `${label}: not measured, ${reason}`);
  return [
    formatTable(columns, rows, colors),
    ...missing,
    "",
    formatFacts([...facts(report), ...rooflineFacts(report.roofline)], colors),
    ...(profile
      ? ["", `kernels of ${profile.label}`, kernelTable(profile, colors), "", kernelTotal(profile)]
      : []),
  ].join("\n");
}

export const rooflineFacts = (roofline: Roofline): [string, string][] => [
  [
    "inner loop",
    `${roofline.plainGflops.toFixed(1)} GFLOP/s, relaxed SIMD ${
      roofline.relaxedGflops === null ? "not there" : `${roofline.relaxedGflops.toFixed(1)} GFLOP/s`
    }`,
  ],
  ["main memory", `${roofline.readGBs.toFixed(1)} GB/s read, ${roofline.copyGBs.toFixed(1)} GB/s copied`],
];

/** Everything beside the times, by name. */
export function facts(report: BenchReport): [string, string][] {
  const { sizes, coldStarts, machine, compile } = report;
  const rival = coldStarts?.rival;
  const against = (bytes: number | null | undefined) =>
    bytes == null ? "" : `; onnxruntime-web ${formatBytes(bytes)}`;
  const runtime =
    sizes.runtimeGzipBytes === null ? "" : `, runtime ${formatBytes(sizes.runtimeGzipBytes)} gzipped`;
  return [
    ...(coldStarts === null ? [] : [["cold start", coldStartText(coldStarts)] satisfies [string, string]]),
    [
      "shipped",
      `${formatBytes(sizes.moduleBytes)}, ${formatBytes(sizes.codeBytes)} of it code${runtime}${against(sizes.rivalBytes)}`,
    ],
    ["memory", `${formatBytes(report.memoryBytes)}${against(rival?.memoryBytes)}`],
    ["arena", `${formatBytes(report.arenaBytes)}, ${arenaShare(report)} of its lower bound`],
    ["compiled in", `${formatTime(compile.ms)}, ${formatBytes(compile.peakBytes)} of memory at its peak`],
    ["work", `${formatCount(report.flops)} FLOP a run`],
    ["machine", `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
  ];
}

function coldStartText(coldStarts: ColdStarts): string {
  const { kiln, rival } = coldStarts;
  const ours = kiln.map(({ label, medianMs }) => `${formatTime(medianMs)} (${label})`).join(", ");
  const ratio = coldStartRatio(coldStarts);
  if (rival === null || ratio === null) return ours;
  return `${ours}; onnxruntime-web ${formatTime(rival.medianMs)} (${ratio.toFixed(1)} times faster)`;
}

export const arenaShare = ({
  arenaBytes,
  arenaLowerBoundBytes,
}: Pick<BenchReport, "arenaBytes" | "arenaLowerBoundBytes">): string =>
  (arenaLowerBoundBytes === 0 ? 1 : arenaBytes / arenaLowerBoundBytes).toFixed(3);

/** Kernels, or calls with the nodes that they compute, by their time, longest first. */
export function profileText(profile: PositionedProfile, byCall: boolean, colors: Colors): string {
  const table = byCall ? callTable(profile, colors) : kernelTable(profile, colors);
  return `${table}\n\n${kernelTotal(profile)}\n${formatFacts(rooflineFacts(profile.roofline), colors)}`;
}

export const kernelTotal = ({ runMs, kernelMs, runs }: PositionedProfile): string =>
  `kernels ${formatTime(kernelMs)} of ${formatTime(runMs)} a run (mean of ${runs} runs)`;

const kernelTable = ({ kernels }: PositionedProfile, colors: Colors): string =>
  formatTable(
    kernelColumns.map(({ head, isText }) => (isText ? left(head) : right(head))),
    kernelRows(kernels),
    colors,
  );

/** Columns of a table of kernels. */
export const kernelColumns: readonly { readonly head: string; readonly isText?: true }[] = [
  { head: "kernel", isText: true },
  ...["calls", "time", "share", "GFLOP/s", "bytes", "GB/s", "FLOP/byte"].map((head) => ({ head })),
  { head: "bound by", isText: true },
  { head: "of roof" },
];

/** Their cells, a row for each kernel. */
export const kernelRows = (kernels: PositionedProfile["kernels"]): (string | number)[][] =>
  kernels.map((one) => [
    one.kernel,
    one.calls,
    formatTime(one.ms),
    `${(one.share * 100).toFixed(1)}%`,
    one.gflops === 0 ? "" : one.gflops.toFixed(1),
    formatBytes(one.bytes),
    one.gigabytesPerSecond.toFixed(1),
    one.intensity === 0 ? "" : one.intensity.toFixed(1),
    one.bound,
    percent(one.ofRoof),
  ]);

function callTable({ calls, kernelMs }: PositionedProfile, colors: Colors): string {
  const columns = [
    right("call"),
    left("kernel"),
    right("time"),
    right("share"),
    left("nodes"),
    left("result"),
  ];
  const rows = calls
    .map((call, i) => ({ ...call, i }))
    .sort((a, b) => b.ms - a.ms)
    .map(({ i, kernel, ms, nodes, outputs }) => [
      i,
      kernel,
      formatTime(ms),
      `${((100 * ms) / (kernelMs || 1)).toFixed(1)}%`,
      nodes.join(", "),
      outputs.join(", "),
    ]);
  return formatTable(columns, rows, colors);
}
