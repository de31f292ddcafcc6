/** What is expected of every compiled network, whatever it computes. */

import { expect } from "vitest";
import type { Artifact } from "../../compiler/options.js";
import { load, type Model } from "../../runtime/index.js";
import { fromRuntime, runOnnxruntime, type Tensors, toRuntime } from "../harness.js";
import { largestErrors } from "../harness-compare.js";

const largestCode = 150_000;

/** Standalone, small, valid, and in as little memory as can be. */
export function expectSoundModule({ wasm, report, metadata }: Artifact): void {
  const bytes = wasm as Uint8Array<ArrayBuffer>;
  expect(WebAssembly.validate(bytes)).toBe(true);
  const module = new WebAssembly.Module(bytes);
  expect(WebAssembly.Module.imports(module)).toEqual([]);
  const exported = WebAssembly.Module.exports(module).filter(({ name }) => name !== "warmUp");
  expect(exported).toEqual([
    { name: "memory", kind: "memory" },
    { name: "run", kind: "function" },
  ]);
  expect(report.codeBytes).toBeLessThanOrEqual(largestCode);
  expect(report.arenaBytes).toBeGreaterThanOrEqual(report.arenaLowerBoundBytes);
  expect(metadata.arena.byteLength).toBe(report.arenaBytes);
  expect(metadata.arena.address + metadata.arena.byteLength).toBeLessThanOrEqual(report.memoryBytes);
}

export async function loadArtifact({ wasm, weights }: Artifact): Promise<Model> {
  return load(
    wasm as Uint8Array<ArrayBuffer>,
    weights === undefined ? {} : { weights: weights as Uint8Array<ArrayBuffer> },
  );
}

export const runModel = (model: Model, feeds: Tensors): Tensors =>
  fromRuntime(model.runSync(toRuntime(feeds)));

/** The largest absolute error against onnxruntime-web over all outputs. */
export async function errorAgainstOnnxruntime(
  model: Model,
  bytes: Uint8Array,
  feeds: Tensors,
): Promise<number> {
  const expected = await runOnnxruntime(bytes, feeds);
  const actual = runModel(model, feeds);
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  return Math.max(
    ...Object.entries(expected).map(([name, value]) => {
      expect(actual[name]!.dims).toEqual(value.dims);
      return largestErrors(actual[name]!, value).absolute;
    }),
  );
}
