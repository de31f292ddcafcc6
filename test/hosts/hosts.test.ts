/** The README's table of hosts: each of its cells is a test that runs there. */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as bundle } from "esbuild";
import { Miniflare } from "miniflare";
import type { Browser } from "playwright-core";
import { rollup } from "rollup";
import { build as viteBuild } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import { type Host, KilnError } from "../../compiler/index.js";
import { generateLoader } from "../../compiler/loader.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import { metadataOf } from "../runtime/module.js";
import { createApp, output, program, serveFolder, usage } from "./app.js";

let folder: string;
beforeAll(async () => {
  folder = await createApp();
});
afterAll(() => rmSync(folder, { recursive: true }));

const expected = "[8,0]";

/** Where scripts of packages are run, that of `bun` takes the program out of the package that has it. */
const bun = program("@oven/bun-linux-x64", "bin/bun") ?? program("bun", "bin/bun.exe");

describe.each([
  ["Node 20 or what runs the tests", process.execPath, [], ["web", "node", "inline"]],
  ["Node 24", program("node", "bin/node"), [], ["web", "node", "inline", "esm-source"]],
  ["Deno", program("@deno/linux-x64-glibc", "deno"), ["run", "-A"], ["web", "node", "inline", "esm-source"]],
  ["Bun", bun, ["run"], ["web", "node", "inline"]],
] satisfies [string, string | undefined, string[], Host[]][])("%s", (name, path, args, hosts) => {
  const note = path === undefined ? " (skipped: npm has no program for this platform)" : "";
  test.skipIf(path === undefined).each(hosts)(`loads by --host %s${note}`, async (host) => {
    const file = `${name.replace(/\W/g, "")}-${host}.mjs`;
    writeFileSync(join(folder, file), `${usage(host)} console.log(await compute());`);
    expect(await output(folder, path!, ...args, file)).toBe(expected);
  });
});

test("workerd: --host worker, where no code may be compiled from bytes", async () => {
  const source = `${usage("worker")}
    export default { async fetch() {
      const refused = await WebAssembly.compile(new Uint8Array(8)).then(() => "compiled", () => "refused");
      return new Response(refused + await compute());
    } };`;
  writeFileSync(join(folder, "edge.mjs"), source);
  const { outputFiles } = await bundle({
    entryPoints: [join(folder, "edge.mjs")],
    bundle: true,
    format: "esm",
    external: ["*.wasm"],
    write: false,
  });
  const contents = outputFiles[0]!.text;
  const worker = new Miniflare({
    compatibilityDate: "2025-09-01",
    modulesRoot: folder,
    modules: [
      { type: "ESModule", path: join(folder, "edge.mjs"), contents },
      { type: "CompiledWasm", path: join(folder, "worker.wasm") },
    ],
  });
  try {
    expect(await (await worker.dispatchFetch("http://localhost/")).text()).toBe(`refused${expected}`);
  } finally {
    await worker.dispose();
  }
});

describe(`Chromium${chromiumNote}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    if (hasChromium) browser = await launch();
  });
  afterAll(() => browser?.close());

  /** What a page of the folder shows, under a policy that allows no more than WebAssembly. */
  async function shown(site: string): Promise<string> {
    const server = await serveFolder(site, "script-src 'self' 'wasm-unsafe-eval'");
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

  /** A folder of its own for the built app, and the path of the entry module. */
  function site(name: string, script: string, html = "main.js"): { folder: string; entry: string } {
    const entry = join(folder, `${name}.js`);
    writeFileSync(entry, script);
    const target = join(folder, `site-${name}`);
    mkdirSync(target);
    writeFileSync(join(target, "index.html"), `<script type="module" src="./${html}"></script>`);
    return { folder: target, entry };
  }

  const page = (host: Host) =>
    `${usage(host)} compute().then((y) => (document.title = y), (e) => (document.title = String(e)));`;

  async function esbuild(entry: string, target: string, outfile = "main.js"): Promise<void> {
    await bundle({ entryPoints: [entry], bundle: true, format: "esm", outfile: join(target, outfile) });
    copyFileSync(join(folder, "web.wasm"), join(target, "web.wasm"));
  }

  test.skipIf(!hasChromium)("page, bundled by esbuild with the module beside it", async () => {
    const { folder: target, entry } = site("esbuild", page("web"));
    await esbuild(entry, target);
    expect(await shown(target)).toBe(expected);
  });

  test.skipIf(!hasChromium)("page, bundled by esbuild into one file", async () => {
    const { folder: target, entry } = site("esbuild-inline", page("inline"));
    await bundle({ entryPoints: [entry], bundle: true, format: "esm", outfile: join(target, "main.js") });
    expect(await shown(target)).toBe(expected);
  });

  test.skipIf(!hasChromium)("module worker", async () => {
    const start = `const worker = new Worker("./worker-main.js", { type: "module" });
      worker.onmessage = ({ data }) => (document.title = data);`;
    const { folder: target } = site("worker-page", start);
    writeFileSync(join(target, "main.js"), start);
    const inside = join(folder, "worker-main.js");
    writeFileSync(inside, `${usage("web")} compute().then(postMessage, (e) => postMessage(String(e)));`);
    await esbuild(inside, target, "worker-main.js");
    expect(await shown(target)).toBe(expected);
  });

  test.skipIf(!hasChromium)("service worker", async () => {
    const start = `navigator.serviceWorker.onmessage = ({ data }) => (document.title = data);
      await navigator.serviceWorker.register("./service.js", { type: "module" });
      (await navigator.serviceWorker.ready).active.postMessage("");`;
    const { folder: target } = site("service-page", start);
    writeFileSync(join(target, "main.js"), start);
    const inside = join(folder, "service.js");
    writeFileSync(
      inside,
      `${usage("web")} onmessage = ({ source }) =>
        compute().then((y) => source.postMessage(y), (e) => source.postMessage(String(e)));`,
    );
    await esbuild(inside, target, "service.js");
    expect(await shown(target)).toBe(expected);
  });

  test.skipIf(!hasChromium)("page, built by Vite", async () => {
    const { folder: target, entry } = site("vite", page("web"));
    const root = join(folder, "vite-root");
    mkdirSync(root);
    writeFileSync(join(root, "index.html"), `<script type="module" src="../vite.js"></script>`);
    expect(entry).toContain("vite.js");
    await viteBuild({
      root,
      configFile: false,
      logLevel: "silent",
      build: { outDir: target, emptyOutDir: true },
    });
    expect(await shown(target)).toBe(expected);
  });

  test.skipIf(!hasChromium)("page, built by webpack", async () => {
    const { folder: target, entry } = site("webpack", page("web"));
    const problems = await new Promise<string>((resolve, reject) =>
      webpack({ mode: "production", entry, context: folder, output: { path: target } }, (error, stats) =>
        error ? reject(error) : resolve(stats!.hasErrors() || stats!.hasWarnings() ? stats!.toString() : ""),
      ),
    );
    expect(problems).toBe("");
    expect(readdirSync(target).some((file) => file.endsWith(".wasm"))).toBe(true);
    expect(await shown(target)).toBe(expected);
  });

  test.skipIf(!hasChromium)("page, built by Rollup into one file", async () => {
    const { folder: target, entry } = site("rollup", page("inline"));
    // Rollup finds no packages by itself: this is what its node-resolve plugin does in any app.
    const runtime = join(folder, "node_modules/onnx-kiln/dist/runtime/index.js");
    const resolveId = (id: string) => (id === "onnx-kiln/runtime" ? runtime : null);
    const built = await rollup({ input: entry, plugins: [{ name: "resolve", resolveId }] });
    await built.write({ file: join(target, "main.js"), format: "es" });
    await built.close();
    expect(readFileSync(join(target, "main.js"), "utf8")).not.toMatch(/^import /m);
    expect(await shown(target)).toBe(expected);
  });
});

describe("loaders refuse", () => {
  const split = metadataOf({ weights: { address: 0, byteLength: 4, embedded: false, sha256: "" } });

  test("split weights in one file, a missing module, and hosts that are unknown", () => {
    const wasm = new Uint8Array(8);
    expect(() => generateLoader(split, "m", { host: "inline", wasm })).toThrow(KilnError);
    expect(() => generateLoader(metadataOf({}), "m", { host: "inline" })).toThrow("the module's bytes");
    for (const host of ["toString", "browser"]) {
      expect(() => generateLoader(split, "m", { host: host as Host })).toThrow(`unknown host "${host}"`);
    }
  });

  test("types of a worker with split weights ask for them", () => {
    const { js, dts } = generateLoader(split, "m", { host: "worker" });
    expect(dts).toContain('  weights: NonNullable<LoadOptions["weights"]>;');
    expect(dts).toContain("load(options: Options)");
    expect(js).not.toContain("m.weights");
  });
});
