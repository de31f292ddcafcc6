/** Pointwise operators around kernels: epilogues, sharing in place, and borders that several readers want. */

import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { callsOf } from "../../compiler/loop/program.js";
import { Pipeline } from "../../compiler/stages.js";
import { expectLevels } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { buildModel, type ModelSpec, type NodeSpec } from "../onnx/build-model.js";

const dims = [2, 5, 6, 7];
const feeds = { a: randomTensor(1, dims), b: randomTensor(2, dims) };

function specOf(nodes: NodeSpec[], outputs: string[]): ModelSpec {
  return {
    inputs: { a: ["float32", dims], b: ["float32", dims] },
    outputs: Object.fromEntries(outputs.map((name) => [name, ["float32"]])),
    initializers: {
      w: randomTensor(4, [5, 5, 3, 3], { low: -0.5, high: 0.5 }),
      depthwise: randomTensor(5, [5, 1, 3, 3]),
      w5: randomTensor(6, [5, 5, 5, 5], { low: -0.2, high: 0.2 }),
      point: randomTensor(7, [5, 5, 1, 1]),
      squeeze: randomTensor(8, [2, 5, 1, 1]),
      excite: randomTensor(9, [5, 2, 1, 1]),
      perChannel: randomTensor(10, [5, 1, 1]),
      perChannelToo: randomTensor(11, [1, 5, 1, 1]),
      perPlace: randomTensor(12, [6, 7]),
      bias: randomTensor(13, [5]),
      one: tensorOf("float32", [], [1]),
      three: tensorOf("float32", [], [3]),
      six: tensorOf("float32", [], [6]),
      zero: tensorOf("float32", [], [0]),
      odd: tensorOf("float32", [], [0.7390851]),
    },
    nodes,
  };
}

async function check(nodes: NodeSpec[], outputs: string[]): Promise<void> {
  await expectLevels(specOf(nodes, outputs), feeds);
}

const conv = (x: string, w: string, y: string, pad = 1, extra: Record<string, number> = {}): NodeSpec => ({
  op: "Conv",
  inputs: [x, w],
  outputs: [y],
  attributes: { pads: [pad, pad, pad, pad], ...extra },
});
const unary = (op: string, from: string, to: string, attributes: Record<string, number> = {}): NodeSpec => ({
  op,
  inputs: [from],
  outputs: [to],
  attributes,
});
const binary = (op: string, a: string, b: string, to: string): NodeSpec => ({
  op,
  inputs: [a, b],
  outputs: [to],
});

const hardSwish = (x: string, y: string): NodeSpec[] => [
  binary("Add", x, "three", `${y}1`),
  { op: "Clip", inputs: [`${y}1`, "zero", "six"], outputs: [`${y}2`] },
  binary("Mul", x, `${y}2`, `${y}3`),
  binary("Div", `${y}3`, "six", y),
];

describe("epilogues", () => {
  for (const [kind, anchor] of [
    ["convolution", conv("a", "w", "c")],
    ["1x1 convolution", conv("a", "point", "c", 0)],
    ["depthwise convolution", conv("a", "depthwise", "c", 1, { group: 5 })],
    [
      "max pool",
      {
        op: "MaxPool",
        inputs: ["a"],
        outputs: ["c"],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      },
    ],
  ] as [string, NodeSpec][]) {
    test(`${kind} with hard-swish`, () => check([anchor, ...hardSwish("c", "y")], ["y"]));

    test(`${kind} with swish, scales and a clip`, () =>
      check(
        [
          anchor,
          binary("Mul", "c", "perChannel", "s"),
          binary("Add", "s", "perChannelToo", "t"),
          unary("Sigmoid", "t", "g"),
          binary("Mul", "t", "g", "u"),
          binary("Mul", "u", "perPlace", "v"),
          binary("Add", "v", "odd", "w1"),
          { op: "Clip", inputs: ["w1", "zero", "six"], outputs: ["y"] },
        ],
        ["y"],
      ));

    test(`${kind} with a residual that nobody reads after`, () =>
      check([unary("Relu", "b", "r"), anchor, binary("Add", "c", "r", "s"), unary("Relu", "s", "y")], ["y"]));

    test(`${kind} with a residual that is read once more`, () =>
      check(
        [
          unary("Relu", "b", "r"),
          anchor,
          binary("Add", "r", "c", "s"),
          binary("Mul", "s", "r", "y"),
          unary("Neg", "r", "z"),
        ],
        ["y", "z"],
      ));

    test(`${kind} with its own input as the residual`, () =>
      check([anchor, binary("Add", "c", "a", "y")], ["y"]));
  }

  test("a result that two operators read is not computed twice", () =>
    check([conv("a", "w", "c"), unary("Relu", "c", "r"), unary("Sigmoid", "c", "s")], ["r", "s"]));

  test("more operands than one kernel reads", () => {
    const sum = Array.from({ length: 12 }, (_, i) => [
      unary("Elu", i === 0 ? "a" : `e${i - 1}`, `e${i}`),
      binary("Add", i === 0 ? "b" : `s${i - 1}`, `e${i}`, `s${i}`),
    ]).flat();
    return check(sum, ["s11"]);
  });

  test("a batch normalisation after a convolution with bias", () =>
    check(
      [
        { op: "Conv", inputs: ["a", "w", "bias"], outputs: ["c"], attributes: { pads: [1, 1, 1, 1] } },
        { op: "Abs", inputs: ["bias"], outputs: ["variance"] },
        { op: "BatchNormalization", inputs: ["c", "bias", "bias", "bias", "variance"], outputs: ["n"] },
        unary("Relu", "n", "y"),
      ],
      ["y"],
    ));
});

describe("residual chains", () => {
  const block = (x: string, y: string): NodeSpec[] => [
    conv(x, "w", `${y}a`),
    unary("Relu", `${y}a`, `${y}b`),
    conv(`${y}b`, "w", `${y}c`),
    binary("Add", `${y}c`, x, `${y}d`),
    unary("Relu", `${y}d`, y),
  ];
  test("three residual blocks", () =>
    check([conv("a", "w", "s"), ...block("s", "p"), ...block("p", "q"), ...block("q", "y")], ["y"]));

  test("blocks whose middles are outputs as well", () =>
    check([...block("a", "p"), ...block("p", "y")], ["p", "y", "pb"]));
});

test("squeeze and excite", () =>
  check(
    [
      conv("a", "depthwise", "c", 1, { group: 5 }),
      ...hardSwish("c", "h"),
      unary("GlobalAveragePool", "h", "m"),
      conv("m", "squeeze", "s", 0),
      unary("Relu", "s", "r"),
      conv("r", "excite", "e", 0),
      unary("HardSigmoid", "e", "g"),
      binary("Mul", "h", "g", "z"),
      conv("z", "point", "y", 0),
    ],
    ["y"],
  ));

describe("borders", () => {
  test("convolutions of different padding read one result", () =>
    check(
      [
        unary("Relu", "a", "r"),
        conv("r", "w", "p", 1),
        conv("r", "w5", "q", 2),
        conv("r", "point", "s", 0),
        conv("r", "depthwise", "t", 1, { group: 5 }),
      ],
      ["p", "q", "s", "t"],
    ));

  test("a chain of convolutions, each result with room for the next one's padding", () =>
    check(
      [conv("a", "w5", "p", 2), conv("p", "w", "q", 1), conv("q", "w5", "r", 2), conv("r", "w", "y", 1)],
      ["y"],
    ));

  test("padding of a graph input", () => check([conv("a", "w5", "y", 2)], ["y"]));

  test("a padded value that is a graph output too", () =>
    check([unary("Relu", "a", "r"), conv("r", "w", "y")], ["r", "y"]));

  test("a padded convolution result that is a graph output too", () =>
    check([conv("a", "w", "r"), conv("r", "w", "y")], ["r", "y"]));

  test("a value with a border that a view and a reduction read", () =>
    check(
      [
        conv("a", "w", "r"),
        conv("r", "w", "y"),
        { op: "Transpose", inputs: ["r"], outputs: ["t"], attributes: { perm: [0, 2, 3, 1] } },
        { op: "Flatten", inputs: ["r"], outputs: ["f"], attributes: { axis: 2 } },
        { op: "ReduceMean", inputs: ["r"], outputs: ["m"], attributes: { axes: [2, 3] } },
        unary("Relu", "t", "u"),
        unary("Relu", "f", "g"),
      ],
      ["y", "u", "g", "m"],
    ));

  test("a residual that has a border", () =>
    check(
      [conv("a", "w", "r"), conv("r", "w", "c"), binary("Add", "c", "r", "s"), conv("s", "w", "y")],
      ["y"],
    ));
});

test("the epilogue of a convolution with hard-swish is one kernel", async () => {
  const model = buildModel(specOf([conv("a", "point", "c", 0), ...hardSwish("c", "y")], ["y"]));
  const pipeline = new Pipeline({});
  const program = pipeline.lower(pipeline.runGraphPasses(await pipeline.importGraph(model)));
  // One to put the channels of the input side by side; the way back is part of the epilogue.
  expect(callsOf(program).map(({ kernel }) => kernel.name.replace(/_.*/, ""))).toEqual(["relayout", "conv"]);
});
