/** Operators whose results have as many elements as the data say: NonZero, Compress, Unique, boxes. */

import { describe, expect, test } from "vitest";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { evaluate, expectResults, type Given, ints, of } from "./harness.js";
import { bools, matrix, scalar } from "./rows.js";

/** Those that have a zero. */
const all = (Object.keys(dtypes) as DType[]).filter((dtype) => dtype !== "float8e8m0");

describe("NonZero", () => {
  test.each(all)("of %s", (dtype) =>
    expectResults({ op: "NonZero", inputs: [of(dtype, [2, 3], [0, 1, 0, 1, 1, 0])] }, [
      of("int64", [2, 3], [0, 1, 1, 1, 0, 1]),
    ]),
  );
  test("of NaN and zeros of both signs", () =>
    expectResults({ op: "NonZero", inputs: [[Number.NaN, -0, 0, -1]] }, [of("int64", [1, 2], [0, 3])]));
  test("of scalars and of nothing", async () => {
    await expectResults({ op: "NonZero", inputs: [5] }, [of("int64", [0, 1], [])]);
    await expectResults({ op: "NonZero", inputs: [of("float32", [2, 0], [])] }, [of("int64", [2, 0], [])]);
    await expectResults({ op: "NonZero", inputs: [[0, 0]] }, [of("int64", [1, 0], [])]);
  });
});

describe("Compress", () => {
  test("parts along an axis", async () => {
    const node = { op: "Compress", inputs: [matrix, bools(0, 1, 1)] };
    await expectResults({ ...node, attributes: { axis: 1 } }, [of("float32", [2, 2], [2, 3, 5, 6])]);
    await expectResults({ ...node, attributes: { axis: -1 }, opset: 9 }, [
      of("float32", [2, 2], [2, 3, 5, 6]),
    ]);
  });
  test("elements", () =>
    expectResults({ op: "Compress", inputs: [matrix, bools(0, 1, 0, 0, 1)] }, [of("float32", [2], [2, 5])]));
  test("none", () =>
    expectResults({ op: "Compress", inputs: [matrix, bools(0)], attributes: { axis: 0 } }, [
      of("float32", [0, 3], []),
    ]));
  test("a condition that is none", () =>
    expect(evaluate({ op: "Compress", inputs: [matrix, ints(1)] })).rejects.toThrow("condition of i64[1]"));
});

describe("Unique", () => {
  test.each(all.filter((dtype) => dtype !== "bool" && dtype !== "int2"))("of %s", (dtype) =>
    expectResults({ op: "Unique", inputs: [of(dtype, [2, 3], [3, 1, 3, 2, 1, 3])] }, [
      of(dtype, [3], [1, 2, 3]),
      ints(1, 3, 0),
      ints(2, 0, 2, 1, 0, 2),
      ints(2, 1, 3),
    ]),
  );

  test("in the order of the data", () =>
    expectResults({ op: "Unique", inputs: [[3, 1, 3, 2, 1, 3]], attributes: { sorted: 0 } }, [
      of("float32", [3], [3, 1, 2]),
      ints(0, 1, 3),
      ints(0, 1, 0, 2, 1, 0),
      ints(3, 2, 1),
    ]));

  test("of zeros of both signs and NaN", () =>
    expectResults({ op: "Unique", inputs: [[Number.NaN, 0, -1, -0, Number.NaN]] }, [
      of("float32", [3], [-1, 0, Number.NaN]),
      ints(2, 1, 0),
      ints(2, 1, 0, 1, 2),
      ints(1, 2, 2),
    ]));

  const rows = of("int32", [4, 2], [2, 1, 1, 9, 2, 1, 1, 3]);
  test("rows by their first elements that differ", () =>
    expectResults({ op: "Unique", inputs: [rows], attributes: { axis: 0 } }, [
      of("int32", [3, 2], [1, 3, 1, 9, 2, 1]),
      ints(3, 1, 0),
      ints(2, 1, 2, 0),
      ints(1, 1, 2),
    ]));
  test("rows in the order of the data", () =>
    expectResults({ op: "Unique", inputs: [rows], attributes: { axis: -2, sorted: 0 } }, [
      of("int32", [3, 2], [2, 1, 1, 9, 1, 3]),
      ints(0, 1, 3),
      ints(0, 1, 0, 2),
      ints(2, 1, 1),
    ]));
  test("columns", () =>
    expectResults(
      { op: "Unique", inputs: [of("uint8", [2, 3], [200, 0, 200, 1, 5, 1])], attributes: { axis: 1 } },
      [of("uint8", [2, 2], [0, 200, 5, 1]), ints(1, 0), ints(1, 0, 1), ints(1, 2)],
    ));
  test("of nothing, and of parts without elements", async () => {
    await expectResults({ op: "Unique", inputs: [of("float32", [0], [])] }, [
      of("float32", [0], []),
      ints(),
      ints(),
      ints(),
    ]);
    const empty = { op: "Unique", inputs: [of("float32", [3, 0], [])], attributes: { axis: 0 } };
    await expectResults(empty, [of("float32", [1, 0], []), ints(0), ints(0, 0, 0), ints(3)]);
  });
  test("of many", () => {
    const values = Array.from({ length: 100 }, (_, i) => (i * 37) % 10);
    const first = Array.from({ length: 10 }, (_, value) => values.indexOf(value));
    return expectResults({ op: "Unique", inputs: [values] }, [
      of(
        "float32",
        [10],
        first.map((i) => values[i]!),
      ),
      ints(...first),
      ints(...values),
      ints(...new Array(10).fill(10)),
    ]);
  });
});

describe("NonMaxSuppression", () => {
  const boxes = of("float32", [1, 4, 4], [0, 0, 1, 1, 0, 0.1, 1, 1.1, 1, 1.1, 0, 0.1, 0, 10, 1, 11]);
  const scores = of("float32", [1, 2, 4], [0.9, 0.75, 0.95, 0.5, 0.3, 0.2, 0.1, 0.8]);
  const most = scalar("int64", 3);
  const boxesOf = (inputs: readonly Given[], expected: number[], attributes = {}) =>
    expectResults({ op: "NonMaxSuppression", inputs, attributes }, [
      of("int64", [expected.length / 3, 3], expected),
    ]);

  test("by class, in the order of scores; corners may be any two opposite ones", () =>
    boxesOf([boxes, scores, most, scalar("float32", 0.5)], [0, 0, 2, 0, 0, 3, 0, 1, 3, 0, 1, 0]));
  test("above a score only", () => boxesOf([boxes, scores, of("int64", [1], [1]), [0.5], [0.85]], [0, 0, 2]));
  test("every box, where overlaps do not matter", () =>
    boxesOf([boxes, scores, scalar("int64", 2), scalar("float32", 1)], [0, 0, 2, 0, 0, 0, 0, 1, 3, 0, 1, 0]));
  test("none, unless a number is given", async () => {
    await boxesOf([boxes, scores], []);
    await boxesOf([boxes, scores, scalar("int64", -1)], []);
    await boxesOf([boxes, of("float32", [1, 0, 4], []), most], []);
  });
  test("boxes by their centres", () => {
    const centered = of("float32", [1, 3, 4], [0.5, 0.5, 1, 1, 0.5, 0.6, 1, 1, 0.5, 10.5, 1, 1]);
    const equal = of("float32", [1, 1, 3], [0.5, 0.5, 0.5]);
    return boxesOf([centered, equal, most, scalar("float32", 0.5)], [0, 0, 0, 0, 0, 2], {
      center_point_box: 1,
    });
  });
  test("boxes without area overlap nothing", () => {
    const points = of("float32", [1, 2, 4], [1, 1, 1, 1, 1, 1, 1, 1]);
    return boxesOf([points, of("float32", [1, 1, 2], [1, 2]), most], [0, 0, 1, 0, 0, 0]);
  });
  test("shapes that do not fit", () =>
    expect(
      evaluate({ op: "NonMaxSuppression", inputs: [boxes, of("float32", [1, 1, 3], [1, 2, 3])] }),
    ).rejects.toThrow("takes boxes"));
});
