/** The flags of every command that compiles, and the compile options they stand for. */

import { type Command, Option } from "commander";
import type { OptimizationLevel } from "../../passes/pipeline.js";
import type { Host } from "../loader.js";
import type { CompileOptions, Features } from "../options.js";
import {
  type DimValue,
  parseBytes,
  parseDim,
  parseFeatures,
  parseInputShape,
  parseLevel,
  parseState,
  parseWeights,
} from "./flags.js";

/** What fixes the shapes of a model and how it is read: all that is needed to import it. */
export interface ModelFlags {
  dim?: Record<string, DimValue>;
  inputShape?: Record<string, readonly number[]>;
  externalDataRoot?: string;
}

export interface CompileFlags extends ModelFlags {
  state?: Record<string, string>;
  features?: Partial<Features>;
  O?: OptimizationLevel;
  strict?: boolean;
  weights?: "embed" | "split";
  maxMemory?: number;
  arena?: number;
  /** False where --no-patches is given. */
  patches?: boolean;
  tuning?: string;
  verify?: boolean;
  profile?: boolean;
  host?: Host;
}

/** Adds the flag to a command, under this head of its help. */
export const grouped = (command: Command, group: string, options: readonly Option[]): void => {
  for (const option of options) command.addOption(option.helpGroup(`${group}:`));
};

export function addModelFlags(command: Command): void {
  grouped(command, "Model", [
    new Option("--dim <name=n>", "value of a symbolic dim, or its bounds as MIN..MAX (repeatable)").argParser(
      parseDim,
    ),
    new Option(
      "--input-shape <name:shape>",
      "shape of an input, as in image:1x3x224x224 (repeatable)",
    ).argParser(parseInputShape),
    new Option("--external-data-root <dir>", "folder that links to external data may lead to, too"),
  ]);
}

export function addCompileFlags(command: Command): void {
  addModelFlags(command);
  grouped(command, "Model", [
    new Option(
      "--state <input=output>",
      "keep the input in the module, the output being its value in the next run (repeatable)",
    ).argParser(parseState),
  ]);
  grouped(command, "Code", [
    new Option("-O <level>", "optimisation: 0, 1, 2, 3 or s for small code (default: 3)").argParser(
      parseLevel,
    ),
    new Option(
      "--features <list>",
      "WebAssembly features to use: relaxed-simd, threads; or scalar",
    ).argParser(parseFeatures),
    new Option("--strict", "no algorithm that changes rounding noticeably"),
    new Option("--weights <where>", "embed (in the module) or split (a file beside it)").argParser(
      parseWeights,
    ),
    new Option(
      "--arena <bytes>",
      "most memory for tensors beside weights, as in 128KB: large stages are computed in patches, or refused",
    ).argParser(parseBytes),
    new Option(
      "--no-patches",
      "compute all stages whole, where the arena is not limited: else they are computed in patches as far as that costs nothing",
    ),
    new Option("--tuning <file>", "choices that were measured, as `kiln tune` writes them"),
    new Option("--max-memory <bytes>", "most linear memory the module may take, as in 64MB").argParser(
      parseBytes,
    ),
  ]);
}

/** The options of `compile`, but for what only the command knows. */
export function compileOptions(flags: CompileFlags): CompileOptions {
  return {
    ...(flags.dim !== undefined && { dims: flags.dim }),
    ...(flags.inputShape !== undefined && { inputShapes: flags.inputShape }),
    ...(flags.state !== undefined && { states: flags.state }),
    ...(flags.features !== undefined && { features: flags.features }),
    ...(flags.O !== undefined && { optimize: flags.O }),
    ...(flags.strict !== undefined && { strict: flags.strict }),
    ...(flags.weights !== undefined && { weights: flags.weights }),
    ...(flags.maxMemory !== undefined && { limits: { memoryBytes: flags.maxMemory } }),
    ...(flags.arena !== undefined && { arenaBytes: flags.arena }),
    ...(flags.patches === false && { patches: false }),
    ...(flags.profile !== undefined && { profile: flags.profile }),
    ...(flags.host !== undefined && { host: flags.host }),
    ...(flags.verify !== undefined && { verify: flags.verify }),
  };
}
