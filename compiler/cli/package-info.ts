/** What package.json says of the program. */

import { readFileSync } from "node:fs";

export interface PackageInfo {
  readonly name: string;
  readonly version: string;
  /** Where bugs are reported, where the package says so. */
  readonly bugs: string | undefined;
}

/** Read relative to this file, which lies two folders deeper once it is built. */
export function packageInfo(): PackageInfo {
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      const { name, version, bugs } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (name === "onnx-kiln") return { name, version, bugs: typeof bugs === "string" ? bugs : bugs?.url };
    } catch {} // not there: it is in the other folder
  }
  return { name: "onnx-kiln", version: "unknown", bugs: undefined };
}
