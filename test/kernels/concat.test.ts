/** Concatenations, whose operands are written in place where that can be, at every level. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { buildModel, type ModelSpec, type NodeSpec } from "../onnx/build-model.js";

const dims = [2, 3, 4, 5];

/** A model with inputs a and b of the same shape, two 1x1 convolutions' weights, and a constant c of that shape. */
async function check(nodes: NodeSpec[], outputs: string[]): Promise<void> {
  const feeds: Record<string, TensorData> = { a: randomTensor(1, dims), b: randomTensor(2, dims) };
  const spec: ModelSpec = {
    inputs: { a: ["float32", dims], b: ["float32", dims] },
    outputs: Object.fromEntries(outputs.map((name) => [name, ["float32"]])),
    initializers: {
      c: randomTensor(3, dims),
      w: randomTensor(4, [3, 3, 3, 3]),
      v: randomTensor(5, [5, 3, 1, 1]),
      w6: randomTensor(6, [4, 6, 3, 3]),
    },
    nodes,
  };
  await expectLevels(spec, feeds);
}

const concat = (axis: number, inputs: string[], outputs: string[]): NodeSpec => ({
  op: "Concat",
  inputs,
  outputs,
  attributes: { axis },
});
const unary = (op: string, from: string, to: string): NodeSpec => ({ op, inputs: [from], outputs: [to] });
const conv = (x: string, w: string, y: string, pad = 1): NodeSpec => ({
  op: "Conv",
  inputs: [x, w],
  outputs: [y],
  attributes: { pads: [pad, pad, pad, pad] },
});

describe("concatenation", () => {
  for (const axis of [0, 1, 2, 3, -1, -3]) {
    test(`of graph inputs along ${axis}`, () => check([concat(axis, ["a", "b"], ["y"])], ["y"]));

    test(`of results, a constant and an input along ${axis}`, () =>
      check(
        [
          unary("Relu", "a", "r"),
          unary("Neg", "b", "n"),
          concat(axis, ["r", "c", "n", "b"], ["y"]),
          unary("Sigmoid", "y", "z"),
        ],
        ["z"],
      ));

    test(`nested along ${axis} and 1`, () =>
      check(
        [
          unary("Relu", "a", "r"),
          unary("Neg", "b", "n"),
          concat(1, ["r", "n"], ["inner"]),
          concat(1, ["n", "r"], ["other"]),
          concat(axis, ["inner", "other"], ["outer"]),
          unary("Sigmoid", "outer", "y"),
        ],
        ["y"],
      ));
  }

  test("of one tensor twice", () => check([unary("Relu", "a", "r"), concat(1, ["r", "r"], ["y"])], ["y"]));

  test("of one operand", () => check([unary("Relu", "a", "r"), concat(1, ["r"], ["y"])], ["y"]));

  test("of an operand that two concatenations have", () =>
    check([unary("Relu", "a", "r"), concat(1, ["r", "b"], ["y"]), concat(2, ["b", "r"], ["z"])], ["y", "z"]));

  test("whose result is a graph output and is used inside", () =>
    check(
      [unary("Relu", "a", "r"), unary("Neg", "b", "n"), concat(1, ["r", "n"], ["y"]), conv("y", "w6", "z")],
      ["y", "z"],
    ));

  test("whose operand is a graph output", () =>
    check([unary("Relu", "a", "r"), concat(1, ["r", "b"], ["y"])], ["r", "y"]));

  test("whose operand is used after it by an operator in place", () =>
    check(
      [
        unary("Relu", "a", "r"),
        concat(1, ["r", "b"], ["y"]),
        unary("Sigmoid", "r", "s"),
        unary("Neg", "y", "z"),
      ],
      ["s", "z"],
    ));

  test("whose operand is overwritten by nobody while the result lives", () =>
    check(
      [
        unary("Relu", "a", "r"),
        { op: "Add", inputs: ["r", "b"], outputs: ["s"] },
        concat(1, ["r", "s"], ["y"]),
        unary("Sigmoid", "y", "z"),
      ],
      ["z"],
    ));

  test("of views", () =>
    check(
      [
        unary("Relu", "a", "r"),
        { op: "Transpose", inputs: ["r"], outputs: ["t"], attributes: { perm: [0, 1, 3, 2] } },
        { op: "Transpose", inputs: ["b"], outputs: ["u"], attributes: { perm: [0, 1, 3, 2] } },
        concat(2, ["t", "u", "t"], ["y"]),
      ],
      ["y"],
    ));
});

describe("concatenation of convolutions", () => {
  test("along channels, as in fire modules", () =>
    check(
      [
        conv("a", "v", "e", 0),
        unary("Relu", "e", "er"),
        conv("a", "w", "f"),
        unary("Relu", "f", "fr"),
        concat(1, ["er", "fr"], ["y"]),
        { op: "MaxPool", inputs: ["y"], outputs: ["z"], attributes: { kernel_shape: [2, 2] } },
      ],
      ["z"],
    ));

  test("along another axis than channels", () =>
    check(
      [conv("a", "w", "e"), conv("b", "w", "f"), concat(2, ["e", "f"], ["y"]), unary("Relu", "y", "z")],
      ["z"],
    ));

  test("that is read by a convolution with padding, as are its operands", () =>
    check(
      [
        conv("a", "w", "e"),
        conv("b", "w", "f"),
        concat(1, ["e", "f"], ["y"]),
        conv("y", "w6", "z"),
        conv("e", "w", "g"),
      ],
      ["z", "g"],
    ));

  test("with an operand in another order of dims", () =>
    check(
      [
        conv("a", "w", "e"),
        unary("Relu", "b", "r"),
        concat(1, ["r", "e"], ["y"]),
        unary("Sigmoid", "y", "z"),
      ],
      ["z", "e"],
    ));

  test("that is joined again and taken apart", () =>
    check(
      [
        conv("a", "w", "e"),
        conv("b", "w", "f"),
        concat(1, ["e", "f"], ["y"]),
        { op: "Split", inputs: ["y"], outputs: ["p", "q"], attributes: { axis: 1 } },
        { op: "Add", inputs: ["p", "q"], outputs: ["s"] },
        concat(1, ["q", "s"], ["z"]),
      ],
      ["z"],
    ));
});

describe("concatenation of what is read with a border", () => {
  const wide = [1, 3, 6, 28];
  const spec = (nodes: NodeSpec[], outputs: string[]): ModelSpec => ({
    inputs: { a: ["float32", wide], b: ["float32", wide] },
    outputs: Object.fromEntries(outputs.map((name) => [name, ["float32"]])),
    initializers: {
      w: randomTensor(4, [3, 3, 3, 3]),
      w5: randomTensor(5, [3, 3, 5, 5]),
      v6: randomTensor(6, [4, 6, 1, 1]),
      d6: randomTensor(7, [6, 1, 5, 5]),
      v9: randomTensor(8, [4, 9, 1, 1]),
    },
    nodes,
  });
  const depthwise = (x: string, y: string): NodeSpec => ({
    op: "Conv",
    inputs: [x, "d6"],
    outputs: [y],
    attributes: { group: 6, pads: [2, 2, 2, 2], strides: [2, 2] },
  });
  const ghost = [
    conv("a", "w", "e"),
    conv("e", "w", "f"),
    concat(1, ["e", "f"], ["y"]),
    conv("y", "v6", "z", 0),
  ];
  const cases: Record<string, { nodes: NodeSpec[]; outputs: string[]; copies?: number }> = {
    "as in ghost modules": {
      nodes: ghost,
      outputs: ["z"],
    },
    "with a larger border itself": {
      nodes: [conv("a", "w", "e"), conv("e", "w", "f"), concat(1, ["e", "f"], ["y"]), depthwise("y", "z")],
      outputs: ["z"],
    },
    "by readers of several borders": {
      nodes: [
        conv("a", "w", "e"),
        conv("e", "w", "f"),
        conv("e", "w5", "g", 2),
        { op: "Add", inputs: ["e", "g"], outputs: ["s"] },
        concat(1, ["f", "e", "s"], ["y"]),
        conv("y", "v9", "z", 0),
      ],
      outputs: ["z"],
    },
    "that is part of another": {
      nodes: [
        conv("a", "w", "e"),
        conv("e", "w", "f"),
        concat(1, ["f", "e"], ["y"]),
        conv("f", "w", "g"),
        concat(1, ["y", "g"], ["x"]),
        conv("x", "v9", "z", 0),
      ],
      outputs: ["z"],
    },
    "along a dim that has the border": {
      nodes: [conv("a", "w", "e"), conv("e", "w", "f"), concat(2, ["e", "f"], ["y"]), conv("y", "w", "z", 0)],
      outputs: ["z"],
      copies: 1,
    },
    "that is a graph output": {
      nodes: ghost,
      outputs: ["y", "z"],
    },
    "that is seen in another shape": {
      nodes: [
        conv("a", "w", "e"),
        conv("e", "w", "f"),
        concat(1, ["e", "f"], ["y"]),
        { op: "Flatten", inputs: ["y"], outputs: ["t"] },
        unary("Relu", "t", "z"),
      ],
      outputs: ["z"],
      copies: 1,
    },
  };
  for (const [name, { nodes, outputs, copies = 0 }] of Object.entries(cases)) {
    test(name, async () => {
      const model = spec(nodes, outputs);
      await expectLevels(model, { a: randomTensor(1, wide), b: randomTensor(2, wide) });
      const { report } = await compile(buildModel(model));
      const copied = report.kernels.filter((kernel) => kernel.name.startsWith("copy"));
      expect(copied.reduce((sum, { calls }) => sum + calls, 0)).toBe(copies);
    });
  }
});
