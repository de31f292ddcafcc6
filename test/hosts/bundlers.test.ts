/** Apps built by bundlers, none of which is configured: each gets an entry and a place for what it makes, no more. */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import type { Browser } from "playwright-core";
import { rollup } from "rollup";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import type { Host } from "../../compiler/index.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import { createApp, expected, showing, shown, siteFolder, usage } from "./app.js";

let folder: string;
let browser: Browser;
beforeAll(async () => {
  folder = await createApp();
  if (hasChromium) browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** From the entry to `main.js`, or whatever the page then refers to, in the folder. */
type Build = (entry: string, target: string) => Promise<void>;

const builds: Readonly<Record<string, Build>> = {
  async Vite(entry, outDir) {
    const root = entry.replace(".js", "-root");
    mkdirSync(root);
    writeFileSync(join(root, "index.html"), `<script type="module" src="${entry}"></script>`);
    // To be silent is no configuration of the build.
    await vite({ root, configFile: false, logLevel: "silent", build: { outDir, emptyOutDir: true } });
  },
  async webpack(entry, path) {
    const problems = await new Promise<string>((resolve, reject) =>
      webpack({ mode: "production", entry, context: folder, output: { path } }, (error, stats) =>
        error ? reject(error) : resolve(stats!.hasErrors() || stats!.hasWarnings() ? stats!.toString() : ""),
      ),
    );
    expect(problems).toBe("");
  },
  async esbuild(entry, target) {
    const { warnings } = await esbuild({
      entryPoints: [entry],
      bundle: true,
      outfile: join(target, "main.js"),
    });
    expect(warnings).toEqual([]);
  },
  async Rollup(entry, target) {
    const warnings: string[] = [];
    const built = await rollup({ input: entry, onwarn: ({ message }) => warnings.push(message) });
    await built.write({ file: join(target, "main.js"), format: "es" });
    await built.close();
    expect(warnings).toEqual([]);
  },
};

/** A page of the built app in a folder of its own. */
async function build(bundler: string, host: Host): Promise<string> {
  const entry = join(folder, `${bundler}-${host}.js`);
  writeFileSync(entry, showing(usage(host)));
  const target = siteFolder(folder, `${bundler}-${host}`);
  await builds[bundler]!(entry, target);
  return target;
}

describe.skipIf(!hasChromium)(`with no configuration${chromiumNote}`, () => {
  test.each(["Vite", "webpack", "esbuild", "Rollup"])("%s: --host inline, one file", async (bundler) => {
    const target = await build(bundler, "inline");
    const files = readdirSync(target, { recursive: true }).map(String);
    expect(files.filter((file) => file.endsWith(".js"))).toHaveLength(1);
    expect(files.filter((file) => file.endsWith(".wasm"))).toEqual([]);
    expect(await shown(browser, target)).toBe(expected);
  });

  test.each(["Vite", "webpack"])("%s: --host web, which it finds the module of", async (bundler) => {
    expect(await shown(browser, await build(bundler, "web"))).toBe(expected);
  });

  test("esbuild, told to make ES modules: --host web, once the module is copied beside the bundle", async () => {
    const target = siteFolder(folder, "esbuild-web");
    const entry = join(folder, "esbuild-web.js");
    writeFileSync(entry, showing(usage("web")));
    const outfile = join(target, "main.js");
    await esbuild({ entryPoints: [entry], bundle: true, format: "esm", outfile });
    expect(await shown(browser, target)).toMatch(/web\.wasm.*404/);
    copyFileSync(join(folder, "web.wasm"), join(target, "web.wasm"));
    expect(await shown(browser, target)).toBe(expected);
  });

  test("no bundler: --host inline is a module that a page imports as it is", async () => {
    const target = siteFolder(folder, "plain");
    writeFileSync(join(target, "main.js"), showing(usage("inline")));
    copyFileSync(join(folder, "inline.mjs"), join(target, "inline.mjs"));
    expect(await shown(browser, target)).toBe(expected);
  });
});

test("Rollup leaves --host web as it is, with its node-resolve plugin for the runtime", async () => {
  const entry = join(folder, "rollup-web.js");
  writeFileSync(entry, showing(usage("web")));
  const target = siteFolder(folder, "rollup-web");
  const runtime = join(folder, "node_modules/onnx-kiln/dist/runtime/index.js");
  const resolveId = (id: string) => (id === "onnx-kiln/runtime" ? runtime : null);
  const built = await rollup({ input: entry, plugins: [{ name: "resolve", resolveId }] });
  await built.write({ file: join(target, "main.js"), format: "es" });
  await built.close();
  expect(readFileSync(join(target, "main.js"), "utf8")).not.toMatch(/^import /m);
  copyFileSync(join(folder, "web.wasm"), join(target, "web.wasm"));
  if (hasChromium) expect(await shown(browser, target)).toBe(expected);
});
