/**
 * Two libraries that were written for onnxruntime, unmodified, in Node on their own engine and on Kiln: @ricky0123/vad-web (which
 * asks for onnxruntime-web) and @gutenye/ocr-node (onnxruntime-node). Same results.
 */

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as nodeModule from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { output, program } from "../hosts/app.js";
import { speechBetweenSilence } from "../samples/speech.js";

const repository = join(import.meta.dirname, "../..");
const pictures = join(repository, "samples/ocr/pictures");
const node24 = program("node", "bin/node");

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kiln-ort-apps-"));
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  await build({
    entryPoints: ["index", "register"].map((name) => join(repository, `compiler/ort/${name}.ts`)),
    outdir: join(folder, "kiln"),
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    format: "esm",
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the program prints, run on the engine that it asks for, and on Kiln. */
async function onBoth(source: string): Promise<{ own: unknown; kiln: unknown }> {
  const path = join(folder, `${Math.random()}.mjs`);
  writeFileSync(path, source);
  const run = async (...flags: string[]) => {
    const text = await output(folder, node24!, ...flags, path);
    return JSON.parse(text.split("\n").at(-1)!);
  };
  process.env.KILN_CACHE = join(folder, "cache");
  return { own: await run(), kiln: await run("--import", "./kiln/register.js") };
}

test.skipIf("registerHooks" in nodeModule)("an older Node is told what to do instead", async () => {
  await expect(import("../../compiler/ort/register.js")).rejects.toThrow(
    /needs Node 22.15 or later.*alias it/,
  );
});

const note = node24 === undefined ? " (skipped: npm has no Node for this platform)" : "";

describe.skipIf(node24 === undefined)(`in Node${note}`, () => {
  test("@ricky0123/vad-web hears the same speech", async () => {
    const audio = join(folder, "audio.bin");
    writeFileSync(audio, new Uint8Array(speechBetweenSilence().buffer as ArrayBuffer));
    const { own, kiln } = await onBoth(`
      import { readFileSync } from "node:fs";
      import { createRequire } from "node:module";
      const require = createRequire(import.meta.url);
      const { NonRealTimeVAD } = require("@ricky0123/vad-web");
      const { Silero } = require("@ricky0123/vad-web/dist/models");
      const ort = require("onnxruntime-web");

      const { buffer } = readFileSync(${JSON.stringify(audio)});
      const samples = new Float32Array(buffer.slice(0));
      const model = (name) => async () => {
        const file = readFileSync(require.resolve("@ricky0123/vad-web/dist/" + name + ".onnx"));
        return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
      };

      const vad = await NonRealTimeVAD.new({ modelFetcher: model("silero_vad_legacy"), minSpeechMs: 100 });
      const segments = [];
      for await (const { start, end, audio } of vad.run(samples, 16000)) segments.push([start, end, audio.length]);

      const silero = await Silero.new(ort, model("silero_vad_v5"));
      const probabilities = [];
      for (let at = 0; at + 512 <= samples.length; at += 512) {
        probabilities.push((await silero.process(samples.slice(at, at + 512))).isSpeech);
      }
      await silero.release();
      console.log(JSON.stringify({ engine: "kiln" in ort.env ? "kiln" : "onnxruntime", segments, probabilities }));
      process.exit();
    `);
    interface Heard {
      readonly engine: string;
      readonly segments: readonly number[][];
      readonly probabilities: readonly number[];
    }
    const [wanted, heard] = [own as Heard, kiln as Heard];
    expect([wanted.engine, heard.engine]).toEqual(["onnxruntime", "kiln"]);
    expect(heard.segments).toEqual(wanted.segments);
    expect(heard.segments.length).toBeGreaterThan(0);
    expect(Math.max(...heard.probabilities)).toBeGreaterThan(0.5);
    expect(Math.min(...heard.probabilities)).toBeLessThan(0.1);
    const errors = heard.probabilities.map((one, i) => Math.abs(one - wanted.probabilities[i]!));
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });

  test("@gutenye/ocr-node reads the same lines", async () => {
    const { own, kiln } = await onBoth(`
      import Ocr from "@gutenye/ocr-node";
      import { env } from "onnxruntime-common";
      const ocr = await Ocr.create();
      const pages = [];
      for (const name of ["street-sign", "sideways"]) pages.push(await ocr.detect(${JSON.stringify(pictures)} + "/" + name + ".png"));
      console.log(JSON.stringify({ engine: "kiln" in env ? "kiln" : "onnxruntime", pages }));
      process.exit();
    `);
    interface Read {
      readonly engine: string;
      readonly pages: readonly { text: string; mean: number; box: number[][] }[][];
    }
    const [wanted, read] = [own as Read, kiln as Read];
    expect([wanted.engine, read.engine]).toEqual(["onnxruntime", "kiln"]);
    const lines = ({ pages }: Read) => pages.flat().map(({ text, box }) => ({ text, box }));
    expect(lines(read)).toEqual(lines(wanted));
    expect(lines(read).map(({ text }) => text)).toContain("人民路");
    for (const [i, { mean }] of read.pages.flat().entries()) {
      expect(mean).toBeCloseTo(wanted.pages.flat()[i]!.mean, 4);
    }
  });
});
