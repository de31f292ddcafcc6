/** A small model with decisions of all kinds: a 3x3 convolution, then a 1x1 one. */

import { runtimeTensor } from "../../compiler/cli/elements.js";
import type { CompileOptions } from "../../compiler/index.js";
import { expectLevels } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { buildModel } from "../onnx/build-model.js";

const x = randomTensor(1, [1, 16, 12, 20]);

export const convolutions = buildModel({
  inputs: { x: ["float32", [1, 16, 12, 20]] },
  outputs: { y: ["float32"] },
  initializers: {
    w: randomTensor(2, [32, 16, 3, 3]),
    v: randomTensor(3, [28, 32, 1, 1]),
  },
  nodes: [
    { op: "Conv", inputs: ["x", "w"], outputs: ["c"], attributes: { pads: [1, 1, 1, 1] } },
    { op: "Conv", inputs: ["c", "v"], outputs: ["y"] },
  ],
});

export const kernelFeeds = { x: runtimeTensor(x) };

export async function expectSameResults(options: CompileOptions): Promise<void> {
  const tolerance = { absolute: 3e-4, relative: 1e-4 };
  await expectLevels(convolutions, { x }, { levels: ["wasm"], tolerance, compile: options });
}
