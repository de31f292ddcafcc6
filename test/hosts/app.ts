/** A small app around a compiled model: its folder, the processes and the page that it runs in. */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import type { Host } from "../../compiler/index.js";
import { kiln } from "../cli/harness.js";
import { dense } from "../cli/models.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";
import { installRuntime } from "../runtime/installed.js";
import { serve, type TestServer } from "../runtime/server.js";

const hosts: readonly Host[] = ["web", "node", "worker", "esm-source", "inline"];

/** Large enough for threads: the softmax of 900 rows of 300. */
const wide: ModelSpec = {
  inputs: { x: ["float32", [900, 300]] },
  outputs: { y: ["float32", [900, 300]] },
  nodes: [{ op: "Softmax", inputs: ["x"], outputs: ["y"] }],
};

/**
 * A folder with the runtime installed, and the model `dense` with each loader, `HOST.wasm` and `HOST.mjs`; and
 * `threads.mjs`, a model for two threads.
 */
export async function createApp(): Promise<string> {
  const folder = installRuntime();
  const model = join(folder, "model.onnx");
  const compile = async (spec: ModelSpec, name: string, ...flags: string[]): Promise<void> => {
    writeFileSync(model, buildModel(spec));
    const { code, stderr } = await kiln("compile", model, ...flags, "-o", join(folder, `${name}.wasm`), "-q");
    if (code !== 0) throw new Error(stderr);
  };
  for (const host of hosts) await compile(dense, host, "--host", host);
  await compile(wide, "threads", "--features", "threads");
  // The inline loader is on its own: nothing lies beside it.
  rmSync(join(folder, "inline.wasm"));
  return folder;
}

/** What the model makes of [1, 2]. */
export const expected = "[8,0]";

/** Statements that define `compute`, which resolves to what the model makes of [1, 2], as text. */
export const usage = (host: Host): string => `import { load } from "./${host}.mjs";
  const compute = async () => {
    const model = await load();
    return JSON.stringify([...(await model.run({ x: Float32Array.of(1, 2) })).y.data]);
  };`;

/** As `usage`, of the model for threads: 1/300, or what the runtime warns of. */
export const threadsUsage = `import { load } from "./threads.mjs";
  const compute = async () => {
    let warning = "";
    console.warn = (text) => (warning = text);
    const model = await load({ threads: 2 });
    const results = await model.run({ x: new Float32Array(900 * 300) });
    return warning || results.y.data[0].toFixed(5);
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

/** Serves the files of a folder, its pages under this content security policy and isolated from other origins. */
export function serveFolder(folder: string, policy: string): Promise<TestServer> {
  return serve((request, response) => {
    const path = join(folder, decodeURIComponent(new URL(request.url!, "http://localhost").pathname));
    if (!existsSync(path) || extname(path) === "") return void response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": types[extname(path)] ?? "application/octet-stream",
      "content-security-policy": policy,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(readFileSync(path));
  });
}

/** A folder of its own for a built app, with a page that runs `main.js`. */
export function siteFolder(folder: string, name: string): string {
  const target = join(folder, `site-${name}`);
  mkdirSync(target);
  writeFileSync(join(target, "index.html"), '<script type="module" src="./main.js"></script>');
  return target;
}

/** A script that shows what the model computes, or why not, as the title of the page. */
export const showing = (use: string): string =>
  `${use} compute().then((y) => (document.title = y), (e) => (document.title = String(e)));`;

/** What a page of the folder shows, under a policy that allows no more than WebAssembly, or as told. */
export async function shown(
  browser: Browser,
  site: string,
  policy = "script-src 'self' 'wasm-unsafe-eval'",
): Promise<string> {
  const server = await serveFolder(site, policy);
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}/index.html`);
    await page.waitForFunction(() => document.title !== "", undefined, { timeout: 20_000 });
    return await page.title();
  } finally {
    await page.close();
    await server.close();
  }
}
