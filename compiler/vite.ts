/**
 * `onnx-kiln/vite`: a plugin with which an app imports a model as it imports any other file.
 *
 *     import loadModel from "./model.onnx?kiln";
 *     const model = await loadModel();
 *
 * The model is compiled while the app is built, or served, into Vite's cache folder: the module and the loader that
 * `kiln compile` writes. What was compiled before with the same options is taken from there.
 */

import { basename, join } from "node:path";
import { type CacheableOptions, compileCached } from "./cache.js";
import { parseDim, parseFeatures, parseInputShape, parseLevel, parseWeights } from "./cli/flags.js";
import { externalDataOf, readModel } from "./cli/model-file.js";
import { formatBytes, formatTime } from "./cli/units.js";
import { KilnError } from "./diagnostics.js";

/** Options for all models of an app; those in the query of an import come before them. */
export type KilnPluginOptions = Omit<CacheableOptions, "name">;

/** The part of Vite's plugin interface that is used: Vite 5 and later. */
export interface KilnPlugin {
  readonly name: "onnx-kiln";
  readonly enforce: "pre";
  configResolved(config: {
    readonly cacheDir: string;
    readonly logger: { info(message: string): void };
  }): void;
  load(this: { addWatchFile(id: string): void }, id: string): Promise<string | undefined>;
}

/**
 * The plugin, for `plugins` in `vite.config.js`.
 *
 * In a query, `features`, `dim`, `input-shape`, `O`, `weights` and `strict` mean what the flags of `kiln compile` mean:
 * `./model.onnx?kiln&features=relaxed-simd&dim=batch=1`.
 */
export function kiln(options: KilnPluginOptions = {}): KilnPlugin {
  let folder = "node_modules/.vite/onnx-kiln";
  let say = (_message: string): void => {};
  return {
    name: "onnx-kiln",
    enforce: "pre",
    configResolved({ cacheDir, logger }) {
      folder = join(cacheDir, "onnx-kiln");
      say = (message) => logger.info(`kiln: ${message}`);
    },
    async load(id) {
      const [path, query = ""] = id.split("?", 2) as [string, string?];
      const parameters = new URLSearchParams(query);
      if (!parameters.has("kiln")) return undefined;
      this.addWatchFile(path);
      const loader = await compiled(path, { ...options, ...queryOptions(parameters, id) }, folder, say);
      const specifier = JSON.stringify(loader.replaceAll("\\", "/"));
      return `export * from ${specifier};\nexport { load as default } from ${specifier};\n`;
    },
  };
}

/** How a parameter of a query adds to the options; one that is there twice adds twice. */
const parameterOptions: Readonly<
  Record<string, (text: string, options: KilnPluginOptions) => KilnPluginOptions>
> = {
  kiln: () => ({}),
  features: (text, { features }) => ({ features: parseFeatures(text, features) }),
  dim: (text, { dims }) => ({ dims: parseDim(text, dims) }),
  "input-shape": (text, { inputShapes }) => ({
    inputShapes: parseInputShape(text, inputShapes as Record<string, readonly number[]>),
  }),
  O: (text) => ({ optimize: parseLevel(text) }),
  weights: (text) => ({ weights: parseWeights(text) }),
  strict: (text) => ({ strict: text !== "false" }),
};

/** Parameters that Vite adds to what it loads. */
const ofVite = ["import", "t", "v"];

function queryOptions(parameters: URLSearchParams, id: string): KilnPluginOptions {
  let options: KilnPluginOptions = {};
  for (const [name, text] of parameters) {
    if (ofVite.includes(name)) continue;
    const add = Object.hasOwn(parameterOptions, name) ? parameterOptions[name]! : undefined;
    if (add === undefined) {
      const known = Object.keys(parameterOptions).join(", ");
      throw new KilnError("E_INPUT", `${id}: there is no option "${name}" for models`, {
        hint: `there are ${known}`,
      });
    }
    try {
      options = { ...options, ...add(text, options) };
    } catch (error) {
      throw new KilnError("E_INPUT", `${id}: ${name}: ${(error as Error).message}`);
    }
  }
  return options;
}

/** Path of the loader of the model, which is compiled where the cache does not have it. */
async function compiled(
  path: string,
  options: KilnPluginOptions,
  folder: string,
  say: (message: string) => void,
): Promise<string> {
  const model = await readModel(path, process);
  const file = basename(path);
  try {
    const { loader } = await compileCached(
      { bytes: model.bytes, externalData: await externalDataOf(model) },
      { ...options, name: safeName(model.name) },
      {
        folder,
        onCompile: () => say(`compiling ${file}`),
        onCompiled: ({ wasm, report }) =>
          say(`compiled ${file} in ${formatTime(report.compileMs)}, ${formatBytes(wasm.length)}`),
      },
    );
    return loader;
  } catch (error) {
    // An app may import many models, and Vite does not say which one it was.
    if (error instanceof KilnError) throw new KilnError(error.code, `${path}: ${error.message}`);
    throw error;
  }
}

/** A name that needs no quoting in a URL or a path. */
const safeName = (name: string): string => name.replace(/[^\w.-]+/g, "_") || "model";
