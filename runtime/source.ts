/** Sources of bytes: opens what the user gave, be it bytes, a response, a URL or a file. */

import { copyInto } from "./copy.js";
import { KilnRuntimeError } from "./errors.js";

/** Bytes, or where to get them. In Node a `file:` URL or a plain path is read from disk; other URLs are fetched. */
export type Source = ArrayBufferLike | ArrayBufferView | Response | PromiseLike<Response> | URL | string;

export interface SourceOptions {
  /** Aborts loading: `load` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Used in place of the global `fetch`, for strings and URLs that are no files. */
  fetch?: typeof globalThis.fetch | undefined;
}

export interface Opened {
  /** What messages call it: its URL or path. */
  readonly label: string;
  readonly response?: Response;
  bytes(): Promise<Uint8Array>;
  /** Fills `target` and resolves to the source's length in bytes, or, if that is more, to some number beyond `target`. */
  copyTo(target: Uint8Array): Promise<number>;
}

interface FileHandle {
  stat(): Promise<{ size: number }>;
  read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** The part of node:fs/promises that we use, declared here so that the runtime needs no Node types. */
interface FileSystem {
  open(path: string | URL): Promise<FileHandle>;
  readFile(path: string | URL): Promise<Uint8Array>;
}

/** Opens the source. Throws E_LOAD, naming it, when it is not there. */
export async function open(source: Source, options: SourceOptions): Promise<Opened> {
  if (isLocation(source)) return openLocation(source, options);
  const given = isPromise(source) ? await named("the Response", source) : source;
  const tag = (given as { [Symbol.toStringTag]?: string } | undefined)?.[Symbol.toStringTag];
  if (tag === "Response") {
    const response = given as Response;
    return openResponse(response, response.url || "the Response", options);
  }
  if (ArrayBuffer.isView(given)) return openBytes(plainBytes(given));
  // Shared ones too.
  if (tag?.endsWith("ArrayBuffer")) return openBytes(new Uint8Array(given as ArrayBuffer));
  throw new KilnRuntimeError("E_LOAD", `cannot load from this source: ${tag ?? typeof given}`);
}

/** The bytes as a Uint8Array: Node's Buffer is one too, but its slice() and toString() do other things. */
const plainBytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Whether the source is a string or URL, which can be opened more than once. */
export const isLocation = (source: unknown): source is string | URL =>
  typeof source === "string" || (source as URL)?.[Symbol.toStringTag as never] === "URL";

const isPromise = (source: unknown): source is PromiseLike<Response> =>
  typeof (source as PromiseLike<Response> | undefined)?.then === "function";

async function openLocation(location: string | URL, options: SourceOptions): Promise<Opened> {
  const text = `${location}`;
  const label = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  const { process, location: base } = globalThis as {
    process?: { getBuiltinModule?(name: string): FileSystem };
    location?: unknown;
  };
  // Asked for when needed, so that bundlers see no import. Older than Node 20.16, it is not there.
  const files = process?.getBuiltinModule?.("node:fs/promises");
  // A scheme has two letters or more: one is a Windows drive.
  const scheme = /^([a-z][\w+.-]+):/i.exec(text)?.[1]?.toLowerCase();
  if (files && (scheme ? scheme === "file" : !base)) {
    return openFile(files, scheme ? new URL(text) : text, label);
  }
  const fetch = options.fetch ?? globalThis.fetch;
  const response = await named(label, fetch(location, { signal: options.signal ?? null }));
  return openResponse(response, label, options);
}

function openBytes(bytes: Uint8Array): Opened {
  return {
    label: "the bytes",
    bytes: async () => bytes,
    async copyTo(target) {
      copyInto(target, bytes.subarray(0, target.length), 0);
      return bytes.length;
    },
  };
}

function openResponse(response: Response, label: string, { signal }: SourceOptions): Opened {
  const { ok, status, statusText } = response;
  if (!ok) {
    throw new KilnRuntimeError("E_LOAD", `${label}: the server answered ${status} ${statusText}`.trimEnd());
  }
  return {
    label,
    response,
    bytes: async () => new Uint8Array(await named(label, response.arrayBuffer())),
    async copyTo(target) {
      const reader = response.body?.getReader();
      let received = 0;
      while (reader && received <= target.length) {
        const { done, value } = await named(label, reader.read());
        if (done) return received;
        if (signal?.aborted) break;
        copyInto(target, value.subarray(0, target.length - received), received);
        received += value.length;
      }
      await reader?.cancel();
      return received;
    },
  };
}

function openFile(files: FileSystem, path: string | URL, label: string): Opened {
  async function read(target: Uint8Array): Promise<number> {
    const file = await files.open(path);
    try {
      const { size } = await file.stat();
      for (let at = 0, bytesRead = 1; at < target.length && bytesRead > 0; at += bytesRead) {
        // Node refuses to read 2 GiB or more at once.
        ({ bytesRead } = await file.read(target, at, Math.min(target.length - at, 2 ** 30), at));
      }
      return size;
    } finally {
      await file.close();
    }
  }
  return {
    label,
    bytes: async () => plainBytes(await named(label, files.readFile(path))),
    copyTo: (target) => named(label, read(target)),
  };
}

/** The promise, its failure turned into E_LOAD with the source's name. */
async function named<T>(label: string, promise: PromiseLike<T>): Promise<T> {
  try {
    return await promise;
  } catch (cause) {
    throw new KilnRuntimeError("E_LOAD", `cannot read ${label}: ${(cause as Error)?.message}`, cause);
  }
}

/** What the bytes are where they are plainly not what was asked for, in parentheses; else "". */
export function diagnose(bytes: Uint8Array): string {
  // Copied: TextDecoder does not read shared memory.
  const start = new TextDecoder().decode(bytes.slice(0, 100)).trimStart();
  if (/^<(!|html|\?xml)/i.test(start)) {
    return " (it is an HTML page: the server answers unknown paths with a page)";
  }
  return start.startsWith("version https://git-lfs")
    ? " (it is a Git LFS pointer: fetch the file itself with `git lfs pull`)"
    : "";
}

/** The promise, or the signal's reason as soon as the signal aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
