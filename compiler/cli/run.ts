/** `kiln run`: one run of a model, compiled already or on the spot. */

import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Model, Tensor } from "../../runtime/index.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, compileOptions, grouped } from "./compile-flags.js";
import { compileModel } from "./compile-model.js";
import { runtimeElements } from "./elements.js";
import { CommandError, EXIT_OK, usageError } from "./failure.js";
import { type FeedFlags, prepareFeeds } from "./feeds.js";
import {
  type Assignment,
  parseAssignment,
  parseDivisors,
  parseNumber,
  parseNumbers,
  parseWhole,
} from "./flags.js";
import { addIrFlags, type IrFlags, type PrintedIr, printPasses, printTimings } from "./ir-flags.js";
import { inputOptions } from "./measuring-flags.js";
import { type ModelFile, readModel } from "./model-file.js";
import { writeNpy } from "./npy.js";
import { type OutputFile, writeFiles } from "./output-files.js";
import { describeOutput, summarize } from "./output-summary.js";
import { type CommonFlags, type Io, printable, type Terminal } from "./terminal.js";
import { formatTime } from "./units.js";

interface Flags extends CompileFlags, IrFlags, FeedFlags {
  output?: readonly Assignment[];
  outputDir?: string;
  repeat?: number;
  threads?: number;
}

export function addRunCommand(program: Command, io: Io): void {
  const command = program
    .command("run")
    .summary("run a model once")
    .description("Runs an ONNX model, or a module made by `kiln compile`, and shows or stores its outputs.")
    .argument("[model]", "ONNX file or compiled module, or - for stdin");
  addRunFlags(command);
  addCompileFlags(command);
  addIrFlags(command);
  command.addHelpText(
    "after",
    `
Elements of a picture are (pixel * scale - mean) / std, a pixel being 0 to 255; it is resized to the input's shape.

Examples:
  kiln run model.onnx --dim batch=1 --seed 7
  kiln run out/model.wasm --input x=x.npy --output y=y.npy
  kiln run squeezenet.onnx --input data=cat.png --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  kiln run model.onnx --repeat 50 --json`,
  );
  defineAction(command, io, runRun);
}

function addRunFlags(command: Command): void {
  grouped(command, "Inputs", [
    ...inputOptions(),
    new Option("--random", "make up the inputs that are not given (the default)"),
    new Option("--no-random", "refuse to run while an input is not given"),
    new Option("--mean <list>", "subtracted from the channels of pictures").argParser(parseNumbers),
    new Option("--std <list>", "what the channels are then divided by").argParser(parseDivisors),
    new Option("--scale <number>", "factor of pixels (default: 1/255 for floats, else 1)").argParser(
      parseNumber,
    ),
    new Option("--layout <order>", "nchw or nhwc (default: as the shape says)").choices(["nchw", "nhwc"]),
    new Option("--channels <order>", "rgb or bgr (default: rgb)").choices(["rgb", "bgr"]),
  ]);
  grouped(command, "Outputs", [
    new Option("--output <name=file>", "write this output to an .npy file (repeatable)").argParser(
      parseAssignment,
    ),
    new Option("--output-dir <dir>", "write every output to an .npy file in this folder"),
    new Option("--repeat <n>", "run N times more and print the median time").argParser(parseWhole(1)),
  ]);
  grouped(command, "Engine", [
    new Option("--threads <n>", "threads to run on; an ONNX model is compiled for them").argParser(
      parseWhole(1),
    ),
  ]);
}

const runRun: Body<Flags> = async (terminal, [path], flags) => {
  if (flags.listPasses === true) {
    await printPasses(flags.O ?? 3, flags.features, terminal);
    return EXIT_OK;
  }
  const file = await readModel(requireModel(path), terminal.io);
  const { ir, ...loaded } = await loadModel(file, flags, terminal);
  using model = loaded.model;
  const { feeds, random } = await prepareFeeds(model.inputs, flags);
  if (random.length > 0) {
    const names = random.map((name) => `"${name}"`).join(", ");
    terminal.note(`made up ${names} from seed ${flags.seed ?? 0}`);
  }
  const files = outputFiles(model, flags);
  const outputs = model.runSync(feeds);
  const times = flags.repeat === undefined ? undefined : measure(() => model.runSync(feeds), flags.repeat);
  await writeFiles(files.map(({ name, path: file }) => npyFile(file, outputs[name]!)));
  report({ outputs, files, times, ir }, terminal);
  return EXIT_OK;
};

interface Loaded {
  readonly model: Model;
  readonly ir: readonly PrintedIr[];
}

async function loadModel(file: ModelFile, flags: Flags & CommonFlags, terminal: Terminal): Promise<Loaded> {
  const { load } = await import("../../runtime/index.js");
  if (file.isCompiled) {
    if (Object.keys(compileOptions(flags)).length > 0) {
      throw usageError(`${file.path} is compiled already: flags of compilation do not apply to it`);
    }
    const weights = file.path.replace(/\.wasm$/, ".weights");
    const beside = weights === file.path ? {} : { weights };
    const loading = load(file.bytes, { ...beside, threads: flags.threads });
    return { model: await loading.catch((error) => throwMissing(file, weights, error)), ir: [] };
  }
  const { threads } = flags;
  const forThreads = threads !== undefined && { features: { ...flags.features, threads: threads > 1 } };
  const { artifact, ir } = await compileModel(file, { ...flags, ...forThreads }, terminal, file.name);
  if (flags.passTiming === true && flags.json !== true) printTimings(artifact.report.passes, terminal);
  return { model: await load(artifact.wasm, { weights: artifact.weights, threads }), ir };
}

/** Says what the file is for that the runtime did not find. */
function throwMissing({ path }: ModelFile, weights: string, error: Error): never {
  if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
  throw new CommandError(`the weights of ${path} are in a file of their own, and there is no ${weights}`, {
    hint: "put it beside the module, or compile the model with --weights embed",
    cause: error,
  });
}

interface NamedFile {
  readonly name: string;
  readonly path: string;
}

/** Which outputs go to which files. Raises a usage error, before anything is run, for a name that is no output. */
function outputFiles({ outputs }: Model, { output = [], outputDir }: Flags): NamedFile[] {
  const names = outputs.map(({ name }) => `"${name}"`).join(", ");
  const named = output.map(({ name = outputs.length === 1 ? outputs[0]!.name : "", file }) => {
    if (outputs.some((one) => one.name === name)) return { name, path: file };
    throw usageError(`the model has no output "${name}"`, `its outputs: ${names}`);
  });
  if (outputDir === undefined) return named;
  const taken = new Set<string>();
  return [...named, ...outputs.map(({ name }) => ({ name, path: join(outputDir, fileNameOf(name, taken)) }))];
}

/** Names of outputs come from the model, so they must not lead out of the folder; nor may two meet in one file. */
function fileNameOf(name: string, taken: Set<string>): string {
  const plain = name.replace(/[^\w.-]/g, "_").replace(/^\.+/, "_") || "_";
  let unique = plain;
  for (let i = 1; taken.has(unique.toLowerCase()); i++) unique = `${plain}_${i}`;
  taken.add(unique.toLowerCase());
  return `${unique}.npy`;
}

function npyFile(path: string, tensor: Tensor): OutputFile {
  const { type, dims } = tensor;
  const data = runtimeElements(tensor);
  // Where the engine has a Float16Array, its bits are what is stored.
  const bits = type === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
  return { path, data: writeNpy({ dtype: type, dims, data: bits }) };
}

interface Times {
  readonly runs: number;
  readonly medianMs: number;
  readonly minMs: number;
}

function measure(run: () => unknown, runs: number): Times {
  const times = Array.from({ length: runs }, () => {
    const started = performance.now();
    run();
    return performance.now() - started;
  }).sort((a, b) => a - b);
  const middle = Math.floor(runs / 2);
  const medianMs = runs % 2 === 1 ? times[middle]! : (times[middle - 1]! + times[middle]!) / 2;
  return { runs, medianMs, minMs: times[0]! };
}

interface Results {
  readonly outputs: Record<string, Tensor>;
  readonly files: readonly NamedFile[];
  readonly times: Times | undefined;
  readonly ir: readonly PrintedIr[];
}

function report({ outputs, files, times, ir }: Results, terminal: Terminal): void {
  const summaries = Object.entries(outputs).map(([name, value]) => summarize(name, value));
  if (terminal.flags.json === true) {
    terminal.printJson({
      outputs: summaries,
      files,
      ...(times !== undefined && { times }),
      ...(ir.length > 0 && { ir }),
    });
    return;
  }
  for (const { path } of files) terminal.note(`wrote ${path}`);
  if (files.length === 0) {
    for (const line of summaries.flatMap(describeOutput)) terminal.print(printable(line));
  }
  if (times !== undefined) {
    terminal.print(
      `median of ${times.runs} runs: ${formatTime(times.medianMs)} (fastest ${formatTime(times.minMs)})`,
    );
  }
}
