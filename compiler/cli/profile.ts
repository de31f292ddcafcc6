/** `kiln profile`: where the time of a model goes, kernel by kernel. */

import { type Command, Option } from "commander";
import { type PositionedProfile, positionProfile } from "../bench/position.js";
import { profileText } from "../bench/report-text.js";
import type { Roofline } from "../bench/roofline.js";
import { chromeTrace } from "../bench/trace.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, grouped } from "./compile-flags.js";
import { compileModel } from "./compile-model.js";
import { EXIT_OK } from "./failure.js";
import { prepareFeeds } from "./feeds.js";
import {
  addMeasuringFlags,
  type MeasuringFlags,
  requireRelaxedSimd,
  warnOfOpenSizes,
} from "./measuring-flags.js";
import { type ModelFile, readModel, requireOnnx } from "./model-file.js";
import { checkWritable, writeFiles } from "./output-files.js";
import type { Io, Terminal } from "./terminal.js";

export interface ProfileFlags extends CompileFlags, MeasuringFlags {}

interface Flags extends ProfileFlags {
  trace?: string;
  calls?: boolean;
}

export function addProfileCommand(program: Command, io: Io): void {
  const command = program
    .command("profile")
    .summary("time the kernels of a model")
    .description(
      "Compiles an ONNX model so that it tells of every kernel, runs it, and lists the kernels by their time: share, " +
        "arithmetic, bytes, and where they stand against the roofline, what the machine can do at most with their work " +
        "and bytes. More than 100% of the roof means that the bytes lay in caches, or that the algorithm (Winograd's) " +
        "takes fewer operations than are counted.",
    )
    .argument("<model>", "ONNX file, or - for stdin");
  grouped(command, "Output", [
    new Option("--calls", "list calls with their nodes rather than kernels"),
    new Option("--trace <file>", "write the fastest run as a trace for ui.perfetto.dev"),
  ]);
  addMeasuringFlags(command, { seconds: 2, warmup: 10 });
  addCompileFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln profile model.onnx
  kiln profile model.onnx --features relaxed-simd --calls
  kiln profile model.onnx --trace trace.json
  kiln inspect model.onnx --html report.html --profile`,
  );
  defineAction(command, io, runProfile);
}

const runProfile: Body<Flags> = async (terminal, [path], flags) => {
  if (flags.trace !== undefined) await checkWritable(flags.trace);
  const file = requireOnnx(await readModel(requireModel(path), terminal.io));
  const profile = await profileModel(file, flags, terminal);
  if (flags.trace !== undefined) {
    await writeFiles([{ path: flags.trace, data: chromeTrace(profile, file.name) }]);
    terminal.note(`wrote ${flags.trace}`);
  }
  if (flags.json === true) terminal.printJson(profile);
  else terminal.print(profileText(profile, flags.calls === true, terminal.colors));
  return EXIT_OK;
};

/** Compiles the model with the flags' options, and times its kernels and what the machine can do. */
export async function profileModel(
  file: ModelFile,
  flags: ProfileFlags,
  terminal: Terminal,
): Promise<PositionedProfile> {
  const { relaxedSimd = false, threads = false } = flags.features ?? {};
  requireRelaxedSimd(relaxedSimd);
  const { artifact } = await compileModel(file, { ...flags, profile: true }, terminal, file.name);
  const { feeds } = await prepareFeeds(artifact.metadata.inputs, flags);
  warnOfOpenSizes(artifact.metadata.inputs, terminal);
  const { load } = await import("../../runtime/profile.js");
  const count = threads ? (flags.threads ?? 2) : 1;
  using model = await load(artifact.wasm, { weights: artifact.weights, threads: count });
  const { warmup = 10, duration = 2 } = flags;
  const profile = model.profile(feeds, { warmup, seconds: duration });
  return positionProfile(profile, await measureMachine(duration), { relaxedSimd, threads: count });
}

/** What the machine can do at most. Imported when needed: it brings the backend. */
export async function measureMachine(seconds: number): Promise<Roofline> {
  const { measureRoofline } = await import("../bench/roofline.js");
  return measureRoofline({ msEach: Math.min(300, seconds * 100) });
}
