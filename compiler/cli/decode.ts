/** Decodes a model as the flags say, for commands that look at it without compiling it. */

import { dimSymbols } from "../ir/dim.js";
import { decodeModel } from "../onnx/decode.js";
import type { ImportOptions } from "../onnx/import.js";
import { type InputSizes, inputTypes } from "../onnx/import-inputs.js";
import type { OnnxModel } from "../onnx/model.js";
import { withDefaultLimits } from "../options.js";
import type { ModelFlags } from "./compile-flags.js";
import { externalDataOf, type ModelFile } from "./model-file.js";

export async function decodeFile(file: ModelFile, flags: ModelFlags): Promise<OnnxModel> {
  const externalData = await externalDataOf(file, flags.externalDataRoot);
  return decodeModel(file.bytes, { limits: withDefaultLimits(), externalData });
}

export const importOptions = ({ dim = {}, inputShape = {} }: ModelFlags): ImportOptions => ({
  dims: dim,
  inputShapes: inputShape,
  limits: withDefaultLimits(),
});

/** The dims of the inputs that no flag binds, by the names that `--dim` takes. */
export function openDims({ graph }: OnnxModel, sizes: InputSizes): string[] {
  const shapes = inputTypes(graph.inputs, sizes).map((input) => ("type" in input ? input.type.shape : []));
  return [...new Set(shapes.flat().flatMap((dim) => [...dimSymbols(dim)]))];
}
