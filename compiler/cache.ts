/**
 * Compiled models on disk: one folder for each model, version of Kiln and set of options. An entry is written under
 * another name and renamed once it is whole, so that any number of processes may share a cache.
 */

import { createHash, type Hash, randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "./cli/output-files.js";
import { packageInfo } from "./cli/package-info.js";
import type { Artifact, CompileOptions } from "./options.js";

/** Options that say how a model is compiled, and not what happens meanwhile. */
export type CacheableOptions = Omit<
  CompileOptions,
  "externalData" | "onPass" | "onStage" | "onChoice" | "host"
>;

export interface UncompiledModel {
  readonly bytes: Uint8Array;
  readonly externalData: NonNullable<CompileOptions["externalData"]>;
}

/** Paths of what was compiled, which lie in one folder. */
export interface CacheEntry {
  readonly module: string;
  readonly loader: string;
}

export interface CacheOptions {
  readonly folder: string;
  /** Told before a model is compiled that is not in the cache, and after. */
  readonly onCompile?: () => void;
  readonly onCompiled?: (artifact: Artifact) => void;
}

/** Lists, in an entry of its own, the external data that a model asks for. */
const externalFile = "external.json";

/** What is being made in this process, by the key of the model. */
const pending = new Map<string, Promise<unknown>>();

/** The compiled model: from the cache or, where it does not have it, compiled into it. `options.name` names the files. */
export function compileCached(
  model: UncompiledModel,
  options: CacheableOptions & { readonly name: string },
  cache: CacheOptions,
): Promise<CacheEntry> {
  const key = keyOf(model, options);
  const path = join(cache.folder, key);
  const find = (): Promise<CacheEntry> => findOrCompile(model, options, cache, key);
  // Who asks meanwhile waits, and then looks: the entry is not theirs where their external data are others.
  const entry = (pending.get(path) ?? Promise.resolve()).then(find, find);
  pending.set(path, entry);
  const done = (): void => {
    if (pending.get(path) === entry) pending.delete(path);
  };
  entry.then(done, done);
  return entry;
}

async function findOrCompile(
  model: UncompiledModel,
  options: CacheableOptions & { readonly name: string },
  cache: CacheOptions,
  modelKey: string,
): Promise<CacheEntry> {
  const entryOf = (key: string): CacheEntry => ({
    module: join(cache.folder, key, `${options.name}.wasm`),
    loader: join(cache.folder, key, `${options.name}.mjs`),
  });
  const locations = await readLocations(join(cache.folder, modelKey, externalFile));
  const data = locations.map(
    async (location) => [location, digest(await model.externalData(location))] as const,
  );
  const known = entryOf(keyWith(modelKey, new Map(await Promise.all(data))));
  if (existsSync(known.loader)) return known;

  cache.onCompile?.();
  const digests = new Map<string, string>();
  const artifact = await compileModel(model.bytes, {
    ...options,
    async externalData(location) {
      const bytes = await model.externalData(location);
      digests.set(location, digest(bytes));
      return bytes;
    },
  });
  const key = keyWith(modelKey, digests);
  if (digests.size > 0) {
    await publish(join(cache.folder, modelKey), { [externalFile]: JSON.stringify([...digests.keys()]) });
  }
  await publish(join(cache.folder, key), filesOf(artifact, options.name));
  cache.onCompiled?.(artifact);
  return entryOf(key);
}

/** Imported here: Binaryen takes a second to start, and what is in the cache does without. */
export async function compileModel(bytes: Uint8Array, options: CompileOptions): Promise<Artifact> {
  const { compile } = await import("./index.js");
  return compile(bytes, options);
}

const filesOf = (
  { wasm, weights, js, dts }: Artifact,
  name: string,
): Record<string, Uint8Array | string> => ({
  [`${name}.wasm`]: wasm,
  ...(weights !== undefined && { [`${name}.weights`]: weights }),
  [`${name}.mjs`]: js,
  [`${name}.d.mts`]: dts,
});

async function readLocations(path: string): Promise<string[]> {
  return existsSync(path) ? JSON.parse(await readFile(path, "utf8")) : [];
}

/** Puts a folder with these files in its place, whole; one that another process has put there stays. */
async function publish(folder: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  const temporary = `${folder}.${randomBytes(6).toString("hex")}.tmp`;
  makeFolder(temporary);
  try {
    for (const [name, data] of Object.entries(files)) await writeFile(join(temporary, name), data);
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

function keyOf({ bytes }: UncompiledModel, options: CacheableOptions): string {
  const { version } = packageInfo();
  // A compiler that is built from source changes under the same version.
  const built = statSync(new URL(import.meta.url)).mtimeMs;
  const hash = createHash("sha256").update(JSON.stringify([version, built, options]));
  return short(hash.update(bytes));
}

function keyWith(modelKey: string, digests: ReadonlyMap<string, string>): string {
  if (digests.size === 0) return modelKey;
  const data = [...digests].sort(([a], [b]) => (a < b ? -1 : 1));
  return short(createHash("sha256").update(JSON.stringify([modelKey, data])));
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const short = (hash: Hash): string => hash.digest("hex").slice(0, 32);
