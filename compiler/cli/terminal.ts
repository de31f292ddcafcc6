/** What a command writes to: data on stdout, everything else on stderr. */

import picocolors from "picocolors";

export interface Output {
  write(chunk: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The outside world of one call of `main`; `process` is one. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Read where the model is `-`. */
  readonly stdin?: AsyncIterable<Uint8Array | string>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Flags that every command has. */
export interface CommonFlags {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  color?: boolean;
}

export type Colors = ReturnType<typeof picocolors.createColors>;

export class Terminal {
  /** Colours of stdout and of stderr: one may be a file while the other is a terminal. */
  readonly colors: Colors;
  private readonly errorColors: Colors;

  constructor(
    readonly io: Io,
    readonly flags: CommonFlags = {},
  ) {
    this.colors = picocolors.createColors(usesColor(io, io.stdout, flags));
    this.errorColors = picocolors.createColors(usesColor(io, io.stderr, flags));
  }

  /** Data, on stdout. */
  print(text: string): void {
    this.io.stdout.write(`${text}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** What was done, on stderr; `-q` silences it. */
  note(text: string): void {
    if (this.flags.quiet !== true) this.io.stderr.write(`${printable(text)}\n`);
  }

  /** What only `-v` asks for, on stderr. */
  detail(text: string): void {
    if (this.flags.verbose === true) this.io.stderr.write(`${this.errorColors.dim(printable(text))}\n`);
  }

  warn(text: string): void {
    if (this.flags.quiet === true) return;
    this.io.stderr.write(`${this.errorColors.yellow("warning:")} ${printable(text)}\n`);
  }

  error(text: string, label = "error:"): void {
    this.io.stderr.write(`${this.errorColors.red(label)} ${printable(text)}\n`);
  }
}

/** A flag decides, then NO_COLOR and FORCE_COLOR, then whether a person is looking. */
export function usesColor({ env = {} }: Io, output: Output, flags: CommonFlags): boolean {
  if (flags.color !== undefined) return flags.color;
  if ((env.NO_COLOR ?? "") !== "") return false;
  if ((env.FORCE_COLOR ?? "") !== "" && env.FORCE_COLOR !== "0") return true;
  return output.isTTY === true && env.TERM !== "dumb";
}

// Control characters (terminals obey them) and marks that reverse the direction of text; not tabs and line breaks.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text from a model or path, safe to show: names in a model are anyone's. */
export const printable = (text: string): string =>
  text.replace(unprintable, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
