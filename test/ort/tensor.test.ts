/** Tensors: the same calls on onnxruntime's class and on ours have the same outcome. */

import * as rival from "onnxruntime-web";
import { describe, expect, test } from "vitest";
import * as kiln from "../../runtime/ort/index.js";
import { outcome } from "./outcomes.js";

type Make = new (...values: unknown[]) => rival.Tensor;

const ours = kiln.Tensor as unknown as Make;
const theirs = rival.Tensor as unknown as Make;

/** Arguments of the constructor. */
const calls: Readonly<Record<string, readonly unknown[]>> = {
  "float32 of numbers": ["float32", [1, 2, 3, 4], [2, 2]],
  "float32 of an array": ["float32", Float32Array.of(1, 2)],
  "float64 of numbers": ["float64", [1, 2]],
  "int8, int16, int32": ["int8", [1, -2], [2, 1]],
  "int64 of numbers": ["int64", [1, 2]],
  "int64 of bigints": ["int64", [1n, 2n]],
  "uint64 of bigints": ["uint64", [1n]],
  "bool of booleans": ["bool", [true, false]],
  "bool of bytes": ["bool", Uint8Array.of(1, 0)],
  strings: ["string", ["a", "b"]],
  "strings, type inferred": [
    ["a", "b"],
    [2, 1],
  ],
  "booleans, type inferred": [[true, false]],
  "float16 of bits": ["float16", Uint16Array.of(0x3c00, 0)],
  "uint4, packed": ["uint4", Uint8Array.of(1, 2), [3]],
  "uint4 without dims": ["uint4", Uint8Array.of(1, 2)],
  "int4, packed": ["int4", Uint8Array.of(1), [2]],
  clamped: [Uint8ClampedArray.of(1, 2)],
  "uint8 of clamped": ["uint8", Uint8ClampedArray.of(1, 2)],
  "uint16 inferred": [new Uint16Array(2)],
  "float64 inferred": [new Float64Array(2)],
  "int64 inferred": [new BigInt64Array(1)],
  "uint64 inferred": [new BigUint64Array(1)],
  scalar: ["float32", [1], []],
  "no elements": ["float32", [], [0, 3]],
  "pinned memory": [{ location: "cpu-pinned", type: "float32", data: new Float32Array(2), dims: [2] }],
};

/** Arguments that both refuse, with the same message where ours has nothing to add. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  "numbers without a type": [[1, 2]],
  "an empty array without a type": [[]],
  "numbers for uint4": ["uint4", [1, 2]],
  "strings in a typed array": ["string", new Uint8Array(1)],
  "an unknown type": ["complex64", [1]],
  "too few elements": ["float32", [1, 2], [3]],
  "a negative dim": ["float32", [1, 2], [-1, 2]],
  "a broken dim": ["float32", [1, 2], [0.5]],
  "dims that are no array": ["float32", [1, 2], "2"],
  "dims that are null": ["float32", [1, 2], null],
};

/** Arguments that both refuse, ours in other words. */
const refusedOtherwise: Readonly<Record<string, readonly unknown[]>> = {
  "clamped for int8": ["int8", Uint8ClampedArray.of(1, 2)],
  "another array": ["float32", new Int32Array(1)],
  "int4 in signed bytes": ["int4", Int8Array.of(1), [2]],
  "no data": ["float32"],
  "a DataView": [new DataView(new ArrayBuffer(2))],
  "another array in pinned memory": [
    { location: "cpu-pinned", type: "float32", data: new Int32Array(2), dims: [2] },
  ],
  "an unknown place": [{ location: "moon", type: "float32", dims: [2] }],
};

describe("the constructor", () => {
  test.each(Object.entries(calls))("takes %s", async (_name, given) => {
    const made = await outcome(() => new ours(...given));
    expect(made).toEqual(await outcome(() => new theirs(...given)));
    expect(made.value).toBeDefined();
  });

  test.each(Object.entries(refused))("refuses %s", async (_name, given) => {
    const made = await outcome(() => new ours(...given));
    expect(made).toEqual(await outcome(() => new theirs(...given)));
    expect(made.error).toBeDefined();
  });

  test.each(Object.entries(refusedOtherwise))("refuses %s, in words of its own", async (_name, given) => {
    const made = await outcome(() => new ours(...given));
    expect(made.error).toBe((await outcome(() => new theirs(...given))).error);
    expect(made.error).toBeDefined();
  });

  test("numbers for float16 need an engine with Float16Array", async () => {
    const given = ["float16", [1, 2]];
    expect(await outcome(() => new ours(...given))).toEqual(await outcome(() => new theirs(...given)));
  });
});

function disposed(tensor: rival.Tensor): rival.Tensor {
  tensor.dispose();
  return tensor;
}

describe("a tensor", () => {
  const both = async (code: (tensor: rival.Tensor) => unknown) => {
    const run = (make: Make) => outcome(() => code(new make("float32", [1, 2, 3, 4], [2, 2])));
    const made = await run(ours);
    expect(made.error).toBe((await run(theirs)).error);
    return [made, await run(theirs)] as const;
  };

  test.each<[string, (tensor: rival.Tensor) => unknown]>([
    ["is reshaped over the same elements", (t) => [t.reshape([4]), t.reshape([4]).data === t.data]],
    ["is not reshaped to another size", (t) => t.reshape([3])],
    ["gives its data", async (t) => (await t.getData()) === t.data],
    ["has no data once it is disposed", (t) => disposed(t).data],
    ["gives none then either", (t) => disposed(t).getData()],
    ["is nowhere then", (t) => disposed(t).location],
    ["is not reshaped then", (t) => disposed(t).reshape([4])],
    ["is disposed twice", (t) => disposed(t).dispose()],
  ])("%s", async (_name, code) => {
    const [made, wanted] = await both(code);
    expect(made).toEqual(wanted);
  });

  test.each<[string, (tensor: rival.Tensor) => unknown]>([
    ["texture", (t) => t.texture],
    ["GPU buffer", (t) => t.gpuBuffer],
    ["MLTensor", (t) => t.mlTensor],
  ])("is no %s", async (_name, code) => {
    const [{ message }] = await both(code);
    expect(message).toMatch(/Kiln computes on the CPU/);
  });

  test("stays pinned when it is reshaped", async () => {
    const run = (engine: { Tensor: typeof rival.Tensor }) =>
      outcome(() => engine.Tensor.fromPinnedBuffer("float32", new Float32Array(2)).reshape([2, 1]));
    expect(await run(kiln as never)).toEqual(await run(rival));
  });

  test("is not made of what is on a GPU", () => {
    const { Tensor } = kiln;
    const make = () => Tensor.fromGpuBuffer({ size: 8, mapState: "unmapped" } as never, { dims: [2] });
    expect(make).toThrow(
      /unsupported location 'gpu-buffer': Kiln computes on the CPU. Read the elements back/,
    );
    expect(() => Tensor.fromTexture({}, { width: 1, height: 1 })).toThrow(/'texture'/);
    expect(() => Tensor.fromMLTensor({} as never, { dims: [2] })).toThrow(/'ml-tensor'/);
  });

  test("has element types of Kiln's that onnxruntime's has not", () => {
    const bits = new Uint16Array(2);
    const tensor = new ours("bfloat16", bits, [2]);
    expect(tensor.data).toBe(bits);
  });
});

describe("env", () => {
  test("takes the settings of onnxruntime's", async () => {
    const run = ({ env }: { env: rival.Env }) =>
      outcome(() => {
        env.wasm.numThreads = 1;
        env.wasm.wasmPaths = "/somewhere/";
        env.logLevel = undefined as never;
        env.logLevel = "error";
        return [env.logLevel, env.versions.common, env.versions.web];
      });
    expect(await run(kiln as never)).toEqual(await run(rival));
    kiln.env.logLevel = "warning";
  });

  test("refuses unknown levels", () => {
    const set = ({ env }: { env: rival.Env }) => {
      env.logLevel = "loud" as never;
    };
    expect(() => set(kiln as never)).toThrow("Unsupported logging level: loud");
    expect(() => set(rival)).toThrow("Unsupported logging level: loud");
  });

  test("the default export has what the namespace has", () => {
    const { InferenceSession, Tensor, env } = kiln;
    expect(kiln.default).toEqual({ InferenceSession, Tensor, env });
    for (const name of ["InferenceSession", "Tensor", "env"]) expect(rival).toHaveProperty(name);
  });
});
