/** What a session in Node is made of: as onnxruntime-web takes it and refuses it, and in words of Kiln's own. */

import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import * as rival from "onnxruntime-web";
import { describe, expect, test, vi } from "vitest";
import { compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { dense, denseWithFile } from "../cli/models.js";
import { buildModel } from "../onnx/build-model.js";
import { kiln, useEngines } from "./engines.js";
import { type Engine, outcome } from "./outcomes.js";

const inFolder = useEngines();

describe("create", () => {
  const bytes = buildModel(dense);
  const namesOf = async (session: Promise<rival.InferenceSession>) => (await session).inputNames;

  test("takes bytes, buffers and parts of them, paths and file URLs, models and modules", async () => {
    const { create } = kiln.InferenceSession;
    const path = inFolder("dense.onnx");
    writeFileSync(path, bytes);
    const { wasm } = await compile(bytes);
    const modulePath = inFolder("dense.wasm");
    writeFileSync(modulePath, wasm);
    const padded = new Uint8Array(bytes.length + 10);
    padded.set(bytes, 5);
    for (const session of [
      create(bytes),
      create(bytes.slice().buffer),
      create(padded.buffer, 5, bytes.length),
      create(wasm),
      create(path),
      create(pathToFileURL(path).href),
      create(modulePath),
    ]) {
      expect(await namesOf(session)).toEqual(["x"]);
    }
  });

  test("takes a module whose weights are in a file of their own", async () => {
    const { wasm, weights } = await compile(bytes, { weights: "split" });
    writeFileSync(inFolder("split.wasm"), wasm);
    writeFileSync(inFolder("split.weights"), weights!);
    const session = await kiln.InferenceSession.create(inFolder("split.wasm"));
    const { y } = await session.run({ x: new kiln.Tensor("float32", [1, 2], [1, 2]) });
    expect([...y!.data]).toEqual([8, 0]);
  });

  test.each<[string, unknown[]]>([
    ["nothing", []],
    ["a number", [1]],
    ["options that are a number", [bytes, 1]],
    ["an offset beyond the buffer", [bytes.slice().buffer, -1]],
    ["a broken offset", [bytes.slice().buffer, 0.5]],
    ["a length beyond the buffer", [new ArrayBuffer(5), 0, 10]],
    ["a broken length", [new ArrayBuffer(5), 0, "1"]],
    ["options after a length that are null", [new ArrayBuffer(5), 0, 1, null]],
  ])("refuses %s", async (_name, given) => {
    const run = ({ InferenceSession }: Engine) =>
      outcome(() => (InferenceSession.create as (...given: unknown[]) => unknown)(...given));
    expect(await run(kiln)).toEqual(await run(rival));
  });

  test.each<[string, RegExp, unknown[]]>([
    ["a missing file", /cannot read nowhere.onnx: ENOENT/, ["nowhere.onnx"]],
    ["an empty file", /the file is empty/, [new Uint8Array()]],
    [
      "what is no model",
      /cannot read the model: the file is no ONNX model: it begins with .*\n.*\n.*kiln compile/s,
      [new Uint8Array(100)],
    ],
    [
      "an unknown provider",
      /no available backend found.*Kiln computes on the CPU/,
      [bytes, { executionProviders: ["npu"] }],
    ],
    [
      "an unknown level",
      /graphOptimizationLevel is disabled, basic/,
      [bytes, { graphOptimizationLevel: "most" }],
    ],
  ])("refuses %s, in words of its own", async (_name, message, given) => {
    const run = ({ InferenceSession }: Engine) =>
      outcome(() => (InferenceSession.create as (...given: unknown[]) => unknown)(...given));
    const ours = await run(kiln);
    expect(ours.error).toBe((await run(rival)).error);
    expect(ours.message).toMatch(message);
  });

  test("refuses results on a GPU, and to write an optimized model", async () => {
    const { create } = kiln.InferenceSession;
    await expect(create(bytes, { preferredOutputLocation: "gpu-buffer" })).rejects.toThrow(
      /Kiln computes on the CPU/,
    );
    await expect(create(bytes, { preferredOutputLocation: { y: "texture" } })).rejects.toThrow(/texture/);
    await expect(create(bytes, { optimizedModelFilePath: "o.onnx" })).rejects.toThrow(/kiln compile/);
  });

  test("goes on without providers that are not there, and says so", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    await kiln.InferenceSession.create(bytes, { executionProviders: ["webgpu", { name: "wasm" }] });
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('provider "webgpu"'));
    warn.mockRestore();
  });

  test("computes on as many threads as are asked for", async () => {
    const run = async (options: object, threads: number) => {
      kiln.env.wasm.numThreads = threads;
      const session = await kiln.InferenceSession.create(bytes, options);
      const { y } = await session.run({ x: new kiln.Tensor("float32", [1, 2], [1, 2]) });
      await session.release();
      return [...y!.data];
    };
    expect(await run({ intraOpNumThreads: 2 }, 0)).toEqual([8, 0]);
    expect(await run({}, 2)).toEqual([8, 0]);
    kiln.env.wasm.numThreads = 0;
  });

  test("takes external data from beside the model, or as it is given", async () => {
    const weights = tensorOf("float32", [2, 2], [1, -1, 3, -1]);
    const external = buildModel(denseWithFile("w.bin"));
    const data = Uint8Array.from(new Uint8Array((weights.data as Float32Array).buffer));
    writeFileSync(inFolder("external.onnx"), external);
    writeFileSync(inFolder("w.bin"), data);
    const { create } = kiln.InferenceSession;
    for (const session of [
      create(inFolder("external.onnx")),
      create(external, { externalData: [{ path: "./w.bin", data }] }),
      create(external, { externalData: [{ path: "w.bin", data: new Blob([data]) }] }),
      create(external, { externalData: [{ path: "w.bin", data: inFolder("w.bin") }] }),
    ]) {
      const { y } = await (await session).run({ x: new kiln.Tensor("float32", [1, 2], [1, 2]) });
      expect([...y!.data]).toEqual([8, 0]);
    }
    await expect(create(external)).rejects.toThrow(/externalData: \[\{ path, data \}\]/);
  });
});
