/** ArgMax, ArgMin and Hardmax: ties, NaN, types, old versions. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { evaluate, expectResults, expectTensor, interpret, ints, of } from "./harness.js";

const types: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "bfloat16",
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
];

describe("places", () => {
  test.each(types)("of %s, the first of equal ones and the last", async (dtype) => {
    const x = of(dtype, [2, 4], [3, 1, 3, 1, 7, 7, 2, 2]);
    const node = { inputs: [x], attributes: { axis: 1, keepdims: 0 } };
    const last = { inputs: [x], attributes: { axis: -1, keepdims: 0, select_last_index: 1 } };
    await expectResults({ op: "ArgMax", ...node }, [ints(0, 0)]);
    await expectResults({ op: "ArgMin", ...node }, [ints(1, 2)]);
    await expectResults({ op: "ArgMax", ...last }, [ints(2, 1)]);
    await expectResults({ op: "ArgMin", ...last }, [ints(3, 3)]);
  });

  test("of the upper half of unsigned integers", async () => {
    const x = of("uint32", [3], [1, 2 ** 32 - 1, 5]);
    await expectResults({ op: "ArgMax", inputs: [x] }, [ints(1)]);
    await expectResults({ op: "ArgMin", inputs: [x] }, [ints(0)]);
  });

  test("of NaN and infinities", async () => {
    await expectResults({ op: "ArgMax", inputs: [[1, Number.NaN, Infinity, Number.NaN]] }, [ints(1)]);
    const last = { select_last_index: 1 };
    await expectResults(
      { op: "ArgMin", inputs: [[1, Number.NaN, -Infinity, Number.NaN]], attributes: last },
      [ints(3)],
    );
    await expectResults({ op: "ArgMax", inputs: [[-Infinity, -Infinity]] }, [ints(0)]);
  });

  test("along an axis in the middle, over rows that vectors do not divide", () => {
    const x = of("float32", [1, 3, 5], [0, 5, 2, 3, 4, 9, 1, 2, 3, 4, 1, 5, 3, 3, 5]);
    return expectResults({ op: "ArgMax", opset: 1, inputs: [x], attributes: { axis: 1 } }, [
      of("int64", [1, 1, 5], [1, 0, 2, 0, 2]),
    ]);
  });

  test("of no elements", async () => {
    const nothing = of("float32", [0, 2], []);
    await expect(evaluate({ op: "ArgMax", inputs: [nothing] })).rejects.toThrow("no elements to choose from");
    await expectResults({ op: "ArgMax", inputs: [nothing], attributes: { axis: 1 } }, [
      of("int64", [0, 1], []),
    ]);
  });

  test("in dims that are known at run time only", async () => {
    const x = of("float32", [2, 3], [1, 5, 2, 8, 0, 3]);
    const [places] = await interpret({ op: "ArgMax", inputs: [x], open: [0], attributes: { axis: 1 } });
    expectTensor(places!, of("int64", [2, 1], [1, 0]));
  });

  test("truth values are refused", () =>
    expect(evaluate({ op: "ArgMax", inputs: [of("bool", [1], [1])] })).rejects.toThrow("does not take bool"));
});

describe("Hardmax", () => {
  const x = of("float32", [2, 2, 2], [1, 1, 0, 2, 4, 3, 9, 8]);
  test("marks the first of equal elements", () =>
    expectResults({ op: "Hardmax", inputs: [x] }, [of("float32", [2, 2, 2], [1, 0, 0, 1, 1, 0, 1, 0])]));
  test("along the first axis", () =>
    expectResults({ op: "Hardmax", inputs: [x], attributes: { axis: 0 } }, [
      of("float32", [2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1]),
    ]));
  test("of rows that older versions make", () =>
    expectResults({ op: "Hardmax", opset: 11, inputs: [x] }, [
      of("float32", [2, 2, 2], [0, 0, 0, 1, 0, 0, 1, 0]),
    ]));
  test("of float16", () =>
    expectResults({ op: "Hardmax", inputs: [of("float16", [3], [1, 3, 2])] }, [
      of("float16", [3], [0, 1, 0]),
    ]));
});
