/** RESULTS.md: what the suite measured, as tables. */

import { type BenchReport, bestOf, type EngineReport } from "../../compiler/bench/bench.js";
import { type ColdStart, coldStartRatio } from "../../compiler/bench/cold-start.js";
import { arenaShare, engineName } from "../../compiler/bench/report-text.js";
import { formatBytes, formatTime } from "../../compiler/cli/units.js";
import { barChart } from "./chart.js";
import { targetLines } from "./targets.js";
import { type Tuning, tuningLines } from "./tuning.js";

export interface Suite {
  readonly date: string;
  readonly reports: readonly { readonly report: BenchReport; readonly isNetwork: boolean }[];
  readonly sizes: readonly { readonly size: number; readonly report: BenchReport }[];
  /** Networks with runs back to back; a quick run does not measure it. */
  readonly backToBack?: readonly BenchReport[];
  /** What `kiln tune` gains; a quick run does not measure it. */
  readonly tunings?: readonly Tuning[];
  /** What else a reader has to know of the measurement. */
  readonly remarks?: readonly string[];
  /** Models that were left out, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

export function resultsText(suite: Suite): string {
  const { reports, sizes, skipped } = suite;
  const [first] = reports;
  const labels = [
    ...new Set(reports.flatMap(({ report }) => report.engines.filter((one) => one.isKiln).map(engineName))),
  ];
  return [
    "# Results of `npm run bench`",
    "",
    "Written by `test/bench/main.ts`; every result was checked against onnxruntime-web's before it was timed.",
    "Ratios say how many times faster Kiln is; times are medians, the engines taking turns in one process: networks one",
    "run each, single operators and threaded runs 25 ms each, of which the first run is not counted.",
    "",
    ...(first === undefined ? [] : machineLines(first.report, suite)),
    ...targetLines(suite),
    ...labels.flatMap((label) => timeTable(label, reports)),
    ...backToBackLines(suite.backToBack ?? []),
    ...threadLines(reports.map(({ report }) => report)),
    ...tuningLines(suite.tunings ?? []),
    "## Starting, sizes and memory",
    "",
    ...sizeTable(reports.map(({ report }) => report)),
    ...(sizes.length === 0 ? [] : ["## Time against input size (PP-OCRv4 det)", "", ...seriesLines(sizes)]),
    ...(skipped.length === 0
      ? []
      : ["## Left out", "", ...skipped.map((one) => `- ${one.name}: ${one.reason}`)]),
    "",
  ].join("\n");
}

function machineLines({ machine, roofline, engines }: BenchReport, { date, remarks = [] }: Suite): string[] {
  const rivals = engines.filter(({ isKiln }) => !isKiln).map(({ label }) => label);
  const relaxed = roofline.relaxedGflops?.toFixed(1) ?? "not there";
  return [
    `- ${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${[...new Set(rivals)].join(", ")}`,
    `- inner loop: plain ${roofline.plainGflops.toFixed(1)} GFLOP/s, relaxed SIMD ${relaxed}; memory: ` +
      `${roofline.readGBs.toFixed(1)} GB/s read, ${roofline.copyGBs.toFixed(1)} GB/s copied`,
    ...remarks.map((remark) => `- ${remark}`),
    "",
  ];
}

function backToBackLines(reports: readonly BenchReport[]): string[] {
  if (reports.length === 0) return [];
  const all = reports.map((report) => ({ report, isNetwork: true }));
  return timeTable("kiln relaxed-simd", all, "Back to back", [
    "The networks in turns of 25 ms, relaxed SIMD on one thread: each run finds in the caches what the one before has",
    "left, as where nothing else is done between runs. In turns of one run, above, it finds what the other engines left.",
    "",
  ]);
}

function timeTable(
  label: string,
  reports: Suite["reports"],
  title = label,
  about: readonly string[] = [],
): string[] {
  const measured = reports.flatMap(({ report, isNetwork }) => {
    const kiln = report.engines.find((one) => one.isKiln && engineName(one) === label);
    return kiln === undefined ? [] : [{ report, kiln, isNetwork }];
  });
  const rival = (report: BenchReport, kind: string, threads: number) =>
    report.engines.find((one) => one.label.startsWith(kind) && one.threads === threads);
  const time = (engine: EngineReport | undefined) =>
    engine === undefined ? "not measured" : formatTime(engine.medianMs);
  const ratios = (networks: boolean, key: "ratio" | "nativeRatio") =>
    measured.flatMap(({ kiln, isNetwork }) => (isNetwork === networks ? (kiln[key] ?? []) : []));
  const ofNetworks = ratios(true, "ratio");
  const ofNative = ratios(true, "nativeRatio");
  return [
    `## ${title}`,
    "",
    ...about,
    "| model | Kiln | p90 | onnxruntime-web | ratio | native | ratio | GFLOP/s | of peak | error |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ...measured.map(({ report, kiln }) =>
      row([
        report.name,
        formatTime(kiln.medianMs),
        formatTime(kiln.p90Ms),
        time(rival(report, "onnxruntime-web", kiln.threads)),
        `**${kiln.ratio?.toFixed(2) ?? ""}**`,
        time(rival(report, "onnxruntime-node", kiln.threads)),
        kiln.nativeRatio?.toFixed(2) ?? "",
        kiln.gflops.toFixed(1),
        `${Math.round((kiln.peakShare ?? 0) * 100)}%`,
        kiln.difference?.relative.toExponential(1) ?? "",
      ]),
    ),
    "",
    ...(ofNetworks.length === 0
      ? []
      : [
          `Geometric mean of the networks: **${geometricMean(ofNetworks).toFixed(2)}**, smallest ` +
            `${Math.min(...ofNetworks).toFixed(2)}${
              ofNative.length === 0 ? "" : `; against native ${geometricMean(ofNative).toFixed(2)}`
            }.`,
          "",
        ]),
  ];
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function sizeTable(reports: readonly BenchReport[]): string[] {
  return [
    "| model | cold start, plain | relaxed SIMD | two threads | onnxruntime-web | ratio | module | code | rival's files | memory | rival's memory | arena / bound | compiled in | compiler's memory |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ...reports.map(({ name, coldStarts, sizes, compile, ...report }) => {
      const startOf = (variant: string) => coldStarts?.kiln.find(({ label }) => label.endsWith(variant));
      const rival = coldStarts?.rival;
      const time = (start: ColdStart | null | undefined) => (start ? formatTime(start.medianMs) : "");
      return row([
        name,
        time(startOf("plain")),
        time(startOf("relaxed-simd")),
        time(startOf("threads")),
        time(rival),
        (coldStarts && coldStartRatio(coldStarts))?.toFixed(1) ?? "",
        formatBytes(sizes.moduleBytes),
        formatBytes(sizes.codeBytes),
        sizes.rivalBytes === null ? "" : formatBytes(sizes.rivalBytes),
        formatBytes(report.memoryBytes),
        rival ? formatBytes(rival.memoryBytes) : "",
        arenaShare(report),
        formatTime(compile.ms),
        formatBytes(compile.peakBytes),
      ]);
    }),
    "",
  ];
}

/** What more threads gain, ours and the rival's, each against its own one thread. */
function threadLines(reports: readonly BenchReport[]): string[] {
  const rows = threadPairs(reports).map(({ name, kiln, rival }) =>
    row([name, ...columns(kiln), ...(rival === null ? ["", "", ""] : columns(rival))]),
  );
  if (rows.length === 0) return [];
  return [
    "## Time against threads",
    "",
    "| model | Kiln, 1 thread | 2 threads | gain | onnxruntime-web, 1 thread | 2 threads | gain |",
    "|---|--:|--:|--:|--:|--:|--:|",
    ...rows,
    "",
    "![gain of a second thread](threads.svg)",
    "",
    "Only kernels that take some microseconds are shared out; in the others one thread works while the rest wait. A model",
    "whose shared kernels take less than a fifth of a millisecond together is run on one thread. So what a second thread",
    "gains grows with the work in a layer, from nothing for the smallest networks to what both cores have for the large",
    "products; they share memory and the power of the processor, and, here, a machine on which other work takes turns with",
    "ours: when one of the threads has to wait, all do. Engines rest for a tenth of a second between turns, so that the",
    "rival's waiting threads do not disturb the next one. Times on one thread are those of runs in turn, see above.",
    "",
  ];
}

interface ThreadPairs {
  readonly name: string;
  readonly kiln: Pair;
  readonly rival: Pair | null;
}

/** Both engines on one thread and on several, of the models for which Kiln was measured so. */
function threadPairs(reports: readonly BenchReport[]): ThreadPairs[] {
  return reports.flatMap(({ name, engines }) => {
    const kiln = pairOf(engines.filter((one) => one.isKiln && !/plain/.test(one.label)));
    const rival = pairOf(engines.filter(({ label }) => label.startsWith("onnxruntime-web")));
    return kiln === null ? [] : [{ name, kiln, rival }];
  });
}

/** How many times faster more threads are: a bar of each engine's for every model. */
export function threadChart(reports: readonly BenchReport[]): string {
  const gain = ([one, more]: Pair): number => one.medianMs / more.medianMs;
  const groups = threadPairs(reports).map(({ name, kiln, rival }) => ({
    label: name,
    values: [gain(kiln), rival === null ? undefined : gain(rival)],
  }));
  return barChart("gain of a second thread", ["Kiln", "onnxruntime-web"], groups);
}

type Pair = readonly [EngineReport, EngineReport];

/** The engine on one thread and on several. */
function pairOf(engines: readonly EngineReport[]): Pair | null {
  const one = engines.find(({ threads }) => threads === 1);
  const more = engines.find(({ threads }) => threads > 1);
  return one === undefined || more === undefined ? null : [one, more];
}

const columns = ([one, more]: Pair): string[] => [
  formatTime(one.medianMs),
  formatTime(more.medianMs),
  (one.medianMs / more.medianMs).toFixed(2),
];

function seriesLines(sizes: Suite["sizes"]): string[] {
  return [
    "| pixels a side | best of Kiln | onnxruntime-web | ratio | ns a pixel |",
    "|--:|--:|--:|--:|--:|",
    ...sizes.map(({ size, report }) => {
      const best = bestOf(report);
      const rival = report.engines.find((one) => one.label.startsWith("onnxruntime-web"));
      return row([
        String(size),
        formatTime(best.medianMs),
        rival === undefined ? "" : formatTime(rival.medianMs),
        best.ratio?.toFixed(2) ?? "",
        ((best.medianMs * 1e6) / size ** 2).toFixed(0),
      ]);
    }),
    "",
    "![time against input size](series.svg)",
    "",
    "Every layer is computed for a number of places that grows with the pixels, so time does, too: the last column says",
    "how far the cost of a pixel is from the same at all sizes.",
    "",
  ];
}
