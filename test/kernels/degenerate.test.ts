/** What is easily forgotten: outputs that are inputs, constants or each other, empty tensors, scalars. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { buildModel, type NodeSpec } from "../onnx/build-model.js";
import { expectNode } from "./cases.js";

const dims = [2, 3, 4, 5];
const x = randomTensor(1, dims);

async function check(nodes: NodeSpec[], outputs: string[], initializers = {}): Promise<void> {
  await expectLevels(
    {
      inputs: { x: ["float32", dims] },
      outputs: Object.fromEntries(outputs.map((name) => [name, ["float32"]])),
      initializers: { c: randomTensor(2, dims), w: randomTensor(3, [6, 3, 3, 3]), ...initializers },
      nodes,
    },
    { x },
  );
}

const unary = (op: string, from: string, to: string): NodeSpec => ({ op, inputs: [from], outputs: [to] });

describe("graph outputs", () => {
  test("an Identity model", () => check([unary("Identity", "x", "y")], ["y"]));
  test("the input under two names", () =>
    check([unary("Identity", "x", "y"), unary("Identity", "x", "z")], ["y", "z"]));
  test("one result under two names", () =>
    check([unary("Relu", "x", "y"), unary("Identity", "y", "z")], ["y", "z"]));
  test("a result that is computed twice", () =>
    check([unary("Relu", "x", "y"), unary("Relu", "x", "z")], ["y", "z"]));
  test("a constant", () => check([unary("Identity", "c", "y"), unary("Neg", "x", "z")], ["y", "z"]));
  test("a constant that is computed", () =>
    check([unary("Neg", "c", "y"), unary("Neg", "x", "z")], ["y", "z"]));
  test("a result that disappears into its operand", () =>
    check([{ op: "Mul", inputs: ["x", "one"], outputs: ["y"] }, unary("Neg", "y", "z")], ["y", "z"], {
      one: tensorOf("float32", [], [1]),
    }));
  test("a result that disappears into another output", () =>
    check([unary("Relu", "x", "y"), { op: "Mul", inputs: ["y", "one"], outputs: ["z"] }], ["y", "z"], {
      one: tensorOf("float32", [], [1]),
    }));
  test("a scale that disappears into the convolution before", () =>
    check(
      [
        { op: "Conv", inputs: ["x", "w"], outputs: ["k"] },
        { op: "Mul", inputs: ["k", "s"], outputs: ["y"] },
      ],
      ["y"],
      { s: tensorOf("float32", [], [0.5]) },
    ));
  test("the results of a convolution, in the model's own order of dims", () =>
    check([{ op: "Conv", inputs: ["x", "w"], outputs: ["y"] }], ["y"]));
  test("a view of a result that is an output as well", () =>
    check(
      [unary("Relu", "x", "y"), { op: "Flatten", inputs: ["y"], outputs: ["z"] }, unary("Neg", "z", "v")],
      ["y", "z", "v"],
    ));
  test("outputs that are computed from one another", () =>
    check(
      [unary("Relu", "x", "a"), unary("Neg", "a", "b"), unary("Sigmoid", "b", "d"), unary("Neg", "d", "e")],
      ["a", "b", "d", "e"],
    ));
  test("parts of a split", () =>
    check(
      [{ op: "Split", inputs: ["x"], outputs: ["a", "b"], attributes: { axis: 2 } }, unary("Neg", "a", "d")],
      ["a", "b", "d"],
    ));
});

test("an unused input is still an input", async () => {
  const model = buildModel({
    inputs: { x: ["float32", [2]], unused: ["float32", [3]] },
    outputs: { y: ["float32"] },
    nodes: [unary("Relu", "x", "y")],
  });
  const { metadata } = await compile(model);
  expect(metadata.inputs.map(({ name }) => name)).toEqual(["x", "unused"]);
  await expectLevels(model, { x: randomTensor(1, [2]), unused: randomTensor(2, [3]) });
});

describe("scalars", () => {
  const scalar = tensorOf("float32", [], [-1.5]);
  test("through a pointwise operator", () => expectNode({ op: "Abs", inputs: [scalar] }));
  test("broadcast", () => expectNode({ op: "Add", inputs: [scalar, randomTensor(1, [3, 2])] }));
  test("both operands", () => expectNode({ op: "Mul", inputs: [scalar, scalar] }));
  test("as a shape of ones", () =>
    expectNode({ op: "Reshape", inputs: [scalar, tensorOf("int64", [3], [1, 1, 1])], constants: [1] }));
});

/** onnxruntime-web runs most of these; where it does not, the shape alone is the answer. */
describe("empty tensors", () => {
  const empty = (...shape: number[]) => tensorOf("float32", shape, []);
  const reference = (...shape: number[]) => ({ reference: { y: empty(...shape) } });
  test("through a pointwise operator", () => expectNode({ op: "Relu", inputs: [empty(0, 3)] }));
  test("broadcast", () => expectNode({ op: "Add", inputs: [empty(2, 0), randomTensor(1, [1])] }));
  test("joined to one that is not", () =>
    expectNode({ op: "Concat", inputs: [empty(2, 0), randomTensor(1, [2, 3])], attributes: { axis: 1 } }));
  test("joined to another", () =>
    expectNode({ op: "Concat", inputs: [empty(2, 0), empty(2, 0)], attributes: { axis: 0 } }));
  test("transposed", () => expectNode({ op: "Transpose", inputs: [empty(0, 3, 2)] }));
  test("multiplied: no rows", () =>
    expectNode({ op: "MatMul", inputs: [empty(0, 3), randomTensor(1, [3, 4])] }, reference(0, 4)));
  test("multiplied: no columns", () =>
    expectNode({ op: "MatMul", inputs: [randomTensor(1, [2, 3]), empty(3, 0)] }, reference(2, 0)));
  test("multiplied: nothing to add up", () =>
    expectNode(
      { op: "MatMul", inputs: [empty(2, 0), empty(0, 3)] },
      { reference: { y: tensorOf("float32", [2, 3], [0, 0, 0, 0, 0, 0]) } },
    ));
  test("convolved: no pictures", () =>
    expectNode(
      { op: "Conv", inputs: [empty(0, 2, 4, 4), randomTensor(1, [3, 2, 3, 3])], constants: [1] },
      reference(0, 3, 2, 2),
    ));
  test("pooled: no pictures", () =>
    expectNode(
      { op: "MaxPool", inputs: [empty(0, 2, 4, 4)], attributes: { kernel_shape: [2, 2] } },
      reference(0, 2, 3, 3),
    ));
  test("softmax", () => expectNode({ op: "Softmax", inputs: [empty(0, 4)] }, reference(0, 4)));
});
