/** Opens compiled modules: at the model's URL, beside it, or given as bytes. Nothing is compiled from ONNX here. */

import { KilnRuntimeError } from "../errors.js";
import { load } from "../index.js";
import type { Model } from "../model.js";
import { diagnose, type Opened, open } from "../source.js";
import { threadsOf } from "./options.js";
import type { InferenceSession } from "./session.js";

/**
 * The model at `source`: a URL at which the compiled module itself is served, or beside which it lies as `name.wasm`
 * where `name.onnx` is asked for. Throws E_LOAD, saying what to do, where there is none.
 */
export async function openModule(
  source: string | Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<Model> {
  if (typeof source !== "string") {
    if (!isModule(source)) throw notModule("the bytes of the model", source);
    return load(source, { threads: threadsOf(options) });
  }
  const beside = source.replace(/\.(onnx|ort)(?=$|[?#])/, ".wasm");
  try {
    return await openAt(source, options);
  } catch (error) {
    if (beside === source || (error as KilnRuntimeError).code !== "E_LOAD") throw error;
    return openAt(beside, options).catch((other: Error) => {
      throw new KilnRuntimeError("E_LOAD", `${(error as Error).message}. Beside it: ${other.message}`, error);
    });
  }
}

async function openAt(url: string, options: InferenceSession.SessionOptions): Promise<Model> {
  const opened = await open(url, {});
  const start = await startOf(opened);
  if (!isModule(start)) {
    await opened.response?.body?.cancel();
    throw notModule(url, start);
  }
  return load(opened.response ?? (await opened.bytes()), {
    threads: threadsOf(options),
    // Only looked at where the module was compiled with split weights.
    weights: url.replace(/\.(onnx|ort|wasm)(?=$|[?#])/, ".weights"),
  });
}

/** The first bytes, so that an ONNX model is not downloaded to find that it is none. */
async function startOf(opened: Opened): Promise<Uint8Array> {
  const reader = opened.response?.clone().body?.getReader();
  if (!reader) return opened.bytes();
  let start = new Uint8Array();
  for (let done = false; !done && start.length < 4; ) {
    const chunk = await reader.read();
    done = chunk.done;
    start = Uint8Array.of(...start, ...(chunk.value?.subarray(0, 100) ?? []));
  }
  // Not awaited: it settles only when the other branch is read or cancelled too.
  void reader.cancel();
  return start;
}

export const isModule = (bytes: Uint8Array): boolean => `${bytes.subarray(0, 4)}` === "0,97,115,109";

function notModule(label: string, bytes: Uint8Array): KilnRuntimeError {
  const what =
    diagnose(bytes) || ", so it is taken for an ONNX model, which has to be compiled before it comes here";
  return new KilnRuntimeError(
    "E_LOAD",
    `${label}: not a compiled module${what}. Run "npx kiln compile model.onnx -o model.wasm" and serve model.wasm ` +
      "beside the model, or in its place",
  );
}
