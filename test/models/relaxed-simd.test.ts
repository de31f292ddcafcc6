/** Modules that fuse multiplications and additions. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { runOnnxruntime, type Tensors } from "../harness.js";
import { differenceOf } from "../harness-compare.js";
import { randomTensor } from "../harness-random.js";
import { buildModel } from "../onnx/build-model.js";
import { runElsewhere } from "./elsewhere.js";
import { noise, ocrNetworks, readNetwork } from "./models.js";

async function check(bytes: Uint8Array, feeds: Tensors, inputShapes = {}): Promise<void> {
  const artifact = await compile(bytes, { inputShapes, features: { relaxedSimd: true } });
  expect(artifact.metadata.features).toEqual(["simd128", "relaxed-simd"]);
  const [expected] = Object.values(await runOnnxruntime(bytes, feeds));
  const actual = { ...expected!, data: await runElsewhere(artifact, feeds) };
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
