import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { Tensor, type TensorType } from "../../runtime/index.js";
import { failure } from "./errors.js";

/** Calls the constructor as untyped JavaScript would. */
const make = (...args: unknown[]): Tensor => Reflect.construct(Tensor, args);

describe("Tensor", () => {
  test("has type, data, dims and size, and shares the data", () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6);
    const tensor = new Tensor("float32", data, [2, 3]);
    expect(tensor).toMatchObject({ type: "float32", dims: [2, 3], size: 6 });
    expect(tensor.data).toBe(data);
  });

  test("has one dimension unless told, and one element without dimensions", () => {
    expect(new Tensor("int8", Int8Array.of(1, 2, 3)).dims).toEqual([3]);
    expect(new Tensor("int8", Int8Array.of(7), [])).toMatchObject({ dims: [], size: 1 });
    expect(new Tensor("int8", new Int8Array(0), [2, 0])).toMatchObject({ dims: [2, 0], size: 0 });
  });

  test("keeps its own copy of the dims", () => {
    const dims = [2, 1];
    const tensor = new Tensor("int8", Int8Array.of(1, 2), dims);
    dims[0] = 9;
    expect(tensor.dims).toEqual([2, 1]);
  });

  test.each([
    [Float32Array.of(1), "float32"],
    [Float64Array.of(1), "float64"],
    [Int8Array.of(1), "int8"],
    [Int16Array.of(1), "int16"],
    [Int32Array.of(1), "int32"],
    [BigInt64Array.of(1n), "int64"],
    [Uint8Array.of(1), "uint8"],
    [Uint8ClampedArray.of(1), "uint8"],
    [Uint16Array.of(1), "uint16"],
    [Uint32Array.of(1), "uint32"],
    [BigUint64Array.of(1n), "uint64"],
  ])("takes its type from %o", (data, type) => {
    expect(make(data, [1, 1])).toMatchObject({ type, dims: [1, 1], data });
  });

  const conversions: [TensorType, unknown[], unknown][] = [
    ["float32", [1.5, -2], Float32Array.of(1.5, -2)],
    ["float64", [0.1], Float64Array.of(0.1)],
    ["int8", [-1], Int8Array.of(-1)],
    ["uint16", [65535], Uint16Array.of(65535)],
    ["int64", [1, -2n], BigInt64Array.of(1n, -2n)],
    ["uint64", [3], BigUint64Array.of(3n)],
    ["bool", [true, false, 2, 0], Uint8Array.of(1, 0, 1, 0)],
  ];
  test.each(conversions)("%s converts plain numbers %o", (type, values, data) => {
    expect(make(type, values).data).toEqual(data);
  });

  test.each([
    [["float32", Float64Array.of(1)], "float32 expects a Float32Array, got Float64Array"],
    [["int64", Int32Array.of(1)], "int64 expects a BigInt64Array, got Int32Array"],
    [["bfloat16", [1]], "bfloat16 expects a Uint16Array, got array"],
    [["float32", new DataView(new ArrayBuffer(4))], "float32 expects a Float32Array, got DataView"],
    [["float32", null], "float32 expects a Float32Array, got null"],
    [["float32"], "float32 expects a Float32Array, got undefined"],
    [["string", ["a"]], 'unknown element type "string"'],
    [["constructor", [1]], 'unknown element type "constructor"'],
    [["int64", [1.5]], "an element is no int64"],
    [["int8", Int8Array.of(1, 2), [3]], "[3] expects 3 elements, got 2"],
    [["int8", Int8Array.of(1, 2), [-1, -2]], "dims expect whole numbers, got [-1,-2]"],
    [["int8", Int8Array.of(1), [0.5, 2]], "dims expect whole numbers, got [0.5,2]"],
    [["int8", Int8Array.of(1), ["1"]], 'dims expect whole numbers, got ["1"]'],
    [[[1, 2]], "give the element type, unless the data are a typed array"],
    [[], "give the element type, unless the data are a typed array"],
  ])("refuses %o", async (args, message) => {
    expect(await failure(() => make(...args))).toBe(`E_FEED: tensor: ${message}`);
  });

  test("elements of less than a byte share one", async () => {
    const packed = new Tensor("int4", Uint8Array.of(0x21, 0x03), [3]);
    expect(packed).toMatchObject({ dims: [3], size: 3 });
    expect(new Tensor("uint2", Uint8Array.of(1, 2), [2, 3]).size).toBe(6);
    expect(new Tensor("float4e2m1", Uint8Array.of(1, 2)).dims).toEqual([4]);
    const refuse = (...args: unknown[]) => failure(() => make(...args));
    expect(await refuse("int4", Uint8Array.of(1), [3])).toBe("E_FEED: tensor: [3] expects 2 bytes, got 1");
    expect(await refuse("uint4", Int8Array.of(1), [2])).toMatch("uint4 expects a Uint8Array, got Int8Array");
    expect(await refuse("int4", [1, 2], [2])).toMatch("int4 expects a Uint8Array, got array");
    expect(await refuse("float8e5m2", [1])).toMatch("float8e5m2 expects a Uint8Array, got array");
  });

  test("accepts arrays of another realm", () => {
    const foreign = runInNewContext("Float32Array.of(1, 2)") as Float32Array;
    expect(foreign instanceof Float32Array).toBe(false);
    expect(new Tensor("float32", foreign).size).toBe(2);
  });

  test("float16 is a Float16Array where the engine has it, and bit patterns elsewhere", async () => {
    expect(new Tensor("float16", Uint16Array.of(0x3c00)).data).toEqual(Uint16Array.of(0x3c00));
    const Float16 = (globalThis as { Float16Array?: { of(value: number): unknown } }).Float16Array;
    if (Float16) expect(make("float16", [1]).data).toEqual(Float16.of(1));
    else
      expect(await failure(() => make("float16", [1]))).toMatch("float16 expects a Uint16Array, got array");
  });
});
