/** @ricky0123/vad-web, unmodified, in Chromium: on its own engine, and on Kiln by an alias of each bundler. */

import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import { compile } from "../../compiler/index.js";
import { serveFolder } from "../hosts/app.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import { installRuntime } from "../runtime/installed.js";
import type { TestServer } from "../runtime/server.js";
import { speechBetweenSilence } from "../samples/speech.js";

const packages = join(import.meta.dirname, "../../node_modules");
const vad = join(packages, "@ricky0123/vad-web/dist");
const models = ["silero_vad_legacy.onnx", "silero_vad_v5.onnx"];
const policy = "script-src 'self' 'wasm-unsafe-eval'";
const alias = { "onnxruntime-web": "onnx-kiln/ort" };

let folder: string;
let browser: Browser;
let server: TestServer;
beforeAll(async () => {
  if (!hasChromium) return;
  folder = installRuntime();
  // Copied: where a package really lies is where bundlers look for what it imports.
  cpSync(join(packages, "@ricky0123"), join(folder, "node_modules/@ricky0123"), { recursive: true });
  symlinkSync(join(packages, "onnxruntime-web"), join(folder, "node_modules/onnxruntime-web"));
  writeFileSync(join(folder, "app.js"), app);
  for (const name of models) copyFileSync(join(vad, name), join(folder, name));
  // Compiled, and served under the names of the models.
  mkdirSync(join(folder, "kiln"));
  for (const name of models) {
    writeFileSync(join(folder, "kiln", name), (await compile(readFileSync(join(vad, name)))).wasm);
  }
  browser = await launch();
  server = await serveFolder(folder, policy);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

const app = `
  import { MicVAD, NonRealTimeVAD } from "@ricky0123/vad-web";
  const samples = async () => new Float32Array(await (await fetch("audio.bin")).arrayBuffer());
  const engine = new URL("/node_modules/onnxruntime-web/dist/", location.href).href;

  globalThis.segments = async () => {
    const vad = await NonRealTimeVAD.new({
      modelURL: "silero_vad_legacy.onnx",
      minSpeechMs: 100,
      ortConfig: (ort) => Object.assign(ort.env.wasm, { wasmPaths: engine, numThreads: 1 }),
    });
    const segments = [];
    for await (const { start, end, audio } of vad.run(await samples(), 16000)) {
      segments.push([start, end, audio.length]);
    }
    return segments;
  };

  document.querySelector("button").onclick = async () => {
    const audioContext = new AudioContext({ sampleRate: 16000 });
    const sound = audioContext.createBuffer(1, 5 * 16000, 16000);
    sound.copyToChannel(await samples(), 0);
    const microphone = audioContext.createMediaStreamDestination();
    const source = new AudioBufferSourceNode(audioContext, { buffer: sound });
    source.connect(microphone);
    const vad = await MicVAD.new({
      model: "v5",
      baseAssetPath: "./",
      onnxWASMBasePath: engine,
      audioContext,
      getStream: async () => microphone.stream,
      onSpeechStart: () => { document.title = "speech"; },
    });
    await vad.start();
    source.start(0, 1);
  };`;

type Build = (target: string) => Promise<unknown>;

const withEsbuild =
  (aliases: Record<string, string>): Build =>
  (target) =>
    esbuild({
      entryPoints: [join(folder, "app.js")],
      outfile: join(target, "main.js"),
      bundle: true,
      format: "esm",
      absWorkingDir: folder,
      alias: aliases,
      logLevel: "silent",
    });

const withVite: Build = (target) =>
  vite({
    root: folder,
    configFile: false,
    logLevel: "silent",
    resolve: { alias },
    build: {
      outDir: target,
      emptyOutDir: false,
      rollupOptions: { input: join(folder, "app.js"), output: { entryFileNames: "main.js" } },
    },
  });

const withWebpack: Build = (target) =>
  new Promise((resolve, reject) =>
    webpack(
      {
        mode: "none",
        entry: join(folder, "app.js"),
        context: folder,
        output: { path: target },
        resolve: { alias },
      },
      (error, stats) =>
        error || stats!.hasErrors() ? reject(error ?? new Error(stats!.toString())) : resolve(stats),
    ),
  );

/** A page with the app in a bundle, opened. */
async function open(name: string, build: Build, modelFolder: string): Promise<Page> {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(
    join(home, "index.html"),
    '<button>Listen</button><script type="module" src="main.js"></script>',
  );
  writeFileSync(join(home, "audio.bin"), new Uint8Array(speechBetweenSilence().buffer as ArrayBuffer));
  copyFileSync(join(vad, "vad.worklet.bundle.min.js"), join(home, "vad.worklet.bundle.min.js"));
  for (const model of models) copyFileSync(join(modelFolder, model), join(home, model));
  await build(home);
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${server.url}/${name}/index.html`);
  return page;
}

const segmentsOf = (page: Page): Promise<number[][]> => page.evaluate("segments()");

describe.skipIf(!hasChromium)(`in Chromium${chromiumNote}`, () => {
  let wanted: number[][];
  beforeAll(async () => {
    wanted = await segmentsOf(await open("own-engine", withEsbuild({}), folder));
    expect(wanted.length).toBeGreaterThan(0);
  });

  test.each([
    ["esbuild", withEsbuild(alias)],
    ["Vite", withVite],
    ["webpack", withWebpack],
  ])("the same speech is heard in a sound, by the alias of %s", async (name, build) => {
    expect(await segmentsOf(await open(name, build, join(folder, "kiln")))).toEqual(wanted);
    const bundle = readFileSync(join(folder, name, "main.js"), "utf8");
    expect(bundle).not.toContain("ort-wasm");
  });

  test("speech is heard in a microphone, by the v5 model", async () => {
    const page = await open("microphone", withEsbuild(alias), join(folder, "kiln"));
    await page.click("button");
    await expect.poll(() => page.title(), { timeout: 60_000 }).toBe("speech");
  });
});
