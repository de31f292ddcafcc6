/** Tuning databases as files. */

import { readFile } from "node:fs/promises";
import { parseTuning, type TuningDatabase } from "../tuning/database.js";
import { fileError } from "./failure.js";

export async function readTuning(path: string): Promise<TuningDatabase> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw fileError("read", path, error);
  }
  return parseTuning(text);
}
