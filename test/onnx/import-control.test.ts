/** If, Loop and Scan as they are run: values at every level against onnxruntime-web. */

import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { expectLevels, type Tensors } from "../harness.js";
import type { GraphSpec, ModelSpec, NodeSpec } from "./build-model.js";

const node = (op: string, inputs: string[], outputs: string[], attributes: NodeSpec["attributes"] = {}) => ({
  op,
  inputs,
  outputs,
  attributes,
});

const bool = (value: number) => tensorOf("bool", [], [value]);
const integer = (value: number) => tensorOf("int64", [], [value]);
const x = tensorOf("float32", [2, 3], [1, -2, 3, -4, 5, -6]);

const arm = (nodes: NodeSpec[]): GraphSpec => ({ outputs: { r: ["float32"] }, nodes });

describe("If with a condition known only at run time", () => {
  const choice: ModelSpec = {
    inputs: { x: ["float32", [2, 3]], flag: ["bool", []] },
    outputs: { y: ["float32", [null, 3]], z: ["float32", [null, 3]] },
    nodes: [
      node("If", ["flag"], ["y"], {
        then_branch: arm([node("Concat", ["x", "x"], ["r"], { axis: 0 })]),
        else_branch: arm([node("Neg", ["x"], ["r"])]),
      }),
      node("Relu", ["y"], ["z"]),
    ],
  };

  test.each([
    [1, [4, 3]],
    [0, [2, 3]],
  ])("condition %d gives the result of its branch, in that one's shape", async (flag, dims) => {
    const { reference } = await expectLevels(choice, { x, flag: bool(flag) });
    expect(reference.z!.dims).toEqual(dims);
  });
});

describe("Loop", () => {
  /** Adds x to what it carries, lists the sums, and goes on while the sum of all is below a bound. */
  const body: GraphSpec = {
    inputs: { i: ["int64", []], go: ["bool", []], sum: ["float32", [2, 3]] },
    outputs: { goOn: ["bool", []], next: ["float32", [2, 3]], item: ["float32", [2, 3]] },
    nodes: [
      node("Abs", ["x"], ["size"]),
      node("Add", ["sum", "size"], ["next"]),
      node("ReduceSum", ["next"], ["total"], { keepdims: 0 }),
      node("Less", ["total", "bound"], ["goOn"]),
      node("Cast", ["i"], ["pass"], { to: 1 }),
      node("Mul", ["next", "pass"], ["item"]),
    ],
  };
  const sums: ModelSpec = {
    inputs: { x: ["float32", [2, 3]], bound: ["float32", []], passes: ["int64", []], flag: ["bool", []] },
    outputs: { last: ["float32", [2, 3]], list: ["float32", [null, 2, 3]] },
    nodes: [node("Loop", ["passes", "flag", "x"], ["last", "list"], { body })],
  };
  const feeds = (passes: number, bound: number, flag = 1): Tensors => ({
    x,
    bound: tensorOf("float32", [], [bound]),
    passes: integer(passes),
    flag: bool(flag),
  });

  test.each([
    ["all its passes", feeds(4, 1000), 4],
    ["no more passes than its condition allows", feeds(9, 50), 3],
    ["no pass where it is given none", feeds(0, 1000), 0],
    ["no pass where its condition does not hold at first", feeds(4, 1000, 0), 0],
  ])("makes %s", async (_, given, count) => {
    const { reference } = await expectLevels(sums, given);
    expect(reference.list!.dims).toEqual([count, 2, 3]);
  });

  test("takes the branches of an If inside it pass by pass", async () => {
    const nested: GraphSpec = {
      inputs: { i: ["int64", []], go: ["bool", []], sum: ["float32", [2, 3]] },
      outputs: { goOn: ["bool", []], next: ["float32", [2, 3]] },
      nodes: [
        node("Identity", ["go"], ["goOn"]),
        node("Less", ["i", "half"], ["early"]),
        node("If", ["early"], ["next"], {
          then_branch: arm([node("Add", ["sum", "x"], ["r"])]),
          else_branch: arm([node("Mul", ["sum", "x"], ["r"])]),
        }),
      ],
    };
    const model: ModelSpec = {
      inputs: { x: ["float32", [2, 3]], passes: ["int64", []], half: ["int64", []] },
      outputs: { y: ["float32", [2, 3]] },
      nodes: [node("Loop", ["passes", "", "x"], ["y"], { body: nested })],
    };
    const { reference } = await expectLevels(model, { x, passes: integer(4), half: integer(2) });
    expect(reference.y!.data[1]).toBe(-2 * 3 * 4);
  });

  test("carries a value that grows", async () => {
    const growing: GraphSpec = {
      inputs: { i: ["int64", []], go: ["bool", []], all: ["float32", [null, 3]] },
      outputs: { goOn: ["bool", []], next: ["float32", [null, 3]] },
      nodes: [node("Identity", ["go"], ["goOn"]), node("Concat", ["all", "x"], ["next"], { axis: 0 })],
    };
    const model: ModelSpec = {
      inputs: { x: ["float32", [2, 3]], passes: ["int64", []] },
      outputs: { y: ["float32", [null, 3]] },
      nodes: [node("Loop", ["passes", "", "x"], ["y"], { body: growing })],
    };
    const { reference } = await expectLevels(model, { x, passes: integer(3) });
    expect(reference.y!.dims).toEqual([8, 3]);
  });
});

describe("Scan", () => {
  const body: GraphSpec = {
    inputs: { sum: ["float32", [2]], part: ["float32", [2]] },
    outputs: { next: ["float32", [2]], item: ["float32", [2]] },
    nodes: [node("Add", ["sum", "part"], ["next"]), node("Mul", ["next", "part"], ["item"])],
  };

  test.each([
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ])("reads in direction %d and writes in direction %d, along an inner axis", async (read, write) => {
    const model: ModelSpec = {
      inputs: { x: ["float32", [2, 3]], start: ["float32", [2]] },
      outputs: { last: ["float32", [2]], list: ["float32", [2, 3]] },
      nodes: [
        node("Scan", ["start", "x"], ["last", "list"], {
          body,
          num_scan_inputs: 1,
          scan_input_axes: [1],
          scan_input_directions: [read],
          scan_output_axes: [-1],
          scan_output_directions: [write],
        }),
      ],
    };
    await expectLevels(model, { x, start: tensorOf("float32", [2], [10, 20]) });
  });
});
