/** Opens models in Node: compiled modules as they are, ONNX models through the compiler and its cache. */

import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { load, type Model } from "../../runtime/index.js";
import { env, isLogged } from "../../runtime/ort/env.js";
import { isModule, openModule } from "../../runtime/ort/open.js";
import { threadsOf } from "../../runtime/ort/options.js";
import type { ExternalDataFileType, InferenceSession } from "../../runtime/ort/session.js";
import { open } from "../../runtime/source.js";
import { type CacheableOptions, compileCached, compileModel, type UncompiledModel } from "../cache.js";
import { checkWritable, makeFolder } from "../cli/output-files.js";
import { formatBytes, formatTime } from "../cli/units.js";
import { KilnError } from "../diagnostics.js";
import { defaultLimits } from "../limits.js";
import type { Artifact } from "../options.js";

type SessionOptions = InferenceSession.SessionOptions;

/** The model at a path or URL, or of these bytes. Throws KilnError where it cannot be compiled. */
export async function openOrCompile(source: string | Uint8Array, options: SessionOptions): Promise<Model> {
  const bytes = typeof source === "string" ? await (await open(source, {})).bytes() : source;
  if (isModule(bytes)) return openModule(source, options);
  try {
    return await openOnnx(bytes, typeof source === "string" ? pathOf(source) : undefined, options);
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== "E_DECODE") throw error;
    const label = typeof source === "string" ? source : "the model";
    throw new KilnError(
      "E_DECODE",
      `cannot read ${label}: ${error.message}
  A session takes an ONNX model, or a module that "npx kiln compile" made of one`,
    );
  }
}

async function openOnnx(
  bytes: Uint8Array,
  path: string | undefined,
  options: SessionOptions,
): Promise<Model> {
  const name = path === undefined ? "model" : basename(path, extname(path));
  const model = { bytes, externalData: externalDataOf(options.externalData ?? [], path) };
  const dims = await boundDims(model, options.freeDimensionOverrides);
  const wasm = await compiled(model, { ...compileOptions(options), ...(dims && { dims }), name });
  return load(wasm, { threads: threadsOf(options) });
}

/** Path of a file; undefined for other URLs. A scheme has two letters or more: one is a Windows drive. */
function pathOf(source: string): string | undefined {
  if (/^file:/i.test(source)) return fileURLToPath(source);
  return /^[a-z][\w+.-]+:/i.test(source) ? undefined : source;
}

const levels = { disabled: 0, basic: 1, extended: 2, layout: 3, all: 3 } as const;

function compileOptions(options: SessionOptions): CacheableOptions {
  const { features, strict } = env.kiln;
  const { graphOptimizationLevel = "all" } = options;
  if (!Object.hasOwn(levels, graphOptimizationLevel)) {
    const known = Object.keys(levels).join(", ");
    throw new Error(`graphOptimizationLevel is ${known}, not "${graphOptimizationLevel}"`);
  }
  return {
    features: { ...features, threads: (threadsOf(options) ?? 1) > 1 },
    optimize: levels[graphOptimizationLevel],
    ...(strict !== undefined && { strict }),
  };
}

/** The sizes given for dims that the model has: onnxruntime passes over the others, which may be of other models. */
async function boundDims(
  { bytes, externalData }: UncompiledModel,
  given: SessionOptions["freeDimensionOverrides"],
): Promise<Record<string, number> | undefined> {
  if (given === undefined) return undefined;
  // The decoder is imported where it is needed, here and below: models in the cache do without.
  const { decodeModel } = await import("../onnx/decode.js");
  const { openDims } = await import("../onnx/import-inputs.js");
  const { graph } = await decodeModel(bytes, { limits: defaultLimits, externalData });
  const known = openDims(graph.inputs);
  return Object.fromEntries(Object.entries(given).filter(([name]) => known.has(name)));
}

async function compiled(
  model: UncompiledModel,
  options: CacheableOptions & { name: string },
): Promise<Uint8Array> {
  const say = (message: string): void => {
    if (isLogged("info")) console.info(`onnx-kiln: ${message}`);
  };
  const onCompile = (): void => say(`compiling ${options.name}`);
  let fresh: Uint8Array | undefined;
  const onCompiled = ({ wasm, report }: Artifact): void => {
    fresh = wasm;
    say(`compiled ${options.name} in ${formatTime(report.compileMs)}, ${formatBytes(wasm.length)}`);
  };
  const folder = await cacheFolder();
  if (folder !== undefined) {
    try {
      const { module } = await compileCached(model, options, { folder, onCompile, onCompiled });
      return await readFile(module);
    } catch (error) {
      // What was compiled runs, though it could not be kept: the disk may be full.
      if (fresh === undefined) throw error;
      warnOnce(error as Error);
      return fresh;
    }
  }
  onCompile();
  const artifact = await compileModel(model.bytes, { ...options, externalData: model.externalData });
  onCompiled(artifact);
  return artifact.wasm;
}

let hasWarned = false;

/** Says, once in a process, that models are compiled again each time. */
function warnOnce({ message }: Error): void {
  if (!hasWarned && isLogged("warning")) {
    console.warn(`onnx-kiln keeps no compiled models (KILN_CACHE names another folder): ${message}`);
  }
  hasWarned = true;
}

/** Where compiled models are kept; undefined where they are not. */
async function cacheFolder(): Promise<string | undefined> {
  try {
    const folder = env.kiln.cacheFolder ?? process.env.KILN_CACHE ?? (await systemFolder());
    if (folder === false || folder === "") return undefined;
    makeFolder(folder);
    await checkWritable(join(folder, "entry"));
    return folder;
  } catch (error) {
    warnOnce(error as Error);
    return undefined;
  }
}

/** Imported where it is needed: it asks for the home folder at once, which not every container has. */
async function systemFolder(): Promise<string> {
  const { default: folders } = await import("env-paths");
  return folders("onnx-kiln", { suffix: "" }).cache;
}

/** External data from the files that the session is given or, for a model that is a file itself, from those beside it. */
function externalDataOf(files: readonly ExternalDataFileType[], path: string | undefined) {
  const given = new Map(
    files.map((file) => {
      const { path: location, data } = typeof file === "string" ? { path: file, data: file } : file;
      return [withoutDot(location), data] as const;
    }),
  );
  return async (location: string): Promise<Uint8Array> => {
    const data = given.get(withoutDot(location));
    if (data instanceof Blob) return new Uint8Array(await data.arrayBuffer());
    if (data !== undefined) return (await open(data, {})).bytes();
    if (path !== undefined) {
      const { fileExternalData } = await import("../onnx/external-data-files.js");
      return fileExternalData(path)(location);
    }
    throw new KilnError("E_EXTERNAL_DATA", `the model has external data in ${JSON.stringify(location)}`, {
      hint: "pass it: externalData: [{ path, data }] in the options of the session",
    });
  };
}

const withoutDot = (path: string): string => path.replace(/^\.\//, "");
