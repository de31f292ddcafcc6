/** The engines that are compared, each with its model loaded and its inputs at hand. */

import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { InferenceSession } from "onnxruntime-web";
import type { Model, TensorLike } from "../../runtime/index.js";
import { inTemporaryFolder } from "./temporary-folder.js";

export type Feeds = Readonly<Record<string, TensorLike>>;
export type Results = Readonly<
  Record<string, { readonly data: ArrayLike<number | bigint>; readonly dims: readonly number[] }>
>;

export interface Engine {
  /** As reports call it: "kiln plain", "onnxruntime-web 1.30.0". */
  readonly label: string;
  readonly threads: number;
  run(): Results | Promise<Results>;
}

export type Package = "onnxruntime-web" | "onnxruntime-node" | "esbuild";

/** An engine that cannot be measured, and why. */
export class EngineMissing extends Error {}

export const kilnEngine = (label: string, threads: number, model: Model, feeds: Feeds): Engine => ({
  label,
  threads,
  run: () => model.runSync(feeds),
});

type Ort = typeof import("onnxruntime-web");

export interface SessionOptions {
  readonly threads?: number;
  /** Files of tensors that the model names, by location. */
  readonly external?: ReadonlyMap<string, Uint8Array>;
}

/**
 * A session of onnxruntime-web (in WebAssembly) or onnxruntime-node (native code) with all graph optimisations.
 *
 * onnxruntime-web starts once with a number of threads that then holds, so every session gets a copy of the package of
 * its own: CommonJS modules can be loaded again, ES modules cannot.
 *
 * @throws EngineMissing where the package is not installed, does not work here, or cannot run the model
 */
export async function openOnnxruntime(
  name: Package,
  model: Uint8Array,
  feeds: Feeds,
  { threads = 1, external = new Map() }: SessionOptions = {},
): Promise<Engine> {
  const ort = loadPackage(name);
  const isWeb = name === "onnxruntime-web";
  ort.env.logLevel = "error";
  if (isWeb) ort.env.wasm.numThreads = threads;
  const create = ort.InferenceSession.create as (
    model: Uint8Array | string,
    options: object,
  ) => Promise<InferenceSession>;
  const options = {
    executionProviders: [isWeb ? "wasm" : "cpu"],
    graphOptimizationLevel: "all",
    ...(!isWeb && { intraOpNumThreads: threads, interOpNumThreads: 1 }),
    ...(isWeb && { externalData: [...external].map(([path, data]) => ({ path, data })) }),
  };
  const inputs = ortTensors(ort, feeds);
  const session = await opening(async () => {
    const opened =
      isWeb || external.size === 0
        ? await create(model, options)
        : await inFolder(model, external, (path) => create(path, options));
    await opened.run(inputs);
    return opened;
  });
  const version = ort.env.versions[isWeb ? "web" : "node"];
  return {
    label: `${name} ${version}${isWeb ? "" : " (native)"}`,
    threads,
    run: async () => (await session.run(inputs)) as unknown as Results,
  };
}

/** onnxruntime-node reads external data from files beside the model only: they lie in a folder while it opens them. */
async function inFolder<T>(
  model: Uint8Array,
  external: ReadonlyMap<string, Uint8Array>,
  open: (path: string) => Promise<T>,
): Promise<T> {
  return inTemporaryFolder("kiln-model-", async (folder) => {
    for (const [location, data] of external) {
      const path = join(folder, location);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, data);
    }
    const path = join(folder, "model.onnx");
    await writeFile(path, model);
    return await open(path);
  });
}

/** A model that an engine cannot run is no fault of ours: some know fewer operators, or types. */
async function opening<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (cause) {
    const [line] = `${cause instanceof Error ? cause.message : cause}`.split("\n");
    throw new EngineMissing(`it cannot run the model: ${line}`);
  }
}

export const ortTensors = (ort: Ort, feeds: Feeds) =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type as "float32", data as Float32Array, dims),
    ]),
  );

function loadPackage(name: Package): Ort {
  const require = createRequire(import.meta.url);
  for (const file of Object.keys(require.cache)) {
    if (/[\\/]onnxruntime-(web|common)[\\/]/.test(file)) delete require.cache[file];
  }
  try {
    return require(name) as Ort;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    const isAbsent = (cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    throw new EngineMissing(isAbsent ? "not installed" : `cannot be loaded: ${message}`);
  }
}

/** Folder of an installed package's main file, or null. */
export function packageFile(name: Package): string | null {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return null;
  }
}
