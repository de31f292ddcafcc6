/** The modules that the pages load: compiled on the first start, kept in a folder from then on. */

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type CompileOptions, compile } from "onnx-kiln";
import { readModel } from "../ocr/model-files.js";
import { inputDims, inputName, type ModelName } from "../ocr/models.js";
import { frameInputShapes } from "../vad/frames.js";
import { root, scriptFolder } from "./root.js";

interface Source {
  readonly name: string;
  readonly read: () => Promise<Uint8Array>;
  readonly options: CompileOptions;
}

const ocrSource = (model: ModelName): Source => ({
  name: model,
  read: () => readModel(model),
  options: { name: model, inputShapes: { [inputName]: inputDims(model) } },
});

const sources: readonly Source[] = [
  ocrSource("detection"),
  ocrSource("direction"),
  ocrSource("recognition"),
  {
    name: "vad",
    read: async () => {
      const folder = dirname(createRequire(import.meta.url).resolve("@ricky0123/vad-web/package.json"));
      return await readFile(join(folder, "dist/silero_vad_v5.onnx"));
    },
    options: { name: "vad", inputShapes: frameInputShapes, states: { state: "stateN" } },
  },
];

const cacheFolder = join(root, "node_modules/.cache/onnx-kiln-samples");

/** The compiled modules by name. `onCompile` is told of each that is not there yet. */
export async function openModels(onCompile: (name: string) => void): Promise<Map<string, Uint8Array>> {
  await mkdir(cacheFolder, { recursive: true });
  const compiler = await compilerDigest();
  const modules = new Map<string, Uint8Array>();
  for (const { name, read, options } of sources) {
    const model = await read();
    const digest = createHash("sha256").update(compiler).update(JSON.stringify(options)).update(model);
    const file = join(cacheFolder, `${name}-${digest.digest("hex").slice(0, 16)}.wasm`);
    modules.set(
      name,
      await cached(file, async () => {
        onCompile(name);
        return (await compile(model, options)).wasm;
      }),
    );
  }
  return modules;
}

/** Changes with the compiler, as far as its entry and its package tell. */
async function compilerDigest(): Promise<string> {
  const entry = await readFile(join(scriptFolder, "compiler/index.js"));
  const manifest = await readFile(join(root, "package.json"));
  return createHash("sha256").update(entry).update(manifest).digest("hex");
}

async function cached(file: string, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch {
    const bytes = await make();
    // Under its name only when it is whole, for whoever else starts at the same time.
    await writeFile(`${file}.${process.pid}`, bytes);
    await rename(`${file}.${process.pid}`, file);
    return bytes;
  }
}
