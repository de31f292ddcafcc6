/** The contract on memory: MobileNetV2 in a quarter of its arena, and in less where no limit is given. */

import { expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { buildNetwork, zoo } from "../../samples/zoo/index.js";
import { expectTensors, runOnnxruntime } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { loadArtifact, runModel } from "./compiled.js";

test("MobileNetV2 at 144x144 fits a quarter of its arena, with the same result and no work done twice", async () => {
  const network = buildNetwork(zoo.find(({ name }) => name === "mobilenet-v2")!, { size: 144 });
  const bytes = network.encode();
  const whole = await compile(bytes, { patches: false });
  const quarter = Math.floor(whole.report.arenaBytes / 4);
  const patched = await compile(bytes, { arenaBytes: quarter });
  expect(patched.report.arenaBytes).toBeLessThanOrEqual(quarter);
  expect(patched.report.patches).toMatchObject({ repeatedShare: 0 });
  expect(patched.report.weightBytes).toBe(whole.report.weightBytes);
  const feeds = { [network.inputs[0]!.name]: randomTensor(5, network.inputs[0]!.dims) };
  const results = runModel(await loadArtifact(patched), feeds);
  expectTensors(results, runModel(await loadArtifact(whole), feeds), {}, "without patches");
  const tolerance = { absolute: 1e-4, relative: 1e-4 };
  expectTensors(results, await runOnnxruntime(bytes, feeds), tolerance, "onnxruntime");

  const free = await compile(bytes);
  expect(free.report.arenaBytes).toBeLessThan(whole.report.arenaBytes / 2);
  expect(free.report.patches).toMatchObject({ repeatedShare: 0 });
  expect(free.report.flops).toBe(whole.report.flops);
  expectTensors(runModel(await loadArtifact(free), feeds), results, {}, "within a quarter");
});
