/** CumSum and CumProd. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { evaluate, expectResults, expectTensor, interpret, of } from "./harness.js";
import { scalar } from "./rows.js";

const x = of("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
const forms: readonly [attributes: Record<string, number>, rows: number[], columns: number[]][] = [
  [{}, [1, 3, 6, 4, 9, 15], [1, 2, 3, 5, 7, 9]],
  [{ exclusive: 1 }, [0, 1, 3, 0, 4, 9], [0, 0, 0, 1, 2, 3]],
  [{ reverse: 1 }, [6, 5, 3, 15, 11, 6], [5, 7, 9, 4, 5, 6]],
  [{ exclusive: 1, reverse: 1 }, [5, 3, 0, 11, 6, 0], [4, 5, 6, 0, 0, 0]],
];

describe("CumSum", () => {
  test.each(forms)("%o", async (attributes, rows, columns) => {
    for (const [axis, expected] of [
      [1, rows],
      [-1, rows],
      [0, columns],
      [-2, columns],
    ] as const) {
      const node = { op: "CumSum", inputs: [x, scalar("int64", axis)], attributes };
      await expectResults({ ...node, constant: [1] }, [of("float32", [2, 3], expected)]);
      const [atRunTime] = await interpret(node);
      expectTensor(atRunTime!, of("float32", [2, 3], expected));
    }
  });

  test.each(["float64", "float16", "bfloat16", "int32", "int64", "uint32", "uint64"] as DType[])(
    "of %s",
    (dtype) =>
      expectResults({ op: "CumSum", inputs: [of(dtype, [3], [1, 2, 3]), of("int32", [1], [0])] }, [
        of(dtype, [3], [1, 3, 6]),
      ]),
  );

  test("of vectors side by side", () => {
    const wide = of(
      "float32",
      [3, 9],
      Array.from({ length: 27 }, (_, i) => i),
    );
    const sums = Array.from({ length: 27 }, (_, i) => [i, 2 * i - 9, 3 * i - 27][Math.floor(i / 9)]!);
    return expectResults({ op: "CumSum", inputs: [wide, scalar("int32", 0)], constant: [1] }, [
      of("float32", [3, 9], sums),
    ]);
  });

  test("of nothing", () =>
    expectResults({ op: "CumSum", inputs: [of("float32", [2, 0], []), scalar("int64", 1)] }, [
      of("float32", [2, 0], []),
    ]));

  test("over an axis that is none", () =>
    expect(evaluate({ op: "CumSum", inputs: [x, scalar("int64", 2)] })).rejects.toThrow(
      "axis 2 of a tensor of 2 dims",
    ));
});

test("CumProd", async () => {
  const node = { op: "CumProd", opset: 26, inputs: [x, scalar("int64", 1)] };
  await expectResults(node, [of("float32", [2, 3], [1, 2, 6, 4, 20, 120])]);
  const attributes = { exclusive: 1, reverse: 1 };
  await expectResults({ ...node, attributes }, [of("float32", [2, 3], [6, 3, 1, 30, 6, 1])]);
});
