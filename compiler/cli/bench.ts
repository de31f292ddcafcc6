/**
 * `kiln bench`: a model under Kiln and under onnxruntime-web, in one process, in turn, on the same inputs and one
 * thread each. Results are compared before anything is timed.
 */

import { type Command, Option } from "commander";
import type { Tensor } from "../../runtime/index.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, grouped } from "./compile-flags.js";
import { compileModel } from "./compile-model.js";
import { CommandError, EXIT_OK } from "./failure.js";
import { type FeedFlags, prepareFeeds } from "./feeds.js";
import { parseNumber, parseWhole } from "./flags.js";
import { readModel } from "./model-file.js";
import { openRival, type Rival } from "./rival.js";
import { formatTable, left, right } from "./table.js";
import type { Io, Terminal } from "./terminal.js";
import { formatTime } from "./units.js";

interface Flags extends CompileFlags, Pick<FeedFlags, "seed"> {
  duration?: number;
  warmup?: number;
  tolerance?: number;
}

export function addBenchCommand(program: Command, io: Io): void {
  const command = program
    .command("bench")
    .summary("compare with onnxruntime-web")
    .description(
      "Runs an ONNX model under Kiln and under onnxruntime-web in turn, on the same inputs and one thread.",
    )
    .argument("[model]", "ONNX file, or - for stdin");
  grouped(command, "Measuring", [
    new Option("--duration <seconds>", "how long to measure (default: 5)").argParser(parseNumber),
    new Option("--warmup <n>", "runs of each that are not counted (default: 10)").argParser(parseWhole(0)),
    new Option("--tolerance <number>", "largest absolute difference of results (default: 1e-4)").argParser(
      parseNumber,
    ),
    new Option("--seed <n>", "seed of the made-up inputs (default: 0)").argParser(parseWhole(0)),
  ]);
  addCompileFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln bench model.onnx --input-shape x:1x3x320x320
  kiln bench model.onnx --features relaxed-simd --duration 20 --json`,
  );
  defineAction(command, io, runBench);
}

const runBench: Body<Flags> = async (terminal, [path], flags) => {
  const file = await readModel(requireModel(path), terminal.io);
  const { artifact } = await compileModel(file, flags, terminal, file.name);
  const { load } = await import("../../runtime/index.js");
  using model = await load(artifact.wasm, { weights: artifact.weights });
  const { feeds } = await prepareFeeds(model.inputs, flags);
  const rival = await openRival(file.bytes, feeds);
  const error = largestDifference(model.runSync(feeds), await rival.run());
  const tolerance = flags.tolerance ?? 1e-4;
  if (!(error <= tolerance)) {
    throw new CommandError(`the results differ by ${error}, more than ${tolerance}: nothing was timed`);
  }
  const times = await measureInTurn(() => model.runSync(feeds), rival, flags);
  report({ ...times, error, flops: artifact.report.flops, version: rival.version }, terminal);
  return EXIT_OK;
};

/** NaN counts as a difference unless both have it. */
function largestDifference(ours: Record<string, Tensor>, theirs: Awaited<ReturnType<Rival["run"]>>): number {
  let largest = 0;
  for (const [name, { data }] of Object.entries(ours)) {
    const other = theirs[name]!.data;
    if (other.length !== data.length) return Number.POSITIVE_INFINITY;
    for (let i = 0; i < data.length; i++) {
      const [a, b] = [Number(data[i]), Number(other[i])];
      const difference = Object.is(a, b) || a === b ? 0 : Math.abs(a - b);
      if (!(difference <= largest))
        largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    }
  }
  return largest;
}

interface Times {
  readonly kiln: readonly number[];
  readonly rival: readonly number[];
}

/** One run of each after the other, so that a change of the machine's speed meets both. */
async function measureInTurn(run: () => unknown, rival: Rival, flags: Flags): Promise<Times> {
  const kiln: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < (flags.warmup ?? 10); i++) {
    run();
    await rival.run();
  }
  const end = performance.now() + (flags.duration ?? 5) * 1000;
  while (performance.now() < end || kiln.length < 5) {
    const started = performance.now();
    run();
    const between = performance.now();
    await rival.run();
    kiln.push(between - started);
    theirs.push(performance.now() - between);
  }
  return { kiln, rival: theirs };
}

interface Measured extends Times {
  readonly error: number;
  readonly flops: number;
  readonly version: string;
}

function report({ kiln, rival, error, flops, version }: Measured, terminal: Terminal): void {
  const rows = [
    { engine: "kiln", ...statistics(kiln) },
    { engine: `onnxruntime-web ${version}`, ...statistics(rival) },
  ];
  const ratio = rows[0]!.medianMs / rows[1]!.medianMs;
  if (terminal.flags.json === true) {
    terminal.printJson({
      engines: rows,
      ratio,
      largestDifference: error,
      flops,
      runs: kiln.length,
      node: process.version,
    });
    return;
  }
  const cells = rows.map(({ engine, medianMs, p90Ms }) => [
    engine,
    formatTime(medianMs),
    formatTime(p90Ms),
    (flops / medianMs / 1e6).toFixed(1),
  ]);
  terminal.print(
    formatTable([left("engine"), right("median"), right("p90"), right("GFLOP/s")], cells, terminal.colors),
  );
  terminal.print(
    `kiln takes ${ratio.toFixed(2)} times as long (${kiln.length} runs each, Node ${process.version})`,
  );
  terminal.print(`largest difference of results: ${error.toExponential(1)}`);
}

function statistics(times: readonly number[]): { medianMs: number; p90Ms: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { medianMs: at(0.5), p90Ms: at(0.9) };
}
