/**
 * Modules that fuse multiplications and additions, run in a process of its own where the engine asks for a flag. The
 * host here is as small as can be: it knows the module from its metadata alone.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { Artifact } from "../../compiler/options.js";
import { runOnnxruntime, type Tensors } from "../harness.js";
import { differenceOf } from "../harness-compare.js";
import { randomTensor } from "../harness-random.js";
import { buildModel } from "../onnx/build-model.js";
import { noise, ocrNetworks, readNetwork } from "./models.js";

const host = `
  import { readFileSync, writeFileSync } from "node:fs";
  const [, directory] = process.argv;
  const module = new WebAssembly.Module(readFileSync(directory + "/model.wasm"));
  const [section] = WebAssembly.Module.customSections(module, "kiln");
  const { inputs, outputs } = JSON.parse(new TextDecoder().decode(section));
  const { memory, run } = new WebAssembly.Instance(module).exports;
  new Uint8Array(memory.buffer).set(readFileSync(directory + "/input"), inputs[0].address);
  run();
  writeFileSync(directory + "/output", new Uint8Array(memory.buffer, outputs[0].address, outputs[0].byteLength));
`;

/** The first output for the only input. */
function runElsewhere({ wasm, metadata }: Artifact, feeds: Tensors): Float32Array {
  const directory = mkdtempSync(join(tmpdir(), "kiln-relaxed-"));
  try {
    writeFileSync(join(directory, "model.wasm"), wasm);
    writeFileSync(join(directory, "input"), new Uint8Array(feeds[metadata.inputs[0]!.name]!.data.buffer));
    // Engines that have it on by default no longer know the flag.
    const flags = WebAssembly.validate(wasm as Uint8Array<ArrayBuffer>)
      ? []
      : ["--experimental-wasm-relaxed-simd"];
    execFileSync(process.execPath, [...flags, "--input-type=module", "--eval", host, directory]);
    return new Float32Array(Uint8Array.from(readFileSync(join(directory, "output"))).buffer);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function check(bytes: Uint8Array, feeds: Tensors, inputShapes = {}): Promise<void> {
  const artifact = await compile(bytes, { inputShapes, features: { relaxedSimd: true } });
  expect(artifact.metadata.features).toEqual(["simd128", "relaxed-simd"]);
  const [expected] = Object.values(await runOnnxruntime(bytes, feeds));
  const actual = { ...expected!, data: runElsewhere(artifact, feeds) };
  expect(differenceOf(actual, expected!, { absolute: 1e-4 })).toBeNull();
}

describe("relaxed SIMD", () => {
  test("a convolution, a depthwise one and a matrix product", () => {
    const dims = [1, 6, 9, 10];
    const bytes = buildModel({
      inputs: { x: ["float32", dims] },
      outputs: { y: ["float32"] },
      initializers: {
        w: randomTensor(1, [12, 6, 3, 3]),
        d: randomTensor(2, [12, 1, 3, 3]),
        m: randomTensor(3, [12 * 5 * 6, 17]),
      },
      nodes: [
        { op: "Conv", inputs: ["x", "w"], outputs: ["c"] },
        { op: "Conv", inputs: ["c", "d"], outputs: ["e"], attributes: { group: 12 } },
        { op: "Flatten", inputs: ["e"], outputs: ["f"] },
        { op: "Tanh", inputs: ["f"], outputs: ["t"] },
        { op: "MatMul", inputs: ["t", "m"], outputs: ["y"] },
      ],
    });
    return check(bytes, { x: randomTensor(4, dims) });
  });

  test("cls of PP-OCRv4", () => {
    const cls = ocrNetworks.find(({ name }) => name === "cls")!;
    return check(readNetwork(cls), { x: noise(cls, 3) }, { x: cls.dims });
  });
});
