/**
 * Writes files that belong together: all of them or none. Each is written under another name in its folder; once all
 * are there, they are renamed. What a rename replaces is kept until the last one is done. On failure, and on Ctrl-C,
 * everything is as it was.
 */

import { randomBytes } from "node:crypto";
import { constants, existsSync, mkdirSync, statSync } from "node:fs";
import { access, open, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CommandError, fileError, Interrupted } from "./failure.js";

export interface OutputFile {
  readonly path: string;
  readonly data: Uint8Array | string;
}

/** Says early, before work is done in vain, that a file cannot be written. */
export async function checkWritable(path: string): Promise<void> {
  try {
    await kindOf(path);
    let folder = dirname(resolve(path));
    while (!existsSync(folder)) folder = dirname(folder);
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error(), { code: "ENOTDIR" });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/** Raises CommandError naming the file that cannot be written, or Interrupted. */
export async function writeFiles(files: readonly OutputFile[]): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  const changes = new Changes();
  try {
    const written: (string | undefined)[] = [];
    for (const file of files) written.push(await changes.write(file, interruption.signal));
    for (const [i, temporary] of written.entries()) {
      if (temporary !== undefined) await changes.replace(files[i]!.path, temporary);
    }
    await changes.keep();
  } catch (error) {
    await changes.undo();
    throw error;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** What was done to the file system, and how to take it back. */
class Changes {
  /** In order; taken back from the last to the first. */
  private readonly undos: (() => Promise<unknown>)[] = [];
  private readonly backups: string[] = [];

  /** Writes the file's data under a name of its own, which is returned; what cannot be renamed, in its place. */
  async write({ path, data }: OutputFile, signal: AbortSignal): Promise<string | undefined> {
    try {
      if ((await kindOf(path)) === "device") return void (await writeFile(path, data));
      makeFolder(dirname(resolve(path)), (made) => this.undos.push(() => rmdir(made)));
      const temporary = beside(path, "tmp");
      const handle = await open(temporary, "wx");
      this.undos.push(() => rm(temporary, { force: true }));
      try {
        for (const chunk of chunksOf(typeof data === "string" ? new TextEncoder().encode(data) : data)) {
          if (signal.aborted) throw new Interrupted();
          await handle.writeFile(chunk);
        }
      } finally {
        await handle.close();
      }
      if (signal.aborted) throw new Interrupted();
      return temporary;
    } catch (error) {
      throw fileError("write", path, error);
    }
  }

  async replace(path: string, temporary: string): Promise<void> {
    try {
      if (existsSync(path)) {
        const backup = beside(path, "old");
        await rename(path, backup);
        this.undos.push(() => rename(backup, path));
        this.backups.push(backup);
      }
      await rename(temporary, path);
      this.undos.push(() => rename(path, temporary));
    } catch (error) {
      throw fileError("write", path, error);
    }
  }

  async keep(): Promise<void> {
    for (const backup of this.backups) await rm(backup, { force: true });
  }

  async undo(): Promise<void> {
    // The first error is the one to tell of: those on the way back follow from it.
    for (const undo of this.undos.reverse()) await undo().catch(() => {});
  }
}

/** Makes the folder and those above it; calls back with each that was not there. */
export function makeFolder(folder: string, made: (folder: string) => void = () => {}): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent, made);
  // Not `recursive`: where a parent is there but takes no folders (/proc), Node 20 then tries without end.
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process has made it meanwhile.
    if (existsSync(folder) && statSync(folder).isDirectory()) return;
    throw error;
  }
  made(folder);
}

const beside = (path: string, extension: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.${extension}`);

/** A "device" is anything that is no file, such as /dev/null or a pipe. Refuses folders; and `-`, which for other flags is stdout. */
async function kindOf(path: string): Promise<"file" | "device"> {
  if (path === "-") {
    throw new CommandError("cannot write to stdout: this goes to a file", {
      hint: "a file that is called so is ./-",
    });
  }
  const status = await stat(path).catch(() => undefined); // not there, so a file
  if (status?.isDirectory()) throw new CommandError(`cannot write ${path}: it is a folder`);
  return status === undefined || status.isFile() ? "file" : "device";
}

const chunkBytes = 2 ** 26;

/** Parts between which Ctrl-C is heard. */
function* chunksOf(data: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += chunkBytes) yield data.subarray(at, at + chunkBytes);
}
