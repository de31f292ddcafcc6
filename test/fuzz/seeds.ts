/** The valid models that are mutated: networks made here, and ONNX's operator tests where their folder is. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildModel } from "../onnx/build-model.js";
import { seedModels } from "./seed-models.js";
import { getField, parseMessage, textOf } from "./wire.js";

export interface Seed {
  readonly name: string;
  readonly model: Uint8Array;
  /** TensorProto bytes of inputs, by name: values that make sense to the model. */
  readonly data: ReadonlyMap<string, Uint8Array>;
}

/** Larger files hold nothing but more numbers. */
const largest = 32 * 1024;

/** @param directory folder of ONNX's operator tests, read where it is there */
export function loadSeeds(directory: string): Seed[] {
  const made = Object.entries(seedModels).map(([name, spec]) => ({
    name,
    model: buildModel(spec),
    data: new Map<string, Uint8Array>(),
  }));
  if (!existsSync(directory)) return made;
  const folders = readdirSync(directory).sort();
  const tests = folders.flatMap((name) => {
    const path = join(directory, name, "model.onnx");
    if (!existsSync(path) || statSync(path).size > largest) return [];
    const model = new Uint8Array(readFileSync(path));
    return [{ name, model, data: dataOf(join(directory, name, "test_data_set_0")) }];
  });
  return [...made, ...tests];
}

/** The test's inputs by the names in their files, which are those of the model's inputs. */
function dataOf(folder: string): Map<string, Uint8Array> {
  const data = new Map<string, Uint8Array>();
  if (!existsSync(folder)) return data;
  for (const file of readdirSync(folder)) {
    const path = join(folder, file);
    if (!/^input_\d+\.pb$/.test(file) || statSync(path).size > largest) continue;
    const bytes = new Uint8Array(readFileSync(path));
    const name = tensorName(bytes);
    if (name !== undefined) data.set(name, bytes);
  }
  return data;
}

/** Undefined for what is no tensor: sequences and optionals have files of the same kind. */
function tensorName(bytes: Uint8Array): string | undefined {
  try {
    const tensor = parseMessage(bytes, "Tensor");
    return getField(tensor, 2) === undefined ? undefined : textOf(getField(tensor, 8)?.value);
  } catch {
    return undefined;
  }
}
