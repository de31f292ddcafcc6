import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Folder of the package: pages and pictures lie with the sources, which the TypeScript compiler does not copy. */
export const root = dirname(createRequire(import.meta.url).resolve("onnx-kiln/package.json"));

export const sourceFolder = join(root, "samples");

/** What the TypeScript compiler has made of the sources. */
export const scriptFolder = join(root, "dist");
