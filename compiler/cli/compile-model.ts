/** Compiles a model as the flags say, with its progress shown. */

import type { Artifact } from "../options.js";
import { type CompileFlags, compileOptions } from "./compile-flags.js";
import { checkPassNames, type IrFlags, IrPrinter, type PrintedIr } from "./ir-flags.js";
import { externalDataOf, type ModelFile } from "./model-file.js";
import { Progress } from "./progress.js";
import type { Terminal } from "./terminal.js";

export async function compileModel(
  model: ModelFile,
  flags: CompileFlags & IrFlags,
  terminal: Terminal,
  name: string,
): Promise<{ artifact: Artifact; ir: readonly PrintedIr[] }> {
  await checkPassNames(flags);
  // Imported here: Binaryen takes a second to start, and most commands do without.
  const { compile } = await import("../index.js");
  const printer = new IrPrinter(flags, terminal);
  using progress = new Progress(terminal, "compiling");
  const artifact = await compile(model.bytes, {
    ...compileOptions(flags),
    name,
    externalData: await externalDataOf(model, flags.externalDataRoot),
    onStage: progress.stage,
    ...(printer.isNeeded && { onPass: printer.onPass }),
  });
  return { artifact, ir: printer.collected };
}
