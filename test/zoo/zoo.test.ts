import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { elementCount, type TensorData, tensorOf, toNumbers } from "../../compiler/ir/tensor.js";
import { buildNetwork, zoo } from "../../samples/zoo/index.js";
import type { TensorInfo } from "../../samples/zoo/onnx-file.js";
import { runOnnxruntime, type Tensors } from "../harness.js";
import { largestErrors } from "../harness-compare.js";
import { randomTensor } from "../harness-random.js";
import { expectSoundModule, loadArtifact, runModel } from "../models/compiled.js";

/** Small, so that the test is quick. */
const sizeOf = (name: string): number => (name === "text-encoder" ? 16 : 64);

describe.each(zoo.map((entry) => [entry.name, entry] as const))("%s", (name, entry) => {
  test("has the published number of parameters", () => {
    expect(buildNetwork(entry).parameters).toBe(entry.parameters);
  });

  test("computes what onnxruntime-web computes, and something for every input", async () => {
    const network = buildNetwork(entry, { size: sizeOf(name), seed: 1 });
    const bytes = network.encode();
    const artifact = await compile(bytes);
    expectSoundModule(artifact);
    const model = await loadArtifact(artifact);
    const results: TensorData[] = [];
    for (const seed of [1, 2]) {
      const feeds = feedsFor(network.inputs, seed);
      const [expected] = Object.values(await runOnnxruntime(bytes, feeds));
      const [actual] = Object.values(runModel(model, feeds));
      expect(actual!.dims).toEqual(network.outputs[0]!.dims);
      expect(largestErrors(actual!, expected!).absolute).toBeLessThan(1e-4 * largest(expected!));
      results.push(expected!);
    }
    model.dispose();
    expectLively(results[0]!, results[1]!);
  });
});

/** Pictures of noise; sentences of random words, with a quarter and more of the tokens masked. */
function feedsFor(inputs: readonly TensorInfo[], seed: number): Tensors {
  return Object.fromEntries(inputs.map((input) => [input.name, feedFor(input, seed)]));
}

function feedFor({ name, dtype, dims }: TensorInfo, seed: number): TensorData {
  if (dtype === "float32") return randomTensor(seed, dims, { low: -2, high: 2 });
  if (name === "input_ids") return randomTensor(seed, dims, { dtype, low: 0, high: 30_000 });
  const length = elementCount(dims);
  const read = length - (length >> 2) * seed;
  return tensorOf(
    dtype,
    dims,
    Array.from({ length }, (_, i) => (i < read ? 1 : 0)),
  );
}

const largest = (tensor: TensorData): number => Math.max(...toNumbers(tensor).map(Math.abs));

/** Numbers of a sane size, none of them the same, that depend on the input. */
function expectLively(first: TensorData, second: TensorData): void {
  const [a, b] = [toNumbers(first), toNumbers(second)];
  expect(largest(first)).toBeGreaterThan(0.05);
  expect(largest(first)).toBeLessThan(50);
  expect(new Set(a).size).toBeGreaterThan(0.99 * a.length);
  const norm = (values: number[]): number => Math.hypot(...values);
  expect(norm(a.map((value, i) => value - b[i]!))).toBeGreaterThan(0.05 * norm(a));
}

test("the same seed makes the same bytes, another seed others", () => {
  const bytes = (seed: number): Buffer => Buffer.from(buildNetwork(zoo[0]!, { seed, size: 32 }).encode());
  expect(bytes(7).equals(bytes(7))).toBe(true);
  expect(bytes(7).equals(bytes(8))).toBe(false);
});
