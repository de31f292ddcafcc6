/** Folders laid out like ONNX's backend tests: `NAME/model.onnx`, `NAME/test_data_set_N/{input,output}_K.pb`. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { decodeTensorProto } from "../../compiler/onnx/tensor.js";

export interface Case {
  readonly name: string;
  readonly model: Uint8Array<ArrayBuffer>;
  readonly folder: string;
}

export interface DataSet {
  readonly inputs: readonly TensorData[];
  readonly outputs: readonly TensorData[];
}

const read = (path: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(path));

/** The cases of a folder by name, in order. */
export function* casesOf(directory: string): Generator<Case> {
  for (const name of readdirSync(directory).sort()) {
    const folder = join(directory, name);
    if (!existsSync(join(folder, "model.onnx"))) continue;
    yield { name, folder, model: read(join(folder, "model.onnx")) };
  }
}

/** Inputs and expected outputs, in the order of the model's. */
export function dataSetsOf({ folder }: Case): DataSet[] {
  return readdirSync(folder)
    .filter((entry) => entry.startsWith("test_data_set_"))
    .sort()
    .map((entry) => {
      const tensors = (kind: string): TensorData[] => {
        const found: TensorData[] = [];
        for (let i = 0; existsSync(join(folder, entry, `${kind}_${i}.pb`)); i++) {
          found.push(decodeTensorProto(read(join(folder, entry, `${kind}_${i}.pb`))));
        }
        return found;
      };
      return { inputs: tensors("input"), outputs: tensors("output") };
    });
}
