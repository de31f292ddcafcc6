/** A small app around a compiled model: its folder, the processes and the page that it runs in. */

import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { promisify } from "node:util";
import { compile, type Host } from "../../compiler/index.js";
import { dense } from "../cli/models.js";
import { buildModel } from "../onnx/build-model.js";
import { installRuntime } from "../runtime/installed.js";
import { serve, type TestServer } from "../runtime/server.js";

const hosts: readonly Host[] = ["web", "node", "worker", "esm-source", "inline"];

/** A folder with the runtime installed, and the model `dense` with each loader: `HOST.wasm` and `HOST.mjs`. */
export async function createApp(): Promise<string> {
  const folder = installRuntime();
  for (const host of hosts) {
    const { wasm, js } = await compile(buildModel(dense), { name: host, host });
    // The inline loader is on its own: nothing lies beside it.
    if (host !== "inline") writeFileSync(join(folder, `${host}.wasm`), wasm);
    writeFileSync(join(folder, `${host}.mjs`), js);
  }
  return folder;
}

/** Statements that leave what the model makes of [1, 2] in `y`: [8, 0]. */
export const usage = (host: Host): string => `import { load } from "./${host}.mjs";
  const compute = async () => {
    const model = await load();
    return JSON.stringify([...(await model.run({ x: Float32Array.of(1, 2) })).y.data]);
  };`;

/** What the command prints, run in the folder. */
export async function output(folder: string, command: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: folder, timeout: 60_000 });
  return stdout.trim();
}

/** Path of a program in a package of npm for this platform; undefined where npm has not installed it. */
export function program(packageName: string, file: string): string | undefined {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`)), file);
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined; // a package for another platform
  }
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Serves the files of a folder, its pages under this content security policy. */
export function serveFolder(folder: string, policy: string): Promise<TestServer> {
  return serve((request, response) => {
    const path = join(folder, decodeURIComponent(new URL(request.url!, "http://localhost").pathname));
    if (!existsSync(path) || extname(path) === "") return void response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": types[extname(path)] ?? "application/octet-stream",
      "content-security-policy": policy,
    });
    response.end(readFileSync(path));
  });
}
