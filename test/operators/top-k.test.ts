/** TopK: every type, ties and NaN, sizes of heaps, old versions. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { toNumbers } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, expectTensor, interpret, ints, of } from "./harness.js";
import { randomNumbers } from "./rival.js";

const signed: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "bfloat16",
  "int8",
  "int16",
  "int32",
  "int64",
];
const unsigned: readonly DType[] = ["uint8", "uint16", "uint32", "uint64"];

describe("order", () => {
  test.each(signed)("of %s", async (dtype) => {
    const inputs = [of(dtype, [6], [3, -7, 5, -7, 5, 0]), ints(4)];
    const node = { op: "TopK", inputs, constant: [1] };
    await expectResults(node, [of(dtype, [4], [5, 5, 3, 0]), ints(2, 4, 0, 5)]);
    await expectResults({ ...node, attributes: { largest: 0 } }, [
      of(dtype, [4], [-7, -7, 0, 3]),
      ints(1, 3, 5, 0),
    ]);
  });

  test.each(unsigned)("of %s", async (dtype) => {
    const high = 2 ** { uint8: 8, uint16: 16, uint32: 32, uint64: 53 }[dtype as string]! - 1;
    const inputs = [of(dtype, [4], [1, high, 0, 5]), ints(3)];
    const node = { op: "TopK", inputs, constant: [1] };
    await expectResults(node, [of(dtype, [3], [high, 5, 1]), ints(1, 3, 0)]);
    await expectResults({ ...node, attributes: { largest: 0 } }, [of(dtype, [3], [0, 1, 5]), ints(2, 0, 3)]);
  });

  test("of zeros of both signs, infinities and NaN", async () => {
    const inputs = [[-0, Number.NaN, 0, -Infinity, Infinity], ints(5)] as const;
    const node = { op: "TopK", inputs, constant: [1] };
    await expectResults(node, [[Number.NaN, Infinity, -0, 0, -Infinity], ints(1, 4, 0, 2, 3)]);
    const smallest = [-Infinity, -0, 0, Infinity, Number.NaN];
    await expectResults({ ...node, attributes: { largest: 0 } }, [smallest, ints(3, 0, 2, 4, 1)]);
  });
});

describe("sizes", () => {
  const random = randomNumbers(3);
  const values = Array.from({ length: 67 }, () => Math.floor(random() * 20));
  const sorted = values.map((value, i) => ({ value, i })).sort((a, b) => b.value - a.value || a.i - b.i);
  test.each([1, 2, 3, 4, 7, 8, 31, 32, 66, 67])("%d of 67", async (k) => {
    const expected = sorted.slice(0, k);
    const x = of("float32", [67], values);
    const results = [
      of(
        "float32",
        [k],
        expected.map(({ value }) => value),
      ),
      ints(...expected.map(({ i }) => i)),
    ];
    await expectResults({ op: "TopK", inputs: [x, ints(k)], constant: [1] }, results);
    const unknown = await interpret({ op: "TopK", inputs: [x, ints(k)], outputs: 2 });
    expectTensor(unknown[0]!, results[0]!);
    expectTensor(unknown[1]!, results[1]!);
  });

  test("none", () =>
    expectResults({ op: "TopK", inputs: [[1, 2], ints(0)], constant: [1] }, [
      of("float32", [0], []),
      ints(),
    ]));

  test("more than there are", () =>
    expect(evaluate({ op: "TopK", inputs: [[1, 2], ints(3)] })).rejects.toThrow("K is 3, of 2 elements"));
});

describe("axes and versions", () => {
  const x = of("float32", [2, 3, 2], [1, 9, 5, 2, 3, 3, 8, 0, 7, 1, 9, 2]);
  const second = [
    of("float32", [2, 2, 2], [5, 9, 3, 3, 9, 2, 8, 1]),
    of("int64", [2, 2, 2], [1, 0, 2, 2, 2, 2, 0, 1]),
  ];
  test("in the middle", () =>
    expectResults({ op: "TopK", inputs: [x, ints(2)], constant: [1], attributes: { axis: 1 } }, second));
  test("k as an attribute", () =>
    expectResults({ op: "TopK", opset: 1, inputs: [x], attributes: { axis: 1, k: 2 } }, second));
  test("the version between", () =>
    expectResults(
      { op: "TopK", opset: 10, inputs: [x, ints(2)], constant: [1], attributes: { axis: -2 } },
      second,
    ));
  test("one output alone", async () => {
    const [values] = await interpret({
      op: "TopK",
      inputs: [x, ints(1)],
      constant: [1],
      attributes: { sorted: 0 },
    });
    expect(toNumbers(values!)).toEqual([9, 5, 3, 8, 7, 9]);
  });
});
