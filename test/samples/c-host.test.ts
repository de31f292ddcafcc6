/** Models in C, by way of wasm2c: the same bits as V8 makes of the same module. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type CompileOptions, compile, generateCHeader } from "../../compiler/index.js";
import { type Feed, load, type Model } from "../../runtime/index.js";
import { buildHost, missingTools, runHost } from "../../samples/c-host/toolchain.js";
import { ocrNetworks, readNetwork } from "../models/models.js";
import { buildModel } from "../onnx/build-model.js";

const missing = missingTools();
if (missing !== null) console.warn(`skipped: hosts in C are not built, because ${missing}`);

const hostSource = fileURLToPath(new URL("../../samples/c-host/host.c", import.meta.url));
let folder: string;
beforeAll(() => {
  // Quick to build, and for a machine that has fused multiply-add, which must not be used.
  vi.stubEnv("CFLAGS", "-O1 -march=native");
  folder = mkdtempSync(join(tmpdir(), "kiln-c-host-"));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A module in a folder of its own, as `kiln compile --features scalar --emit c-header -o model.wasm` leaves it. */
async function compileTo(name: string, model: Uint8Array, options: CompileOptions) {
  const at = join(folder, name);
  mkdirSync(at);
  const { wasm, metadata, report } = await compile(model, { ...options, features: { simd: false } });
  writeFileSync(join(at, "model.wasm"), wasm);
  writeFileSync(join(at, "model.abi.h"), generateCHeader(metadata, "model", report));
  return { at, model: await load(wasm as Uint8Array<ArrayBuffer>), metadata };
}

function bytesOf(feed: Feed): Uint8Array {
  const data = "data" in feed ? feed.data : feed;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Inputs and outputs of runs in this engine, as they are in memory. */
function runHere(model: Model, runs: readonly Record<string, Feed>[]): { inputs: Buffer; outputs: Buffer } {
  const inputs: Uint8Array[] = [];
  const outputs: Uint8Array[] = [];
  for (const feeds of runs) {
    inputs.push(...model.inputs.map(({ name }) => bytesOf(feeds[name]!)));
    const results = model.runSync(feeds);
    outputs.push(...model.outputs.map(({ name }) => bytesOf(results[name]!)));
  }
  return { inputs: Buffer.concat(inputs), outputs: Buffer.concat(outputs) };
}

const waves = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * (0.013 + 0.0071 * seed)) * 0.5);

describe.skipIf(missing !== null)("the same bits in C as in V8", () => {
  test("PP-OCRv4's direction network", async () => {
    const direction = ocrNetworks.find(({ name }) => name.includes("cls"))!;
    const { dims, input } = direction;
    const { at, model } = await compileTo("cls", readNetwork(direction), { inputShapes: { [input]: dims } });
    const runs = [1, 2, 3].map((seed) => ({
      [input]: waves(
        dims.reduce((a, b) => a * b),
        seed,
      ),
    }));
    const here = runHere(model, runs);
    const { outputs, figures } = runHost(buildHost(at, hostSource), here.inputs, ["--warmup", "1"]);
    expect(figures.runs).toBe(3);
    expect(outputs.length).toBe(3 * 2 * 4);
    expect(Buffer.compare(outputs, here.outputs)).toBe(0);
  });

  test("Silero VAD, whose state goes from frame to frame", async () => {
    const silero = readFileSync("node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx");
    const { at, model } = await compileTo("silero", silero, {
      inputShapes: { input: [1, 512], state: [2, 1, 128] },
      states: { state: "stateN" },
    });
    const runs = Array.from({ length: 40 }, (_, frame) => ({
      input: waves(512, frame % 7),
      sr: { type: "int64", data: BigInt64Array.of(16000n), dims: [] } as const,
    }));
    const here = runHere(model, runs);
    const { outputs } = runHost(buildHost(at, hostSource), here.inputs);
    expect(outputs.length).toBe(40 * 4);
    expect(Buffer.compare(outputs, here.outputs)).toBe(0);
  });

  test("a size that the run knows, and an error that the run finds", async () => {
    const spec = buildModel({
      inputs: { x: ["float32", ["n", 3]], "row/*??/*/": ["int64", [2]] },
      outputs: { 'picked "\\\n%s': ["float32"] },
      nodes: [{ op: "Gather", inputs: ["x", "row/*??/*/"], outputs: ['picked "\\\n%s'] }],
    });
    const { at, model } = await compileTo("gather", spec, { dims: { n: { min: 1, max: 100 } } });
    const feeds = (rows: number, ...picked: bigint[]) => ({
      x: { type: "float32" as const, data: waves(rows * 3, 1), dims: [rows, 3] },
      "row/*??/*/": BigInt64Array.from(picked),
    });
    const host = buildHost(at, hostSource, true);
    const here = runHere(model, [feeds(50, 49n, -50n), feeds(50, 7n, 8n)]);
    const there = runHost(host, here.inputs, ["n=50"]);
    expect(Buffer.compare(there.outputs, here.outputs)).toBe(0);
    const wrong = Buffer.concat([bytesOf(waves(9, 1)), bytesOf(BigInt64Array.of(0n, 3n))]);
    expect(() => runHost(host, wrong, ["n=3"])).toThrow(/an index lies outside of .*, in node Gather_0/);
    expect(() => runHost(host, here.inputs, ["n=101"])).toThrow("a size is out of its bounds");
    expect(() => runHost(host, here.inputs, ["m=1"])).toThrow("the model has no such symbol");
  });
});
