/** The flags that show what passes do: IR text after each, their list, and their times. */

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { OptimizationLevel } from "../../passes/pipeline.js";
import type { CompileReport, Features, PassEvent } from "../options.js";
import { grouped } from "./compile-flags.js";
import { fileError, usageError } from "./failure.js";
import { collect } from "./flags.js";
import { makeFolder } from "./output-files.js";
import { formatTable, left, right } from "./table.js";
import type { Terminal } from "./terminal.js";
import { formatTime } from "./units.js";

export interface IrFlags {
  printIrAfter?: string[];
  printIrAfterAll?: boolean;
  printIrAfterChange?: boolean;
  dumpIr?: string;
  listPasses?: boolean;
  passTiming?: boolean;
}

export function addIrFlags(command: Command): void {
  grouped(command, "Passes", [
    new Option("--print-ir-after <pass>", "print the IR after this pass (repeatable)").argParser(collect),
    new Option("--print-ir-after-all", "print the IR after every pass"),
    new Option("--print-ir-after-change", "print the IR after every pass that changed it"),
    new Option("--dump-ir <dir>", "write the IR to numbered files such as 03-fuse.txt, where it changed"),
    new Option("--list-passes", "list the passes in order; needs no model"),
    new Option("--pass-timing", "print how long each pass took"),
    new Option("--verify", "check the IR after every pass"),
  ]);
}

export interface PrintedIr {
  readonly index: number;
  readonly pass: string;
  readonly text: string;
}

/** Prints and dumps IR as passes end, so that what came before a failure is seen. */
export class IrPrinter {
  /** What was asked for under `--json`, to be printed with all the rest. */
  readonly collected: PrintedIr[] = [];
  private readonly names: ReadonlySet<string>;
  private readonly all: boolean;
  private readonly changed: boolean;

  constructor(
    private readonly flags: IrFlags,
    private readonly terminal: Terminal,
  ) {
    this.names = new Set(flags.printIrAfter);
    this.all = flags.printIrAfterAll === true;
    this.changed = flags.printIrAfterChange === true;
  }

  /** False where nothing is asked for: text need not be made then. */
  get isNeeded(): boolean {
    return this.names.size > 0 || this.all || this.changed || this.flags.dumpIr !== undefined;
  }

  readonly onPass = ({ index, name, before, after }: PassEvent): void => {
    const isChange = before !== after;
    if (this.all || this.names.has(name) || (this.changed && isChange)) this.print(index, name, after);
    if (this.flags.dumpIr !== undefined && isChange) this.dump(this.flags.dumpIr, index, name, after);
  };

  private print(index: number, pass: string, text: string): void {
    if (this.terminal.flags.json === true) this.collected.push({ index, pass, text });
    // A comment in both IRs, so that the output parses.
    else this.terminal.print(`// ----- ${numbered(index)} after ${pass}\n${text}\n`);
  }

  private dump(folder: string, index: number, name: string, text: string): void {
    const path = join(folder, `${numbered(index)}-${name}.txt`);
    try {
      makeFolder(resolve(folder));
      writeFileSync(path, `${text}\n`);
    } catch (error) {
      throw fileError("write", path, error);
    }
  }
}

const numbered = (index: number): string => String(index).padStart(2, "0");

export interface PassInfo {
  readonly name: string;
  readonly ir: "graph" | "loop";
  readonly summary: string;
}

/** Every stage in order, as `--print-ir-after` and the numbers of `--dump-ir` name them. */
export async function listPasses(
  level: OptimizationLevel,
  features: Partial<Features> = {},
): Promise<PassInfo[]> {
  const { graphPipeline } = await import("../../passes/pipeline.js");
  const { loopPasses, programPasses } = await import("../../passes/loop/pipeline.js");
  return [
    { name: "import", ir: "graph", summary: "the model, decoded and brought to current operators" },
    ...graphPipeline(level).map(({ name, summary }) => ({ name, ir: "graph" as const, summary })),
    { name: "lower", ir: "loop", summary: "every node or group of nodes as a kernel" },
    ...loopPasses(level, features).map(({ name }) => ({ name, ir: "loop" as const, summary: "" })),
    ...programPasses(level).map(({ name, summary }) => ({ name, ir: "loop" as const, summary })),
  ];
}

/** Refuses names that no pass has at any level: nothing would be printed, and nobody would know why. */
export async function checkPassNames({ printIrAfter = [] }: IrFlags): Promise<void> {
  if (printIrAfter.length === 0) return;
  const levels = ([0, 3, "s"] as const).map((level) => listPasses(level));
  const passes = (await Promise.all([...levels, listPasses(3, { simd: false })])).flat();
  const known = new Set(passes.map(({ name }) => name));
  for (const name of printIrAfter) {
    if (!known.has(name)) throw usageError(`no pass is named "${name}"`, `passes: ${[...known].join(", ")}`);
  }
}

export async function printPasses(
  level: OptimizationLevel,
  features: Partial<Features> | undefined,
  terminal: Terminal,
): Promise<void> {
  const passes = await listPasses(level, features);
  if (terminal.flags.json === true) {
    terminal.printJson(passes.map((pass, index) => ({ index, ...pass })));
    return;
  }
  const rows = passes.map(({ name, ir, summary }, index) => [numbered(index), name, ir, summary]);
  terminal.print(formatTable([right("#"), left("pass"), left("ir"), left("summary")], rows, terminal.colors));
}

export function printTimings(passes: CompileReport["passes"], terminal: Terminal): void {
  const total = passes.reduce((sum, { ms }) => sum + ms, 0);
  const share = (ms: number): string => `${((100 * ms) / Math.max(total, 1e-9)).toFixed(1)}%`;
  const rows = passes.map(({ name, ms, nodes }, index) => [
    numbered(index),
    name,
    formatTime(ms),
    share(ms),
    nodes,
  ]);
  const columns = [right("#"), left("pass"), right("time"), right("share"), right("nodes")];
  terminal.print(formatTable(columns, [...rows, ["", "total", formatTime(total), "", ""]], terminal.colors));
}
