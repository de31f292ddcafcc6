import { describe, expect, test } from "vitest";
import { load, type Model, Tensor, type TensorType, type TypedArray } from "../../runtime/index.js";
import { errorOf, failure } from "./errors.js";
import { loadInspected } from "./inspect.js";
import { binding, doublingModule, kilnModule } from "./module.js";

const x = (...values: number[]): Tensor => new Tensor("float32", values, [2, 2]);

/** Calls runSync as untyped JavaScript would. */
const feed = (model: Model, feeds: unknown) => model.runSync(feeds as Record<string, Tensor>);

describe("run", () => {
  test("describes inputs and outputs", async () => {
    const model = await load(doublingModule());
    expect(model.inputs).toEqual([{ name: "x", type: "float32", dims: [2, 2] }]);
    expect(model.outputs).toEqual([{ name: "y", type: "float32", dims: [2, 2] }]);
  });

  test("takes tensors, tensor-like objects and bare arrays", async () => {
    const model = await load(doublingModule());
    const data = Float32Array.of(1, 2, 3, 4);
    for (const value of [
      new Tensor("float32", data, [2, 2]),
      { type: "float32", data, dims: [2, 2] },
      data,
    ]) {
      const { y } = await model.run({ x: value as Tensor });
      expect(y).toBeInstanceOf(Tensor);
      expect(y).toMatchObject({ type: "float32", dims: [2, 2], size: 4, data: Float32Array.of(2, 4, 6, 8) });
    }
    expect(model.runSync({ x: x(5, 6, 7, 8) }).y?.data).toEqual(Float32Array.of(10, 12, 14, 16));
  });

  test("takes a view at an odd offset of a larger buffer", async () => {
    const model = await load(doublingModule());
    const view = Float32Array.of(9, 1, 2, 3, 4, 9).subarray(1, 5);
    expect(model.runSync({ x: view }).y?.data).toEqual(Float32Array.of(2, 4, 6, 8));
  });

  test("results are copies: the next run leaves them alone", async () => {
    const model = await load(doublingModule());
    const first = model.runSync({ x: x(1, 1, 1, 1) }).y!;
    const second = model.runSync({ x: x(2, 2, 2, 2) }).y!;
    expect(first.data).toEqual(Float32Array.of(2, 2, 2, 2));
    expect(second.data).toEqual(Float32Array.of(4, 4, 4, 4));
    expect(first.data.buffer.byteLength).toBe(16);
  });

  test("concurrent runs are carried out in turn, each on the feeds it was given", async () => {
    const model = await load(doublingModule());
    const shared = Float32Array.of(0, 0, 0, 0);
    const runs = [1, 2, 3].map((value) => {
      shared.fill(value);
      return model.run({ x: shared });
    });
    expect((await Promise.all(runs)).map(({ y }) => y!.data[0])).toEqual([2, 4, 6]);
  });

  test("every element type goes in and out unchanged", async () => {
    const values: [TensorType, TypedArray][] = [
      ["float32", Float32Array.of(1.5, -0, Number.NaN)],
      ["float64", Float64Array.of(Math.PI, -1e300, Number.POSITIVE_INFINITY)],
      ["bfloat16", Uint16Array.of(0x3f80, 0xff80, 1)],
      ["int8", Int8Array.of(-128, 127, 0)],
      ["int16", Int16Array.of(-32768, 32767, 0)],
      ["int32", Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0)],
      ["int64", BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n)],
      ["uint8", Uint8Array.of(255, 1, 0)],
      ["uint16", Uint16Array.of(65535, 1, 0)],
      ["uint32", Uint32Array.of(2 ** 32 - 1, 1, 0)],
      ["uint64", BigUint64Array.of(2n ** 64n - 1n, 1n, 0n)],
      ["bool", Uint8Array.of(1, 0, 1)],
    ];
    // Input i lies at 32 * i, output i at 512 + 32 * i; the module copies the first half of the memory used.
    const model = await load(
      kilnModule(
        `(module (memory (export "memory") 1 1)
          (func (export "run") (memory.copy (i32.const 512) (i32.const 0) (i32.const 512))))`,
        {
          inputs: values.map(([type], i) => binding(`in_${type}`, type, [3, 1], 32 * i)),
          outputs: values.map(([type], i) => binding(`out_${type}`, type, [1, 3], 512 + 32 * i)),
        },
      ),
    );
    const feeds = Object.fromEntries(
      values.map(([type, data]) => [`in_${type}`, new Tensor(type, data, [3, 1])]),
    );
    const results = await model.run(feeds);
    for (const [type, data] of values) {
      expect(results[`out_${type}`]).toMatchObject({ type, dims: [1, 3], size: 3 });
      expect(results[`out_${type}`]!.data).toEqual(data);
    }
  });

  test("float16 is written and read as bit patterns", async () => {
    const model = await load(
      kilnModule(
        `(module (memory (export "memory") 1 1)
          (func (export "run") (i32.store16 offset=2 (i32.const 0) (i32.load16_u (i32.const 0)))))`,
        { inputs: [binding("x", "float16", [1], 0)], outputs: [binding("y", "float16", [1], 2)] },
      ),
    );
    const { data } = model.runSync({ x: Uint16Array.of(0x3c01) }).y!;
    expect(new Uint16Array(data.buffer)).toEqual(Uint16Array.of(0x3c01));
    expect(data.constructor.name).toBe("Float16Array" in globalThis ? "Float16Array" : "Uint16Array");
  });

  test("int64 is 8 bytes, little endian, at an address of any alignment", async () => {
    const model = await load(
      kilnModule(
        `(module (memory (export "memory") 1 1)
          (func (export "run") (i64.store (i32.const 9) (i64.add (i64.load (i32.const 1)) (i64.const 1)))))`,
        { inputs: [binding("x", "int64", [], 1)], outputs: [binding("y", "int64", [], 9)] },
      ),
    );
    const { y } = model.runSync({ x: new Tensor("int64", [2n ** 40n], []) });
    expect(y).toMatchObject({ dims: [], size: 1, data: BigInt64Array.of(2n ** 40n + 1n) });
  });

  test("bool reaches the module as 0 or 1", async () => {
    const model = await load(
      kilnModule(
        `(module (memory (export "memory") 1 1)
          (func (export "run") (i32.store (i32.const 4) (i32.load (i32.const 0)))))`,
        { inputs: [binding("x", "bool", [4], 0)], outputs: [binding("y", "uint8", [4], 4)] },
      ),
    );
    const data = Uint8Array.of(0, 1, 2, 255);
    expect(model.runSync({ x: data }).y!.data).toEqual(Uint8Array.of(0, 1, 1, 1));
    expect(data).toEqual(Uint8Array.of(0, 1, 2, 255));
  });

  test("uint8 takes the clamped array of an ImageData, from any buffer", async () => {
    const model = await load(
      kilnModule(`(module (memory (export "memory") 1 1) (func (export "run")))`, {
        inputs: [binding("x", "uint8", [2], 0)],
        outputs: [binding("y", "uint8", [2], 0)],
      }),
    );
    expect(model.runSync({ x: Uint8ClampedArray.of(3, 4) }).y!.data).toEqual(Uint8Array.of(3, 4));
    const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(7);
    expect(model.runSync({ x: shared }).y!.data).toEqual(Uint8Array.of(7, 7));
  });

  test("names that objects inherit are names like any other", async () => {
    const names = ["__proto__", "constructor"];
    const model = await load(
      kilnModule(`(module (memory (export "memory") 1 1) (func (export "run")))`, {
        inputs: names.map((name, i) => binding(name, "int8", [1], i)),
        outputs: names.map((name, i) => binding(name, "int8", [1], i)),
      }),
    );
    expect(await failure(() => feed(model, { constructor: Int8Array.of(2) }))).toMatch(
      /^E_FEED: input "__proto__" is missing/,
    );
    const feeds = Object.fromEntries(names.map((name, i) => [name, Int8Array.of(i + 1)]));
    const results = model.runSync(feeds);
    expect(Object.keys(results)).toEqual(names);
    expect(Object.values(results).map(({ data }) => data[0])).toEqual([1, 2]);
  });
});

describe("feeds that do not fit", () => {
  const data = Float32Array.of(1, 2, 3, 4);
  test.each([
    [{}, 'input "x" is missing; inputs of "test": "x"'],
    [{ x: undefined }, 'input "x" is missing; inputs of "test": "x"'],
    [{ x: data, z: data }, 'model "test" has no input "z"; its inputs: "x"'],
    [null, 'feeds of "test" must be an object with a value for each of: "x"'],
    [undefined, 'feeds of "test" must be an object with a value for each of: "x"'],
    [{ x: Float64Array.of(1, 2, 3, 4) }, 'input "x": float32 expects a Float32Array, got Float64Array'],
    [{ x: [1, 2, 3, 4] }, 'input "x": float32 expects a Float32Array, got array'],
    [{ x: 1 }, 'input "x": float32 expects a Float32Array, got number'],
    [{ x: data.buffer }, 'input "x": expected type float32, got undefined'],
    [{ x: new Tensor("int32", [1, 2, 3, 4], [2, 2]) }, 'input "x": expected type float32, got int32'],
    [{ x: { type: "float32", data, dims: [4] } }, 'input "x": expected shape [2,2], got [4]'],
    [{ x: { type: "float32", data } }, 'input "x": expected shape [2,2], got [undefined]'],
    [{ x: { type: "float32", data, dims: "2,2" } }, 'input "x": dims expect whole numbers, got "2,2"'],
    [
      { x: { type: "float32", data: [1, 2, 3, 4], dims: [2, 2] } },
      'input "x": float32 expects a Float32Array, got array',
    ],
    [{ x: Float32Array.of(1) }, 'input "x": [2,2] expects 4 elements, got 1'],
    [
      { x: { type: "float32", data: Float32Array.of(1), dims: [2, 2] } },
      'input "x": [2,2] expects 4 elements, got 1',
    ],
  ])("%o", async (feeds, message) => {
    const model = await load(doublingModule());
    expect(await failure(() => feed(model, feeds))).toBe(`E_FEED: ${message}`);
    expect(await failure(() => model.run(feeds as Record<string, Tensor>))).toBe(`E_FEED: ${message}`);
  });

  test("nothing is copied when a later feed does not fit", async () => {
    const { model, memory } = await loadInspected(
      kilnModule(`(module (memory (export "memory") 1 1) (func (export "run")))`, {
        inputs: [binding("a", "int8", [1], 0), binding("b", "int8", [1], 1)],
      }),
    );
    model.runSync({ a: Int8Array.of(1), b: Int8Array.of(2) });
    expect(await failure(() => model.runSync({ a: Int8Array.of(9), b: Int8Array.of(9, 9) }))).toBe(
      'E_FEED: input "b": [1] expects 1 elements, got 2',
    );
    expect(memory.slice(0, 2)).toEqual(Uint8Array.of(1, 2));
  });

  test("a tensor whose buffer was transferred away is told by its length", async () => {
    const model = await load(doublingModule());
    const tensor = x(1, 2, 3, 4);
    structuredClone(tensor.data.buffer, { transfer: [tensor.data.buffer as ArrayBuffer] });
    expect(await failure(() => model.runSync({ x: tensor }))).toBe(
      'E_FEED: input "x": [2,2] expects 4 elements, got 0',
    );
  });

  test("a model without inputs takes an empty object", async () => {
    const model = await load(
      kilnModule(
        `(module (memory (export "memory") 1 1) (func (export "run") (i32.store8 (i32.const 0) (i32.const 5))))`,
        { outputs: [binding("y", "int8", [], 0)] },
      ),
    );
    expect(model.runSync({}).y!.data).toEqual(Int8Array.of(5));
    expect(await failure(() => feed(model, { x: 1 }))).toBe(
      'E_FEED: model "test" has no input "x"; its inputs: none',
    );
  });
});

describe("traps", () => {
  test("name the model and the function, keep the cause, and leave the model usable", async () => {
    const model = await load(
      kilnModule(
        `(module (memory (export "memory") 1 1)
          (func $gather (if (i32.load8_u (i32.const 0)) (then unreachable)))
          (func (export "run") (call $gather)))`,
        { name: "trapping", inputs: [binding("x", "bool", [], 0)], outputs: [binding("y", "bool", [], 0)] },
      ),
    );
    const error = await errorOf(() => model.run({ x: Uint8Array.of(1) }));
    expect(error.code).toBe("E_TRAP");
    expect(error.message).toBe('model "trapping" trapped in gather: unreachable');
    expect(error.cause).toBeInstanceOf(WebAssembly.RuntimeError);
    expect(model.runSync({ x: Uint8Array.of(0) }).y!.data).toEqual(Uint8Array.of(0));
  });

  test("are told by their kind, and a stack overflow with them", async () => {
    const trap = async (body: string) => {
      const model = await load(
        kilnModule(`(module (memory (export "memory") 1 1) (func $f (export "run") ${body}))`, {}),
      );
      return failure(() => model.runSync({}));
    };
    expect(await trap("(drop (i32.div_s (i32.const 1) (i32.const 0)))")).toBe(
      'E_TRAP: model "test" trapped in f: divide by zero',
    );
    expect(await trap("(drop (i32.load (i32.const -1)))")).toBe(
      'E_TRAP: model "test" trapped in f: memory access out of bounds',
    );
    expect(await trap("(call $f)")).toMatch(/^E_TRAP: model "test" trapped in f: Maximum call stack/);
  });
});
