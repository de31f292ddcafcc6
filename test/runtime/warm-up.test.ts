/** `warmUp`: an engine has its better code of hot functions before the first run, and nothing is computed. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import type { Artifact, CompileOptions } from "../../compiler/options.js";
import { functionTexts } from "../../compiler/wasm/wat.js";
import { load, Tensor } from "../../runtime/index.js";
import type { FixedBinding } from "../../runtime/metadata.js";
import { program } from "../hosts/app.js";
import { buildModel } from "../onnx/build-model.js";

const node24 = program("node", "bin/node");
const note = node24 === undefined ? " (skipped: npm has no Node for this platform)" : "";

type Exports = { memory: WebAssembly.Memory; run(): number; warmUp?(): void };

/** A convolution of `size` by `size` places, 16 to 32 channels, and what follows it. */
const convolution = (size: number, options: CompileOptions = {}): Promise<Artifact> => {
  const weights = Array.from({ length: 32 * 16 * 9 }, (_, i) => Math.sin(i));
  const model = buildModel({
    inputs: { x: ["float32", [1, 16, size, size]] },
    outputs: { y: ["float32", [1, 32, size, size]] },
    initializers: { w: tensorOf("float32", [32, 16, 3, 3], weights) },
    nodes: [
      { op: "Conv", inputs: ["x", "w"], outputs: ["c"], attributes: { pads: [1, 1, 1, 1] } },
      { op: "Relu", inputs: ["c"], outputs: ["y"] },
    ],
  });
  return compile(model, options);
};

const instanceOf = async ({ wasm }: Artifact): Promise<Exports> => {
  const { instance } = await WebAssembly.instantiate(wasm as Uint8Array<ArrayBuffer>);
  return instance.exports as Exports;
};

describe("a module whose functions run for long", () => {
  const options = { all: {}, strict: { strict: true }, small: { optimize: "s" } } as const;

  test.each(Object.entries(options))("computes nothing when it is warmed up (%s)", async (_, given) => {
    const { memory, run, warmUp } = await instanceOf(await convolution(64, given));
    const before = Buffer.from(memory.buffer.slice(0));
    warmUp!();
    expect(Buffer.compare(Buffer.from(memory.buffer), before)).toBe(0);
    expect(run()).toBe(0);
    const after = Buffer.from(memory.buffer.slice(0));
    warmUp!();
    expect(Buffer.compare(Buffer.from(memory.buffer), after)).toBe(0);
  });

  test("gives the same bits with it and without it", async () => {
    const artifact = await convolution(64);
    const x = new Tensor(
      "float32",
      Float32Array.from({ length: 16 * 64 * 64 }, (_, i) => Math.cos(i)),
      [1, 16, 64, 64],
    );
    const model = await load(artifact.wasm as Uint8Array<ArrayBuffer>);
    const { y } = model.runSync({ x });
    const { memory, run } = await instanceOf(artifact);
    const { inputs, outputs } = artifact.metadata;
    const [input, output] = [inputs[0], outputs[0]] as [FixedBinding, FixedBinding];
    new Float32Array(memory.buffer, input.address).set(x.data as Float32Array);
    expect(run()).toBe(0);
    expect(new Float32Array(memory.buffer, output.address, y!.data.length)).toEqual(y!.data);
  });

  test("is warmed up by the runtime, once", async () => {
    const { wasm } = await convolution(64);
    const warmUp = vi.fn();
    const instantiate = vi.spyOn(WebAssembly, "instantiate");
    instantiate.mockImplementation((async (module: WebAssembly.Module) => {
      const { exports } = new WebAssembly.Instance(module);
      return { exports: { ...exports, warmUp } };
    }) as never);
    const model = await load(wasm as Uint8Array<ArrayBuffer>);
    instantiate.mockRestore();
    model.runSync({ x: new Tensor("float32", new Float32Array(16 * 64 * 64), [1, 16, 64, 64]) });
    expect(warmUp).toHaveBeenCalledTimes(1);
  });

  test("is warmed up with threads, too, in parts that none has", async () => {
    const artifact = await convolution(64, { features: { threads: true } });
    const module = new WebAssembly.Module(artifact.wasm as Uint8Array<ArrayBuffer>);
    const memory = new WebAssembly.Memory({ ...artifact.metadata.sharedMemory!, shared: true });
    const { warmUp } = new WebAssembly.Instance(module, { kiln: { memory } }).exports as Exports;
    warmUp!();
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });

  test.skipIf(node24 === undefined)(`has the engine make better code of all of them${note}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "kiln-warm-up-"));
    try {
      const { wasm } = await convolution(256);
      const module = join(folder, "m.wasm");
      writeFileSync(module, wasm);
      const warm = (how: string): string =>
        execFileSync(
          node24!,
          ["--trace-wasm-compilation-times", "--wasm-sync-tier-up", "--eval", script(module, how)],
          { encoding: "utf8" },
        );
      const better = (text: string): Set<string> =>
        new Set([...text.matchAll(/#(\d+) using TurboFan/g)].map(([, number]) => number!));
      const calls = (await functionTexts(wasm)).get("warm:up")!.match(/\(call /g)!;
      expect(calls.length).toBeGreaterThan(1);
      expect(better(warm("exports.warmUp()")).size).toBe(calls.length);
      expect(better(warm("")).size).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const script = (module: string, how: string): string => `
const bytes = require("node:fs").readFileSync(${JSON.stringify(module)});
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
${how}`;

test("with much data to put in place, functions that run for a shorter time are hot, too", async () => {
  const rows = 2 ** 14;
  const withData = async (count: number): Promise<Exports> =>
    instanceOf(
      await compile(
        buildModel({
          inputs: { x: ["float32", [32, 64]], i: ["int64", [1]] },
          outputs: { y: ["float32", [32, 256]], z: ["float32", [1, 64]] },
          initializers: {
            w: tensorOf(
              "float32",
              [64, 256],
              Array.from({ length: 64 * 256 }, (_, i) => Math.sin(i)),
            ),
            table: tensorOf("float32", [count, 64], new Array(count * 64).fill(1)),
          },
          nodes: [
            { op: "MatMul", inputs: ["x", "w"], outputs: ["y"] },
            { op: "Gather", inputs: ["table", "i"], outputs: ["z"] },
          ],
        }),
      ),
    );
  expect(await withData(4)).not.toHaveProperty("warmUp");
  expect(await withData(rows)).toHaveProperty("warmUp");
});

test("a module whose functions run for a moment only has nothing to warm up", async () => {
  expect(await instanceOf(await convolution(4))).not.toHaveProperty("warmUp");
});
