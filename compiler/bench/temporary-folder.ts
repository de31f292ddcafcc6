/** Folders for files that another process or engine has to read from disk. */

import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A folder that is gone when `use` is done, and on Ctrl-C: the copy of a model that lies in it may be large. */
export async function inTemporaryFolder<T>(prefix: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  const remove = (): void => {
    for (const signal of signals) process.off(signal, interrupt);
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupt = (signal: NodeJS.Signals): void => {
    remove();
    // Nobody listens now, so that the process ends as it would have.
    process.kill(process.pid, signal);
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await use(folder);
  } finally {
    remove();
  }
}
