/** Crashes of the compiler: the reproducer that is written, and `kiln replay`, which runs it. */

import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import type { CompileOptions } from "../options.js";
import { type Body, defineAction } from "./action.js";
import { EXIT_OK, isExpected } from "./failure.js";
import { type ModelFile, readBytes } from "./model-file.js";
import { writeFiles } from "./output-files.js";
import { packageInfo } from "./package-info.js";
import type { Io, Terminal } from "./terminal.js";

export const isCrash = (error: unknown): boolean => !isExpected(error);

/** Writes what it takes to see the crash again, and says how. What goes wrong here does not hide the crash. */
export async function writeReproducer(
  { bytes, name, path }: ModelFile,
  options: CompileOptions,
  error: unknown,
  terminal: Terminal,
): Promise<void> {
  try {
    const { makeReproducer } = await import("../reproducer.js");
    const text = await makeReproducer(bytes, options, { version: packageInfo().version, error });
    if (text === null) {
      terminal.note(`the model itself reproduces the crash: ${path}`);
      return;
    }
    const plain = name.replace(/[^\w.-]+/g, "_").slice(0, 60);
    const file = join(tmpdir(), `kiln-${plain}-${randomBytes(4).toString("hex")}.txt`);
    await writeFiles([{ path: file, data: text }]);
    // An error, so that -q shows it, too: a file that nobody knows of is litter.
    terminal.error(
      `the IR before the crash is in ${file}; it replays with:\n  kiln replay ${file}`,
      "reproducer:",
    );
  } catch (failure) {
    terminal.detail(`no reproducer was written: ${failure}`);
  }
}

export function addReplayCommand(program: Command, io: Io): void {
  const command = program
    .command("replay")
    .summary("run the reproducer of a crash")
    .description(
      "Runs the rest of the pipeline on what was written when the compiler crashed. The file is IR text, which may be " +
        "made smaller by hand; its tensors and options lie in comments.",
    )
    .argument("<file>", "the reproducer");
  command.addHelpText("after", "\nExample:\n  kiln replay /tmp/kiln-model-0123abcd.txt -v");
  defineAction(command, io, runReplay);
}

const runReplay: Body<object> = async (terminal, [path], flags) => {
  const text = new TextDecoder().decode(await readBytes(path!));
  const { replay } = await import("../reproducer.js");
  const stages: string[] = [];
  await replay(text, (name) => {
    stages.push(name);
    terminal.detail(name);
  });
  if (flags.json === true) terminal.printJson({ stages });
  else terminal.print(`no crash: ${[...stages, "emit"].join(", ")}`);
  return EXIT_OK;
};
