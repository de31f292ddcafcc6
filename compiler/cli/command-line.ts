/** The command line as a function: arguments in, text to `io` and an exit code out. */

import { Command, CommanderError, Option } from "commander";
import { EXIT } from "./action.js";
import { addBenchCommand } from "./bench.js";
import { addCheckCommand } from "./check.js";
import { addCompileCommand } from "./compile.js";
import { addDiffCommand } from "./diff.js";
import { EXIT_USAGE } from "./failure.js";
import { addInspectCommand } from "./inspect.js";
import { addOpsCommand } from "./ops.js";
import { packageInfo } from "./package-info.js";
import { addProfileCommand } from "./profile.js";
import { addReplayCommand } from "./replay.js";
import { addRunCommand } from "./run.js";
import { type Io, Terminal, usesColor } from "./terminal.js";
import { addTuneCommand } from "./tune.js";
import { addZooCommand } from "./zoo.js";

/**
 * Runs one command.
 *
 * @param args those after the program's name
 * @returns the exit code: 0 ok, 1 failed, 2 usage
 */
export async function main(args: readonly string[], io: Io = process): Promise<number> {
  const program = createProgram(io);
  if (args.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync(helpOfUnknown(args, program) ?? args, { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === EXIT || error.exitCode === 0) return error.exitCode;
    return EXIT_USAGE;
  }
}

/**
 * The name alone of `kiln help NAME` and `kiln NAME --help` where there is no such command: commander would print the
 * general help, and the name by itself is an error.
 */
function helpOfUnknown(args: readonly string[], { commands }: Command): readonly string[] | undefined {
  const isKnown = (name: string): boolean =>
    name === "help" || commands.some((command) => command.name() === name);
  const [first, second] = args;
  const name =
    first === "help" ? second : args.some((arg) => arg === "--help" || arg === "-h") ? first : undefined;
  return name === undefined || name.startsWith("-") || isKnown(name) ? undefined : [name];
}

function createProgram(io: Io): Command {
  const program = new Command("kiln");
  // Before the commands are added: they inherit this.
  program.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    getOutHelpWidth: () => io.stdout.columns ?? 100,
    getErrHelpWidth: () => io.stderr.columns ?? 100,
    getOutHasColors: () => usesColor(io, io.stdout, {}),
    getErrHasColors: () => usesColor(io, io.stderr, {}),
    outputError: (text) => new Terminal(io).error(text.trimEnd().replace(/^error: /, "")),
  });
  program.configureHelp({
    styleTitle: (title) => new Terminal(io).colors.bold(title),
    showGlobalOptions: false,
  });
  program
    .description("Compiles ONNX models ahead of time to small standalone WebAssembly modules.")
    .version(packageInfo().version, "-V, --version", "print the version")
    .addHelpOption(new Option("-h, --help", "print this help").helpGroup("General:"))
    .helpCommand("help [command]", "print the help of a command")
    .showHelpAfterError("(see --help)");
  for (const add of commands) add(program, io);
  program.addHelpText(
    "after",
    `
Data go to stdout, diagnostics to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage.

Examples:
  kiln check model.onnx
  kiln compile model.onnx -o out/model.wasm --report
  kiln run out/model.wasm --input image=cat.png
  kiln inspect model.onnx --kernels`,
  );
  return program;
}

const commands: readonly ((program: Command, io: Io) => void)[] = [
  addCompileCommand,
  addRunCommand,
  addInspectCommand,
  addBenchCommand,
  addProfileCommand,
  addDiffCommand,
  addReplayCommand,
  addTuneCommand,
  addCheckCommand,
  addOpsCommand,
  addZooCommand,
];
