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
import { runElsewhere } from "./elsewhere.js";
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

    test(`${name} with relaxed SIMD gives each class the same number, and agrees with random weights`, async () => {
      const features = { relaxedSimd: true };
      const feeds = { [input]: pictureFor(network) };
      // Weights that are all one number are summed in the same order for each column.
      const equal = await runElsewhere(await compile(readNetwork(network), { features }), feeds);
      expect(new Set(equal)).toEqual(new Set([equal[0]]));
      expect(equal[0]).toBeCloseTo(1 / equal.length, 7);

      const bytes = withRandomWeights(readNetwork(network), 1);
      const [expected] = Object.values(await runOnnxruntime(bytes, feeds));
      const actual = { ...expected!, data: await runElsewhere(await compile(bytes, { features }), feeds) };
      expect(differenceOf(actual, expected!, { relative: 1e-3, absolute: 1e-7 })).toBeNull();
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
