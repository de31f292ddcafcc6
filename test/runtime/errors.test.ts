/** What only the run can find wrong: an error that names the node, never a read outside a buffer. */

import { expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { load } from "../../runtime/index.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";

const compiled = async (spec: ModelSpec) => {
  const { wasm } = await compile(buildModel(spec));
  return load(wasm as Uint8Array<ArrayBuffer>);
};
const int64 = (...values: number[]) => ({
  type: "int64" as const,
  data: BigInt64Array.from(values, BigInt),
  dims: [values.length],
});
const float32 = (dims: number[], ...values: number[]) => ({
  type: "float32" as const,
  data: Float32Array.from(values),
  dims,
});

test("an index out of range, and a run after it", async () => {
  const model = await compiled({
    inputs: { x: ["float32", [3]], i: ["int64", [2]] },
    outputs: { y: ["float32"] },
    nodes: [
      { op: "Gather", inputs: ["x", "i"], outputs: ["g"], name: "pick" },
      { op: "Neg", inputs: ["g"], outputs: ["y"] },
    ],
  });
  const x = float32([3], 1, 2, 3);
  expect([...model.runSync({ x, i: int64(-3, 2) }).y!.data]).toEqual([-1, -3]);
  expect(() => model.runSync({ x, i: int64(0, 3) })).toThrow(
    /E_RUN|node "pick".*index lies outside of \[-3, 3\)/,
  );
  expect(() => model.runSync({ x, i: int64(-4, 0) })).toThrow(/node "pick"/);
  expect([...model.runSync({ x, i: int64(1, 1) }).y!.data]).toEqual([-2, -2]);
});

test("dims that contradict each other", async () => {
  const model = await compiled({
    inputs: { a: ["float32", ["n"]], b: ["float32", ["m"]] },
    outputs: { y: ["float32"] },
    nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["y"], name: "sum" }],
  });
  const two = float32([2], 1, 2);
  const three = float32([3], 1, 2, 3);
  expect(() => model.runSync({ a: two, b: three })).toThrow(/node "sum".*do not broadcast/);
  expect([...model.runSync({ a: three, b: float32([1], 10) }).y!.data]).toEqual([11, 12, 13]);
  expect([...model.runSync({ a: float32([1], 10), b: two }).y!.data]).toEqual([11, 12]);
  expect([...model.runSync({ a: two, b: two }).y!.data]).toEqual([2, 4]);
});

test("sizes that are negative or do not fit", async () => {
  const model = await compiled({
    inputs: { x: ["float32", [2, 3]], shape: ["int64", [2]] },
    outputs: { y: ["float32"] },
    nodes: [{ op: "Reshape", inputs: ["x", "shape"], outputs: ["y"], name: "view" }],
  });
  const x = float32([2, 3], 1, 2, 3, 4, 5, 6);
  expect(model.runSync({ x, shape: int64(3, -1) }).y!.dims).toEqual([3, 2]);
  expect(model.runSync({ x, shape: int64(0, 3) }).y!.dims).toEqual([2, 3]);
  expect(() => model.runSync({ x, shape: int64(4, 2) })).toThrow(/node "view"/);
  expect(() => model.runSync({ x, shape: int64(-2, -3) })).toThrow(/node "view"/);
  expect(() => model.runSync({ x, shape: int64(2 ** 40, 2 ** 40) })).toThrow(/node "view"|memory/);
  expect(model.runSync({ x, shape: int64(6, 1) }).y!.dims).toEqual([6, 1]);
});

test("more memory than a module may have", async () => {
  const spec: ModelSpec = {
    inputs: { n: ["int64", [1]] },
    outputs: { y: ["float32"] },
    initializers: { zero: tensorOf("float32", [], [0]) },
    nodes: [
      { op: "Expand", inputs: ["zero", "n"], outputs: ["e"] },
      { op: "Exp", inputs: ["e"], outputs: ["y"] },
    ],
  };
  const { wasm } = await compile(buildModel(spec), { limits: { memoryBytes: 2 ** 20 } });
  const model = await load(wasm as Uint8Array<ArrayBuffer>);
  expect(model.runSync({ n: int64(1000) }).y!.size).toBe(1000);
  expect(() => model.runSync({ n: int64(10_000_000) })).toThrow(/memory/);
  expect([...model.runSync({ n: int64(3) }).y!.data]).toEqual([1, 1, 1]);
});

test("another input size than the weights of a recurrent layer are made for", async () => {
  const model = await compiled({
    opset: 14,
    inputs: { x: ["float32", ["steps", "batch", "size"]] },
    outputs: { y: ["float32"], h: ["float32"] },
    initializers: { w: tensorOf("float32", [1, 1, 2], [1, 2]), r: tensorOf("float32", [1, 1, 1], [0]) },
    nodes: [
      {
        op: "RNN",
        inputs: ["x", "w", "r"],
        outputs: ["y", "h"],
        attributes: { hidden_size: 1 },
        name: "cell",
      },
    ],
  });
  const x = (size: number) => float32([1, 1, size], ...new Array<number>(size).fill(0.1));
  expect(model.runSync({ x: x(2) }).h!.data[0]).toBeCloseTo(Math.tanh(0.3), 5);
  for (const size of [1, 3, 100]) expect(() => model.runSync({ x: x(size) })).toThrow(/node "cell"/);
});
