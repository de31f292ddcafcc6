/** External tensor data in files beside the model, for the command line. The only part of the decoder that needs Node. */

import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { KilnError } from "../diagnostics.js";
import { checkLocation } from "./external-data.js";

/**
 * Resolves external data to files in the model's folder. Symbolic links may lead to files in that folder or in
 * `options.root` (a download cache keeps its blobs elsewhere), and nowhere else.
 * The function returned raises KilnError E_EXTERNAL_DATA.
 */
export function fileExternalData(
  modelPath: string,
  options: { root?: string } = {},
): (location: string) => Uint8Array {
  const folder = dirname(modelPath);
  return (location) => {
    checkLocation(location);
    try {
      const path = realpathSync(join(folder, location));
      const roots = [folder, ...(options.root === undefined ? [] : [options.root])].map((root) =>
        realpathSync(root),
      );
      if (!roots.some((root) => isInside(root, path))) {
        throw new KilnError(
          "E_EXTERNAL_DATA",
          `${JSON.stringify(location)} leads out of the model's folder`,
          {
            hint: "allow another folder with --external-data-root",
          },
        );
      }
      return readRegularFile(path, location);
    } catch (error) {
      if (error instanceof KilnError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new KilnError("E_EXTERNAL_DATA", `${JSON.stringify(location)} cannot be read: ${reason}`);
    }
  };
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Opened without following a link put there since, without blocking on a pipe, and read through one descriptor. */
function readRegularFile(path: string, location: string): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  try {
    const status = fstatSync(file);
    if (!status.isFile()) {
      throw new KilnError("E_EXTERNAL_DATA", `${JSON.stringify(location)} is not a regular file`);
    }
    const bytes = new Uint8Array(status.size);
    // Node reads at most 2 GiB at a time.
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(file, bytes, done, Math.min(bytes.length - done, 2 ** 30), done);
      if (count === 0)
        throw new KilnError("E_EXTERNAL_DATA", `${JSON.stringify(location)} shrank while read`);
      done += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
