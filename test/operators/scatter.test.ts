/** Scatter, ScatterElements, ScatterND, and what Gather, GatherElements and GatherND pick. */

import { describe, expect, test } from "vitest";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { evaluate, expectResults, expectTensor, interpret, ints, of } from "./harness.js";
import { matrix, scalar } from "./rows.js";

const all = Object.keys(dtypes) as DType[];

describe("ScatterElements", () => {
  const data = of("float32", [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const indices = of("int64", [2, 3], [1, 0, 2, 0, -1, 1]);
  const updates = of("float32", [2, 3], [10, 11, 12, 20, 21, 22]);
  const rows = of("float32", [3, 3], [20, 11, 3, 10, 5, 22, 7, 21, 12]);
  const columns = of("float32", [3, 3], [11, 10, 12, 20, 22, 21, 7, 8, 9]);

  test("along both axes", async () => {
    await expectResults({ op: "ScatterElements", inputs: [data, indices, updates] }, [rows]);
    const attributes = { axis: -1 };
    await expectResults({ op: "ScatterElements", opset: 11, inputs: [data, indices, updates], attributes }, [
      columns,
    ]);
    await expectResults({ op: "Scatter", opset: 9, inputs: [data, indices, updates], attributes }, [columns]);
  });

  test("indices that are constants", () =>
    expectResults({ op: "ScatterElements", inputs: [data, indices, updates], constant: [1] }, [rows]));

  const twice = { inputs: [[1, 2, 3], ints(1, 1, 1), [5, -3, 4]] as const };
  const combined = { none: 4, add: 8, mul: -120, min: -3, max: 5 };
  test.each(Object.entries(combined))("the same place again, reduction %s", (reduction, middle) =>
    expectResults({ op: "ScatterElements", ...twice, attributes: { reduction } }, [[1, middle, 3]]),
  );

  test("integers of few bits wrap", () => {
    const inputs = [of("uint8", [2], [200, 1]), of("int32", [2], [0, 0]), of("uint8", [2], [100, 3])];
    return expectResults({ op: "ScatterElements", inputs, attributes: { reduction: "add" } }, [
      of("uint8", [2], [47, 1]),
    ]);
  });

  test("unsigned integers are compared as such", () => {
    const inputs = [of("uint32", [2], [1, 2 ** 32 - 1]), ints(0, 1), of("uint32", [2], [2 ** 31, 5])];
    return expectResults({ op: "ScatterElements", inputs, attributes: { reduction: "max" } }, [
      of("uint32", [2], [2 ** 31, 2 ** 32 - 1]),
    ]);
  });

  test("truth values", async () => {
    const inputs = [of("bool", [3], [0, 1, 1]), ints(0, 1, 2), of("bool", [3], [1, 0, 1])];
    const node = { op: "ScatterElements", inputs };
    await expectResults({ ...node, attributes: { reduction: "add" } }, [of("bool", [3], [1, 1, 1])]);
    await expectResults({ ...node, attributes: { reduction: "mul" } }, [of("bool", [3], [0, 0, 1])]);
  });

  test.each(all)("moves %s", (dtype) =>
    expectResults(
      { op: "ScatterElements", inputs: [of(dtype, [3], [0, 1, 0]), ints(2), of(dtype, [1], [1])] },
      [of(dtype, [3], [0, 1, 1])],
    ),
  );

  test("nothing", () =>
    expectResults({ op: "ScatterElements", inputs: [[1, 2], ints(), of("float32", [0], [])] }, [[1, 2]]));
});

describe("ScatterND", () => {
  test("rows, the last one last", () => {
    const inputs = [
      matrix,
      of("int64", [3, 1], [1, 0, -1]),
      of("float32", [3, 3], [1, 1, 1, 2, 2, 2, 3, 3, 3]),
    ];
    return expectResults({ op: "ScatterND", opset: 11, inputs }, [of("float32", [2, 3], [2, 2, 2, 3, 3, 3])]);
  });
  const twice = [matrix, of("int64", [2, 2], [1, -1, 1, 2]), of("float32", [2], [10, 3])];
  const combined = { none: 3, add: 19, mul: 180, min: 3, max: 10 };
  test.each(Object.entries(combined))("elements, reduction %s", (reduction, last) =>
    expectResults({ op: "ScatterND", inputs: twice, attributes: { reduction } }, [
      of("float32", [2, 3], [1, 2, 3, 4, 5, last]),
    ]),
  );
  test("the whole", () =>
    expectResults(
      {
        op: "ScatterND",
        inputs: [[1, 2], of("int64", [2, 0], []), of("float32", [2, 2], [5, 6, 7, 8])],
        attributes: { reduction: "add" },
      },
      [[13, 16]],
    ));
});

describe("refused", () => {
  const cases: [title: string, inputs: Parameters<typeof expectResults>[0]["inputs"], message: RegExp][] = [
    ["an index that is outside", [[1, 2], ints(2), [5]], /index 2 of a dim of 2/],
    ["other types", [[1, 2], ints(1), of("int32", [1], [5])], /puts int32 into float32/],
    ["other shapes", [[1, 2], ints(1), [5, 6]], /updates of shape \[2\], not \[1\]/],
    ["indices of floats", [[1, 2], [1], [5]], /does not take indices of float32/],
  ];
  test.each(cases)("%s", (_, inputs, message) =>
    expect(evaluate({ op: "ScatterElements", inputs })).rejects.toThrow(message),
  );
  test("a reduction that is none", () =>
    expect(
      evaluate({
        op: "ScatterND",
        inputs: [[1], of("int64", [1, 1], [0]), [1]],
        attributes: { reduction: "mean" },
      }),
    ).rejects.toThrow('reduction "mean" is not defined'));
});

describe("gather", () => {
  test.each(all)("of %s", async (dtype) => {
    const x = of(dtype, [2, 2], [0, 1, 1, 0]);
    await expectResults({ op: "Gather", inputs: [x, ints(-1)] }, [of(dtype, [1, 2], [1, 0])]);
    const at = of("int32", [1, 2], [1, -2]);
    await expectResults({ op: "GatherElements", inputs: [x, at], attributes: { axis: 1 } }, [
      of(dtype, [1, 2], [1, 0]),
    ]);
    await expectResults({ op: "GatherND", inputs: [x, of("int64", [1, 2], [-2, -1])] }, [
      of(dtype, [1], [1]),
    ]);
  });
  test("by a scalar, in the first version", async () => {
    const [row] = await interpret({ op: "Gather", opset: 1, inputs: [matrix, scalar("int32", 1)] });
    expectTensor(row!, of("float32", [3], [4, 5, 6]));
  });
});
