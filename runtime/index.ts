/** onnx-kiln/runtime: loads and runs compiled models. Depends on nothing, and on no Node built-in at import time. */

export type { ModuleSource } from "./compile.js";
export type { TensorDataMap, TensorType, TypedArray } from "./elements.js";
export { KilnRuntimeError, type RuntimeErrorCode } from "./errors.js";
export { type LoadOptions, load } from "./load.js";
export type { Model } from "./model.js";
export type { Source } from "./source.js";
export { type Feed, Tensor, type TensorData, type TensorInfo, type TensorLike } from "./tensor.js";
