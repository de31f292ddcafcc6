/** The README's table of hosts: each of its cells is a test that runs there. */

import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as bundle } from "esbuild";
import { Miniflare } from "miniflare";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile, type Host, KilnError } from "../../compiler/index.js";
import { generateLoader } from "../../compiler/loader.js";
import { kiln } from "../cli/harness.js";
import { dense } from "../cli/models.js";
import { buildModel } from "../onnx/build-model.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import { metadataOf } from "../runtime/module.js";
import {
  createApp,
  expected,
  output,
  program,
  showing,
  shown,
  siteFolder,
  threadsUsage,
  usage,
} from "./app.js";

let folder: string;
beforeAll(async () => {
  folder = await createApp();
});
afterAll(() => rmSync(folder, { recursive: true }));

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

  test.skipIf(path === undefined)(`runs on two threads${note}`, async () => {
    const file = `${name.replace(/\W/g, "")}-threads.mjs`;
    writeFileSync(join(folder, file), `${threadsUsage} console.log(await compute());`);
    expect(await output(folder, path!, ...args, file)).toBe("0.00333");
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

describe.skipIf(!hasChromium)(`Chromium${chromiumNote}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  /** A site whose page starts `inside.js`, which is this script with what it imports. */
  async function siteOf(name: string, start: string, inside: string): Promise<string> {
    const target = siteFolder(folder, name);
    writeFileSync(join(target, "main.js"), start);
    const entry = join(folder, `${name}.js`);
    writeFileSync(entry, inside);
    // esbuild finds the runtime in node_modules; inline loaders have it, so that they need no bundler.
    if (name.endsWith("inline")) copyFileSync(entry, join(target, "inside.js"));
    else
      await bundle({ entryPoints: [entry], bundle: true, format: "esm", outfile: join(target, "inside.js") });
    for (const file of ["web.wasm", "threads.wasm", "inline.mjs"])
      copyFileSync(join(folder, file), join(target, file));
    return target;
  }

  const onPage = 'import "./inside.js";';
  const inWorker = `const worker = new Worker("./inside.js", { type: "module" });
    worker.onmessage = ({ data }) => (document.title = data);`;

  test.each(["web", "inline"] as const)("page: --host %s", async (host) => {
    expect(await shown(browser, await siteOf(`page-${host}`, onPage, showing(usage(host))))).toBe(expected);
  });

  test.each(["web", "inline"] as const)("module worker: --host %s", async (host) => {
    const inside = `${usage(host)} compute().then(postMessage, (e) => postMessage(String(e)));`;
    expect(await shown(browser, await siteOf(`worker-${host}`, inWorker, inside))).toBe(expected);
  });

  test.each(["web", "inline"] as const)("service worker: --host %s", async (host) => {
    const start = `navigator.serviceWorker.onmessage = ({ data }) => (document.title = data);
      await navigator.serviceWorker.register("./inside.js", { type: "module" });
      (await navigator.serviceWorker.ready).active.postMessage("");`;
    const inside = `${usage(host)} onmessage = ({ source }) =>
      compute().then((y) => source.postMessage(y), (e) => source.postMessage(String(e)));`;
    expect(await shown(browser, await siteOf(`service-${host}`, start, inside))).toBe(expected);
  });

  test.each([
    ["page", onPage, showing(threadsUsage)],
    [
      "module worker",
      inWorker,
      `${threadsUsage} compute().then(postMessage, (e) => postMessage(String(e)));`,
    ],
  ])("%s on two threads, where the policy lets it start workers", async (name, start, inside) => {
    const site = await siteOf(`threads-${name}`, start, inside);
    const policy = "script-src 'self' 'wasm-unsafe-eval'";
    expect(await shown(browser, site, `${policy}; worker-src 'self' blob:`)).toBe("0.00333");
    // Where it does not, the model runs all the same, on one.
    expect(await shown(browser, site, policy)).toBe("0.00333");
  });

  test("model.profile() of a page gives the kernels and their times", async () => {
    const [model, wasm] = [join(folder, "model.onnx"), join(folder, "profiled.wasm")];
    writeFileSync(model, buildModel(dense));
    const { code } = await kiln("compile", model, "--profile", "--host", "inline", "-o", wasm, "-q");
    expect(code).toBe(0);
    const use = `import { load } from "./profiled.mjs";
      const compute = async () => {
        const model = await load();
        return JSON.stringify(model.profile({ x: Float32Array.of(1, 2) }, { warmup: 1, seconds: 0.05 }));
      };`;
    const site = await siteOf("profiled-inline", onPage, showing(use));
    copyFileSync(join(folder, "profiled.mjs"), join(site, "profiled.mjs"));
    const { kernels, calls, runs, timeline } = JSON.parse(await shown(browser, site));
    const { report } = await compile(buildModel(dense), { profile: true });
    expect(kernels.map((one: { kernel: string }) => one.kernel)).toEqual(
      report.kernels.map(({ name }) => name),
    );
    expect(calls[0].operators).toEqual(["MatMul", "Add", "Relu"]);
    expect(timeline).toHaveLength(calls.length);
    expect(runs).toBeGreaterThan(10);
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
