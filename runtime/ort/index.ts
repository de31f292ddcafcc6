/**
 * onnx-kiln/ort: the interface of onnxruntime-web and onnxruntime-node over Kiln, so that code written for these runs
 * by a change of one import. This entry is for browsers and other hosts without a compiler; Node has another, which
 * compiles models as they come.
 */

import { env } from "./env.js";
import { InferenceSession } from "./session.js";
import { Tensor } from "./tensor.js";

export { type Env, env } from "./env.js";
export type * from "./image-types.js";
export * from "./session.js";
export * from "./tensor.js";
export default { env, InferenceSession, Tensor };
