/** Reductions of every type and of nothing, without axes, and over axes that are known at run time only. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, expectTensor, interpret, ints, of } from "./harness.js";
import { randomNumbers } from "./rival.js";

const folds: Record<string, (values: number[]) => number> = {
  ReduceSum: (v) => sum(v),
  ReduceMean: (v) => sum(v) / v.length,
  ReduceProd: (v) => v.reduce((a, b) => a * b, 1),
  ReduceSumSquare: (v) => sum(v.map((x) => x * x)),
  ReduceL1: (v) => sum(v.map(Math.abs)),
  ReduceL2: (v) => Math.hypot(...v),
  ReduceLogSum: (v) => Math.log(sum(v)),
  ReduceLogSumExp: (v) => Math.log(sum(v.map(Math.exp))),
  ReduceMax: (v) => Math.max(...v),
  ReduceMin: (v) => Math.min(...v),
};
const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

const fractions: readonly DType[] = ["float32", "float64", "float16", "bfloat16"];
const whole: readonly DType[] = ["int32", "int64", "uint32", "uint64"];
const tolerances: Partial<Record<DType, number>> = {
  float32: 2e-6,
  float64: 1e-12,
  float16: 1e-3,
  bfloat16: 8e-3,
};

/** [2, 3, 4] of small whole numbers, positive ones where the type or a logarithm wants them. */
function sample(dtype: DType, low: number, high: number): { x: TensorData; values: number[] } {
  const random = randomNumbers(5);
  const values = Array.from({ length: 24 }, () => low + Math.floor(random() * (high - low + 1)));
  return { x: of(dtype, [2, 3, 4], values), values };
}

/** Of [2, 3, 4] over the middle. */
const overMiddle = (values: number[], fold: (values: number[]) => number): number[] =>
  [0, 1].flatMap((i) => [0, 1, 2, 3].map((k) => fold([0, 1, 2].map((j) => values[i * 12 + j * 4 + k]!))));

describe("every type", () => {
  for (const [op, fold] of Object.entries(folds)) {
    const extreme = op === "ReduceMax" || op === "ReduceMin";
    for (const dtype of [...fractions, ...whole, ...(extreme ? (["int8", "uint8"] as const) : [])]) {
      test(`${op} of ${dtype}`, async () => {
        const low = dtype.startsWith("u") || op === "ReduceLogSum" ? 1 : -5;
        const { x, values } = sample(dtype, low, 5);
        const results = overMiddle(values, fold);
        const expected = fractions.includes(dtype) ? results : results.map(Math.trunc);
        const relative = tolerances[dtype] ?? 0;
        await expectResults(
          { op, opset: 20, inputs: [x, ints(-2)], constant: [1], attributes: { keepdims: 0 } },
          [of(dtype, [2, 4], expected)],
          { relative, absolute: relative },
        );
      });
    }
  }

  test("bool is ordered", async () => {
    const x = of("bool", [3, 2], [0, 0, 0, 1, 1, 1]);
    const node = { opset: 20, inputs: [x, ints(1)], constant: [1], attributes: { keepdims: 0 } };
    await expectResults({ ...node, op: "ReduceMax" }, [of("bool", [3], [0, 1, 1])]);
    await expectResults({ ...node, op: "ReduceMin" }, [of("bool", [3], [0, 0, 1])]);
  });

  test("the upper half of unsigned integers", async () => {
    const x = of("uint32", [3], [5, 2 ** 31, 2 ** 32 - 1]);
    const node = { opset: 20, inputs: [x], attributes: { keepdims: 0 } };
    await expectResults({ ...node, op: "ReduceMax" }, [of("uint32", [], [2 ** 32 - 1])]);
    await expectResults({ ...node, op: "ReduceMin" }, [of("uint32", [], [5])]);
    await expectResults({ ...node, op: "ReduceMean" }, [of("uint32", [], [2147483649])]);
  });

  test("others are refused", () =>
    expect(evaluate({ op: "ReduceSum", inputs: [of("int8", [1], [1])] })).rejects.toThrow(
      "does not take int8",
    ));
});

describe("exponentials", () => {
  const node = { op: "ReduceLogSumExp", attributes: { keepdims: 0 } };
  test("of large numbers", () =>
    expectResults({ ...node, inputs: [[1000, 1000]] }, [1000 + Math.LN2], { relative: 1e-7 }));
  test("of infinities", async () => {
    await expectResults({ ...node, inputs: [[Infinity, 1]] }, [Infinity]);
    await expectResults({ ...node, inputs: [[-Infinity, -Infinity]] }, [-Infinity]);
    await expectResults({ ...node, inputs: [[-Infinity, 2]] }, [2]);
    await expectResults({ ...node, inputs: [[Number.NaN, 2]] }, [Number.NaN]);
  });
});

describe("nothing", () => {
  const nothing: [op: string, dtype: DType, value: number][] = [
    ["ReduceL2", "float32", 0],
    ["ReduceSumSquare", "int64", 0],
    ["ReduceLogSum", "float32", -Infinity],
    ["ReduceLogSumExp", "float32", -Infinity],
    ["ReduceMean", "float32", Number.NaN],
    ["ReduceMax", "int8", -128],
    ["ReduceMax", "uint8", 0],
    ["ReduceMax", "bool", 0],
    ["ReduceMin", "bool", 1],
    ["ReduceMin", "uint8", 255],
    ["ReduceMin", "uint32", 2 ** 32 - 1],
    ["ReduceMin", "float16", Infinity],
  ];
  test.each(nothing)("%s of %s", (op, dtype, value) =>
    expectResults({ op, opset: 20, inputs: [of(dtype, [2, 0], []), ints(1)], constant: [1] }, [
      of(dtype, [2, 1], [value, value]),
    ]),
  );
});

describe("no axes", () => {
  const empty = { constant: [1], opset: 20 };
  test("all of them", () => expectResults({ op: "ReduceSum", inputs: [[1, 2], ints()], ...empty }, [[3]]));
  const attributes = { noop_with_empty_axes: 1 };
  test("none of them: what is done to each element remains", async () => {
    for (const inputs of [[[-2, 3], ints()], [[-2, 3]]] as const) {
      await expectResults({ op: "ReduceSum", inputs, attributes, ...empty }, [[-2, 3]]);
      await expectResults({ op: "ReduceL1", inputs, attributes, ...empty }, [[2, 3]]);
      await expectResults({ op: "ReduceSumSquare", inputs, attributes, ...empty }, [[4, 9]]);
    }
  });
  test("an attribute of old versions", () =>
    expectResults(
      { op: "ReduceProd", opset: 1, inputs: [[2, 3]], attributes: { axes: [], keepdims: 0 } },
      [6],
    ));
});

describe("axes known at run time only", () => {
  const { x, values } = sample("float32", -5, 5);
  for (const [op, fold] of Object.entries(folds).filter(([name]) => name !== "ReduceLogSum")) {
    test(op, async () => {
      for (const given of [1, -2]) {
        const node = { op, inputs: [x, ints(given)] };
        const expected = overMiddle(values, fold);
        const close = { relative: 2e-6, absolute: 1e-6 };
        const [kept] = await interpret(node);
        expectTensor(kept!, of("float32", [2, 1, 4], expected), close);
        const [gone] = await interpret({ ...node, attributes: { keepdims: 0 } });
        expectTensor(gone!, of("float32", [2, 4], expected), close);
      }
    });
  }

  test("of nothing", async () => {
    const nothing = of("float32", [2, 0], []);
    const [result] = await interpret({ op: "ReduceSum", inputs: [nothing, ints(1)] });
    expectTensor(result!, of("float32", [2, 1], [0, 0]));
  });

  test("several of them, in dims that are not known either", async () => {
    const node = { op: "ReduceSum", inputs: [x, ints(-1, 0)], open: [0] };
    const expected = [0, 1, 2].map((j) => sum(values.filter((_, at) => Math.floor(at / 4) % 3 === j)));
    const [kept] = await interpret(node);
    expectTensor(kept!, of("float32", [1, 3, 1], expected));
    const gone = await interpret({ ...node, attributes: { keepdims: 0 } });
    expectTensor(gone[0]!, of("float32", [3], expected));
  });
});
