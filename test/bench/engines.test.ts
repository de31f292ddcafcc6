import { expect, test } from "vitest";
import { EngineMissing, openOnnxruntime } from "../../compiler/bench/engines.js";
import { buildModel } from "../onnx/build-model.js";

test("an engine that cannot run a model is missing, and says why", async () => {
  const model = buildModel({
    inputs: { x: ["float32", [1]] },
    outputs: { y: ["float32"] },
    nodes: [{ op: "NobodyKnows", inputs: ["x"], outputs: ["y"] }],
  });
  const feeds = { x: { type: "float32", data: new Float32Array(1), dims: [1] } } as const;
  const opening = openOnnxruntime("onnxruntime-web", model, feeds);
  await expect(opening).rejects.toThrow(EngineMissing);
  await expect(opening).rejects.toThrow(/^it cannot run the model: .*NobodyKnows/);
});
