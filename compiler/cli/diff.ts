/** `kiln diff`: does another engine get the same results, and if not, from which node on? */

import { type Command, Option } from "commander";
import { EngineMissing, type Feeds, openOnnxruntime, type Package, type Results } from "../bench/engines.js";
import { bodiesNotEntered, compareLayers, type LayerDifference, type Tolerances } from "../compare/layers.js";
import type { OpenedNode } from "../compare/outline.js";
import { withDefaultLimits } from "../options.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, compileOptions, grouped } from "./compile-flags.js";
import { compileModel } from "./compile-model.js";
import { CommandError, EXIT_FAILED, EXIT_OK } from "./failure.js";
import { prepareFeeds } from "./feeds.js";
import { parseNumber } from "./flags.js";
import { type InputFlags, inputOptions } from "./measuring-flags.js";
import { externalFilesOf, type ModelFile, readModel, requireOnnx } from "./model-file.js";
import { formatTable, left, right } from "./table.js";
import type { CommonFlags, Io, Terminal } from "./terminal.js";
import { plural } from "./units.js";

interface Flags extends CompileFlags, InputFlags {
  against?: Package;
  layerwise?: boolean;
  all?: boolean;
  atol?: number;
  rtol?: number;
}

export function addDiffCommand(program: Command, io: Io): void {
  const command = program
    .command("diff")
    .summary("find where results part from another engine's")
    .description(
      "Runs an ONNX model under Kiln and under another engine on the same inputs, and compares their outputs; with " +
        "--layerwise every value between its nodes, too, those inside of functions, loops and branches among them, " +
        "and names the first node at which they part. Exit code 1 if they do. Two floating-point values part where " +
        "they differ by more than ATOL + RTOL * (largest magnitude of the value), integers where by more than ATOL, " +
        "or at all where that is not given.",
    )
    .argument("<model>", "ONNX file, or - for stdin");
  grouped(command, "Comparing", [
    new Option("--against <engine>", "the other engine (default: onnxruntime-web)").choices([
      "onnxruntime-web",
      "onnxruntime-node",
    ]),
    new Option("--layerwise", "compare the results of all nodes"),
    new Option("--atol <number>", "largest difference (default: 1e-6, and 0 for integers)").argParser(
      parseNumber,
    ),
    new Option("--rtol <number>", "relative to the largest magnitude (default: 1e-3)").argParser(parseNumber),
    new Option("--all", "list all results, not only those that part"),
    ...inputOptions(),
  ]);
  addCompileFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln diff model.onnx
  kiln diff model.onnx --against onnxruntime-web --layerwise --input-shape x:1x3x48x320
  kiln diff quantized.onnx --layerwise --atol 1 --json`,
  );
  defineAction(command, io, runDiff);
}

/** The results of a model under both engines. */
interface Comparison {
  /** What the whole model gives, its nodes fused as ever. */
  readonly outputs: readonly LayerDifference[];
  /** Every node on its own: nothing is fused where all results are wanted. Empty unless that was asked for. */
  readonly layers: readonly LayerDifference[];
  /** How many values are in branches that are not taken, or in loops that make no pass. */
  readonly uncomputed: number;
  /** Names of nodes in bodies of control flow that are not compared one by one. */
  readonly unseen: readonly string[];
  readonly first: LayerDifference | null;
}

const runDiff: Body<Flags> = async (terminal, [path], flags) => {
  const file = requireOnnx(await readModel(requireModel(path), terminal.io));
  const comparison = await compare(file, flags, terminal);
  const { outputs, layers, uncomputed, unseen, first } = comparison;
  const isEqual = ![...outputs, ...layers].some(({ parts }) => parts);
  const against = flags.against ?? "onnxruntime-web";
  if (flags.json === true)
    terminal.printJson({ against, equal: isEqual, first, uncomputed, unseen, outputs, layers });
  else terminal.print(textOf(comparison, against, flags, terminal));
  return isEqual ? EXIT_OK : EXIT_FAILED;
};

async function compare(file: ModelFile, flags: Flags & CommonFlags, terminal: Terminal): Promise<Comparison> {
  const { feeds, results } = await runKiln(file, flags, terminal);
  const reference = await runOther(file, feeds, flags);
  const names = Object.keys(reference);
  const outputs = compareLayers(
    names.map((value) => ({ value, node: value, operator: "output of the model", around: [] })),
    results,
    reference,
    tolerancesOf(flags),
  );
  if (flags.layerwise === true) return { outputs, ...(await compareAll(file, feeds, flags, terminal)) };
  return {
    outputs,
    layers: [],
    uncomputed: 0,
    unseen: [],
    first: outputs.find(({ parts }) => parts) ?? null,
  };
}

/** Compares the results of all nodes, those in bodies as far as both engines let them be gathered. */
async function compareAll(
  file: ModelFile,
  feeds: Feeds,
  flags: Flags & CommonFlags,
  terminal: Terminal,
): Promise<Omit<Comparison, "outputs">> {
  const { intermediates } = await import("../compare/intermediates.js");
  const limits = withDefaultLimits(compileOptions(flags).limits);
  const closed = new Set<string>();
  for (;;) {
    const all = intermediates(file.bytes, limits, closed);
    try {
      const reference = await runOther({ ...file, bytes: all.extended }, feeds, flags);
      // Shapes need not fit where the run does not go, so that what is there is left as it is.
      const others = bodiesNotEntered(all.values, reference);
      const { values, extended } = intermediates(file.bytes, limits, new Set([...closed, ...others]));
      const { results } = await runKiln({ ...file, bytes: extended }, flags, terminal, feeds);
      const layers = compareLayers(values, results, reference, tolerancesOf(flags));
      const first = layers.find(({ parts }) => parts) ?? null;
      return { layers, uncomputed: all.values.length - layers.length, unseen: all.unseen, first };
    } catch (error) {
      if (all.opened.length === 0) throw error;
      const message = error instanceof Error ? error.message : String(error);
      const failing = nodesToClose(all.opened, message);
      for (const { path } of failing) closed.add(path);
      const names = listOf(failing.map(({ path }) => `"${path}"`));
      const reason = message.split("\n", 2).join("").trim();
      terminal.note(`what is inside of ${names} cannot be gathered (${reason}): it is not compared`);
    }
  }
}

/** The innermost of the nodes that an error names, and of those inside of them; of all where it names none. */
function nodesToClose(opened: readonly OpenedNode[], message: string): OpenedNode[] {
  const isNamed = ({ name }: OpenedNode): boolean =>
    [`"${name}"`, `"${name}/`, `'${name}'`, `'${name}/`].some((text) => message.includes(text));
  const named = opened.filter(isNamed);
  const isSuspect = ({ path }: OpenedNode): boolean =>
    named.some((one) => path === one.path || path.startsWith(`${one.path}/`));
  const suspects = named.length > 0 ? opened.filter(isSuspect) : opened;
  const deepest = Math.max(...suspects.map(({ depth }) => depth));
  return suspects.filter(({ depth }) => depth === deepest);
}

const mostNames = 5;

/** Names in a line, the first of them where there are many. */
const listOf = (names: readonly string[]): string =>
  names.length <= mostNames
    ? names.join(", ")
    : `${names.slice(0, mostNames).join(", ")} and ${names.length - mostNames} more`;

const tolerancesOf = ({ atol, rtol }: Flags): Tolerances => ({ absolute: atol, relative: rtol ?? 1e-3 });

/** What Kiln makes of a model, on these inputs or on those that the flags ask for. */
async function runKiln(
  file: ModelFile,
  flags: Flags & CommonFlags,
  terminal: Terminal,
  given?: Feeds,
): Promise<{ feeds: Feeds; results: Results }> {
  const { artifact } = await compileModel(file, flags, terminal, file.name);
  const { load } = await import("../../runtime/index.js");
  using model = await load(artifact.wasm, { weights: artifact.weights, threads: 1 });
  const feeds = given ?? (await prepareFeeds(model.inputs, flags)).feeds;
  return { feeds, results: model.runSync(feeds) };
}

async function runOther(file: ModelFile, feeds: Feeds, flags: Flags): Promise<Results> {
  const { against } = flags;
  const external = await externalFilesOf(file, flags);
  const name = against ?? "onnxruntime-web";
  try {
    const engine = await openOnnxruntime(name, file.bytes, feeds, { external });
    return await engine.run();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    if (!(cause instanceof EngineMissing)) {
      throw new CommandError(`${name} does not run the model: ${reason}`, { cause });
    }
    throw new CommandError(`${name} is ${reason}`, { cause, hint: `npm install --save-dev ${name}` });
  }
}

const mostRows = 20;

function textOf(
  { outputs, layers, uncomputed, unseen, first }: Comparison,
  against: string,
  flags: Flags,
  terminal: Terminal,
): string {
  const all = layers.length > 0 ? layers : outputs;
  const shown = flags.all === true ? all : all.filter(({ parts }) => parts).slice(0, mostRows);
  const parted = all.filter(({ parts }) => parts).length;
  const rows = shown.map(({ node, operator, value, dims, absolute, relative, at, parts, reason }) => [
    node,
    operator,
    value,
    `[${dims.join(", ")}]`,
    ...(reason === undefined ? [absolute.toExponential(2), relative.toExponential(2), at] : [reason, "", ""]),
    parts ? "parts" : "",
  ]);
  const columns = [
    ...["node", "operator", "value", "shape"].map(left),
    ...["largest error", "relative", "at element"].map(right),
    left(""),
  ];
  const table = rows.length === 0 ? [] : [formatTable(columns, rows, terminal.colors), ""];
  const count = `${plural(all.length, layers.length > 0 ? "value" : "output")} compared with ${against}, ${parted} of them part`;
  const rest = [
    ...(uncomputed > 0
      ? [`${plural(uncomputed, "value")} in branches that are not taken or loops without a pass`]
      : []),
    ...(unseen.length > 0
      ? [`${plural(unseen.length, "node")} inside of If, Loop or Scan not compared: ${listOf(unseen)}`]
      : []),
  ];
  return [...table, count, ...rest, ...verdict(outputs, layers, first)].join("\n");
}

function verdict(
  outputs: readonly LayerDifference[],
  layers: readonly LayerDifference[],
  first: LayerDifference | null,
): string[] {
  if (first !== null) {
    const { node, operator, value } = first;
    return layers.length > 0
      ? [`first at node "${node}" (${operator}), value "${value}"`]
      : ["add --layerwise to see from which node on"];
  }
  const isParting = outputs.some(({ parts }) => parts);
  if (!isParting) return [];
  return [
    "node by node the results are the same, but the outputs of the fused model part: a pass or a fused kernel is to blame",
  ];
}
