/** Networks compiled once, with dims that nobody binds, run at any size; the reference is onnxruntime-web. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { randomTensor } from "../harness-random.js";
import { errorAgainstOnnxruntime, loadArtifact } from "./compiled.js";
import { ocrNetworks, readNetwork } from "./models.js";

const sizes: Record<string, number[][]> = {
  det: [
    [1, 3, 320, 320],
    [1, 3, 640, 480],
    [1, 3, 96, 736],
  ],
  rec: [
    [1, 3, 48, 32],
    [1, 3, 48, 320],
    [1, 3, 48, 1000],
    [6, 3, 48, 320],
  ],
};

describe("PP-OCRv4 at any size", () => {
  for (const network of ocrNetworks) {
    const shapes = sizes[network.name.replace(/.*(det|rec).*/, "$1")];
    if (shapes === undefined) continue;
    test(network.name, async () => {
      const bytes = readNetwork(network);
      const artifact = await compile(bytes, { verify: true });
      expect(artifact.metadata.symbols.length).toBeGreaterThan(0);
      const model = await loadArtifact(artifact);
      for (const dims of shapes) {
        const feeds = { [network.input]: randomTensor(1, dims) };
        expect(await errorAgainstOnnxruntime(model, bytes, feeds), `${dims}`).toBeLessThan(1e-4);
      }
    }, 120_000);
  }
});

test("bounds reserve the memory once", async () => {
  const network = ocrNetworks.find(({ name }) => /rec/.test(name))!;
  const bytes = readNetwork(network);
  const open = await compile(bytes);
  const [batch, width] = open.metadata.symbols.map(({ name }) => name) as [string, string];
  const bounded = await compile(bytes, { dims: { [batch]: 1, [width]: { min: 32, max: 320 } } });
  expect(bounded.metadata.symbols).toMatchObject([{ name: width, min: 32, max: 320 }]);
  const { instance } = await WebAssembly.instantiate(bounded.wasm as Uint8Array<ArrayBuffer>);
  const { memory, prepare } = instance.exports as { memory: WebAssembly.Memory; prepare: () => number };
  const before = memory.buffer.byteLength;
  for (const value of [320, 32, 100, 320]) {
    new DataView(memory.buffer).setInt32(bounded.metadata.symbols[0]!.cell, value, true);
    expect(prepare()).toBe(0);
    expect(memory.buffer.byteLength).toBe(before);
  }
  const model = await loadArtifact(bounded);
  const feed = (size: number) => ({
    [network.input]: {
      type: "float32" as const,
      data: new Float32Array(3 * 48 * size),
      dims: [1, 3, 48, size],
    },
  });
  expect(() => model.runSync(feed(328))).toThrow(/not within 32\.\.320/);
});
