/** The model that a command is given: a file, or stdin where it is `-`. */

import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { KilnError } from "../diagnostics.js";
import { type CompileOptions, withDefaultLimits } from "../options.js";
import { type CompileFlags, compileOptions } from "./compile-flags.js";
import { CommandError, fileError } from "./failure.js";
import { isFile } from "./magic.js";
import type { Io } from "./terminal.js";

export interface ModelFile {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** File name without folder and extension; "model" for stdin. */
  readonly name: string;
  /** A compiled module rather than an ONNX model. */
  readonly isCompiled: boolean;
}

export async function readModel(path: string, io: Io): Promise<ModelFile> {
  const bytes = path === "-" ? await readStdin(io) : await readBytes(path);
  return {
    bytes,
    path,
    name: path === "-" ? "model" : basename(path, extname(path)),
    isCompiled: isFile("wasm", bytes),
  };
}

/** The bytes of a file that the user named. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { buffer, byteOffset, byteLength } = await readFile(path);
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

async function readStdin({ stdin }: Io): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin ?? []) {
    chunks.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  }
  if (chunks.length === 0) throw new CommandError("cannot read the model from stdin: it is empty");
  return new Uint8Array(Buffer.concat(chunks));
}

/** Refuses a compiled module where only a model will do. */
export function requireOnnx(model: ModelFile): ModelFile {
  if (!model.isCompiled) return model;
  throw new CommandError(`${model.path} is a compiled module, not an ONNX model`);
}

type Resolver = NonNullable<CompileOptions["externalData"]>;

/** Reads external data beside the model; a model from stdin has no folder, so that one must be named. */
export async function externalDataOf({ path }: ModelFile, root?: string): Promise<Resolver> {
  // Imported here: it brings the decoder, which not every command needs.
  const { fileExternalData } = await import("../onnx/external-data-files.js");
  if (path !== "-") return fileExternalData(path, root === undefined ? {} : { root });
  if (root !== undefined) return fileExternalData(join(root, "model.onnx"));
  return () => {
    throw new KilnError("E_EXTERNAL_DATA", "a model from stdin has no folder", {
      hint: "name the folder with --external-data-root",
    });
  };
}

/** The external data of a model as it is, for engines that are given it beside the model. */
export async function externalFilesOf(
  file: ModelFile,
  flags: CompileFlags,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { externalFiles } = await import("../onnx/decode.js");
  const limits = withDefaultLimits(compileOptions(flags).limits);
  return externalFiles(file.bytes, await externalDataOf(file, flags.externalDataRoot), limits);
}
