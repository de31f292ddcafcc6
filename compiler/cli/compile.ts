/** `kiln compile`: a model to a module, its loader and its declarations. */

import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Command, Option } from "commander";
import { hosts } from "../loader.js";
import type { Artifact } from "../options.js";
import { type Body, defineAction, requireModel } from "./action.js";
import { addCompileFlags, type CompileFlags, grouped } from "./compile-flags.js";
import { compileModel } from "./compile-model.js";
import { printReport, reportJson } from "./compile-report.js";
import { EXIT_OK, usageError } from "./failure.js";
import { type Emission, parseEmit } from "./flags.js";
import { addIrFlags, type IrFlags, printPasses, printTimings } from "./ir-flags.js";
import { readModel, requireOnnx } from "./model-file.js";
import { checkWritable, type OutputFile, writeFiles } from "./output-files.js";
import { type Io, printable } from "./terminal.js";
import { formatBytes } from "./units.js";

interface Flags extends CompileFlags, IrFlags {
  output?: string;
  report?: boolean;
  emit?: readonly Emission[];
}

export function addCompileCommand(program: Command, io: Io): void {
  const command = program
    .command("compile")
    .summary("compile a model to a WebAssembly module")
    .description(
      "Compiles an ONNX model to NAME.wasm with a loader NAME.mjs, declarations for it NAME.d.ts and NAME.d.mts, " +
        "and NAME.weights where the weights are split.",
    )
    .argument("[model]", "ONNX file, or - for stdin");
  grouped(command, "Output", [
    new Option("-o, --output <path>", "the module to write, or a folder; default: NAME.wasm in this folder"),
    new Option(
      "--host <host>",
      `how the loader gets at the module: ${Object.entries(hosts)
        .map(([host, what]) => `${host} (${what})`)
        .join("; ")}`,
    )
      .choices(Object.keys(hosts))
      .default("web"),
    new Option("--profile", "a module with model.profile(), which times its kernels, for browsers too"),
    new Option("--emit <what>", "also write c-header: NAME.abi.h, the ABI for hosts in C").argParser(
      parseEmit,
    ),
    new Option("--report", "print what was compiled: sizes, FLOPs, kernels"),
  ]);
  addCompileFlags(command);
  addIrFlags(command);
  command.addHelpText(
    "after",
    `
Examples:
  kiln compile model.onnx -o out/
  kiln compile model.onnx -o out/small.wasm -Os --dim batch=1 --report
  kiln compile model.onnx --input-shape image:1x3x224x224 --features relaxed-simd --weights split
  kiln compile model.onnx --features scalar --emit c-header
  kiln compile model.onnx --dump-ir ir/ --pass-timing`,
  );
  defineAction(command, io, runCompile);
}

const runCompile: Body<Flags> = async (terminal, [path], flags) => {
  if (flags.listPasses === true) {
    await printPasses(flags.O ?? 3, flags.features, terminal);
    return EXIT_OK;
  }
  const model = requireOnnx(await readModel(requireModel(path), terminal.io));
  const target = targetOf(flags.output, model.name);
  await checkWritable(join(target.folder, `${target.name}.wasm`));
  const { artifact, ir } = await compileModel(model, flags, terminal, target.name);
  const files = [...filesOf(artifact, target), ...(await emittedFiles(artifact, target, flags.emit))];
  await writeFiles(files);
  const paths = files.map((file) => file.path);
  if (terminal.flags.json === true) {
    terminal.printJson({ files: paths, ...reportJson(artifact), ...(ir.length > 0 && { ir }) });
    return EXIT_OK;
  }
  if (flags.report === true) printReport(artifact, terminal);
  if (flags.passTiming === true) printTimings(artifact.report.passes, terminal);
  terminal.note(`wrote ${paths[0]} (${formatBytes(artifact.wasm.length)}) and ${others(paths)}`);
  return EXIT_OK;
};

interface Target {
  readonly folder: string;
  /** Without extension. The loader asks for the module by this name. */
  readonly name: string;
}

function targetOf(output: string | undefined, modelName: string): Target {
  if (output === undefined) return { folder: ".", name: modelName };
  if (output === "" || output === "-")
    throw usageError("-o needs a file or folder: the loader lies beside the module");
  const status = existsSync(output) ? statSync(output) : undefined;
  // Such as /dev/null, beside which the files would lie.
  if (status !== undefined && !status.isDirectory() && !status.isFile())
    throw usageError(`-o ${output} is neither a file nor a folder`);
  const isFolder = /[/\\]$/.test(output) || status?.isDirectory() === true;
  if (isFolder) return { folder: output, name: modelName };
  return { folder: dirname(output), name: basename(output).replace(/\.wasm$/, "") };
}

function filesOf({ wasm, weights, js, dts }: Artifact, { folder, name }: Target): OutputFile[] {
  const file = (extension: string, data: Uint8Array | string): OutputFile => ({
    path: join(folder, name + extension),
    data,
  });
  return [
    file(".wasm", wasm),
    ...(weights === undefined ? [] : [file(".weights", weights)]),
    file(".mjs", js),
    // TypeScript finds the types of `import "./name.mjs"` in the second, and those of other tools are in the first.
    file(".d.ts", dts),
    file(".d.mts", dts),
  ];
}

async function emittedFiles(
  { metadata, report }: Artifact,
  { folder, name }: Target,
  emissions: readonly Emission[] = [],
): Promise<OutputFile[]> {
  if (emissions.length === 0) return [];
  const { generateCHeader } = await import("../c-header.js");
  return [{ path: join(folder, `${name}.abi.h`), data: generateCHeader(metadata, name, report) }];
}

const others = (paths: readonly string[]): string =>
  paths
    .slice(1)
    .map((path) => printable(basename(path)))
    .join(", ");
