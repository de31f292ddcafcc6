/** The plugin for Vite: a model imported as any other file, and what an app with it weighs. */

import { copyFileSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { createServer, type Logger, type Plugin, build as viteBuild } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kiln } from "../../compiler/vite.js";
import { dense } from "../cli/models.js";
import { buildModel } from "../onnx/build-model.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import { installRuntime } from "../runtime/installed.js";
import { serveFolder } from "./app.js";

const packages = join(import.meta.dirname, "../../node_modules");
const silero = join(packages, "@ricky0123/vad-web/dist/silero_vad_v5.onnx");

let folder: string;
let messages: string[];
beforeAll(() => {
  folder = installRuntime();
  writeFileSync(join(folder, "my model.onnx"), buildModel(dense));
  writeFileSync(join(folder, "index.html"), '<script type="module" src="./main.js"></script>');
  writeMain(`import loadModel, { metadata } from "./my model.onnx?kiln";
    const model = await loadModel();
    const { y } = model.runSync({ x: Float32Array.of(1, 2) });
    document.title = metadata.inputs[0].name + JSON.stringify([...y.data]);`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const writeMain = (source: string): void => writeFileSync(join(folder, "main.js"), source);

const quiet = (): Logger => {
  messages = [];
  const note = (message: string): void => void messages.push(message);
  const none = (): void => {};
  return {
    info: note,
    warn: none,
    warnOnce: none,
    error: none,
    clearScreen: none,
    hasErrorLogged: () => false,
    hasWarned: false,
  };
};

/** Builds the app; the names and sizes of what it ships. */
async function buildApp(plugins: Plugin[] = [kiln()]): Promise<Map<string, number>> {
  const outDir = join(folder, "dist");
  await viteBuild({
    root: folder,
    configFile: false,
    customLogger: quiet(),
    plugins,
    build: { outDir, assetsInlineLimit: 0 },
  });
  const files = readdirSync(outDir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return new Map(
    files.map((one) => [one.name, readFileSync(join(one.parentPath, one.name)).length] as const),
  );
}

const compilations = (): string[] => messages.filter((message) => message.startsWith("kiln: compiling"));

describe("a build", () => {
  test("has the module as a file, compiled once for the same model and options", async () => {
    const files = await buildApp();
    expect([...files.keys()].filter((name) => name.endsWith(".wasm"))).toHaveLength(1);
    expect(compilations()).toEqual(["kiln: compiling my model.onnx"]);
    await buildApp();
    expect(compilations()).toEqual([]);
    await buildApp([kiln({ optimize: 0 })]);
    expect(compilations()).toHaveLength(1);
  });

  test("takes options from the query of the import", async () => {
    const main = readFileSync(join(folder, "main.js"), "utf8");
    try {
      writeMain(main.replace("?kiln", "?kiln&weights=split&features=relaxed-simd"));
      const files = await buildApp();
      expect([...files.keys()].filter((name) => name.endsWith(".weights"))).toHaveLength(1);
      writeMain(main.replace("?kiln", "?kiln&colour=red"));
      await expect(buildApp()).rejects.toThrow(/there is no option "colour" for models/);
      writeMain(main.replace("?kiln", "?kiln&features=mmx"));
      await expect(buildApp()).rejects.toThrow(/features: .*mmx/);
      writeMain(main.replace("?kiln", "?kiln&input-shape=none:1"));
      await expect(buildApp()).rejects.toThrow(/my model\.onnx: there is no input "none"/);
    } finally {
      writeMain(main);
    }
  });
});

describe(`Chromium${chromiumNote}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    if (hasChromium) browser = await launch();
  });
  afterAll(() => browser?.close());

  async function titleOf(url: string): Promise<string> {
    const page = await browser.newPage();
    await page.goto(url);
    await page.waitForFunction("document.title !== ''");
    const title = await page.title();
    await page.close();
    return title;
  }

  test.skipIf(!hasChromium)("runs the model of a built app", async () => {
    await buildApp();
    const server = await serveFolder(join(folder, "dist"), "script-src 'self' 'wasm-unsafe-eval'");
    expect(await titleOf(`${server.url}/index.html`)).toBe("x[8,0]");
    await server.close();
  });

  test.skipIf(!hasChromium)("runs the model of an app that is being worked on", async () => {
    const server = await createServer({
      root: folder,
      configFile: false,
      customLogger: quiet(),
      plugins: [kiln()],
      server: { port: 0, host: "127.0.0.1" },
    });
    await server.listen();
    expect(await titleOf(server.resolvedUrls!.local[0]!)).toBe("x[8,0]");
    await server.close();
  });
});

test("an app with Silero VAD: under 60 kB beside the weights, where onnxruntime-web takes megabytes", async () => {
  const main = readFileSync(join(folder, "main.js"), "utf8");
  copyFileSync(silero, join(folder, "vad.onnx"));
  symlinkSync(join(packages, "onnxruntime-web"), join(folder, "node_modules/onnxruntime-web"));
  try {
    writeMain(`import loadModel from "./vad.onnx?kiln&weights=split&input-shape=input:1x512&input-shape=state:2x1x128";
      const model = await loadModel();
      globalThis.speech = (frame) => model.runSync(frame);`);
    const ours = codeBytes(await buildApp());
    writeMain(`import { InferenceSession } from "onnxruntime-web/wasm";
      const session = await InferenceSession.create("vad.onnx");
      globalThis.speech = (frame) => session.run(frame);`);
    const rivals = codeBytes(await buildApp([]));
    console.log(`a Vite app with Silero VAD: ${ours} bytes of code, with onnxruntime-web ${rivals}`);
    expect(ours).toBeLessThan(60_000);
    expect(rivals).toBeGreaterThan(100 * ours);
  } finally {
    writeMain(main);
  }
});

/** JavaScript and WebAssembly. */
const codeBytes = (files: ReadonlyMap<string, number>): number =>
  [...files].reduce((sum, [name, bytes]) => sum + (/\.(m?js|wasm)$/.test(name) ? bytes : 0), 0);
