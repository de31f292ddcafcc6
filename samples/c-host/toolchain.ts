/** The way from a scalar module to a program: wasm2c makes C of it, gcc makes a program of that and `host.c`. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Debian's wasm2c 1.0.32, and what programs made by it need at run time: both have to be of one version. The npm package
 * wabt has a newer one, which npm puts on the path.
 */
const wasm2c = "/usr/bin/wasm2c";
const runtimeFolder = "/usr/share/wabt/wasm2c";

/**
 * No product and sum become one instruction, whose rounding would differ from WebAssembly's. `CFLAGS` comes behind
 * them: `-march=native`, for one, makes no other bits.
 */
const compilerFlags = ["-std=gnu11", "-O2", "-ffp-contract=off"];

/** What is missing to build hosts in C here, or null. */
export function missingTools(): string | null {
  for (const [tool, install] of [
    [wasm2c, "apt-get install wabt"],
    ["gcc", "apt-get install gcc libc6-dev"],
  ] as const) {
    if (spawnSync(tool, ["--version"]).error !== undefined) return `${tool} is not installed (${install})`;
  }
  return existsSync(join(runtimeFolder, "wasm-rt-impl.c"))
    ? null
    : `${runtimeFolder}/wasm-rt-impl.c is missing (apt-get install wabt)`;
}

export interface HostProgram {
  readonly program: string;
  /** Bytes of machine code that the model's own functions take. */
  readonly codeBytes: number;
}

/**
 * Builds `host` in a folder that holds `model.wasm` and `model.abi.h`.
 *
 * @param hostSource path of host.c
 * @param hasSymbols whether the module exports `prepare`
 */
export function buildHost(folder: string, hostSource: string, hasSymbols = false): HostProgram {
  const at = (file: string) => join(folder, file);
  run(wasm2c, ["-n", "model", at("model.wasm"), "-o", at("module.c")]);
  const flags = [...compilerFlags, ...(process.env.CFLAGS?.split(/\s+/).filter(Boolean) ?? [])];
  const includes = ["-I", folder, "-I", runtimeFolder];
  run("gcc", [...flags, ...includes, "-c", at("module.c"), "-o", at("module.o")]);
  const sources = [hostSource, join(runtimeFolder, "wasm-rt-impl.c"), at("module.o")];
  const prepare = hasSymbols ? ["-DKILN_PREPARE"] : [];
  run("gcc", [...flags, "-Wall", "-Wextra", ...prepare, ...includes, ...sources, "-o", at("host"), "-lm"]);
  return { program: at("host"), codeBytes: sectionBytes(at("module.o"), ".text") };
}

export interface HostFigures {
  readonly runs: number;
  readonly bestMs: number;
  readonly meanMs: number;
  readonly linearMemoryBytes: number;
  readonly residentBytes: number;
}

/** Runs the program on the inputs of one or more runs, and returns their outputs as they are in memory. */
export function runHost(
  { program }: HostProgram,
  inputs: Uint8Array,
  args: readonly string[] = [],
): { outputs: Uint8Array; figures: HostFigures } {
  const { stdout, stderr, status, error } = spawnSync(program, args, { input: inputs, maxBuffer: 2 ** 30 });
  // A host that fails early does not read all its input, which is an error here, too, but not the one to tell of.
  if (error !== undefined && !status) throw error;
  if (status !== 0) throw new Error(`the host failed: ${stderr.toString().trim() || `status ${status}`}`);
  return { outputs: stdout, figures: JSON.parse(stderr.toString()) as HostFigures };
}

function run(command: string, args: readonly string[]): string {
  const { stdout, stderr, status, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} failed:\n${stderr.trim()}`);
  return stdout;
}

function sectionBytes(object: string, section: string): number {
  const line = run("size", ["-A", object])
    .split("\n")
    .find((each) => each.startsWith(`${section} `));
  return Number(line?.trim().split(/\s+/)[1] ?? 0);
}
