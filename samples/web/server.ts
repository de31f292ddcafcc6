/**
 * Serves the sample pages to this machine alone. Every path is one of a fixed list, or the name of a script in one of
 * three folders, so no request can name any other file.
 */

import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { alphabetFile } from "../ocr/model-files.js";
import { framed, importMapHash, samplePages } from "./frame.js";
import { compileNetwork, networkList } from "./networks.js";
import { scriptFolder, sourceFolder } from "./root.js";

const scripts = /^\/(?:runtime|samples\/(?:ocr|vad|web))\/[a-z-]+\.js$/;

interface Answer {
  readonly type: string;
  readonly body: Uint8Array | string;
}

/** A server that is not listening yet. @param models the compiled modules by name */
export function createSampleServer(models: ReadonlyMap<string, Uint8Array>): Server {
  const files = fixedFiles();
  return createServer((request, response) => {
    answer(request, models, files)
      .then((found) => send(response, request, found))
      .catch((error: unknown) => {
        console.error(error);
        fail(response, 500, "this went wrong: see the terminal");
      });
  });
}

/** Path in the URL to path of the file. */
function fixedFiles(): ReadonlyMap<string, string> {
  const files = new Map([
    ["/style.css", join(sourceFolder, "web/style.css")],
    ["/ocr/alphabet.txt", alphabetFile()],
  ]);
  const pictures = join(sourceFolder, "ocr/pictures");
  for (const name of readdirSync(pictures)) files.set(`/ocr/pictures/${name}`, join(pictures, name));
  return files;
}

async function answer(
  { method, url = "/", headers }: IncomingMessage,
  models: ReadonlyMap<string, Uint8Array>,
  files: ReadonlyMap<string, string>,
): Promise<Answer | number> {
  // A name that a stranger has made point to this machine is not ours.
  if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(headers.host ?? "")) return 403;
  if (method !== "GET" && method !== "HEAD") return 405;
  const path = url.split("?")[0]!;
  const [, model] = /^\/models\/([a-z]+)\.wasm$/.exec(path) ?? [];
  const wasm = models.get(model ?? "");
  if (wasm !== undefined) return { type: "application/wasm", body: wasm };
  const [, network, part] = /^\/zoo\/([a-z0-9-]+)\.(json|wasm)$/.exec(path) ?? [];
  if (network === "networks") return { type: types.json, body: JSON.stringify(networkList()) };
  if (network !== undefined) {
    const compiled = await compileNetwork(network);
    if (compiled === null) return 404;
    return part === "wasm"
      ? { type: "application/wasm", body: compiled.wasm }
      : { type: types.json, body: JSON.stringify(compiled.figures) };
  }
  const page = samplePages.find((one) => one.path === path);
  if (page !== undefined) {
    return { type: types.html, body: framed(page, await readFile(join(sourceFolder, page.file), "utf8")) };
  }
  const file = files.get(path) ?? (scripts.test(path) ? join(scriptFolder, path) : undefined);
  if (file === undefined) return 404;
  const extension = file.split(".").at(-1) as keyof typeof types;
  return { type: types[extension] ?? "application/octet-stream", body: await readFile(file) };
}

const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  txt: "text/plain; charset=utf-8",
  png: "image/png",
};

function send(response: ServerResponse, request: IncomingMessage, found: Answer | number): void {
  if (typeof found === "number") {
    fail(response, found, { 403: "not for this host", 404: "not found", 405: "only GET" }[found] ?? "failed");
    return;
  }
  response.writeHead(200, {
    "Content-Type": found.type,
    "Content-Length": Buffer.byteLength(found.body),
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": policy,
  });
  response.end(request.method === "HEAD" ? undefined : found.body);
}

function fail(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" });
  response.end(`${message}\n`);
}

const policy = [
  "default-src 'self'",
  `script-src 'self' 'wasm-unsafe-eval' ${importMapHash}`,
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
