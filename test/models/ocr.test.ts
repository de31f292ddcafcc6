/** The three networks of PP-OCRv4 against onnxruntime-web. */

import { beforeAll, describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { Artifact } from "../../compiler/options.js";
import type { Model } from "../../runtime/index.js";
import { errorAgainstOnnxruntime, expectSoundModule, loadArtifact, runModel } from "./compiled.js";
import { noise, ocrNetworks, pictureFor, readNetwork } from "./models.js";

for (const network of ocrNetworks) {
  const { name, input, dims } = network;
  describe(`${name} at ${dims.join("x")}`, () => {
    const bytes = readNetwork(network);
    const options = { inputShapes: { [input]: dims } };
    let artifact: Artifact;
    let model: Model;

    beforeAll(async () => {
      artifact = await compile(bytes, options);
      model = await loadArtifact(artifact);
    });

    test("is a sound module", () => expectSoundModule(artifact));

    test("agrees with onnxruntime-web on a picture", async () => {
      const error = await errorAgainstOnnxruntime(model, bytes, { [input]: pictureFor(network) });
      expect(error).toBeLessThanOrEqual(1e-4);
    });

    test("agrees with onnxruntime-web on noise", async () => {
      for (let seed = 1; seed <= 5; seed++) {
        const error = await errorAgainstOnnxruntime(model, bytes, { [input]: noise(network, seed) });
        expect(error, `seed ${seed}`).toBeLessThanOrEqual(1e-4);
      }
    });

    test("is the same bytes each time, and computes the same with weights beside it", async () => {
      const split = await compile(bytes, { ...options, weights: "split" });
      const again = await compile(bytes, { ...options, weights: "split" });
      expect(Buffer.compare(split.wasm, again.wasm)).toBe(0);
      expect(Buffer.compare(split.weights!, again.weights!)).toBe(0);
      expect(split.weights!.byteLength).toBe(artifact.report.weightBytes);
      expect(split.report.codeBytes).toBeLessThanOrEqual(artifact.report.codeBytes + 1000);
      const feeds = { [input]: noise(network, 1) };
      expect(runModel(await loadArtifact(split), feeds)).toEqual(runModel(model, feeds));
    });
  });
}
