/** TensorProto in all its forms. Bytes come from onnx-proto, or field by field from protobufjs's Writer. */

import protobuf from "protobufjs/minimal.js";
import { describe, expect, test } from "vitest";
import { type TensorData, tensor, tensorOf } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import type { OnnxModel, OnnxTensor } from "../../compiler/onnx/model.js";
import { constantValue, decodeTensorProto } from "../../compiler/onnx/tensor.js";
import { type AttributeSpec, buildModel, buildTensor, type TensorSpec } from "./build-model.js";
import { expectError } from "./raises.js";

const limits = defaultLimits;

function decode(proto: object, name = "t"): TensorData {
  return decodeTensorProto(buildTensor({ proto }, name));
}

describe("typed fields", () => {
  const cases: [dtype: TensorData["dtype"], code: number, field: object, expected: (number | bigint)[]][] = [
    ["float32", 1, { floatData: [1.5, -2, 3e-40] }, [1.5, -2, Math.fround(3e-40)]],
    ["uint8", 2, { int32Data: [0, 128, 255] }, [0, 128, 255]],
    ["int8", 3, { int32Data: [-128, 0, 127] }, [-128, 0, 127]],
    ["uint16", 4, { int32Data: [0, 1, 65535] }, [0, 1, 65535]],
    ["int16", 5, { int32Data: [-32768, 0, 32767] }, [-32768, 0, 32767]],
    ["int32", 6, { int32Data: [-(2 ** 31), -1, 2 ** 31 - 1] }, [-(2 ** 31), -1, 2 ** 31 - 1]],
    ["int64", 7, { int64Data: [-1, 2 ** 40, 5] }, [-1n, 2n ** 40n, 5n]],
    ["bool", 9, { int32Data: [0, 1, 1] }, [0, 1, 1]],
    ["float16", 10, { int32Data: [0x3c00, 0xc000, 0] }, [0x3c00, 0xc000, 0]],
    ["float64", 11, { doubleData: [Math.PI, -0, 1e300] }, [Math.PI, -0, 1e300]],
    ["uint32", 12, { uint64Data: [0, 1, 2 ** 32 - 1] }, [0, 1, 2 ** 32 - 1]],
    ["uint64", 13, { uint64Data: [0, 2 ** 50, 1] }, [0n, 2n ** 50n, 1n]],
    ["bfloat16", 16, { int32Data: [0x3f80, 0xbf80, 1] }, [0x3f80, 0xbf80, 1]],
  ];
  test.each(cases)("%s", (dtype, dataType, field, expected) => {
    const decoded = decode({ dims: [3], dataType, ...field });
    expect(decoded.dtype).toBe(dtype);
    expect(decoded.dims).toEqual([3]);
    expect(Array.from(decoded.data as ArrayLike<number | bigint>)).toEqual(expected);
  });

  test("packed and unpacked numbers, also mixed, in every field", () => {
    const element: Record<number, (w: protobuf.Writer, value: number) => void> = {
      4: (w, value) => w.float(value),
      5: (w, value) => w.int32(value),
      7: (w, value) => w.int64(value),
      10: (w, value) => w.double(value),
      11: (w, value) => w.uint64(value),
    };
    const wireOf: Record<number, number> = { 4: 5, 5: 0, 7: 0, 10: 1, 11: 0 };
    for (const [field, dataType] of [
      [4, 1],
      [5, 6],
      [7, 7],
      [10, 11],
      [11, 13],
    ] as const) {
      const writer = new protobuf.Writer();
      writer.uint32((1 << 3) | 0).int64(2);
      writer
        .uint32((1 << 3) | 2)
        .fork()
        .int64(3)
        .ldelim();
      writer.uint32(2 << 3).int32(dataType);
      const one = (value: number) => {
        writer.uint32((field << 3) | wireOf[field]!);
        element[field]!(writer, value);
      };
      one(1);
      one(2);
      writer.uint32((field << 3) | 2).fork();
      for (const value of [3, 300, 70000]) element[field]!(writer, value);
      writer.ldelim();
      one(6);
      const decoded = decodeTensorProto(writer.finish());
      expect(decoded.dims).toEqual([2, 3]);
      expect(Array.from(decoded.data as ArrayLike<number | bigint>, Number)).toEqual([
        1, 2, 3, 300, 70000, 6,
      ]);
    }
  });

  test("64-bit integers are exact to the last bit", () => {
    const values = [-(2n ** 63n), 2n ** 63n - 1n, -1n, 2n ** 53n + 1n, -(2n ** 31n) - 1n, 2n ** 31n, 0n];
    // Written by hand: no Writer takes a bigint.
    const bytes: number[] = [8, values.length, 16, 7];
    for (const value of values) {
      bytes.push(7 << 3);
      let rest = BigInt.asUintN(64, value);
      for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
      bytes.push(Number(rest));
    }
    expect([...(decodeTensorProto(Uint8Array.from(bytes)).data as BigInt64Array)]).toEqual(values);
  });

  test("numbers outside the type, or in a field of another type, are refused", async () => {
    await expectError(
      () => decode({ dims: [1], dataType: 2, int32Data: [256] }),
      "E_MODEL",
      /256 is no uint8/,
    );
    await expectError(() => decode({ dims: [1], dataType: 3, int32Data: [-129] }), "E_MODEL");
    await expectError(() => decode({ dims: [1], dataType: 12, uint64Data: [2 ** 32] }), "E_MODEL");
    await expectError(() => decode({ dims: [1], dataType: 1, doubleData: [1] }), "E_MODEL", /field/);
    const both = { dims: [1], dataType: 1, floatData: [1], rawData: new Uint8Array(4) };
    await expectError(() => decode(both), "E_MODEL", /two fields/);
  });
});

describe("types of less than a byte", () => {
  const elements = (proto: Parameters<typeof decode>[0]) => [...(decode(proto).data as Int8Array)];

  test("are packed, the first element in the lowest bits, whichever field holds them", () => {
    const rawData = Uint8Array.of(0x87, 0x0f);
    expect(elements({ dims: [3], dataType: 22, rawData })).toEqual([7, -8, -1]);
    expect(elements({ dims: [3], dataType: 21, rawData })).toEqual([7, 8, 15]);
    expect(elements({ dims: [3], dataType: 23, rawData })).toEqual([7, 8, 15]);
    expect(elements({ dims: [5], dataType: 26, rawData: Uint8Array.of(0b11100100, 1) })).toEqual([
      0, 1, -2, -1, 1,
    ]);
    expect(elements({ dims: [4], dataType: 25, rawData: Uint8Array.of(0b11100100) })).toEqual([0, 1, 2, 3]);
    expect(elements({ dims: [3], dataType: 22, int32Data: [0x87, -1] })).toEqual([7, -8, -1]);
  });

  test("have the bytes that their elements need, and nothing wider", async () => {
    const short = { dims: [3], dataType: 22, rawData: Uint8Array.of(1) };
    await expectError(() => decode(short), "E_MODEL", /needs 2 bytes, it has 1/);
    const typed = { dims: [3], dataType: 22, int32Data: [1] };
    await expectError(() => decode(typed), "E_MODEL", /needs 2 bytes, it has 1/);
    await expectError(
      () => decode({ dims: [1], dataType: 22, int32Data: [256] }),
      "E_MODEL",
      /256 is no byte/,
    );
  });
});

describe("raw data", () => {
  test("is a view of the file where it is aligned, and one copy where not", () => {
    const bytes = buildTensor(tensorOf("float32", [2], [1, -2]));
    const at = bytes.length - 8; // raw data comes last
    for (let shift = 0; shift < 4; shift++) {
      const moved = new Uint8Array(bytes.length + 8);
      moved.set(bytes, shift);
      const { data } = decodeTensorProto(moved.subarray(shift, shift + bytes.length));
      expect([...(data as Float32Array)]).toEqual([1, -2]);
      const aligned = (at + shift) % 4 === 0;
      expect(data.buffer === moved.buffer).toBe(aligned);
      expect(data.byteOffset).toBe(aligned ? at + shift : 0);
    }
  });

  test("any byte but 0 is true", () => {
    const { data } = decode({ dims: [4], dataType: 9, rawData: Uint8Array.of(0, 1, 2, 255) });
    expect([...(data as Uint8Array)]).toEqual([0, 1, 1, 1]);
  });

  test("scalars and empty tensors", () => {
    expect(decode({ dims: [], dataType: 7, rawData: new Uint8Array(8) }).data).toEqual(new BigInt64Array(1));
    expect(decode({ dims: [0], dataType: 1 }).data).toEqual(new Float32Array(0));
    expect(decode({ dims: [3, 0], dataType: 1, rawData: new Uint8Array(0) }).dims).toEqual([3, 0]);
  });

  test("a wrong size names the tensor", async () => {
    const short = { dims: [2, 2], dataType: 1, rawData: new Uint8Array(12) };
    await expectError(() => decode(short, "w"), "E_MODEL", /tensor "w".*\[2,2\] needs 16 bytes, it has 12/);
    const typed = { dims: [2, 2], dataType: 1, floatData: [1] };
    await expectError(() => decode(typed, "w"), "E_MODEL", /tensor "w".*needs 4 elements, it has 1/);
  });

  test("hostile dims end before anything is allocated", async () => {
    const dims = (...values: number[]) => ({ dims: values, dataType: 1, rawData: new Uint8Array(4) });
    await expectError(() => decode(dims(-1), "w"), "E_MODEL", /tensor "w".*dimension -1/);
    await expectError(() => decode(dims(2 ** 20, 2 ** 20)), "E_LIMIT");
    await expectError(() => decode(dims(2 ** 32, 2 ** 32, 2 ** 32)), "E_LIMIT");
    await expectError(() => decode(dims(2 ** 62, 0)), "E_LIMIT");
    await expectError(() => decode(dims(2 ** 30)), "E_MODEL", /needs 4294967296 bytes/);
  });
});

describe("what Kiln has no numbers for", () => {
  test.each([
    [{ dims: [1], dataType: 14, floatData: [1, 2] }, /complex64/],
    [{ dims: [1], dataType: 99, rawData: Uint8Array.of(1) }, /type 99/],
    [{ dims: [1], dataType: 8, stringData: [Uint8Array.of(65)] }, /holds strings/],
    [{ dims: [1], dataType: 1, floatData: [1], segment: { begin: 0, end: 1 } }, /segmented/],
  ])("%j", async (proto, message) => {
    await expectError(() => decode(proto, "t"), "E_UNSUPPORTED", message);
  });

  test("a tensor without a type contradicts itself", async () => {
    await expectError(() => decode({ dims: [1], floatData: [1] }), "E_MODEL", /no element type/);
  });
});

async function modelOf(initializers: Record<string, TensorSpec>, over = limits): Promise<OnnxModel> {
  return decodeModel(buildModel({ initializers, nodes: [] }), { limits: over });
}

test("string tensors of a model keep their strings", async () => {
  const { graph } = await modelOf({ s: { strings: ["a", "ß", ""], dims: [3, 1] } });
  expect(graph.initializers.get("s")).toEqual({ dtype: "string", dims: [3, 1], strings: ["a", "ß", ""] });
  await expectError(
    () => modelOf({ s: { strings: ["a"], dims: [2] } }),
    "E_MODEL",
    /needs 2 strings, it has 1/,
  );
});

describe("sparse tensors", () => {
  const values = tensorOf("float32", [3], [1, 2, 3]);

  test("become dense, by linear indices and by coordinates", async () => {
    const { graph } = await modelOf({
      linear: { sparse: { values, indices: tensorOf("int64", [3], [0, 2, 5]), dims: [2, 3] } },
      rows: { sparse: { values, indices: tensorOf("int64", [3, 2], [0, 1, 1, 0, 1, 2]), dims: [2, 3] } },
    });
    expect(graph.initializers.get("linear")).toEqual(tensorOf("float32", [2, 3], [1, 0, 2, 0, 0, 3]));
    expect(graph.initializers.get("rows")).toEqual(tensorOf("float32", [2, 3], [0, 1, 0, 2, 0, 3]));
  });

  test("indices outside, out of order or of the wrong shape are refused", async () => {
    const of = (indices: TensorData) => modelOf({ s: { sparse: { values, indices, dims: [2, 3] } } });
    await expectError(() => of(tensorOf("int64", [3], [0, 2, 6])), "E_MODEL", /index 6/);
    await expectError(() => of(tensorOf("int64", [3], [-1, 2, 5])), "E_MODEL", /index -1/);
    await expectError(() => of(tensorOf("int64", [3, 2], [0, 1, 0, 3, 1, 2])), "E_MODEL", /index 3/);
    await expectError(() => of(tensorOf("int64", [3], [2, 2, 5])), "E_MODEL", /ascending/);
    await expectError(() => of(tensorOf("int64", [2], [2, 3])), "E_MODEL", /indices/);
    await expectError(() => of(tensorOf("int32", [3], [0, 1, 2])), "E_MODEL", /indices/);
  });

  test("few bytes cannot claim much memory", async () => {
    const one = { values: tensorOf("float32", [1], [1]), indices: tensorOf("int64", [1], [7]), dims: [1000] };
    const tight = { ...limits, foldedBytes: 6000 };
    expect((await modelOf({ a: { sparse: one } }, tight)).graph.initializers.size).toBe(1);
    await expectError(
      () => modelOf({ a: { sparse: one }, b: { sparse: one } }, tight),
      "E_LIMIT",
      /8000 bytes/,
    );
  });
});

describe("constants", () => {
  const value = tensorOf("int8", [2], [1, -1]);
  const int = (of: bigint) => tensor("int64", [], BigInt64Array.of(of));
  const sparse = { values: value, indices: tensorOf("int64", [2], [1, 2]), dims: [4] };
  const forms: [string, AttributeSpec, OnnxTensor][] = [
    ["value", value, value],
    ["value_float", { float: 2 }, tensorOf("float32", [], [2])],
    ["value_floats", { floats: [1, 0.5] }, tensorOf("float32", [2], [1, 0.5])],
    ["value_int", 2n ** 63n - 1n, int(2n ** 63n - 1n)],
    ["value_int", -(2n ** 63n), int(-(2n ** 63n))],
    ["value_ints", [3, -4], tensorOf("int64", [2], [3, -4])],
    ["value_ints", [], tensorOf("int64", [0], [])],
    ["value_string", "a", { dtype: "string", dims: [], strings: ["a"] }],
    ["value_strings", ["a", "b"], { dtype: "string", dims: [2], strings: ["a", "b"] }],
    ["value", { tensor: { strings: ["a"] } }, { dtype: "string", dims: [1], strings: ["a"] }],
    ["sparse_value", { sparse }, tensorOf("int8", [4], [0, 1, -1, 0])],
  ];

  async function constant(attributes: Record<string, AttributeSpec>) {
    const nodes = [{ op: "Constant", outputs: ["c"], attributes }];
    return (await decodeModel(buildModel({ nodes }), { limits })).graph.nodes[0]!;
  }

  test.each(forms)("%s", async (name, attribute, expected) => {
    expect(constantValue(await constant({ [name]: attribute }))).toEqual(expected);
  });

  test("several values, no value and values of a wrong kind are refused", async () => {
    const refused = (attributes: Record<string, AttributeSpec>) => async () =>
      constantValue(await constant(attributes));
    await expectError(refused({}), "E_MODEL", /not 0/);
    await expectError(refused({ value_int: 1, value_float: { float: 1 } }), "E_MODEL", /not 2/);
    await expectError(refused({ value_int: { float: 1 } }), "E_MODEL", /kind float, not int/);
    await expectError(refused({ value_other: 1 }), "E_MODEL", /no attribute value_other/);
  });
});
