/** onnx-kiln/runtime: loads and runs compiled models. Depends on nothing, and on no Node built-in at import time. */

import { KilnRuntimeError } from "./errors.js";
import { decodeMetadata, METADATA_SECTION } from "./metadata.js";
import { createModel, type Model } from "./model.js";

export type { TensorType } from "./elements.js";
export { KilnRuntimeError, type RuntimeErrorCode } from "./errors.js";
export type { Model } from "./model.js";
export { type Feed, Tensor, type TensorInfo, type TensorLike } from "./tensor.js";

export async function load(source: BufferSource | WebAssembly.Module): Promise<Model> {
  const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
  const [section] = WebAssembly.Module.customSections(module, METADATA_SECTION);
  if (!section) throw new KilnRuntimeError("E_ABI", "not a Kiln module: it has no custom section `kiln`");
  return createModel(await WebAssembly.instantiate(module), decodeMetadata(section));
}
