/** What TypeScript refuses and JavaScript passes. */

import { expect, test } from "vitest";
import { type CompileOptions, compile } from "../compiler/index.js";
import { dense } from "./cli/models.js";
import { buildModel } from "./onnx/build-model.js";

const bytes = buildModel(dense);

test.each<[unknown, object, RegExp]>([
  [undefined, {}, /^a model is a Uint8Array of the bytes of an ONNX file, got Undefined$/],
  ["model.onnx", {}, /got String\n {2}hint: .*readFile/],
  [bytes.buffer, {}, /got ArrayBuffer\n {2}hint: new Uint8Array\(buffer\)$/],
  [bytes, { inputShape: {} }, /^there is no option "inputShape"\n {2}hint: there are dims, inputShapes, /],
  [bytes, { inputShapes: { x: "1x2" } }, /^the shape of "x" is an array of sizes, got String$/],
  [bytes, { features: "threads" }, /^features are an object of simd, relaxedSimd, threads, got String$/],
  [bytes, { features: { "relaxed-simd": true } }, /^there is no feature "relaxed-simd"\n/],
  [bytes, { optimize: 4 }, /^option "optimize" is one of 0, 1, 2, 3, s, not 4$/],
  [bytes, { weights: "beside" }, /^option "weights" is one of embed, split, not beside$/],
])("%# is refused", async (model, options, message) => {
  const compiled = compile(model as Uint8Array, options as CompileOptions);
  await expect(compiled).rejects.toMatchObject({ code: "E_INPUT", message: expect.stringMatching(message) });
});

test("a Buffer, and options that are undefined, are as good", async () => {
  const { wasm } = await compile(Buffer.from(bytes), { features: undefined, weights: undefined } as object);
  expect(wasm).toEqual((await compile(bytes)).wasm);
});
