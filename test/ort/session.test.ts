/** Sessions in Node: the same calls on onnxruntime-web and on onnx-kiln/ort have the same outcome. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as rival from "onnxruntime-web";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import * as kilnOrt from "../../compiler/ort/index.js";
import { dense, denseWithFile, negate } from "../cli/models.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";
import { type Engine, type Outcome, outcome } from "./outcomes.js";

// That the one is assignable to the other is a test of its own: types.test.ts.
const kiln = kilnOrt as unknown as Engine & { env: { kiln: { cacheFolder?: string | false } } };
type Session = rival.InferenceSession;
type Feeds = Record<string, rival.Tensor>;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kiln-ort-"));
  kiln.env.kiln.cacheFolder = join(folder, "cache");
  rival.env.wasm.numThreads = 1;
  rival.env.logLevel = "fatal";
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A step of a recurrent network: y = x + h, hn = 2 * h, for any batch; `scale` is a scalar. */
const recurrent: ModelSpec = {
  inputs: { x: ["float32", ["batch", 3]], h: ["float32", ["batch", 3]], scale: ["float32", []] },
  outputs: { y: ["float32", ["batch", 3]], hn: ["float32", ["batch", 3]] },
  nodes: [
    { op: "Add", inputs: ["x", "h"], outputs: ["y"] },
    { op: "Mul", inputs: ["h", "scale"], outputs: ["hn"] },
  ],
};

const feedsOf = ({ Tensor }: Engine, batch = 1): Feeds => ({
  x: new Tensor("float32", new Float32Array(3 * batch).fill(1), [batch, 3]),
  h: new Tensor("float32", new Float32Array(3 * batch).fill(0.5), [batch, 3]),
  // Of one dimension, though the model has a scalar: onnxruntime does not look.
  scale: new Tensor("float32", [2]),
});

type Code = (session: Session, feeds: Feeds, engine: Engine) => unknown;

/** The outcome of both engines, ours first. */
async function both(code: Code, model = buildModel(recurrent)): Promise<[Outcome, Outcome]> {
  const run = (engine: Engine) =>
    outcome(async () => {
      const session = await engine.InferenceSession.create(model, { logSeverityLevel: 4 });
      return code(session, feedsOf(engine), engine);
    });
  return [await run(kiln), await run(rival)];
}

describe("a run", () => {
  test.each<[string, Code]>([
    ["gives all outputs", (session, feeds) => session.run(feeds)],
    [
      "gives the outputs that are asked for, in that order",
      async (session, feeds) => Object.keys(await session.run(feeds, ["hn", "y"])),
    ],
    ["takes names as an object", (session, feeds) => session.run(feeds, { hn: null })],
    ["takes options in place of names", (session, feeds) => session.run(feeds, { tag: "one" })],
    ["takes options after names", (session, feeds) => session.run(feeds, ["y"], { tag: "one" })],
    [
      "takes names that it does not have for options",
      (session, feeds) => session.run(feeds, { nothing: null }),
    ],
    ["takes another batch", (session, _feeds, engine) => session.run(feedsOf(engine, 4))],
    ["takes an empty batch", (session, _feeds, engine) => session.run(feedsOf(engine, 0))],
    [
      "takes results as feeds",
      async (session, feeds) => {
        const { hn } = await session.run(feeds);
        return session.run({ ...feeds, h: hn! });
      },
    ],
    [
      "gives results that later runs leave alone",
      async (session, feeds) => {
        const first = await session.run(feeds);
        (feeds.x!.data as Float32Array).fill(7);
        await session.run(feeds);
        return first;
      },
    ],
  ])("%s", async (_name, code) => {
    const [ours, theirs] = await both(code);
    expect(ours).toEqual(theirs);
    expect(ours.value).toBeDefined();
  });

  test("reads its feeds before it returns, and many may be under way", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const feeds = feedsOf(kiln);
    const runs = [1, 2, 3].map((value) => {
      (feeds.x!.data as Float32Array).fill(value);
      return session.run(feeds);
    });
    const results = await Promise.all(runs);
    expect(results.map(({ y }) => y!.data[0])).toEqual([1.5, 2.5, 3.5]);
  });

  test("writes to the tensors that are given for outputs", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const y = new kiln.Tensor("float32", new Float32Array(3), [1, 3]);
    const results = await session.run(feedsOf(kiln), { y, hn: null });
    expect(results.y).toBe(y);
    expect([...y.data]).toEqual([1.5, 1.5, 1.5]);
    expect([...results.hn!.data]).toEqual([1, 1, 1]);
  });

  test("takes tensors of onnxruntime-common", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const y = new rival.Tensor("float32", new Float32Array(3), [1, 3]);
    const results = await session.run(feedsOf(rival), { y });
    expect(results.y).toBe(y);
    expect([...y.data]).toEqual([1.5, 1.5, 1.5]);
  });

  test.each<[string, Code]>([
    ["a missing feed", (session, { x }) => session.run({ x: x! })],
    ["feeds that are null", (session) => session.run(null as never)],
    ["feeds that are an array", (session) => session.run([] as never)],
    ["feeds that are a tensor", (session, { x }) => session.run(x as never)],
    ["an output that there is not", (session, feeds) => session.run(feeds, ["z"])],
    ["no outputs", (session, feeds) => session.run(feeds, [])],
    ["outputs that are numbers", (session, feeds) => session.run(feeds, [1] as never)],
    ["outputs that are null", (session, feeds) => session.run(feeds, null as never)],
    ["outputs that are a number", (session, feeds) => session.run(feeds, 1 as never)],
    ["outputs that are a tensor", (session, feeds) => session.run(feeds, feeds.x as never)],
    ["options that are a number", (session, feeds) => session.run(feeds, ["y"], 1 as never)],
  ])("refuses %s", async (_name, code) => {
    const [ours, theirs] = await both(code);
    expect(ours).toEqual(theirs);
    expect(ours.error).toBeDefined();
  });

  test.each<[string, RegExp, Code]>([
    [
      "a feed that there is not",
      /has no input "z"; its inputs: "x", "h", "scale"/,
      (session, feeds) => session.run({ ...feeds, z: feeds.x! }),
    ],
    [
      "another type",
      /input "x": expected type float32, got int32/,
      (session, feeds, { Tensor }) => session.run({ ...feeds, x: new Tensor("int32", [1, 2, 3], [1, 3]) }),
    ],
    [
      "strings",
      /input "x": expected type float32, got string/,
      (session, feeds, { Tensor }) =>
        session.run({ ...feeds, x: new Tensor("string", ["a", "b", "c"], [1, 3]) }),
    ],
    [
      "another rank",
      /input "x": expected shape \[batch=1,3\], got \[3\]|got \[3\]/,
      (session, feeds) => session.run({ ...feeds, x: feeds.x!.reshape([3]) }),
    ],
    [
      "another size",
      /input "x": expected shape .* got \[3,1\]/,
      (session, feeds) => session.run({ ...feeds, x: feeds.x!.reshape([3, 1]) }),
    ],
    [
      "a disposed feed",
      /input 'x' is disposed/,
      (session, feeds) => {
        feeds.x!.dispose();
        return session.run(feeds);
      },
    ],
    [
      "an output tensor of another shape",
      /output 'y' is float32 of shape \[1,3\]/,
      (session, feeds, { Tensor }) => session.run(feeds, { y: new Tensor("float32", [1, 2], [1, 2]) }),
    ],
    [
      "an output tensor of another type",
      /output 'y' is float32 of shape/,
      (session, feeds, { Tensor }) => session.run(feeds, { y: new Tensor("int32", [1, 2, 3], [1, 3]) }),
    ],
    [
      "to run once it is terminated",
      /terminate/,
      (session, feeds) => session.run(feeds, { terminate: true }),
    ],
    [
      "to run once it is released",
      /was disposed/,
      async (session, feeds) => {
        await session.release();
        return session.run(feeds);
      },
    ],
  ])("refuses %s, in words of its own", async (_name, message, code) => {
    const [ours, theirs] = await both(code);
    expect(ours.error).toBe(theirs.error);
    expect(ours.message).toMatch(message);
  });

  test("refuses elements without a shape, and null", async () => {
    const session = await kiln.InferenceSession.create(buildModel(dense));
    await expect(session.run({ x: Float32Array.of(1, 2) as never })).rejects.toThrow(
      "input 'x' must be a Tensor",
    );
    await expect(session.run({ x: null as never })).rejects.toThrow("input 'x' must be a Tensor");
  });
});

test("all element types go in and out as they do with onnxruntime", async () => {
  const types = ["float32", "float64", "float16", "int8", "int16", "int32", "int64"] as const;
  const others = ["uint8", "uint16", "uint32", "uint64", "bool"] as const;
  const all = [...types, ...others];
  const model = buildModel({
    inputs: Object.fromEntries(all.map((type) => [`in_${type}`, [type, ["n"]]])),
    outputs: Object.fromEntries(all.map((type) => [`out_${type}`, [type, ["n"]]])),
    nodes: all.map((type) => ({ op: "Identity", inputs: [`in_${type}`], outputs: [`out_${type}`] })),
  });
  const dataOf = (type: (typeof all)[number]): unknown =>
    type === "float16"
      ? Uint16Array.of(0x3c00, 0xc000, 0x7c00)
      : type === "bool"
        ? [true, false, true]
        : [1, 0, 100];
  const [ours, theirs] = await both(
    (session, _feeds, { Tensor }) =>
      session.run(
        Object.fromEntries(all.map((type) => [`in_${type}`, new Tensor(type, dataOf(type) as never, [3])])),
      ),
    model,
  );
  expect(ours).toEqual(theirs);
  expect(Object.keys(ours.value as object)).toHaveLength(all.length);
});

describe("a session", () => {
  test("tells names and metadata", async () => {
    const [ours, theirs] = await both((session) => {
      const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
      return { inputNames, outputNames, inputMetadata, outputMetadata };
    });
    expect(ours).toEqual(theirs);
  });

  test("leaves out inputs that have a value", async () => {
    const model = buildModel({
      ...dense,
      irVersion: 3,
      inputs: { ...dense.inputs, w: ["float32", [2, 2]], b: ["float32", [2]] },
    });
    const [ours, theirs] = await both((session) => session.inputNames, model);
    expect(ours).toEqual(theirs);
  });

  test("takes values of open dims", async () => {
    const run = (engine: Engine) =>
      outcome(async () => {
        const options = { freeDimensionOverrides: { batch: 2, of_another_model: 3 } };
        const session = await engine.InferenceSession.create(buildModel(negate), options);
        return [session.inputMetadata, session.outputMetadata];
      });
    expect(await run(kiln)).toEqual(await run(rival));
  });

  test("measures runs between startProfiling and endProfiling", async () => {
    const session = await kiln.InferenceSession.create(buildModel(recurrent));
    const count = () => performance.getEntriesByName("kiln: run").length;
    session.startProfiling();
    await session.run(feedsOf(kiln));
    session.endProfiling();
    await session.run(feedsOf(kiln));
    expect(count()).toBe(1);
  });

  test("is the same for all levels of optimization", async () => {
    for (const graphOptimizationLevel of ["disabled", "basic", "extended", "all"] as const) {
      const session = await kiln.InferenceSession.create(buildModel(dense), { graphOptimizationLevel });
      const { y } = await session.run({ x: new kiln.Tensor("float32", [1, 2], [1, 2]) });
      expect([...y!.data], graphOptimizationLevel).toEqual([8, 0]);
    }
  });
});

describe("create", () => {
  const bytes = buildModel(dense);
  const namesOf = async (session: Promise<Session>) => (await session).inputNames;

  test("takes bytes, buffers and parts of them, paths and file URLs, models and modules", async () => {
    const { create } = kiln.InferenceSession;
    const path = join(folder, "dense.onnx");
    writeFileSync(path, bytes);
    const { wasm } = await compile(bytes);
    const modulePath = join(folder, "dense.wasm");
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
    writeFileSync(join(folder, "split.wasm"), wasm);
    writeFileSync(join(folder, "split.weights"), weights!);
    const session = await kiln.InferenceSession.create(join(folder, "split.wasm"));
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
    writeFileSync(join(folder, "external.onnx"), external);
    writeFileSync(join(folder, "w.bin"), data);
    const { create } = kiln.InferenceSession;
    for (const session of [
      create(join(folder, "external.onnx")),
      create(external, { externalData: [{ path: "./w.bin", data }] }),
      create(external, { externalData: [{ path: "w.bin", data: new Blob([data]) }] }),
      create(external, { externalData: [{ path: "w.bin", data: join(folder, "w.bin") }] }),
    ]) {
      const { y } = await (await session).run({ x: new kiln.Tensor("float32", [1, 2], [1, 2]) });
      expect([...y!.data]).toEqual([8, 0]);
    }
    await expect(create(external)).rejects.toThrow(/externalData: \[\{ path, data \}\]/);
  });
});
