/** ONNX bytes -> a decoded, checked model without functions. The front door of compiler/onnx. */

import { KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import { checkModel } from "./decode-check.js";
import { convertModel } from "./decode-graph.js";
import { type ExternalDataResolver, type ExternalFiles, resolveExternalData } from "./external-data.js";
import { inlineFunctions } from "./functions.js";
import type { OnnxModel } from "./model.js";
import { beginningOf, isText, refuseOtherFiles } from "./other-files.js";
import { type ModelProto, modelProto } from "./schema.js";
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
  const proto = readModel(bytes, limits);
  const files = await resolveExternalData(proto, options.externalData);
  const model = convertModel(proto, { limits, files, denseBytes: 0 });
  return checkModel(inlineFunctions(model, limits), limits);
}

/** The external files of a model, which is not decoded any further; throws as `decodeModel` does. */
export function externalFiles(
  bytes: Uint8Array,
  resolve: ExternalDataResolver,
  limits: Limits,
): Promise<ExternalFiles> {
  return resolveExternalData(readModel(bytes, limits), resolve);
}

function readModel(bytes: Uint8Array, limits: Limits): ModelProto {
  refuseOtherFiles(bytes);
  try {
    return readMessage(bytes, modelProto, limits);
  } catch (error) {
    if (!(error instanceof KilnError) || error.code !== "E_DECODE" || beginsAsModel(bytes)) throw error;
    // Where the decoder stopped says nothing of a file that never was a model.
    throw new KilnError("E_DECODE", `the file is no ONNX model: it begins with ${beginningOf(bytes)}`, {
      hint: "look whether the path or URL is the right one, and the download complete",
    });
  }
}

/** Whether the first field is one of a model's: if so, what follows is damaged. */
function beginsAsModel(bytes: Uint8Array): boolean {
  const field = modelProto.table.byNumber.get(bytes[0]! >>> 3)?.[1];
  return field?.wire === (bytes[0]! & 7) && !isText(bytes);
}
