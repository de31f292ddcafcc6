import { expect, test } from "vitest";
import { describeOutput, summarize } from "../../compiler/cli/output-summary.js";
import { Tensor } from "../../runtime/index.js";

const describe = (tensor: Tensor): string[] => describeOutput(summarize("y", tensor));

test("range and first elements", () => {
  const values = Float32Array.from({ length: 12 }, (_, i) => i / 4);
  expect(describe(new Tensor(values, [3, 4]))).toEqual([
    "y: float32[3, 4]",
    "  min 0  max 2.75  mean 1.375",
    "  first 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, ...",
  ]);
});

test("the likeliest of many classes, the earlier first where two are alike", () => {
  const scores = Float32Array.of(0, 5, 1, 5, 2, 9, 3, 4, Number.NaN, -1);
  expect(describe(new Tensor(scores, [1, 10])).at(-1)).toBe("  top 5: 5 (9), 1 (5), 3 (5), 7 (4), 6 (3)");
  expect(describe(new Tensor(scores, [1, 10, 1, 1])).at(-1)).toMatch(/^ {2}top 5/);
  expect(describe(new Tensor(scores, [2, 5])).at(-1)).toMatch(/^ {2}first/);
  expect(describe(new Tensor(Int32Array.from(scores), [10])).at(-1)).toMatch(/^ {2}first/);
});

test("numbers that are none", () => {
  const odd = new Tensor(Float32Array.of(1, Number.NaN, Infinity, -Infinity, Number.NaN), [5]);
  expect(describe(odd)).toEqual([
    "y: float32[5]",
    "  min -Infinity  max Infinity  mean NaN  (2 NaNs, 2 infinities)",
    "  first 1, NaN, Infinity, -Infinity, NaN",
  ]);
  expect(describe(new Tensor(Float32Array.of(Number.NaN), [1]))[1]).toBe("  all 1 elements are NaN");
});

test("other types, a scalar and nothing", () => {
  expect(describe(new Tensor("int64", BigInt64Array.of(-5n, 7n), [2]))[1]).toBe("  min -5  max 7  mean 1");
  expect(describe(new Tensor("bool", Uint8Array.of(1), []))).toEqual([
    "y: bool[]",
    "  min 1  max 1  mean 1",
    "  first 1",
  ]);
  const half = new Tensor("float16", Uint16Array.of(0x3c00, 0xc000), [2]);
  expect(describe(half)[2]).toBe("  first 1, -2");
  expect(describe(new Tensor(new Float32Array(), [0, 3]))).toEqual(["y: float32[0, 3]"]);
});
