/** Flags of commands that run a model on inputs: declared once, so that they mean the same in all of them. */

import { type Command, Option } from "commander";
import type { TensorInfo } from "../../runtime/index.js";
import { hasRelaxedSimd } from "../bench/engine-features.js";
import { grouped } from "./compile-flags.js";
import { CommandError } from "./failure.js";
import type { FeedFlags } from "./feeds.js";
import { parseAssignment, parseNumber, parseWhole } from "./flags.js";
import type { Terminal } from "./terminal.js";

export type InputFlags = Pick<FeedFlags, "seed" | "input">;

export interface MeasuringFlags extends InputFlags {
  duration?: number;
  threads?: number;
  warmup?: number;
}

export const inputOptions = (): Option[] => [
  new Option("--input <name=file>", "an .npy file, a PNG or a JPEG for an input (repeatable)").argParser(
    parseAssignment,
  ),
  new Option("--seed <n>", "seed of the inputs that are made up (default: 0)").argParser(parseWhole(0)),
];

/** What a command adds to the flags for measuring. */
interface Measured {
  /** Default of `--duration`, and what it is the duration of. */
  readonly seconds: number;
  readonly each?: string;
  /** Default of `--warmup`; none where it is not for the user to say. */
  readonly warmup?: number;
  readonly options?: readonly Option[];
}

export function addMeasuringFlags(
  command: Command,
  { seconds, each = "", warmup, options = [] }: Measured,
): void {
  grouped(command, "Measuring", [
    ...options,
    new Option("--duration <seconds>", `how long to measure${each} (default: ${seconds})`).argParser(
      parseNumber,
    ),
    ...(warmup === undefined
      ? []
      : [
          new Option("--warmup <n>", `runs that are not counted (default: ${warmup})`).argParser(
            parseWhole(0),
          ),
        ]),
    new Option("--threads <n>", "threads, where the features have them (default: 2)").argParser(
      parseWhole(1),
    ),
    ...inputOptions(),
  ]);
}

/** Refuses to measure relaxed SIMD where the engine has none: that of Node 20 has it behind a flag. */
export function requireRelaxedSimd(isAsked = false): void {
  if (!isAsked || hasRelaxedSimd()) return;
  throw new CommandError(`Node ${process.version} has no relaxed SIMD, so it cannot be measured`, {
    hint: "Node 22 and later have it, and Node 20 under: node --experimental-wasm-relaxed-simd",
  });
}

/** Work is counted when a model is compiled, so that no figure has what depends on a size of the run. */
export function warnOfOpenSizes(inputs: readonly TensorInfo[], terminal: Terminal): void {
  const open = inputs.find(({ dims }) => dims.some((dim) => typeof dim === "string"));
  if (open === undefined) return;
  terminal.warn(
    `the shape of input "${open.name}" is open: FLOPs and bytes that depend on it are not counted; ` +
      `--input-shape ${open.name}:SHAPE fixes it`,
  );
}
