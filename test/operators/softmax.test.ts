/** Softmax and its logarithm of every type, with open dims, and of rows that have no sum. */

import { describe, expect, test } from "vitest";
import { evaluate, expectResults, of } from "./harness.js";

const values = [1, -2, 3, 0.5, 4, 4, -1, 0, 2, 7, -3, 1];

function rows(log: boolean): number[] {
  return [0, 1, 2].flatMap((row) => {
    const part = values.slice(row * 4, row * 4 + 4);
    const sum = part.reduce((total, x) => total + Math.exp(x), 0);
    return part.map((x) => (log ? x - Math.log(sum) : Math.exp(x) / sum));
  });
}

describe.each(["Softmax", "LogSoftmax"])("%s", (op) => {
  test.each([
    ["float32", 1e-6],
    ["float64", 1e-14],
    ["float16", 1e-3],
    ["bfloat16", 1e-2],
  ] as const)("of %s", async (dtype, relative) => {
    const expected = of(dtype, [3, 4], rows(op === "LogSoftmax"));
    const inputs = [of(dtype, [3, 4], values)];
    await expectResults({ op, inputs }, [expected], { relative, absolute: relative });
    await expectResults({ op, inputs, open: [0] }, [expected], { relative, absolute: relative });
    await expectResults({ op, opset: 11, inputs, open: [0] }, [expected], { relative, absolute: relative });
  });

  test("takes no integers", () =>
    expect(evaluate({ op, inputs: [of("int32", [2], [1, 2])] })).rejects.toThrow("does not take int32"));
});

test("rows that are masked all over have no softmax", () =>
  expectResults({ op: "Softmax", inputs: [of("float32", [1, 2], [-Infinity, -Infinity])] }, [
    of("float32", [1, 2], [Number.NaN, Number.NaN]),
  ]));

test("of nothing", async () => {
  await expectResults({ op: "Softmax", inputs: [of("float32", [2, 0], [])] }, [of("float32", [2, 0], [])]);
  await expectResults({ op: "Softmax", inputs: [of("float16", [0, 2], [])] }, [of("float16", [0, 2], [])]);
});
