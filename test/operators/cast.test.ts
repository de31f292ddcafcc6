/** Conversions between all element types, and the memory of types of less than a byte. */

import { describe, expect, test } from "vitest";
import { type DType, dtypes, isMinifloat, isPacked } from "../../compiler/ir/dtype.js";
import { decodeMinifloat, encodeMinifloat } from "../../compiler/ir/minifloat.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import { narrowToOdd } from "../../compiler/loop/half.js";
import { decodeElement } from "../../compiler/operators/numbers.js";
import { evaluate, expectResults, type Given, interpret, type NodeCase, of } from "./harness.js";

const all = Object.keys(dtypes) as DType[];
const minifloatTypes = all.filter(isMinifloat);
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const vector = (dtype: DType, ...values: number[]): TensorData => of(dtype, [values.length], values);

/** Stored forms as they are: bits of floats. */
const bits = (dtype: DType, ...stored: number[]): TensorData =>
  tensor(dtype, [stored.length], new dtypes[dtype].array(stored as never));

const cast = (to: DType, input: Given, attributes: NodeCase["attributes"] = {}): NodeCase => ({
  op: "Cast",
  opset: 25,
  inputs: [input],
  attributes: { to: dtypes[to].onnx, ...attributes },
});

/** Every value of the small types, and values where something changes in the others. */
function samples(dtype: DType): TensorData {
  const { bits: width, array, kind } = dtypes[dtype];
  if (width <= 8 && dtype !== "bool") {
    const lowest = kind === "int" ? -(2 ** (width - 1)) : 0;
    return tensor(dtype, [2 ** width], new array(range(2 ** width, lowest) as never));
  }
  const numbers = [0, 1, 2, 3, 5, 6, 7, 8, 15, 16, 100, 127, 128, 200, 255, 256, 448, 465, 480, 1000, 57344];
  if (kind === "bool") return vector(dtype, 0, 1, 1);
  if (kind === "uint")
    return vector(dtype, ...numbers, 65535, 2 ** width > 2 ** 53 ? 2 ** 53 - 1 : 2 ** width - 1);
  const large = width === 16 ? 32767 : width === 32 ? 2 ** 31 - 1 : 2 ** 53 - 1;
  if (kind === "int") return vector(dtype, ...[...numbers.slice(0, -1), large].flatMap((x) => [x, -x]));
  const fractions = [
    0.4,
    0.5,
    0.75,
    1.1,
    1.5,
    2.5,
    3.5,
    2 ** -6,
    2 ** -10,
    2 ** -17,
    3 * 2 ** -18,
    1e30,
    inf,
  ];
  return vector(dtype, ...[...numbers, ...fractions].flatMap((x) => [x, -x]), nan);
}

const range = (length: number, start = 0): number[] => Array.from({ length }, (_, i) => start + i);

describe("evaluation and code agree", () => {
  test.each(all)("from %s to every type", async (from) => {
    for (const to of all) {
      for (const saturate of to.startsWith("float8") ? [0, 1] : [1]) {
        const node = cast(to, samples(from), { saturate });
        const [evaluated, interpreted] = [await evaluate(node), await interpret(node)];
        expect(interpreted[0]!.dtype).toBe(to);
        const read = ({ data }: TensorData) =>
          Array.from(data as ArrayLike<number | bigint>, (x) => decodeElement(to, x));
        expect(read(interpreted[0]!), `${from} to ${to}`).toEqual(read(evaluated[0]!));
      }
    }
  });
});

describe("minifloats", () => {
  test.each(minifloatTypes)("%s: every number is nearest to itself", (dtype) => {
    for (const code of range(2 ** dtypes[dtype].bits)) {
      const value = decodeMinifloat(dtype, code);
      if (!Number.isNaN(value))
        expect(encodeMinifloat(dtype, value, { saturate: false, roundMode: "up" })).toBe(code);
    }
  });

  test.each(minifloatTypes.filter((dtype) => dtype !== "float8e8m0"))(
    "%s: the nearest, ties to even",
    (dtype) => {
      const codes = range(2 ** (dtypes[dtype].bits - 1)).filter((code) =>
        Number.isFinite(decodeMinifloat(dtype, code)),
      );
      for (const code of codes.slice(1)) {
        const [low, high] = [decodeMinifloat(dtype, code - 1), decodeMinifloat(dtype, code)];
        const middle = (low + high) / 2;
        expect(encodeMinifloat(dtype, middle)).toBe(code % 2 === 0 ? code : code - 1);
        expect(encodeMinifloat(dtype, middle * (1 - 2 ** -50))).toBe(code - 1);
        expect(encodeMinifloat(dtype, middle * (1 + 2 ** -50))).toBe(code);
      }
    },
  );

  test("beyond the largest number", async () => {
    const values = [448, 464, 465, -1e6, inf, -inf, nan];
    await expectResults(cast("float8e4m3fn", values), [
      bits("float8e4m3fn", 0x7e, 0x7e, 0x7e, 0xfe, 0x7e, 0xfe, 0x7f),
    ]);
    const loose = { saturate: 0 };
    await expectResults(cast("float8e4m3fn", values, loose), [
      bits("float8e4m3fn", 0x7e, 0x7e, 0x7f, 0xff, 0x7f, 0xff, 0x7f),
    ]);
    await expectResults(cast("float8e5m2", [57344, 61440, 61439, -inf, nan], loose), [
      bits("float8e5m2", 0x7b, 0x7c, 0x7b, 0xfc, 0x7e),
    ]);
    await expectResults(cast("float8e5m2fnuz", [57344, -1e6, -0, -1e-9], loose), [
      bits("float8e5m2fnuz", 0x7f, 0x80, 0, 0),
    ]);
    await expectResults(cast("float4e2m1", [7, -inf, -0.2], loose), [bits("float4e2m1", 7, 15, 8)]);
  });

  test("powers of two round as they are told", async () => {
    const values = [1, 1.25, 1.5, 3, 2 ** -127, 2 ** -126 * 0.75, 1.75 * 2 ** 127];
    const rounded = (round_mode: string, ...powers: number[]) =>
      expectResults(cast("float8e8m0", values, { round_mode }), [bits("float8e8m0", ...powers)]);
    await rounded("up", 127, 128, 128, 129, 0, 1, 254);
    await rounded("down", 127, 127, 127, 128, 0, 0, 254);
    await rounded("nearest", 127, 127, 128, 129, 0, 1, 254);
    await expectResults(cast("float8e8m0", [0, 1e-45, inf, nan]), [bits("float8e8m0", 0, 0, 254, 255)]);
    await expectResults(cast("float8e8m0", [0, 1e-45, inf, 2 ** 127 * 1.1], { saturate: 0 }), [
      bits("float8e8m0", 255, 255, 255, 255),
    ]);
  });

  test("a round mode must be one", async () => {
    await expect(evaluate(cast("float8e8m0", [1], { round_mode: "even" }))).rejects.toThrow(/round_mode/);
  });
});

describe("rounding happens once", () => {
  // Just above a tie: a float32 on the way would fall on it.
  test("from float64", async () => {
    const above = (tie: number) => vector("float64", tie * (1 + 2 ** -45), tie, tie * (1 - 2 ** -45));
    await expectResults(cast("float16", above(1 + 2 ** -11)), [vector("float16", 1 + 2 ** -10, 1, 1)]);
    await expectResults(cast("bfloat16", above(1 + 2 ** -8)), [vector("bfloat16", 1 + 2 ** -7, 1, 1)]);
    await expectResults(cast("float8e4m3fn", above(1.0625)), [vector("float8e4m3fn", 1.125, 1, 1)]);
    await expectResults(cast("float16", vector("float64", 65520 * (1 - 2 ** -45), 1e300, 5e-324)), [
      vector("float16", 65504, inf, 0),
    ]);
    await expectResults(cast("float8e8m0", vector("float64", 1 + 2 ** -45, 1)), [
      bits("float8e8m0", 128, 127),
    ]);
  });

  test("from wide integers", async () => {
    const tie = 2 ** 30 * (1 + 2 ** -8);
    await expectResults(cast("bfloat16", vector("int32", tie + 1, tie, -tie - 1)), [
      vector("bfloat16", 2 ** 30 * (1 + 2 ** -7), 2 ** 30, -(2 ** 30) * (1 + 2 ** -7)),
    ]);
    const wide = 2n ** 62n + 2n ** 54n;
    const int64 = tensor("int64", [4], BigInt64Array.of(wide + 1n, wide, -wide - 1n, -wide + 1n));
    const up = 2 ** 62 * (1 + 2 ** -7);
    await expectResults(cast("bfloat16", int64), [vector("bfloat16", up, 2 ** 62, -up, -(2 ** 62))]);
    const uint64 = tensor(
      "uint64",
      [2],
      BigUint64Array.of(2n ** 63n + 2n ** 55n + 1n, 2n ** 63n + 2n ** 55n),
    );
    await expectResults(cast("bfloat16", uint64), [vector("bfloat16", 2 ** 63 * (1 + 2 ** -7), 2 ** 63)]);
  });

  test("narrowToOdd", () => {
    expect(narrowToOdd(0.5)).toBe(0.5);
    expect(narrowToOdd(1 + 2 ** -30)).toBe(1 + 2 ** -23);
    expect(narrowToOdd(2 - 2 ** -30)).toBe(2 - 2 ** -23);
    expect(narrowToOdd(1e300)).toBe((2 - 2 ** -23) * 2 ** 127);
    expect(narrowToOdd(-5e-324)).toBe(-(2 ** -149));
    expect(narrowToOdd(-inf)).toBe(-inf);
    expect(narrowToOdd(nan)).toBeNaN();
  });
});

describe("BitCast", () => {
  const bitcast = (to: DType, input: Given): NodeCase => ({
    op: "BitCast",
    opset: 26,
    inputs: [input],
    attributes: { to: dtypes[to].onnx },
  });

  test("keeps every bit", async () => {
    await expectResults(bitcast("int32", [1, -0, inf]), [
      vector("int32", 0x3f800000, -(2 ** 31), 0x7f800000),
    ]);
    // A NaN with a payload, and a subnormal.
    const halves = vector("uint16", 0x7c01, 0xfe55, 1);
    const results = [await evaluate(bitcast("float16", halves)), await interpret(bitcast("float16", halves))];
    for (const [{ data } = halves] of results) expect(data).toEqual(Uint16Array.of(0x7c01, 0xfe55, 1));
    await expectResults(bitcast("int4", vector("uint4", 15, 8, 7)), [vector("int4", -1, -8, 7)]);
    await expectResults(bitcast("bool", vector("uint8", 0, 1, 200)), [vector("bool", 0, 1, 1)]);
    await expectResults(bitcast("int64", vector("float64", 1)), [vector("int64", 0x3ff0000000000000)]);
  });

  test("types of other sizes are refused", async () => {
    await expect(evaluate(bitcast("int16", [1]))).rejects.toThrow(/32 bits of float32 for 16 of int16/);
  });
});

describe("packed integers", () => {
  test("keep the lowest bits of the nearest integer", async () => {
    await expectResults(cast("int4", [-9, 7, 8, 2.5, 3.5, -0.6]), [vector("int4", 7, 7, -8, 2, 4, -1)]);
    await expectResults(cast("uint2", vector("int32", -1, 4, 7)), [vector("uint2", 3, 0, 3)]);
    await expectResults(cast("int2", vector("uint64", 1, 2, 3)), [vector("int2", 1, -2, -1)]);
  });

  /** An odd number of elements, so that the last byte is not full. */
  const x = (dtype: DType) => {
    const { bits: width, kind } = dtypes[dtype];
    const values = range(21).map((i) => ((i * 7 + 3) % 2 ** width) - (kind === "int" ? 2 ** (width - 1) : 0));
    return tensor(dtype, [3, 7], new dtypes[dtype].array(values as never));
  };

  const movements: [string, Omit<NodeCase, "inputs"> & { inputs: (dtype: DType) => Given[] }][] = [
    ["Transpose", { op: "Transpose", inputs: (dtype) => [x(dtype)] }],
    [
      "Slice",
      {
        op: "Slice",
        inputs: (dtype) => [
          x(dtype),
          of("int64", [2], [0, 1]),
          of("int64", [2], [3, 6]),
          of("int64", [2], [0, 1]),
          of("int64", [2], [1, 2]),
        ],
        constant: [1, 2, 3, 4],
      },
    ],
    ["Concat", { op: "Concat", attributes: { axis: 1 }, inputs: (dtype) => [x(dtype), x(dtype)] }],
    [
      "Gather",
      { op: "Gather", attributes: { axis: 1 }, inputs: (dtype) => [x(dtype), of("int64", [3], [6, 0, 3])] },
    ],
    [
      "Split",
      {
        op: "Split",
        attributes: { axis: 1 },
        inputs: (dtype) => [x(dtype), of("int64", [2], [3, 4])],
        constant: [1],
        outputs: 2,
      },
    ],
    ["Pad", { op: "Pad", inputs: (dtype) => [x(dtype), of("int64", [4], [0, 1, 0, 2])], constant: [1] }],
    ["Reshape", { op: "Reshape", inputs: (dtype) => [x(dtype), of("int64", [1], [21])], constant: [1] }],
  ];

  test.each(movements)("%s moves them", async (_, node) => {
    for (const dtype of [...all.filter(isPacked), "float8e5m2"] as DType[]) {
      const given = { ...node, opset: 25, inputs: node.inputs(dtype) };
      const [evaluated, interpreted] = [await evaluate(given), await interpret(given)];
      const read = (results: TensorData[]) =>
        results.map(({ dims, data }) => [dims, Array.from(data as Int8Array)]);
      expect(read(interpreted), dtype).toEqual(read(evaluated));
    }
  });
});
