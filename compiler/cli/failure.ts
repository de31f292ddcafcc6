/** What a command throws, as text on stderr and an exit code. */

import { KilnRuntimeError } from "../../runtime/errors.js";
import { KilnError } from "../diagnostics.js";
import { packageInfo } from "./package-info.js";
import type { Terminal } from "./terminal.js";

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** As shells report a process that Ctrl-C ended: 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;

/** A failure that is no fault of the compiler's: a file that is not there, a flag that does not fit. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, options: { exitCode?: number; hint?: string; cause?: unknown } = {}) {
    const hint = options.hint === undefined ? "" : `\n  hint: ${options.hint}`;
    super(`${message}${hint}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CommandError";
    this.exitCode = options.exitCode ?? EXIT_FAILED;
  }
}

/** A flag that only turns out not to fit once other things are known. */
export const usageError = (message: string, hint?: string): CommandError =>
  new CommandError(message, { exitCode: EXIT_USAGE, ...(hint !== undefined && { hint }) });

/** Ctrl-C while something had to be cleaned up first. */
export class Interrupted extends CommandError {
  constructor() {
    super("interrupted", { exitCode: EXIT_INTERRUPTED });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a file of that name is in the way",
  ENOSPC: "no space left",
  EROFS: "the file system is read-only",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "too many symbolic links",
  ERR_FS_FILE_TOO_LARGE: "it is larger than 2 GiB",
};

/** One line about a file: `cannot read model.onnx: no such file or folder`. */
export function fileError(action: string, path: string, cause: unknown): CommandError {
  if (cause instanceof CommandError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new CommandError(`cannot ${action} ${path}: ${reasons[code ?? ""] ?? message}`, { cause });
}

/** Writes the error to stderr; the stack only where it helps. Returns the exit code. */
export function reportFailure(error: unknown, terminal: Terminal): number {
  if (error instanceof CommandError) {
    terminal.error(error.message);
    terminal.detail(`${error.stack}`);
    return error.exitCode;
  }
  if (isExpected(error)) {
    terminal.error(error.message);
    terminal.detail(`${"code" in error ? error.code : ""}\n${error.stack}`);
    return EXIT_FAILED;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.error(`${stack}\n${whereToReport()}`, "internal error:");
  return EXIT_FAILED;
}

/** Errors that are raised on purpose; all others are bugs. */
export const isExpected = (error: unknown): error is CommandError | KilnError | KilnRuntimeError =>
  error instanceof CommandError ||
  (error instanceof KilnError && error.code !== "E_INTERNAL") ||
  error instanceof KilnRuntimeError;

function whereToReport(): string {
  const { name, version, bugs } = packageInfo();
  const place = bugs ?? `the issue tracker of ${name}`;
  return `This is a bug in Kiln. Please report it to ${place}, with the text above, the model, and the versions: ${name} ${version}, Node ${process.version}.`;
}
