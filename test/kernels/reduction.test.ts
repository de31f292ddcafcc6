/** Reductions over every subset of axes, of every type, against onnxruntime-web at every level. */

import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { evaluateModel, expectLevels, runCompiled } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { expectNode, modelOf } from "./cases.js";

const floats = [
  "ReduceSum",
  "ReduceMean",
  "ReduceProd",
  "ReduceMax",
  "ReduceMin",
  "ReduceSumSquare",
  "ReduceL1",
  "ReduceL2",
];

const subsets = (count: number): number[][] =>
  Array.from({ length: 2 ** count }, (_, bits) => [...Array(count).keys()].filter((i) => bits & (1 << i)));

/** One model for each operator: a result for each subset of axes, kept and not. */
describe("every subset of axes", () => {
  for (const op of [...floats, "ReduceLogSum"]) {
    test(op, async () => {
      const dims = [2, 3, 5, 4];
      const x = randomTensor(1, dims, op === "ReduceLogSum" ? { low: 0.1, high: 2 } : {});
      const cases = subsets(dims.length)
        .filter((axes) => axes.length > 0)
        .flatMap((axes) =>
          [0, 1].map((keepdims) => ({ axes, keepdims, name: `y${axes.join("")}k${keepdims}` })),
        );
      await expectLevels(
        {
          opset: op === "ReduceSum" ? 17 : 13,
          inputs: { x: ["float32", dims] },
          outputs: Object.fromEntries(cases.map(({ name }) => [name, ["float32"]])),
          initializers: Object.fromEntries(
            cases.map(({ name, axes }) => [`a${name}`, tensorOf("int64", [axes.length], axes)]),
          ),
          nodes: cases.map(({ axes, keepdims, name }) => ({
            op,
            inputs: op === "ReduceSum" ? ["x", `a${name}`] : ["x"],
            outputs: [name],
            attributes: op === "ReduceSum" ? { keepdims } : { keepdims, axes },
          })),
        },
        { x },
      );
    });
  }
});

describe("axes", () => {
  const x = randomTensor(1, [3, 4, 5]);
  test("as an input, negative", () =>
    expectNode({
      op: "ReduceMean",
      opset: 18,
      inputs: [x, tensorOf("int64", [2], [-1, 0])],
      constants: [1],
    }));
  test("as an attribute, negative", () =>
    expectNode({ op: "ReduceMax", opset: 11, inputs: [x], attributes: { axes: [-2] } }));
  test("left out: all of them", () =>
    expectNode({ op: "ReduceSum", inputs: [x], attributes: { keepdims: 0 } }));
  test("left out with noop_with_empty_axes", () =>
    expectNode({ op: "ReduceSum", inputs: [x], attributes: { noop_with_empty_axes: 1 } }));
  test("of one element", () =>
    expectNode({
      op: "ReduceSum",
      inputs: [randomTensor(2, [1, 5, 1]), tensorOf("int64", [2], [0, 2])],
      constants: [1],
    }));
  test("of a scalar", () => expectNode({ op: "ReduceSum", inputs: [randomTensor(2, [])] }));
});

describe("integers", () => {
  for (const dtype of ["int32", "int64"] as const) {
    for (const op of ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceSumSquare"]) {
      // onnxruntime-web has no 64-bit kernels for some of them: there the operator's own evaluation is the reference.
      const known = dtype === "int32" || !["ReduceL1", "ReduceSumSquare"].includes(op);
      test(`${op} of ${dtype}`, () =>
        expectNode(
          {
            op,
            opset: 13,
            inputs: [
              // Products of 15 elements must stay below 2^31.
              randomTensor(4, [3, 4, 5], { dtype, low: -4, high: 4 }),
              ...(op === "ReduceSum" ? [tensorOf("int64", [2], [0, 2])] : []),
            ],
            constants: [1],
            attributes: op === "ReduceSum" ? {} : { axes: [0, 2] },
          },
          { tolerance: {}, reference: known ? "onnxruntime" : "evaluate" },
        ));
    }
  }

  test("sums that a number cannot hold are exact", async () => {
    const x = { dtype: "int64", dims: [2], data: BigInt64Array.of(2n ** 53n, 1n) } as const;
    const { model, feeds } = modelOf({ op: "ReduceSum", inputs: [x], attributes: { keepdims: 0 } });
    const exact = BigInt64Array.of(2n ** 53n + 1n);
    expect((await evaluateModel(model, feeds))!.y!.data).toEqual(exact);
    expect((await runCompiled(model, feeds)).y!.data).toEqual(exact);
  });
});

/** ONNX says what a reduction of nothing is; onnxruntime-web refuses some of them. */
describe("nothing", () => {
  const expected = [
    ["ReduceSum", 0],
    ["ReduceProd", 1],
    ["ReduceMax", Number.NEGATIVE_INFINITY],
    ["ReduceMin", Number.POSITIVE_INFINITY],
    ["ReduceL1", 0],
  ] as const;
  for (const [op, value] of expected) {
    test(op, () =>
      expectNode(
        {
          op,
          opset: 18,
          inputs: [tensorOf("float32", [2, 0], []), tensorOf("int64", [1], [1])],
          constants: [1],
          attributes: { keepdims: 0 },
        },
        { reference: { y: tensorOf("float32", [2], [value, value]) }, tolerance: {} },
      ),
    );
  }
});

test("an operand that is computed on the way, and a result that is used on the way", () =>
  expectNode({
    op: "Sigmoid",
    inputs: [randomTensor(1, [2, 6, 5])],
    initializers: { two: tensorOf("float32", [], [2]) },
    after: [
      { op: "Mul", inputs: ["y", "x0"], outputs: ["z"] },
      { op: "ReduceMean", inputs: ["z"], outputs: ["m"], attributes: { axes: [1] } },
      { op: "Mul", inputs: ["m", "two"], outputs: ["m2"] },
      { op: "Relu", inputs: ["m2"], outputs: ["r"] },
    ],
  }));

test("over places whose channels a convolution has put side by side", () =>
  expectNode({
    op: "Conv",
    inputs: [randomTensor(1, [2, 5, 6, 7]), randomTensor(2, [9, 5, 3, 3])],
    constants: [1],
    after: [{ op: "ReduceMean", inputs: ["y"], outputs: ["z"], attributes: { axes: [2, 3] } }],
  }));
