/** Optimiser steps against the formulas of the specification, on numbers. */

import { describe, expect, test } from "vitest";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectTensor, graphOf, interpret, ints, type NodeCase, of } from "./harness.js";

const domain = "ai.onnx.preview.training";
const rate = 0.1;

interface Slot {
  x: number;
  g: number;
  memories: number[];
}

const slots: Slot[] = [
  { x: 1.5, g: -0.25, memories: [0.5, 0.75] },
  { x: -2, g: 3, memories: [0, 0.125] },
];

/** Both tensors of a step, each of two elements, the first of float32 and the second of float64. */
async function expectStep(
  op: string,
  memories: number,
  count: number,
  attributes: Record<string, number | string>,
  step: (slot: Slot) => number[],
): Promise<void> {
  const dtypes = ["float32", "float64"] as const;
  const tensors = (pick: (slot: Slot) => number) =>
    dtypes.map((dtype, i) => of(dtype, [2, 1], [pick(slots[i]!), pick(slots[1 - i]!)]));
  const kinds = Array.from({ length: memories }, (_, k) => tensors(({ memories: m }) => m[k]!));
  const node: NodeCase = {
    op,
    domain,
    attributes: Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [
        name,
        typeof value === "string" ? value : { float: value },
      ]),
    ),
    inputs: [
      of("float32", [], [rate]),
      of("int64", [], [count]),
      ...tensors(({ x }) => x),
      ...tensors(({ g }) => g),
      ...kinds.flat(),
    ],
    outputs: 2 * (memories + 1),
  };
  const expected = Array.from({ length: memories + 1 }, (_, kind) =>
    tensors((slot) => step(slot)[kind]!),
  ).flat();
  for (const results of [await evaluate(node), await interpret(node)]) {
    expect(results.length).toBe(expected.length);
    for (const [i, one] of expected.entries()) {
      expectTensor(results[i]!, one, { relative: 1e-6, absolute: 1e-7 });
    }
  }
}

describe.each([0, 1, 7])("after %d updates", (count) => {
  test("Adagrad", () => {
    const a = { decay_factor: 0.25, epsilon: 0.001, norm_coefficient: 0.5 };
    return expectStep("Adagrad", 1, count, a, ({ x, g, memories: [h] }) => {
      const gradient = a.norm_coefficient * x + g;
      const squares = h! + gradient ** 2;
      return [
        x - ((rate / (1 + count * a.decay_factor)) * gradient) / (Math.sqrt(squares) + a.epsilon),
        squares,
      ];
    });
  });

  test("Adam", () => {
    const a = {
      alpha: 0.75,
      beta: 0.875,
      epsilon: 0.01,
      norm_coefficient: 0.25,
      norm_coefficient_post: 0.125,
    };
    return expectStep("Adam", 2, count, a, ({ x, g, memories: [v, h] }) => {
      const gradient = a.norm_coefficient * x + g;
      const mean = a.alpha * v! + (1 - a.alpha) * gradient;
      const square = a.beta * h! + (1 - a.beta) * gradient ** 2;
      const bias = count > 0 ? Math.sqrt(1 - a.beta ** count) / (1 - a.alpha ** count) : 1;
      const next = x - (rate * bias * mean) / (Math.sqrt(square) + a.epsilon);
      return [(1 - a.norm_coefficient_post) * next, mean, square];
    });
  });

  test.each(["standard", "nesterov"])("Momentum, %s", (mode) => {
    const a = { alpha: 0.75, beta: 0.5, norm_coefficient: 0.25 };
    return expectStep("Momentum", 1, count, { ...a, mode }, ({ x, g, memories: [v] }) => {
      const gradient = a.norm_coefficient * x + g;
      const velocity = a.alpha * v! + (count > 0 ? a.beta : 1) * gradient;
      return [x - rate * (mode === "standard" ? velocity : gradient + a.alpha * velocity), velocity];
    });
  });
});

test("refusals", async () => {
  const momentum = { alpha: { float: 0.5 }, beta: { float: 0.5 }, norm_coefficient: { float: 0 } };
  const inputs = [0.1, ints(0), [1], [1], [1]];
  const graph = (node: NodeCase) => () => graphOf(node, () => false);
  await expectError(
    graph({ op: "Momentum", domain, inputs, attributes: { ...momentum, mode: "heavy" } }),
    "E_MODEL",
    /mode "heavy"/,
  );
  await expectError(graph({ op: "Adam", domain, inputs }), "E_MODEL", /3 tensors, which is no multiple of 4/);
});
