/**
 * ONNX's light networks. Their weights are one number for each tensor, so the expected outputs are the same for
 * every input (each class 1/1000); that they are met says little. The same networks with random weights are
 * compared with onnxruntime-web.
 */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { toNumbers } from "../../compiler/ir/tensor.js";
import { decodeTensorProto } from "../../compiler/onnx/tensor.js";
import { runOnnxruntime } from "../harness.js";
import { differenceOf } from "../harness-compare.js";
import { expectSoundModule, loadArtifact, runModel } from "./compiled.js";
import {
  expectedOutput,
  hasLightModels,
  lightNetworks,
  noise,
  pictureFor,
  readNetwork,
  withRandomWeights,
} from "./models.js";

describe.skipIf(!hasLightModels)("light networks", () => {
  for (const network of lightNetworks) {
    const { name, input } = network;

    test(`${name} gives the expected output`, async () => {
      const artifact = await compile(readNetwork(network));
      expectSoundModule(artifact);
      // All weights are scaled at compile time, although the model makes them by nodes: none is left to the run.
      for (const { name: kernel } of artifact.report.kernels) expect(kernel).not.toMatch(/^mul/);
      const [actual] = Object.values(
        runModel(await loadArtifact(artifact), { [input]: pictureFor(network) }),
      );
      const expected = decodeTensorProto(expectedOutput(network));
      expect(differenceOf(actual!, expected, { relative: 1e-3, absolute: 1e-7 })).toBeNull();
    });

    test(`${name} with random weights agrees with onnxruntime-web`, async () => {
      const bytes = withRandomWeights(readNetwork(network), 1);
      const artifact = await compile(bytes);
      expectSoundModule(artifact);
      const model = await loadArtifact(artifact);
      for (const feed of [pictureFor(network), noise(network, 2)]) {
        const feeds = { [input]: feed };
        const [expected] = Object.values(await runOnnxruntime(bytes, feeds));
        const [actual] = Object.values(runModel(model, feeds));
        const probabilities = toNumbers(expected!);
        expect(Math.max(...probabilities)).toBeGreaterThan(2 * Math.min(...probabilities));
        expect(differenceOf(actual!, expected!, { relative: 1e-3, absolute: 1e-7 })).toBeNull();
      }
      model.dispose();
    });

    test(`${name} is the same bytes each time`, async () => {
      const [first, second] = [
        await compile(readNetwork(network), { weights: "split" }),
        await compile(readNetwork(network), { weights: "split" }),
      ];
      expect(Buffer.compare(first.wasm, second.wasm)).toBe(0);
      expect(Buffer.compare(first.weights!, second.weights!)).toBe(0);
    });
  }
});
