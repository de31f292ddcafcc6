/** Types: code that was written for onnxruntime compiles against onnx-kiln/ort, and so do its values for theirs. */

import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installRuntime, typeErrors } from "../runtime/installed.js";

let folder: string;
beforeAll(() => {
  folder = installRuntime();
  const package_ = join(import.meta.dirname, "../../node_modules/onnxruntime-common");
  symlinkSync(package_, join(folder, "node_modules/onnxruntime-common"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** As an app of onnxruntime's users is written: every type is named that such an app names. */
const app = `
import * as ort from "ENGINE";
import type { Env, OnnxValue, TensorFromImageDataOptions, TypedTensor } from "ENGINE";
import { env, InferenceSession, Tensor } from "ENGINE";

env.wasm.numThreads = 2;
env.wasm.wasmPaths = { wasm: new URL("https://example.org/a.wasm"), mjs: "b.mjs" };
env.wasm.simd = true;
env.wasm.proxy = false;
env.logLevel = "error";
env.debug = true;
env.webgpu.powerPreference = "high-performance";
const flags: Env.WebAssemblyFlags = env.wasm;
const version: string | undefined = env.versions.web ?? env.versions.common;

const options: InferenceSession.SessionOptions = {
  executionProviders: ["wasm", { name: "webgpu", preferredLayout: "NHWC" }, { name: "cpu" }],
  graphOptimizationLevel: "all",
  executionMode: "sequential",
  freeDimensionOverrides: { batch: 1 },
  externalData: ["a.data", { path: "b.data", data: new Uint8Array(1) }],
  intraOpNumThreads: 2,
  extra: { session: { set_denormal_as_zero: "1" } },
};

export async function classify(pixels: Float32Array): Promise<readonly [number, bigint]> {
  const session: InferenceSession = await InferenceSession.create("model.onnx", options);
  await ort.InferenceSession.create(new ArrayBuffer(8), 0, 8, options);
  await ort.InferenceSession.create(new Uint8Array(8));
  const x: TypedTensor<"float32"> = new Tensor("float32", pixels, [1, 3, 224, 224]);
  const ids = new ort.Tensor("int64", [1n, 2n]);
  const counts = new ort.Tensor("int64", [1, 2], [2]);
  const mask = new Tensor("bool", [true, false], [2]);
  const words = new Tensor("string", ["a"], [1]);
  const bytes = new Tensor(new Uint8ClampedArray(4), [4]);
  const half: Tensor = new Tensor("float16", new Uint16Array(2));
  const some: Tensor.DataType = half.data;
  const feeds: Record<string, Tensor> = { x, ids, counts, mask, words, bytes, half };
  const results: InferenceSession.OnnxValueMapType = await session.run(feeds, ["y"], { tag: "one" });
  const { y } = await session.run({ x }, { y: new Tensor("float32", new Float32Array(10), [1, 10]) });
  const value: OnnxValue = results[session.outputNames[0]!]!;
  const first = session.inputMetadata[0]!;
  if (first.isTensor) console.log(first.type, first.shape.length);
  session.startProfiling();
  session.endProfiling();
  const data = (await value.getData()) as Float32Array;
  value.reshape([10]).dispose();
  const picture: TensorFromImageDataOptions = { tensorFormat: "RGB", norm: { mean: 255, bias: [0, 0, 0] } };
  const image = await Tensor.fromImage(new ImageData(1, 1), picture);
  console.log(image.dims, image.toDataURL({ format: "RGB" }), y!.location, some, flags, version);
  const type: Tensor.Type = value.type;
  await session.release();
  return [data[0]!, ids.data[0]!] satisfies unknown[] as never as readonly [number, bigint] & { type?: typeof type };
}
`;

/** Each way round: what Kiln gives for what onnxruntime declares, and tensors of the one for the other. */
const assignments = `
import * as theirs from "onnxruntime-common";
import * as ours from "onnx-kiln/ort";

export const session: theirs.InferenceSessionFactory = ours.InferenceSession;
export const tensor: theirs.TensorConstructor = ours.Tensor;
export const env: theirs.Env = ours.env;
export const whole: Pick<typeof theirs, "InferenceSession" | "Tensor" | "env"> = ours;
export const feed: ours.Tensor = new theirs.Tensor("float32", [1]);
export const result: theirs.Tensor = new ours.Tensor("float32", [1]);
export const options: ours.InferenceSession.SessionOptions = {} as theirs.InferenceSession.SessionOptions;
export const back: theirs.InferenceSession.SessionOptions = {} as ours.InferenceSession.SessionOptions;
`;

test("an app compiles against either, and the values of the one are those of the other", () => {
  const sources = {
    "theirs.ts": app.replaceAll("ENGINE", "onnxruntime-common"),
    "ours.ts": app.replaceAll("ENGINE", "onnx-kiln/ort"),
    "assignments.ts": assignments,
  };
  const paths = Object.entries(sources).map(([name, source]) => {
    writeFileSync(join(folder, name), source);
    return join(folder, name);
  });
  expect(typeErrors(paths)).toBe("");
});
