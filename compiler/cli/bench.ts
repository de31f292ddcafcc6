/**
 * `kiln bench`: a model under Kiln and under its rivals, in one process, in turn, on the same inputs. Results are
 * compared before anything is timed.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { type BenchReport, benchModel, bestOf } from "../bench/bench.js";
import { EngineMissing } from "../bench/engines.js";
import { type Duration, ResultsDiffer, usualTolerance } from "../bench/measure.js";
import { benchPage } from "../bench/report-html.js";
import { benchText, rooflineFacts } from "../bench/report-text.js";
import { type Variant, variants } from "../bench/variants.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, grouped } from "./compile-flags.js";
import { compileModel } from "./compile-model.js";
import { CommandError, EXIT_OK } from "./failure.js";
import { prepareFeeds } from "./feeds.js";
import { parseNumber, parseWhole } from "./flags.js";
import { addMeasuringFlags, type MeasuringFlags, warnOfOpenSizes } from "./measuring-flags.js";
import { externalFilesOf, type ModelFile, readModel, requireOnnx } from "./model-file.js";
import { checkWritable, writeFiles } from "./output-files.js";
import { measureMachine, profileModel } from "./profile.js";
import { formatFacts } from "./table.js";
import type { CommonFlags, Io, Terminal } from "./terminal.js";

interface Flags extends CompileFlags, MeasuringFlags {
  variants?: readonly Variant[];
  coldStarts?: number;
  turn?: number;
  tolerance?: number;
  roofline?: boolean;
  html?: string;
}

export function addBenchCommand(program: Command, io: Io): void {
  const command = program
    .command("bench")
    .summary("compare with onnxruntime")
    .description(
      "Runs an ONNX model under Kiln and under onnxruntime-web (and onnxruntime-node, where it is installed) in turn, on the same inputs.",
    )
    .argument("[model]", "ONNX file, or - for stdin");
  const names = variants.map(({ name }) => name).join(", ");
  addMeasuringFlags(command, {
    seconds: 5,
    warmup: 10,
    options: [
      new Option("--variants <list>", `what to measure (default: ${names})`).argParser(parseVariants),
      new Option("--cold-starts <n>", "fresh processes to start each engine in (default: 3)").argParser(
        parseWhole(0),
      ),
      new Option(
        "--turn <ms>",
        "how long an engine runs before the next one's turn (default: one run; with threads 25)",
      ).argParser(parseNumber),
      new Option(
        "--tolerance <number>",
        "largest difference of results, relative to the output's largest value (default: 1e-3)",
      ).argParser(parseNumber),
      new Option("--profile", "list the kernels of the fastest variant, too (as kiln profile does)"),
      new Option("--roofline", "only measure what the machine can do at most; no model is needed"),
    ],
  });
  grouped(command, "Output", [new Option("--html <file>", "write a page with charts, too")]);
  addCompileFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln bench model.onnx --input-shape x:1x3x320x320
  kiln bench model.onnx --variants relaxed-simd --duration 20 --html bench.html
  kiln bench model.onnx --profile
  kiln bench --roofline --json`,
  );
  defineAction(command, io, runBench);
}

function parseVariants(text: string): Variant[] {
  return text.split(",").map((name) => {
    const variant = variants.find((one) => one.name === name.trim());
    if (variant !== undefined) return variant;
    const known = variants.map((one) => one.name).join(", ");
    throw new InvalidArgumentError(`there is no variant "${name}"; known: ${known}`);
  });
}

const runBench: Body<Flags> = async (terminal, [path], flags) => {
  if (flags.roofline === true) {
    const roofline = await measureMachine(flags.duration ?? 5);
    if (flags.json === true) terminal.printJson(roofline);
    else terminal.print(formatFacts(rooflineFacts(roofline), terminal.colors));
    return EXIT_OK;
  }
  // Before minutes of measuring, which would be lost.
  if (flags.html !== undefined) await checkWritable(flags.html);
  const file = requireOnnx(await readModel(requireModel(path), terminal.io));
  const measured = await bench(file, flags, terminal);
  const report =
    flags.profile === true
      ? { ...measured, profile: await profile(file, measured, flags, terminal) }
      : measured;
  if (flags.html !== undefined) {
    const data = benchPage(`${report.name}: Kiln and its rivals`, [report]);
    await writeFiles([{ path: flags.html, data }]);
    terminal.note(`wrote ${flags.html}`);
  }
  if (flags.json === true) terminal.printJson(report);
  else terminal.print(benchText(report, terminal.colors));
  return EXIT_OK;
};

const threadsOf = ({ threads = 2 }: Flags): number => threads;

const durationOf = ({ warmup = 10, duration = 5, turn = 0 }: Flags): Duration => ({
  warmup,
  seconds: duration,
  turnMs: turn,
});

async function bench(file: ModelFile, flags: Flags & CommonFlags, terminal: Terminal): Promise<BenchReport> {
  const { load } = await import("../../runtime/index.js");
  const external = await externalFilesOf(file, flags);
  // The processes of cold starts are given no more than one file.
  const isOneFile = external.size === 0 && flags.weights !== "split";
  try {
    return await benchModel({
      name: file.name,
      model: file.bytes,
      external,
      variants: variantsOf(flags),
      threads: threadsOf(flags),
      async compile(variant) {
        const features = { ...flags.features, ...variant.features };
        return (await compileModel(file, { ...flags, features, profile: false }, terminal, file.name))
          .artifact;
      },
      load: ({ wasm, weights }, threads) => load(wasm, { weights, threads }),
      async feeds({ inputs }) {
        const { feeds } = await prepareFeeds(inputs, flags);
        if (flags.profile !== true) warnOfOpenSizes(inputs, terminal); // or it comes with the profile
        return feeds;
      },
      duration: durationOf(flags),
      tolerance: flags.tolerance ?? usualTolerance,
      coldStarts: isOneFile ? (flags.coldStarts ?? 3) : 0,
      measureRoofline: () => measureMachine(flags.duration ?? 5),
    });
  } catch (error) {
    if (error instanceof ResultsDiffer || error instanceof EngineMissing)
      throw new CommandError(error.message, { cause: error });
    throw error;
  }
}

/** Features that are named by themselves make a variant of their own. */
function variantsOf({ features, variants: chosen }: Flags): readonly Variant[] {
  if (chosen !== undefined) return chosen;
  if (features === undefined) return variants;
  const isThreaded = features.threads === true;
  return [{ name: "as flagged", features, ...(isThreaded && { threaded: true as const }) }];
}

/** Of the fastest variant. */
async function profile(
  file: ModelFile,
  report: BenchReport,
  flags: Flags & CommonFlags,
  terminal: Terminal,
): Promise<NonNullable<BenchReport["profile"]>> {
  const { label } = bestOf(report);
  const variant = variantsOf(flags).find(({ name }) => `kiln ${name}` === label)!;
  const features = { ...flags.features, ...variant.features };
  return { label, ...(await profileModel(file, { ...flags, features }, terminal)) };
}
