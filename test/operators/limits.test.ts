/** What limits its operand keeps NaN, infinities and the order of its bounds, in vectors and in single elements. */

import { test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import type { ModelSpec } from "../onnx/build-model.js";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
// Nineteen elements: vectors, and a rest.
const x = [nan, -inf, inf, -1, 7, -0, 0.5, nan, 3, 6, -3, 2, nan, -inf, inf, 9, -9, nan, 1];

const clamp = (value: number, low: number, high: number): number =>
  Number.isNaN(value) ? nan : Math.min(Math.max(value, low), high);
const six = { low: tensorOf("float32", [], [0]), high: tensorOf("float32", [], [6]) };

test.each([
  ["Relu", ["x"], (value: number) => clamp(value, 0, inf)],
  ["Clip", ["x", "low", "high"], (value: number) => clamp(value, 0, 6)],
  ["HardSigmoid", ["x"], (value: number) => clamp(Math.fround(0.2) * value + 0.5, 0, 1)],
  ["HardSwish", ["x"], (value: number) => value * clamp(value / 6 + 0.5, 0, 1)],
] as const)("%s", async (op, inputs, expected) => {
  const model: ModelSpec = {
    inputs: { x: ["float32", [x.length]] },
    outputs: { y: ["float32", [x.length]] },
    initializers: six,
    nodes: [{ op, inputs: [...inputs], outputs: ["y"] }],
  };
  const reference = { y: tensorOf("float32", [x.length], x.map(expected)) };
  await expectLevels(model, { x: tensorOf("float32", [x.length], x) }, { reference });
});
