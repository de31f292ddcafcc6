/** Pictures as tensors and back in Chromium: what onnxruntime makes of them, and what onnx-kiln/ort does. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveFolder } from "../hosts/app.js";
import { chromiumNote, hasChromium, launch } from "../report/chromium.js";
import type { TestServer } from "../runtime/server.js";

const repository = join(import.meta.dirname, "../..");

let folder: string;
let browser: Browser;
let server: TestServer;
let page: Page;
beforeAll(async () => {
  if (!hasChromium) return;
  folder = mkdtempSync(join(tmpdir(), "kiln-image-"));
  writeFileSync(join(folder, "index.html"), '<script type="module" src="main.js"></script>');
  await build({
    stdin: { contents: script, resolveDir: repository },
    outfile: join(folder, "main.js"),
    bundle: true,
    format: "esm",
    logLevel: "silent",
  });
  browser = await launch();
  server = await serveFolder(folder, "script-src 'self' 'wasm-unsafe-eval'");
  page = await browser.newPage();
  await page.goto(`${server.url}/index.html`);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

/** `calls` by name, each of which takes an engine and a picture of 3x2 opaque pixels in several forms. */
const script = `
  import * as theirs from "onnxruntime-web/wasm";
  import * as ours from "./runtime/ort/index.ts";

  const pixels = new ImageData(3, 2);
  pixels.data.forEach((_, i) => { pixels.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256; });
  const canvas = document.createElement("canvas");
  canvas.width = 3;
  canvas.height = 2;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  const url = canvas.toDataURL();
  const element = new Image();
  element.src = url;

  const elements = Float32Array.from({ length: 18 }, (_, i) => i / 17);
  const four = Float32Array.from({ length: 24 }, (_, i) => i / 23);
  const calls = {
    "ImageData": ({ Tensor }) => Tensor.fromImage(pixels),
    "ImageData as BGR": ({ Tensor }) => Tensor.fromImage(pixels, { tensorFormat: "BGR" }),
    "ImageData as RBG": ({ Tensor }) => Tensor.fromImage(pixels, { tensorFormat: "RBG" }),
    "ImageData as RGBA": ({ Tensor }) => Tensor.fromImage(pixels, { tensorFormat: "RGBA" }),
    "ImageData, normalised": ({ Tensor }) => Tensor.fromImage(pixels, { norm: { mean: [1, 2, 4], bias: [3, 5, 7] } }),
    "ImageData, normalised alike": ({ Tensor }) => Tensor.fromImage(pixels, { norm: { mean: 2, bias: -1 } }),
    "ImageData, cut": ({ Tensor }) => Tensor.fromImage(pixels, { resizedWidth: 2, resizedHeight: 1 }),
    "an image": async ({ Tensor }) => { await element.decode(); return Tensor.fromImage(element); },
    "an ImageBitmap": async ({ Tensor }) => Tensor.fromImage(await createImageBitmap(pixels), {}),
    "a URL": ({ Tensor }) => Tensor.fromImage(url),
    "channels last": ({ Tensor }) => Tensor.fromImage(pixels, { tensorLayout: "NHWC" }),
    "a tensor as ImageData": ({ Tensor }) => new Tensor(elements, [1, 3, 2, 3]).toImageData(),
    "a tensor as normalised ImageData": ({ Tensor }) =>
      new Tensor(elements, [1, 3, 2, 3]).toImageData({ format: "RGB", norm: { mean: [100, 50, 25], bias: [0.1, 0, 0] } }),
    "a tensor of four channels as ImageData": ({ Tensor }) =>
      new Tensor(four, [1, 4, 2, 3]).toImageData({ format: "RGBA" }),
    "a tensor as a data URL": ({ Tensor }) => new Tensor(elements, [1, 3, 2, 3]).toDataURL(),
  };
  const plain = (value) => typeof value === "string" ? value :
    { dims: value.dims ?? [value.height, value.width], data: Array.from(value.data) };
  globalThis.outcomes = async (name) => Promise.all([ours, theirs].map(async (engine) => {
    try {
      return plain(await calls[name](engine));
    } catch (error) {
      return error.message;
    }
  }));`;

const names = [...script.matchAll(/^ {4}"(.*)":/gm)].map((match) => match[1]!);

describe(`in Chromium${chromiumNote}`, () => {
  test.skipIf(!hasChromium).each(names)("%s", async (name) => {
    const [ours, theirs] = await page.evaluate<unknown[]>(`outcomes(${JSON.stringify(name)})`);
    expect(ours).toEqual(theirs);
  });
});
