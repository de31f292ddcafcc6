/** Compiles a source to a WebAssembly.Module, and explains it when that fails. */

import { KilnRuntimeError } from "./errors.js";
import { type Segment, takeData } from "./segments.js";
import { diagnose, isLocation, open, type Source, type SourceOptions } from "./source.js";

/** A compiled module, or where to get the bytes of one. */
export type ModuleSource = Source | WebAssembly.Module;

export interface Compiled {
  module: WebAssembly.Module;
  /** Data that are to be written to an instance's memory: the module is without them. */
  data?: readonly Segment[];
}

/** Compiles while the bytes arrive, where the engine can. A Module is taken as it is. Throws E_LOAD. */
export async function compile(source: ModuleSource, options: SourceOptions): Promise<Compiled> {
  if (isModule(source)) return { module: source };
  let opened = await open(source, options);
  const { response, label } = opened;
  if (response && streams(response)) {
    try {
      return { module: await WebAssembly.compileStreaming(response) };
    } catch (cause) {
      // The body is spent. Read a URL once more (most likely from the cache), to see what was wrong with it.
      if (isLocation(source)) opened = await open(source, options);
      else if (response.bodyUsed) throw refused(label, cause, "");
    }
  }
  const bytes = await opened.bytes();
  if (`${bytes.subarray(0, 4)}` !== "0,97,115,109") {
    throw new KilnRuntimeError("E_LOAD", `${label}: not a WebAssembly module${diagnose(bytes)}`);
  }
  const { code = bytes, data = [] } = takeData(bytes) ?? {};
  try {
    return { module: await WebAssembly.compile(code as Uint8Array<ArrayBuffer>), data };
  } catch (cause) {
    throw refused(label, cause, needs(bytes));
  }
}

// By its tag: a module of another realm is no instance of ours.
const isModule = (source: ModuleSource): source is WebAssembly.Module =>
  (source as { [Symbol.toStringTag]?: string })?.[Symbol.toStringTag] === "WebAssembly.Module";

/** Whether the engine can compile from the response itself: it insists on the exact MIME type. */
const streams = ({ headers }: Response): boolean =>
  "compileStreaming" in WebAssembly &&
  headers.get("content-type")?.trim().toLowerCase() === "application/wasm";

function refused(label: string, cause: unknown, needed: string): KilnRuntimeError {
  const { message } = cause as Error;
  const hint = /disallow|blocked|CSP|policy/i.test(message)
    ? ". The page's Content-Security-Policy must allow 'wasm-unsafe-eval' in script-src; " +
      "where code cannot be compiled at all, import the WebAssembly.Module and pass it"
    : needed;
  return new KilnRuntimeError(
    "E_LOAD",
    `${label}: the engine cannot compile the module: ${message}${hint}`,
    cause,
  );
}

/** Where the section with the metadata begins: it is the module's last. */
const LAST_BYTES = 2 ** 20;

/** The features that the module says it needs, and what to do where the engine lacks one. */
function needs(bytes: Uint8Array): string {
  // An engine reads sections of modules only that it compiles.
  const text = new TextDecoder().decode(bytes.slice(-LAST_BYTES));
  const features = /"features":\["([^\]]+)"\]/.exec(text)?.[1];
  if (!features) return "";
  const without = /threads/.test(features) ? "threads" : /relaxed/.test(features) ? "relaxedSimd" : "simd";
  return (
    `. It needs the features ${features.replaceAll('","', ", ")}: where the engine lacks one, ` +
    `compile the model without it (features: { ${without}: false })`
  );
}
