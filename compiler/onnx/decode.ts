/** ONNX bytes -> a decoded, checked model without functions. The front door of compiler/onnx. */

import { KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import { checkModel } from "./decode-check.js";
import { convertModel } from "./decode-graph.js";
import { type ExternalDataResolver, resolveExternalData } from "./external-data.js";
import { inlineFunctions } from "./functions.js";
import type { OnnxModel } from "./model.js";
import { modelProto } from "./schema.js";
import { readMessage } from "./schema-reader.js";

export interface DecodeOptions {
  readonly limits: Limits;
  /** Gives the bytes of a file that the model keeps tensors in. */
  readonly externalData?: ExternalDataResolver | undefined;
}

/**
 * Decodes an ONNX model: functions inlined, tensors resolved (views of `bytes` where possible), names checked, nodes
 * in topological order and named.
 * @throws KilnError
 *  - E_DECODE: the bytes are no ONNX model
 *  - E_MODEL: it contradicts itself or the specification
 *  - E_UNSUPPORTED: a tensor has elements that Kiln has no type for
 *  - E_LIMIT: too many nodes, too deep, or a tensor too large
 *  - E_EXTERNAL_DATA: external data is missing, of the wrong size, or its location not allowed
 */
export async function decodeModel(bytes: Uint8Array, options: DecodeOptions): Promise<OnnxModel> {
  const { limits } = options;
  refuseOtherFiles(bytes);
  const proto = readMessage(bytes, modelProto, limits);
  const files = await resolveExternalData(proto, options.externalData);
  const model = convertModel(proto, { limits, files, denseBytes: 0 });
  return checkModel(inlineFunctions(model, limits), limits);
}

/** How files begin that are often given in place of a model, and what to say of them. */
const otherFiles: readonly { start: RegExp | string; what: string; hint?: string }[] = [
  {
    start: "version https://git-lfs",
    what: "a Git LFS pointer, not the model itself",
    hint: "run `git lfs pull`, or download the file it stands for",
  },
  {
    start: /^\s*<(!doctype|html|head|body|\?xml)/i,
    what: "a web page, not a model",
    hint: "a download that failed or needs a login often leaves one",
  },
  {
    start: "PK\x03\x04",
    what: "a zip archive (PyTorch's own format is one)",
    hint: "unpack it, or export the model to ONNX",
  },
  { start: "\x1f\x8b", what: "gzip-compressed", hint: "unpack it first" },
  { start: /^....ORTM/s, what: "an ORT format model", hint: "give the .onnx file that it was made from" },
  { start: /^....TFL3/s, what: "a TensorFlow Lite model", hint: "convert it to ONNX" },
  { start: /^\s*[{[]\s*"/, what: "JSON, not a model" },
];

function refuseOtherFiles(bytes: Uint8Array): void {
  if (bytes.length === 0) throw new KilnError("E_DECODE", "the file is empty");
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  for (const { start: pattern, what, hint } of otherFiles) {
    if (typeof pattern === "string" ? start.startsWith(pattern) : pattern.test(start)) {
      throw new KilnError("E_DECODE", `the file is ${what}`, hint === undefined ? {} : { hint });
    }
  }
}
