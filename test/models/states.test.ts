/** States: tensors that a module keeps from one run to the next. */

import { readFileSync } from "node:fs";
import ort from "onnxruntime-web";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { printGraph } from "../../compiler/ir/print.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { parseProgram } from "../../compiler/loop/parse.js";
import { printProgram } from "../../compiler/loop/print.js";
import type { CompileOptions } from "../../compiler/options.js";
import { load } from "../../runtime/index.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";

ort.env.wasm.numThreads = 1;

const loaded = async (model: Uint8Array, options: CompileOptions) => {
  const { wasm } = await compile(model, { verify: true, ...options });
  return load(wasm as Uint8Array<ArrayBuffer>);
};

/** A sum of all inputs so far, and the input before this one. */
const running: ModelSpec = {
  inputs: { x: ["float32", [2]], sum: ["float32", [2]], last: ["float32", [2]] },
  outputs: { y: ["float32", [2]], total: ["float32", [2]], now: ["float32", [2]] },
  nodes: [
    { op: "Add", inputs: ["x", "sum"], outputs: ["total"] },
    { op: "Sub", inputs: ["x", "last"], outputs: ["y"] },
    { op: "Identity", inputs: ["x"], outputs: ["now"] },
  ],
};
const pairs = { sum: "total", last: "now" };

describe("a model with two states", () => {
  test("carries them from run to run, and sets, gives and resets them", async () => {
    const model = await loaded(buildModel(running), { states: pairs });
    expect(model.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(model.outputs.map(({ name }) => name)).toEqual(["y"]);
    const run = (...x: number[]) => [...model.runSync({ x: Float32Array.from(x) }).y!.data];
    expect(run(1, 2)).toEqual([1, 2]);
    expect(run(5, 1)).toEqual([4, -1]);
    const kept = model.exportStates();
    expect(Object.entries(kept).map(([name, { data }]) => [name, ...data])).toEqual([
      ["sum", 6, 3],
      ["last", 5, 1],
    ]);
    model.reset();
    expect([...model.exportStates().sum!.data]).toEqual([0, 0]);
    expect(run(1, 1)).toEqual([1, 1]);
    model.importStates({ last: kept.last! });
    expect(run(6, 6)).toEqual([1, 5]);
    expect([...model.exportStates().sum!.data]).toEqual([7, 7]);
  });

  test("refuses what does not fit, and then changes nothing", async () => {
    const model = await loaded(buildModel(running), { states: pairs });
    model.runSync({ x: Float32Array.of(1, 2) });
    const sum = Float32Array.of(8, 8);
    expect(() => model.importStates({ sum, last: new Float32Array(3) })).toThrow(/state "last".*\[2\]/);
    expect(() => model.importStates({ sum, other: sum })).toThrow(
      /no state "other"; its states: "sum", "last"/,
    );
    expect(() => model.runSync({ x: sum, sum })).toThrow(/no input "sum"/);
    expect([...model.exportStates().sum!.data]).toEqual([1, 2]);
    model.dispose();
    expect(() => model.reset()).toThrow(/disposed/);
  });
});

test("states that take over one another's values do so at once", async () => {
  const shift: ModelSpec = {
    inputs: { x: ["float32", [1]], a: ["float32", [1]], b: ["float32", [1]], m: ["float32", [2, 2]] },
    outputs: { y: ["float32"], a1: ["float32"], b1: ["float32"], m1: ["float32"] },
    nodes: [
      { op: "Add", inputs: ["a", "b"], outputs: ["y"] },
      { op: "Identity", inputs: ["b"], outputs: ["a1"] },
      { op: "Identity", inputs: ["a"], outputs: ["b1"] },
      { op: "Transpose", inputs: ["m"], outputs: ["m1"] },
    ],
  };
  const model = await loaded(buildModel(shift), { states: { a: "a1", b: "b1", m: "m1" } });
  model.importStates({ a: Float32Array.of(1), b: Float32Array.of(2), m: Float32Array.of(1, 2, 3, 4) });
  model.runSync({ x: Float32Array.of(0) });
  const { a, b, m } = model.exportStates();
  expect([...a!.data, ...b!.data, ...m!.data]).toEqual([2, 1, 1, 3, 2, 4]);
});

test("a run that ends in an error leaves states as they were", async () => {
  const spec: ModelSpec = {
    inputs: { i: ["int64", [1]], h: ["int64", [1]] },
    outputs: { y: ["float32"], hn: ["int64"] },
    initializers: { table: tensorOf("float32", [2], [5, 6]), one: tensorOf("int64", [1], [1]) },
    nodes: [
      { op: "Add", inputs: ["h", "one"], outputs: ["hn"] },
      { op: "Gather", inputs: ["table", "i"], outputs: ["y"], name: "pick" },
    ],
  };
  const model = await loaded(buildModel(spec), { states: { h: "hn" } });
  expect([...model.runSync({ i: BigInt64Array.of(1n) }).y!.data]).toEqual([6]);
  expect(() => model.runSync({ i: BigInt64Array.of(2n) })).toThrow(/node "pick"/);
  expect([...model.exportStates().h!.data]).toEqual([1n]);
});

test("names, types and sizes that make no state are errors", async () => {
  const bytes = buildModel(running);
  const attempt =
    (states: Record<string, string>, model = bytes) =>
    () =>
      compile(model, { states });
  await expectError(attempt({ h: "total" }), "E_INPUT", /no input "h".*\n.*"x", "sum", "last"/);
  await expectError(attempt({ sum: "h" }), "E_INPUT", /no output "h"/);
  const open = buildModel({
    inputs: { h: ["float32", ["n"]] },
    outputs: { hn: ["float32"], two: ["float32"] },
    nodes: [
      { op: "Neg", inputs: ["h"], outputs: ["hn"] },
      { op: "Concat", inputs: ["h", "h"], outputs: ["two"], attributes: { axis: 0 } },
    ],
  });
  await expectError(attempt({ h: "hn" }, open), "E_SHAPE", /size of state "h" must be known.*\n.*bind n/);
  const bound = () => compile(open, { states: { h: "two" }, dims: { n: 2 } });
  await expectError(bound, "E_SHAPE", /next value of state "h" must have its shape \[2\]/);
});

test("the text of graphs and programs tells states, and is read back", async () => {
  const texts = new Map<string, string>();
  await compile(buildModel(running), {
    states: pairs,
    onPass: ({ name, after }) => texts.set(name, after),
  });
  const graph = texts.get("import")!;
  expect(graph).toMatch(/^graph @\S+\(%x: .*%sum: .*%last: .*\) -> \(%y: .*%total: .*%now: .*\) states 2 \{/);
  expect(printGraph(parseGraph(graph))).toBe(graph);
  expect(parseGraph(graph).states).toBe(2);
  const program = texts.get("lower")!;
  expect(program).toMatch(/buffer sum: state f32 bytes 8/);
  expect(printProgram(parseProgram(program, new Map()))).toBe(program);
});

const silero = readFileSync("node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx");

describe("Silero VAD v5, its sample rate an input and its recurrent state kept in the module", () => {
  /** A made-up voice: bursts of a changing tone in noise. */
  function frame(at: number, length: number, rate: number): Float32Array<ArrayBuffer> {
    let seed = at + 1;
    const noise = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed / 0x40000000 - 1;
    };
    const loudness = Math.max(0, Math.sin(at / 15));
    return Float32Array.from({ length }, (_, i) => {
      const t = (at * length + i) / rate;
      const tone = [140, 280, 560, 1120].reduce((sum, f) => sum + Math.sin(2 * Math.PI * f * t) / f, 0);
      return 60 * loudness * tone + 0.01 * noise();
    });
  }

  test.each([
    [16000, 512],
    [8000, 256],
  ])("%d Hz: 1,000 frames in a row as onnxruntime-web gives them", async (rate, length) => {
    const model = await loaded(silero, { states: { state: "stateN" }, inputShapes: { state: [2, 1, 128] } });
    const session = await ort.InferenceSession.create(silero, { logSeverityLevel: 3 });
    const sr = BigInt64Array.of(BigInt(rate));
    let state: ort.Tensor = new ort.Tensor("float32", new Float32Array(256), [2, 1, 128]);
    let worst = 0;
    const heard = new Set<boolean>();
    for (let at = 0; at < 1000; at++) {
      const data = frame(at, length, rate);
      const { output } = model.runSync({ input: { type: "float32", data, dims: [1, length] }, sr });
      const input = new ort.Tensor("float32", data, [1, length]);
      const expected = await session.run({ input, state, sr: new ort.Tensor("int64", sr, []) });
      state = expected.stateN!;
      const probability = expected.output!.data[0] as number;
      heard.add(probability > 0.5);
      worst = Math.max(worst, Math.abs((output!.data[0] as number) - probability));
    }
    expect(worst).toBeLessThan(1e-4);
    expect(heard.size).toBe(2);
  });
});
