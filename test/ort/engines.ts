/** Both engines in Node: Kiln as onnxruntime-web's users see it, and onnxruntime-web. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as rival from "onnxruntime-web";
import { afterAll, beforeAll } from "vitest";
import * as kilnOrt from "../../compiler/ort/index.js";
import type { Engine } from "./outcomes.js";

// That the one is assignable to the other is a test of its own: types.test.ts.
export const kiln = kilnOrt as unknown as Engine & { env: { kiln: { cacheFolder?: string | false } } };

/** Sets both engines up for the tests of a file. Gives the path of a file in a folder that they have for themselves. */
export function useEngines(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), "kiln-ort-"));
  beforeAll(() => {
    kiln.env.kiln.cacheFolder = join(folder, "cache");
    rival.env.wasm.numThreads = 1;
    rival.env.logLevel = "fatal";
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}
