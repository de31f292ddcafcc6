/** Compiles a source to a WebAssembly.Module, and explains it when that fails. */

import { KilnRuntimeError } from "./errors.js";
import { decodeMetadata, METADATA_SECTION } from "./metadata.js";
import { diagnose, isLocation, open, type Source, type SourceOptions } from "./source.js";

/** A compiled module, or where to get the bytes of one. */
export type ModuleSource = Source | WebAssembly.Module;

/** Compiles while the bytes arrive, where the engine can. A Module is returned as it is. Throws E_LOAD. */
export async function compile(source: ModuleSource, options: SourceOptions): Promise<WebAssembly.Module> {
  if (isModule(source)) return source;
  let opened = await open(source, options);
  const { response, label } = opened;
  if (response && streams(response)) {
    try {
      return await WebAssembly.compileStreaming(response);
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
  try {
    return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
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

/** The features that the module says it needs, and what to do where the engine lacks one. */
function needs(bytes: Uint8Array): string {
  try {
    const section = customSection(bytes, METADATA_SECTION);
    const features = section && decodeMetadata(section).features;
    if (!features?.length) return "";
    const without = features.includes("relaxed-simd") ? "relaxedSimd" : "simd";
    return (
      `. It needs the features ${features.join(", ")}: where the engine lacks one, ` +
      `compile the model without it (features: { ${without}: false })`
    );
  } catch {
    return ""; // Damaged metadata explain nothing; the engine's message stands.
  }
}

/** Payload of the first custom section of that name, found without an engine's help. */
function customSection(bytes: Uint8Array, name: string): Uint8Array<ArrayBuffer> | undefined {
  let at = 8; // after magic number and version
  const leb128 = () => {
    for (let value = 0, shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const id = bytes[at++];
    const size = leb128();
    const end = at + size;
    if (id === 0) {
      const length = leb128();
      const start = at + length;
      if (new TextDecoder().decode(bytes.slice(at, start)) === name) return bytes.slice(start, end);
    }
    at = end;
  }
  return undefined;
}
