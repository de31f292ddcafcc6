/**
 * Compiled models on disk: one folder for each model, version of Kiln and set of options. An entry is written under
 * another name and renamed once it is whole, so that any number of processes may share a cache.
 */

import { createHash, type Hash, randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
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
  /** Told before a model is compiled that is not in the cache, and after, before it is written to the cache. */
  readonly onCompile?: () => void;
  readonly onCompiled?: (artifact: Artifact) => void;
}

/** Lists, in an entry of its own, the external data that a model asks for. */
const externalFile = "external.json";

/** Tells how long the files of an entry are. */
const sizesFile = "sizes.json";

/** Entries that nobody has asked for in this time are removed. */
const unusedDays = 30;

/** Names of entries, whole or left half-written by a process that was killed: nothing else in the folder is touched. */
const entryName = /^[0-9a-f]{32}(\.[0-9a-f]{12}\.tmp)?$/;

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
  const knownKey = keyWith(modelKey, new Map(await Promise.all(data)));
  const known = entryOf(knownKey);
  if (await isWhole(join(cache.folder, knownKey))) {
    await markUsed(join(cache.folder, knownKey));
    if (knownKey !== modelKey) await markUsed(join(cache.folder, modelKey));
    return known;
  }

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
  cache.onCompiled?.(artifact);
  await removeUnused(cache.folder);
  const key = keyWith(modelKey, digests);
  if (digests.size > 0) {
    await publish(join(cache.folder, modelKey), { [externalFile]: JSON.stringify([...digests.keys()]) });
  }
  await publish(join(cache.folder, key), filesOf(artifact, options.name));
  return entryOf(key);
}

/** Imported here: Binaryen takes a second to start, and what is in the cache does without. */
export async function compileModel(bytes: Uint8Array, options: CompileOptions): Promise<Artifact> {
  const { compile } = await import("./index.js");
  return compile(bytes, options);
}

function filesOf({ wasm, weights, js, dts }: Artifact, name: string): Record<string, Uint8Array | string> {
  const files = {
    [`${name}.wasm`]: wasm,
    ...(weights !== undefined && { [`${name}.weights`]: weights }),
    [`${name}.mjs`]: js,
    [`${name}.d.mts`]: dts,
  };
  const sizes = Object.entries(files).map(([file, data]) => [file, Buffer.byteLength(data)]);
  return { ...files, [sizesFile]: JSON.stringify(Object.fromEntries(sizes)) };
}

/** Whether all files of an entry are there in full length; one that a crash or a person has damaged is removed. */
async function isWhole(folder: string): Promise<boolean> {
  // Entries appear whole: one that another process puts there from here on is not taken for a damaged one.
  if (!existsSync(folder)) return false;
  try {
    const sizes = JSON.parse(await readFile(join(folder, sizesFile), "utf8")) as Record<string, number>;
    for (const [file, size] of Object.entries(sizes)) {
      if ((await stat(join(folder, file))).size !== size) throw new Error(`${file} is damaged`);
    }
    return true;
  } catch {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    return false;
  }
}

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

/** An entry's time is that of its last use. */
async function markUsed(folder: string): Promise<void> {
  const now = new Date();
  // A cache that may only be read, such as one of a container's image, serves as well; nothing is removed from it.
  await utimes(folder, now, now).catch(() => {});
}

/** Removes what has not been used for long. Called where a model was compiled, beside which it takes no time. */
async function removeUnused(folder: string): Promise<void> {
  const oldest = Date.now() - unusedDays * 24 * 60 * 60 * 1000;
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((name) => entryName.test(name))) {
    const path = join(folder, name);
    // Another process may remove the same.
    const used = await stat(path).catch(() => undefined);
    if (used !== undefined && used.mtimeMs < oldest) {
      await rm(path, { recursive: true, force: true }).catch(() => {});
    }
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
