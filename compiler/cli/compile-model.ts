/** The compiler as the flags set it up, its progress and IR shown on the way. */

import type { Artifact, CompileOptions } from "../options.js";
import { type CompileFlags, compileOptions } from "./compile-flags.js";
import { checkPassNames, type IrFlags, IrPrinter, type PrintedIr } from "./ir-flags.js";
import { externalDataOf, type ModelFile } from "./model-file.js";
import { Progress } from "./progress.js";
import { isCrash, writeReproducer } from "./replay.js";
import type { Terminal } from "./terminal.js";
import { readTuning } from "./tuning-file.js";

type Flags = CompileFlags & IrFlags;

export async function compileModel(
  model: ModelFile,
  flags: Flags,
  terminal: Terminal,
  name: string,
): Promise<{ artifact: Artifact; ir: readonly PrintedIr[] }> {
  const { result, ir } = await runCompiler(model, flags, terminal, async (options) => {
    // Imported here: Binaryen takes a second to start, and most commands do without.
    const { compile } = await import("../index.js");
    return compile(model.bytes, { ...options, name });
  });
  return { artifact: result, ir };
}

/** Calls `run` with the options that the flags stand for; `ir` is what was asked for under `--json`. */
export async function runCompiler<T>(
  model: ModelFile,
  flags: Flags,
  terminal: Terminal,
  run: (options: CompileOptions) => Promise<T>,
): Promise<{ result: T; ir: readonly PrintedIr[] }> {
  await checkPassNames(flags);
  const printer = new IrPrinter(flags, terminal);
  using progress = new Progress(terminal, "compiling");
  const options: CompileOptions = {
    ...compileOptions(flags),
    ...(flags.tuning !== undefined && { tuning: await readTuning(flags.tuning) }),
    externalData: await externalDataOf(model, flags.externalDataRoot),
    onStage: progress.stage,
    ...(printer.isNeeded && {
      onPass: (event) => {
        progress.stop(); // or the text would begin in the middle of its line
        printer.onPass(event);
      },
    }),
  };
  try {
    return { result: await run(options), ir: printer.collected };
  } catch (error) {
    progress.stop();
    if (isCrash(error)) await writeReproducer(model, options, error, terminal);
    throw error;
  }
}
