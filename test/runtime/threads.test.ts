/** Compiled models on several threads. */

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import type { CompileOptions } from "../../compiler/options.js";
import { load, type Model, Tensor } from "../../runtime/index.js";
import { randomTensor } from "../harness-random.js";
import { hasLightModels, lightNetworks, noise, ocrNetworks, readNetwork } from "../models/models.js";
import { buildModel } from "../onnx/build-model.js";
import { installRuntime } from "./installed.js";

const models: Model[] = [];
const open = async (wasm: Uint8Array, threads?: number): Promise<Model> => {
  const model = await load(wasm as Uint8Array<ArrayBuffer>, { ...(threads !== undefined && { threads }) });
  models.push(model);
  return model;
};
afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
  vi.unstubAllGlobals();
});

const threaded = (bytes: Uint8Array, options: CompileOptions = {}) =>
  compile(bytes, { ...options, features: { ...options.features, threads: true } });

const softmaxOf = (dims: (number | string)[]): Uint8Array =>
  buildModel({
    inputs: { x: ["float32", dims] },
    outputs: { y: ["float32", dims] },
    nodes: [
      { op: "Exp", inputs: ["x"], outputs: ["e"] },
      { op: "Softmax", inputs: ["e"], outputs: ["y"] },
    ],
  });

const networks = [
  ...ocrNetworks.filter(({ name }) => name === "cls"),
  ...(hasLightModels ? lightNetworks.filter(({ name }) => name === "squeezenet") : []),
];

test.each(networks)("$name gives the same bits on 1 to 4 threads", async (network) => {
  const options = { inputShapes: { [network.input]: network.dims } };
  const plain = await compile(readNetwork(network), options);
  const artifact = await threaded(readNetwork(network), options);
  const { data, dims } = noise(network, 3);
  const feeds = { [network.input]: new Tensor("float32", data as Float32Array, dims) };
  const [expected] = Object.values((await open(plain.wasm)).runSync(feeds));
  for (const threads of [1, 2, 3, 4]) {
    const model = await open(artifact.wasm, threads);
    for (let run = 0; run < 3; run++) {
      const [actual] = Object.values(await model.run(feeds));
      expect(Buffer.compare(bytesOf(actual!), bytesOf(expected!))).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 100)); // workers begin
    }
  }
});

const bytesOf = ({ data }: Tensor): Buffer => Buffer.from(data.buffer as ArrayBuffer);

test("open dims, of sizes that change", async () => {
  const artifact = await threaded(softmaxOf(["n", "m"]));
  const plain = await open((await compile(softmaxOf(["n", "m"]))).wasm);
  const model = await open(artifact.wasm, 3);
  for (const dims of [
    [3, 5],
    [200, 301],
    [1000, 70],
    [0, 4],
  ]) {
    const { data } = randomTensor(1, dims, { low: -2, high: 2 });
    const feeds = { x: new Tensor("float32", data as Float32Array, dims) };
    expect(model.runSync(feeds).y!.data).toEqual(plain.runSync(feeds).y!.data);
  }
});

test("two models at once, and weights in a file of their own", async () => {
  const { data } = randomTensor(2, [256, 256], { low: -1, high: 1 });
  const dense = buildModel({
    inputs: { x: ["float32", [256, 256]] },
    outputs: { y: ["float32", [256, 256]] },
    initializers: { w: tensorOf("float32", [256, 256], [...(data as Float32Array)]) },
    nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
  });
  const { wasm, weights } = await threaded(dense, { weights: "split" });
  const bytes = wasm as Uint8Array<ArrayBuffer>;
  const both = [0, 1].map(() => load(bytes, { weights: weights!, threads: 2, verifyWeights: true }));
  models.push(...(await Promise.all(both)));
  const plain = await open((await compile(dense)).wasm);
  const feeds = { x: data as Float32Array };
  const [a, b] = await Promise.all(models.map((model) => model.run(feeds)));
  expect(a!.y!.data).toEqual(plain.runSync(feeds).y!.data);
  expect(b!.y!.data).toEqual(a!.y!.data);
});

test("weights that do not go through the engine, and that do", async () => {
  const { data } = randomTensor(3, [600, 600], { low: -1, high: 1 }); // more than 1 MiB
  const dense = buildModel({
    inputs: { x: ["float32", [2, 600]] },
    outputs: { y: ["float32", [2, 600]] },
    initializers: { w: tensorOf("float32", [600, 600], [...(data as Float32Array)]) },
    nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
  });
  const feeds = { x: (data as Float32Array).subarray(0, 1200) };
  const { wasm } = await threaded(dense);
  const taken = await open(wasm, 2);
  const compiled = await load(new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>), { threads: 2 });
  models.push(compiled);
  const expected = (await open((await compile(dense)).wasm)).runSync(feeds).y!.data;
  expect(taken.runSync(feeds).y!.data).toEqual(expected);
  expect(compiled.runSync(feeds).y!.data).toEqual(expected);
});

test("an error that a run finds leaves states as they were, and the next run goes on", async () => {
  const dims = [400, 300];
  const accumulating = buildModel({
    inputs: { x: ["float32", dims], rows: ["int64", [400]], sum: ["float32", dims] },
    outputs: { y: ["float32", dims], next: ["float32", dims] },
    nodes: [
      { op: "Gather", inputs: ["x", "rows"], outputs: ["g"] },
      { op: "Exp", inputs: ["g"], outputs: ["e"] },
      { op: "Add", inputs: ["e", "sum"], outputs: ["next"] },
      { op: "Softmax", inputs: ["next"], outputs: ["y"] },
    ],
  });
  const options = { states: { sum: "next" } };
  const pair = [
    await open((await compile(accumulating, options)).wasm),
    await open((await threaded(accumulating, options)).wasm, 3),
  ];
  const x = randomTensor(5, dims, { low: -1, high: 1 }).data as Float32Array;
  const sound = BigInt64Array.from({ length: 400 }, (_, i) => BigInt(399 - i));
  const wrong = sound.slice();
  wrong[399] = 400n;
  for (const rows of [sound, wrong, sound]) {
    const results = pair.map((model) => {
      try {
        return model.runSync({ x, rows }).y!.data;
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(results[1]).toEqual(results[0]);
    expect(typeof results[1] === "string").toBe(rows === wrong);
    expect(pair[1]!.exportStates().sum!.data).toEqual(pair[0]!.exportStates().sum!.data);
    await new Promise((resolve) => setTimeout(resolve, 50)); // workers begin
  }
});

test("convolutions whose results go through memory are done by all threads", async () => {
  const bytes = buildModel({
    // 729 places: tiles of four rows and of three, each in a loop of its own.
    inputs: { x: ["float32", [1, 64, 27, 27]], r: ["float32", [1, 128, 27, 27]] },
    outputs: { y: ["float32"] },
    initializers: { w: randomTensor(1, [128, 64, 1, 1]), b: randomTensor(2, [128]) },
    nodes: [
      { op: "Conv", inputs: ["x", "w", "b"], outputs: ["c"] },
      { op: "HardSwish", inputs: ["c"], outputs: ["s"] },
      { op: "Add", inputs: ["s", "r"], outputs: ["y"] },
    ],
  });
  const { report } = await threaded(bytes);
  const convolutions = report.kernels.filter(({ name, isPart }) => name.startsWith("conv") && !isPart);
  expect(convolutions.map(({ isShared }) => isShared)).toEqual([true]);
});

test("a model that is too small for threads has no workers", async () => {
  const { wasm } = await threaded(softmaxOf([30, 30]));
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
  const warn = vi.spyOn(console, "warn");
  const { y } = (await open(wasm, 4)).runSync({ x: new Float32Array(900) });
  expect(y!.data[0]).toBeCloseTo(1 / 30);
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});

test("the module imports one shared memory", async () => {
  const { wasm, metadata } = await threaded(softmaxOf([900, 300]));
  const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  expect(WebAssembly.Module.imports(module)).toEqual([{ module: "kiln", name: "memory", kind: "memory" }]);
  expect(WebAssembly.Module.exports(module).map(({ name }) => name)).toEqual(
    expect.arrayContaining(["memory", "init", "run", "worker"]),
  );
  expect(metadata.features).toContain("threads");
});

test("results are not views of shared memory", async () => {
  const model = await open((await threaded(softmaxOf([900, 300]))).wasm, 2);
  const { y } = model.runSync({ x: new Float32Array(270_000) });
  expect(y!.data.buffer).toBeInstanceOf(ArrayBuffer);
});

test("where no worker can be had it runs on one thread, and says so once", async () => {
  const { wasm } = await threaded(softmaxOf([900, 300]));
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
  vi.stubGlobal("Worker", undefined);
  for (let i = 0; i < 2; i++) {
    const { y } = (await open(wasm, 2)).runSync({ x: new Float32Array(270_000) });
    expect(y!.data[0]).toBeCloseTo(1 / 300);
  }
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]![0]).toMatch(/one thread/);
  warn.mockRestore();
});

test("one thread needs no worker and no warning", async () => {
  const { wasm } = await threaded(softmaxOf([900, 300]));
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
  const warn = vi.spyOn(console, "warn");
  (await open(wasm, 1)).runSync({ x: new Float32Array(270_000) });
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});

test("threads do not keep a process alive, and a model runs within a worker", async () => {
  const { wasm } = await threaded(softmaxOf([900, 300]));
  const program = `
    import { isMainThread, parentPort, Worker } from "node:worker_threads";
    import { load } from "onnx-kiln/runtime";
    const model = await load(Buffer.from(${JSON.stringify(Buffer.from(wasm).toString("base64"))}, "base64"), { threads: 3 });
    const { y } = model.runSync({ x: new Float32Array(270000) });
    if (isMainThread) new Worker(new URL(import.meta.url)).on("message", (inner) => console.log(inner === y.data[0]));
    else parentPort.postMessage(y.data[0]);
  `;
  const folder = installRuntime();
  const file = join(folder, "main.mjs");
  writeFileSync(file, program);
  const output = execFileSync(process.execPath, [file], { timeout: 20_000, encoding: "utf8" });
  rmSync(folder, { recursive: true });
  expect(output).toBe("true\n");
});
