/** `kiln inspect`: what is in a model, and what the compiler makes of it. */

import { type Command, Option } from "commander";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, grouped } from "./compile-flags.js";
import { EXIT_OK, usageError } from "./failure.js";
import { addIrFlags, type IrFlags, printPasses, printTimings } from "./ir-flags.js";
import { addMeasuringFlags } from "./measuring-flags.js";
import { type ModelFile, readModel, requireOnnx } from "./model-file.js";
import { checkWritable, writeFiles } from "./output-files.js";
import type { ProfileFlags } from "./profile.js";
import type { Io, Terminal } from "./terminal.js";

export interface InspectFlags extends ProfileFlags, IrFlags {
  kernels?: boolean;
  memory?: boolean;
  loops?: string;
  wat?: string;
  graph?: string;
  html?: string;
  /** Times for the page. */
  profile?: boolean;
}

/** One part of what is shown: for people, and for programs. */
export interface View {
  readonly text: () => string;
  readonly json: unknown;
}

export function addInspectCommand(program: Command, io: Io): void {
  const command = program
    .command("inspect")
    .summary("show a model and what it becomes")
    .description(
      "Shows the operators of an ONNX model or, on request, the IR, kernels, memory and code it becomes.",
    )
    .argument("[model]", "ONNX file, or - for stdin");
  grouped(command, "Views", [
    new Option("--kernels", "list the kernels: calls, code bytes, FLOPs"),
    new Option("--loops <kernel>", "print the Loop IR of a kernel; a part of its name will do"),
    new Option("--wat <kernel>", "print the WebAssembly text of a kernel; a part of its name will do"),
    new Option("--memory", "list the buffers: addresses, sizes, lifetimes"),
    new Option(
      "--graph <file>",
      "draw the optimised graph as .svg or .dot, - for DOT on stdout; patches only with --arena",
    ),
    new Option("--html <file>", "write a page that shows all of it: passes, graph, kernels, memory, sizes"),
    new Option("--profile", "time the kernels for the page (see kiln profile)"),
  ]);
  addMeasuringFlags(command, { seconds: 2, warmup: 10 });
  addIrFlags(command);
  addCompileFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln inspect model.onnx
  kiln inspect model.onnx --dim batch=1 --print-ir-after fuse
  kiln inspect model.onnx --dump-ir ir/ --pass-timing
  kiln inspect model.onnx --kernels --memory
  kiln inspect model.onnx --graph model.svg
  kiln inspect model.onnx --wat conv
  kiln inspect model.onnx --html report.html --profile`,
  );
  defineAction(command, io, runInspect);
}

const runInspect: Body<InspectFlags> = async (terminal, [path], flags) => {
  if (flags.listPasses === true) {
    await printPasses(flags.O ?? 3, flags.features, terminal);
    return EXIT_OK;
  }
  if (flags.graph !== undefined && !/(^-|\.svg|\.dot)$/.test(flags.graph)) {
    throw usageError(`--graph ${flags.graph}: the file's name must end in .svg or .dot`);
  }
  if (flags.profile === true && flags.html === undefined) {
    throw usageError("--profile is for the page", "add --html FILE, or use `kiln profile`");
  }
  if (flags.html !== undefined) await checkWritable(flags.html);
  const file = requireOnnx(await readModel(requireModel(path), terminal.io));
  if (flags.html !== undefined) {
    const { writeReport } = await import("./inspect-html.js");
    await writeReport(file, flags.html, flags, terminal);
  }
  const views = isAnythingAsked(flags)
    ? await inspectStages(file, flags, terminal)
    : flags.html === undefined
      ? new Map([["summary", await summarize(file, flags, terminal)]])
      : new Map<string, View>();
  if (terminal.flags.json === true) {
    const files = [flags.html, flags.graph].filter((path) => path !== undefined && path !== "-");
    terminal.printJson({
      ...(files.length > 0 && { files }),
      ...Object.fromEntries([...views].map(([name, { json }]) => [name, json])),
    });
  } else if (views.size > 0) terminal.print([...views.values()].map(({ text }) => text()).join("\n\n"));
  return EXIT_OK;
};

/** True where a flag asks for more than the summary. */
function isAnythingAsked(flags: InspectFlags): boolean {
  const { kernels, loops, wat, memory, graph, passTiming, dumpIr } = flags;
  const { printIrAfter, printIrAfterAll, printIrAfterChange } = flags;
  const views = [kernels, loops, wat, memory, graph, passTiming, dumpIr];
  return [...views, printIrAfter, printIrAfterAll, printIrAfterChange].some((flag) => flag !== undefined);
}

async function summarize(file: ModelFile, flags: InspectFlags, terminal: Terminal): Promise<View> {
  const { summarizeModel } = await import("./inspect-summary.js");
  return summarizeModel(file, flags, terminal);
}

/** The views that need the compiler's stages, by name. IR is printed on the way. */
async function inspectStages(
  file: ModelFile,
  flags: InspectFlags,
  terminal: Terminal,
): Promise<Map<string, View>> {
  const { Stages } = await import("./inspect-stages.js");
  const stages = await Stages.run(file, flags, terminal);
  const views = new Map<string, View>();
  if (stages.ir.length > 0) views.set("ir", { json: stages.ir, text: () => "" });
  if (flags.passTiming === true) {
    if (terminal.flags.json === true) views.set("passes", { json: stages.timings, text: () => "" });
    else printTimings(stages.timings, terminal);
  }
  if (flags.kernels === true) views.set("kernels", await stages.kernels());
  if (flags.memory === true) views.set("memory", stages.memory());
  if (flags.loops !== undefined) views.set("loops", stages.loops(flags.loops));
  if (flags.wat !== undefined) views.set("wat", await stages.wat(flags.wat));
  if (flags.graph !== undefined) await draw(flags.graph, stages.dot(), views, terminal);
  return views;
}

async function draw(
  target: string,
  dot: string,
  views: Map<string, View>,
  terminal: Terminal,
): Promise<void> {
  if (target === "-") {
    views.set("graph", { json: dot, text: () => dot });
    return;
  }
  const { renderSvg } = await import("./inspect-graph.js");
  const data = target.endsWith(".svg") ? await renderSvg(dot) : `${dot}\n`;
  await writeFiles([{ path: target, data }]);
  terminal.note(`wrote ${target}`);
}
