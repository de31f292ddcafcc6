/** FlexAttention: the graphs that change its scores and probabilities, in what ONNX's cases leave out. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import type { AttributeSpec, GraphSpec, NodeSpec } from "../onnx/build-model.js";
import { expectResults, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";
import { randomNumbers } from "./rival.js";

const tolerance = { relative: 1e-5, absolute: 1e-6 };
const [batch, heads, keyHeads, queries, keys, size, width] = [2, 4, 2, 3, 5, 4, 2];

function some(seed: number, dims: readonly number[], dtype: DType = "float32"): TensorData {
  const random = randomNumbers(seed);
  const count = dims.reduce((a, b) => a * b, 1);
  return of(
    dtype,
    dims,
    Array.from({ length: count }, () => random() * 2 - 1),
  );
}

interface Changes {
  readonly score?: (score: number, query: number, key: number) => number;
  readonly probability?: (probability: number) => number;
}

/** The specification's formula, a number at a time. */
function attend(
  inputs: readonly TensorData[],
  { score = (x) => x, probability = (x) => x }: Changes,
): number[] {
  const [q, k, v] = inputs.map(decodeElements) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
  const result: number[] = [];
  for (let row = 0; row < batch * heads; row++) {
    const own = Math.floor(row / (heads / keyHeads));
    for (let i = 0; i < queries; i++) {
      const weights = Array.from({ length: keys }, (_, j) => {
        let sum = 0;
        for (let d = 0; d < size; d++)
          sum += q[(row * queries + i) * size + d]! * k[(own * keys + j) * size + d]!;
        return Math.exp(score(sum / Math.sqrt(size), i, j));
      });
      const total = weights.reduce((a, b) => a + b, 0);
      for (let d = 0; d < width; d++) {
        const terms = weights.map(
          (weight, j) => probability(weight / total) * v[(own * keys + j) * width + d]!,
        );
        result.push(terms.reduce((a, b) => a + b, 0));
      }
    }
  }
  return result;
}

const inputs = (dtype: DType = "float32") => [
  some(1, [batch, heads, queries, size], dtype),
  some(2, [batch, keyHeads, keys, size], dtype),
  some(3, [batch, keyHeads, keys, width], dtype),
];

const graph = (nodes: NodeSpec[], more: Partial<GraphSpec> = {}): GraphSpec => ({
  inputs: { a: ["float32"] },
  outputs: { r: ["float32"] },
  nodes,
  ...more,
});

const flex = (attributes: Record<string, AttributeSpec>, given = inputs()): NodeCase => ({
  op: "FlexAttention",
  domain: "ai.onnx.preview",
  attributes,
  inputs: given,
});

const number = (value: number, dtype: DType = "float32") => of(dtype, [], [value]);

describe("FlexAttention", () => {
  const halved = graph([{ op: "Mul", inputs: ["a", "half"], outputs: ["r"] }], {
    initializers: { half: number(0.5) },
  });

  test("both graphs, with a name that both have", async () => {
    const node = flex({ score_mod: halved, prob_mod: halved });
    const wanted = attend(inputs(), { score: (x) => x / 2, probability: (x) => x / 2 });
    const y = of("float32", [batch, heads, queries, width], wanted);
    await expectResults(node, [y], tolerance);
    const [open] = await interpret({ ...node, open: [0, 1, 2] });
    expectTensor(open!, y, tolerance);
  });

  test("a graph that reads values of the graph around it", () => {
    const score_mod = graph([
      { op: "ReduceMax", inputs: ["x2"], outputs: ["most"], attributes: { keepdims: 0 } },
      { op: "Mul", inputs: ["a", "most"], outputs: ["r"] },
    ]);
    const most = Math.max(...Array.from(decodeElements(inputs()[2]!)));
    const wanted = attend(inputs(), { score: (x) => x * most });
    const y = of("float32", [batch, heads, queries, width], wanted);
    return expectResults(flex({ score_mod }), [y], tolerance);
  });

  test("a mask whose rows are those of one head", () => {
    const mask = Array.from({ length: queries * keys }, (_, i) => (i % keys <= Math.floor(i / keys) ? 1 : 0));
    const score_mod = graph([{ op: "Where", inputs: ["mask", "a", "low"], outputs: ["r"] }], {
      initializers: { mask: of("bool", [1, 1, queries, keys], mask), low: number(Number.NEGATIVE_INFINITY) },
    });
    const sees = (x: number, i: number, j: number) => (j <= i ? x : Number.NEGATIVE_INFINITY);
    const wanted = attend(inputs(), { score: sees });
    const y = of("float32", [batch, heads, queries, width], wanted);
    return expectResults(flex({ score_mod }), [y], tolerance);
  });

  test("the softmax in doubles", () => {
    const score_mod = graph([{ op: "Add", inputs: ["a", "one"], outputs: ["r"] }], {
      inputs: { a: ["float64"] },
      outputs: { r: ["float64"] },
      initializers: { one: number(1, "float64") },
    });
    const y = of("float32", [batch, heads, queries, width], attend(inputs(), {}));
    return expectResults(flex({ score_mod, softmax_precision: 11 }), [y], tolerance);
  });

  test.each([
    ["float64", { relative: 1e-13, absolute: 1e-14 }],
    ["bfloat16", { relative: 2e-2, absolute: 2e-2 }],
  ] as const)("of %s", (dtype, allowed) => {
    const given = inputs(dtype);
    const y = of(dtype, [batch, heads, queries, width], attend(given, {}));
    return expectResults(flex({}, given), [y], allowed);
  });

  const cast: NodeSpec = { op: "Cast", inputs: ["a"], outputs: ["r"], attributes: { to: 11 } };
  const reduced: NodeSpec = { op: "ReduceMax", inputs: ["a"], outputs: ["r"] };
  const unknown: NodeSpec = { op: "Unheard", inputs: ["a"], outputs: ["r"] };
  const identity: NodeSpec = { op: "Identity", inputs: ["a"], outputs: ["r"] };
  test.each([
    ["another type", graph([cast]), "its score_mod makes float64[2,4,3,5] of float32[2,4,3,5]"],
    ["another shape", graph([reduced]), "its score_mod makes float32[1,1,1,1] of float32[2,4,3,5]"],
    [
      "two inputs",
      graph([identity], { inputs: { a: ["float32"], b: ["float32"] } }),
      "takes 2 inputs, not 1",
    ],
    ["a node that is not supported", graph([unknown]), "Unheard"],
  ])("a graph with %s is refused", async (_, score_mod, reason) => {
    await expect(graphOf(flex({ score_mod }), () => false)).rejects.toThrow(reason);
  });
});
