/** `kiln tune`: decisions of the compiler measured on this engine, kept in a file that `compile --tuning` takes. */

import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { type Command, Option } from "commander";
import { ResultsDiffer } from "../bench/measure.js";
import { databaseFormat, type TuningDatabase, withChoices } from "../tuning/database.js";
import type { TuningResult } from "../tuning/tune.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, compileOptions, grouped } from "./compile-flags.js";
import { CommandError, EXIT_OK } from "./failure.js";
import { prepareFeeds } from "./feeds.js";
import { addMeasuringFlags, type MeasuringFlags, requireRelaxedSimd } from "./measuring-flags.js";
import { externalDataOf, readModel, requireOnnx } from "./model-file.js";
import { checkWritable, writeFiles } from "./output-files.js";
import { Progress } from "./progress.js";
import { formatTable, left, right } from "./table.js";
import type { Io, Terminal } from "./terminal.js";
import { readTuning } from "./tuning-file.js";
import { formatTime, plural } from "./units.js";

interface Flags extends CompileFlags, Omit<MeasuringFlags, "warmup"> {
  output?: string;
}

export function addTuneCommand(program: Command, io: Io): void {
  const command = program
    .command("tune")
    .summary("measure the compiler's choices on this engine")
    .description(
      "Measures the algorithms and tiles that the compiler chooses between, each in its place in the model and on " +
        "this engine, and writes the best to a small file for `kiln compile --tuning FILE`.",
    )
    .argument("<model>", "ONNX file, or - for stdin");
  grouped(command, "Output", [
    new Option(
      "-o, --output <path>",
      "the tuning file; choices are added to those that it has (default: NAME.tuning.json)",
    ),
  ]);
  addMeasuringFlags(command, { seconds: 10, each: " each kind of choice" });
  addCompileFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln tune model.onnx --input-shape x:1x3x320x320 -o model.tuning.json
  kiln tune model.onnx --features relaxed-simd --duration 30
  kiln compile model.onnx --tuning model.tuning.json`,
  );
  defineAction(command, io, runTune);
}

const runTune: Body<Flags> = async (terminal, [path], flags) => {
  requireRelaxedSimd(flags.features?.relaxedSimd);
  const file = requireOnnx(await readModel(requireModel(path), terminal.io));
  const output = flags.output ?? `${file.name}.tuning.json`;
  await checkWritable(output);
  const before = await readDatabase(output);
  const externalData = await externalDataOf(file, flags.externalDataRoot);
  const { compile } = await import("../index.js");
  const { tuneModel } = await import("../tuning/tune.js");
  const options = compileOptions(flags);
  using progress = new Progress(terminal, "tuning");
  const result = await tuneModel({
    compile: (more) => compile(file.bytes, { ...options, ...more, externalData, name: file.name }),
    feeds: async ({ metadata }) => (await prepareFeeds(metadata.inputs, flags)).feeds,
    threads: flags.features?.threads === true ? (flags.threads ?? 2) : 1,
    seconds: flags.duration ?? 10,
    onStage: progress.stage,
  }).catch((error: unknown) => {
    if (error instanceof ResultsDiffer) throw new CommandError(error.message, { cause: error });
    throw error;
  });
  progress.stop();
  const database = withChoices(before, flags.features ?? {}, result.choices);
  await writeFiles([{ path: output, data: `${JSON.stringify(database, null, 2)}\n` }]);
  if (flags.json === true) terminal.printJson({ file: output, ...result, choices: [...result.choices] });
  else printResult(result, output, terminal);
  return EXIT_OK;
};

/** The database that the file holds, or an empty one where there is none. */
async function readDatabase(path: string): Promise<TuningDatabase> {
  const engine = `Node ${process.version}, ${process.arch}, ${cpus()[0]?.model ?? "unknown processor"}`;
  if (!existsSync(path)) return { format: databaseFormat, engine, choices: {} };
  return { ...(await readTuning(path)), engine };
}

function printResult(result: TuningResult, output: string, terminal: Terminal): void {
  const { choices, changed, decisions, candidates, byCostMs, tunedMs } = result;
  if (changed.length > 0) {
    const rows = [...changed]
      .sort((a, b) => b.byCostMs - b.chosenMs - (a.byCostMs - a.chosenMs))
      .map((one) => [one.key, one.byCost, formatTime(one.byCostMs), one.chosen, formatTime(one.chosenMs)]);
    const columns = [left("choice"), left("by cost"), right("time"), left("measured best"), right("time")];
    terminal.print(formatTable(columns, rows, terminal.colors));
  }
  const times = `${formatTime(byCostMs)} by cost, ${formatTime(tunedMs)} tuned (${(byCostMs / tunedMs).toFixed(2)}x)`;
  terminal.print(
    `${plural(decisions, "choice")} measured in ${candidates} candidates, ${changed.length} changed: ${times}`,
  );
  const isLost = changed.length > 0 && choices.size === 0;
  if (isLost)
    terminal.print(
      "tuned, the model as a whole is not faster: the file gets none of these choices, and this model no gain",
    );
  terminal.note(`wrote ${output}`);
}
