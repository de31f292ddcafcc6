/** The frame of every command: flags that all have, and errors turned into text and exit codes. */

import { type Command, CommanderError, Option } from "commander";
import { KilnError } from "../diagnostics.js";
import { grouped } from "./compile-flags.js";
import { CommandError, reportFailure, usageError } from "./failure.js";
import { type CommonFlags, type Io, Terminal } from "./terminal.js";

/** What a command does with its arguments and flags; resolves to the exit code. */
export type Body<Flags> = (
  terminal: Terminal,
  args: readonly (string | undefined)[],
  flags: Flags & CommonFlags,
) => Promise<number>;

/** How an exit code leaves commander. */
export const EXIT = "kiln.exit";

export function defineAction<Flags>(command: Command, io: Io, body: Body<Flags>): void {
  grouped(command, "General", [
    new Option("--json", "print JSON on stdout"),
    new Option("-q, --quiet", "print errors only, and the data asked for"),
    new Option("-v, --verbose", "print progress, and stacks of errors"),
    new Option("--color", "colour the output, even where it is no terminal"),
    new Option("--no-color", "do not colour the output (as NO_COLOR)"),
  ]);
  command.action(async () => {
    const terminal = new Terminal(io, command.opts<CommonFlags>());
    const args: readonly (string | undefined)[] = command.processedArgs;
    const code = await run(terminal, args[0], () =>
      body(terminal, args, command.opts<Flags & CommonFlags>()),
    );
    if (code !== 0) throw new CommanderError(code, EXIT, "");
  });
}

async function run(
  terminal: Terminal,
  path: string | undefined,
  body: () => Promise<number>,
): Promise<number> {
  try {
    return await body();
  } catch (error) {
    return reportFailure(withPath(error, path), terminal);
  }
}

/** The decoder is given bytes and does not know where they are from. */
function withPath(error: unknown, path: string | undefined): unknown {
  if (path === undefined || !(error instanceof KilnError) || error.code !== "E_DECODE") return error;
  return new CommandError(`cannot read ${path === "-" ? "the model from stdin" : path}: ${error.message}`, {
    cause: error,
  });
}

/** The model argument, which commands that can do without it declare as optional. */
export function requireModel(path: string | undefined): string {
  if (path === undefined) throw usageError("missing required argument 'model'\n(see --help)");
  return path;
}
