/**
 * onnx-kiln/ort where there is a compiler: in Node, Deno and Bun. Sessions take ONNX models, which are compiled as they
 * come and kept on disk. The types are those of runtime/ort, of which this is the other half.
 */

import { env, Tensor } from "../../runtime/ort/index.js";
import { createSessionClass } from "../../runtime/ort/session-class.js";
import { openOrCompile } from "./open.js";

export { env, Tensor };
export const InferenceSession = createSessionClass(openOrCompile);
export default { env, InferenceSession, Tensor };
