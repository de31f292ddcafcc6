/** Sequences and optionals: what is left of them once a model is imported, and what is refused. */

import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { checkModel } from "../../compiler/onnx/import.js";
import { expectLevels, type LevelOptions } from "../harness.js";
import { buildModel, type ModelSpec, type NodeSpec } from "./build-model.js";

const floats = (dims: number[], ...values: number[]) => tensorOf("float32", dims, values);
const scalar = (value: number) => tensorOf("int64", [], [value]);

const node = (op: string, inputs: string[], outputs: string[], attributes: NodeSpec["attributes"] = {}) => ({
  op,
  inputs,
  outputs,
  attributes,
});

/** A model of a: f32[2, 3] and b: f32[2, 2], with the integers that it names. */
const spec = (nodes: NodeSpec[], integers: Record<string, number | number[]> = {}): ModelSpec => ({
  opset: 18,
  inputs: { a: ["float32", [2, 3]], b: ["float32", [2, 2]] },
  outputs: { y: ["float32"] },
  initializers: Object.fromEntries(
    Object.entries(integers).map(([name, value]) => [
      name,
      typeof value === "number" ? scalar(value) : tensorOf("int64", [value.length], value),
    ]),
  ),
  nodes,
});

const feeds = { a: floats([2, 3], 1, 2, 3, 4, 5, 6), b: floats([2, 2], 7, 8, 9, 10) };

const expectResult = (model: ModelSpec, options: LevelOptions = {}) => expectLevels(model, feeds, options);

async function reasons(model: ModelSpec): Promise<string[]> {
  const decoded = await decodeModel(buildModel(model), { limits: defaultLimits });
  return checkModel(decoded, { limits: defaultLimits }).map((one) => `${one.node}: ${one.reason}`);
}

const joined = node("ConcatFromSequence", ["s"], ["y"], { axis: 1 });

describe("lists", () => {
  test.each([
    ["at the front", 0],
    ["before the last, by -1", -1],
    ["at the end", 2],
  ])("an item is inserted %s", async (_, place) => {
    const nodes = [
      node("SequenceConstruct", ["a", "b"], ["t"]),
      node("Neg", ["b"], ["c"]),
      node("SequenceInsert", ["t", "c", "place"], ["s"]),
      joined,
    ];
    await expectResult(spec(nodes, { place }));
  });

  test("without a position, items are added to and taken from the end", async () => {
    const nodes = [
      node("SequenceEmpty", [], ["e"]),
      node("SequenceInsert", ["e", "b"], ["t"]),
      node("SequenceInsert", ["t", "a"], ["u"]),
      node("SequenceInsert", ["u", "b"], ["v"]),
      node("SequenceErase", ["v"], ["s"]),
      joined,
    ];
    const { reference } = await expectResult(spec(nodes));
    expect([...reference.y!.data]).toEqual([7, 8, 1, 2, 3, 9, 10, 4, 5, 6]);
  });

  test.each([0, 1, -1, -2])("item %d is erased, and the same of what is there is found", async (place) => {
    const nodes = [
      node("SequenceConstruct", ["a", "b"], ["t"]),
      node("SequenceAt", ["t", "place"], ["found"]),
      node("SequenceErase", ["t", "place"], ["rest"]),
      node("SequenceInsert", ["rest", "found"], ["s"]),
      joined,
    ];
    await expectResult(spec(nodes, { place }));
  });

  test("the length is a constant that shapes may use", async () => {
    const nodes = [
      node("SequenceConstruct", ["a", "b", "a"], ["s"]),
      node("SequenceLength", ["s"], ["n"]),
      node("Unsqueeze", ["n", "zero"], ["shape"]),
      node("Expand", ["one", "shape"], ["y"]),
    ];
    const model = spec(nodes, { zero: [0] });
    const initializers = { ...model.initializers, one: floats([1], 2) };
    await expectResult({ ...model, initializers });
  });

  test("items of another rank are stacked on a new axis", async () => {
    const nodes = [
      node("SequenceConstruct", ["a", "a"], ["s"]),
      node("ConcatFromSequence", ["s"], ["y"], { axis: -1, new_axis: 1 }),
    ];
    const { reference } = await expectResult(spec(nodes));
    expect(reference.y!.dims).toEqual([2, 3, 2]);
  });
});

describe("SplitToSequence", () => {
  const second = (inputs: string[], attributes: NodeSpec["attributes"]) => [
    node("SplitToSequence", inputs, ["s"], attributes),
    node("SequenceAt", ["s", "place"], ["y"]),
  ];

  test("the last of equal parts may be smaller", async () => {
    const { reference } = await expectResult(spec(second(["a", "two"], { axis: -1 }), { two: 2, place: -1 }));
    expect(reference.y).toMatchObject({ dims: [2, 1], data: new Float32Array([3, 6]) });
  });

  test("parts of given sizes keep the axis whatever keepdims says", async () => {
    const nodes = second(["a", "sizes"], { axis: 1, keepdims: 0 });
    const { reference } = await expectResult(spec(nodes, { sizes: [1, 2], place: 0 }));
    expect(reference.y!.dims).toEqual([2, 1]);
  });

  test("without sizes the parts are single ones", async () => {
    const kept = await expectResult(spec(second(["a"], { axis: 1 }), { place: 1 }));
    expect(kept.reference.y!.dims).toEqual([2, 1]);
    const squeezed = await expectResult(spec(second(["a"], { axis: 1, keepdims: 0 }), { place: 1 }));
    expect(squeezed.reference.y).toMatchObject({ dims: [2], data: new Float32Array([2, 5]) });
  });
});

describe("SequenceMap", () => {
  const body = {
    inputs: { p: ["float32"] as const, q: ["float32"] as const },
    outputs: { r: ["float32"] as const },
    nodes: [node("Mul", ["p", "q"], ["m"]), node("Add", ["m", "k"], ["r"])],
  };

  test("the body is applied to each item, with tensors and what is around it", async () => {
    const nodes = [
      node("SequenceConstruct", ["a", "b"], ["t"]),
      node("ReduceSum", ["b"], ["k"], { keepdims: 0 }),
      node("ReduceMax", ["a"], ["most"], { keepdims: 0 }),
      node("SequenceMap", ["t", "most"], ["s"], { body }),
      joined,
    ];
    const y = floats([2, 5], 40, 46, 52, 76, 82, 58, 64, 70, 88, 94);
    await expectResult(spec(nodes), { reference: { y } });
  });

  test("sequences of another length do not fit", async () => {
    const nodes = [
      node("SequenceConstruct", ["a", "b"], ["t"]),
      node("SequenceConstruct", ["a"], ["u"]),
      node("ReduceSum", ["b"], ["k"], { keepdims: 0 }),
      node("SequenceMap", ["t", "u"], ["s"], { body }),
      joined,
    ];
    await expect(reasons(spec(nodes))).rejects.toThrow(/sequences have 2 and 1 items/);
  });
});

test("bodies in bodies end at the limit of nodes", async () => {
  const map = (depth: number): NodeSpec => {
    const nodes =
      depth === 0
        ? [node("Neg", ["a"], ["r0"])]
        : [map(depth - 1), node("SequenceAt", [`q${depth - 1}`, "zero"], [`r${depth}`])];
    const inputs = { [`p${depth}`]: ["float32"] as const };
    const body = { inputs, outputs: { [`r${depth}`]: ["float32"] as const }, nodes };
    return node("SequenceMap", ["s"], [`q${depth}`], { body });
  };
  const nodes = [node("SplitToSequence", ["a"], ["s"]), map(8), node("SequenceAt", ["q8", "zero"], ["y"])];
  const decoded = await decodeModel(buildModel(spec(nodes, { zero: 0 })), { limits: defaultLimits });
  const limits = { ...defaultLimits, nodes: 100 };
  expect(() => checkModel(decoded, { limits })).toThrow(/more than 100 nodes/);
});

describe("optionals", () => {
  test("one with a value is the value", async () => {
    const nodes = [
      node("Optional", ["a"], ["o"]),
      node("OptionalGetElement", ["o"], ["x"]),
      node("OptionalHasElement", ["o"], ["has"]),
      node("Where", ["has", "x", "zero"], ["y"]),
    ];
    const model = { ...spec(nodes), initializers: { zero: floats([], 0) } };
    await expectResult(model, { reference: { y: feeds.a } });
  });

  test.each([
    ["declared empty", [node("Optional", [], ["o"], { type: { type: ["float32", [2]] } })], ["o"]],
    ["left out", [], [""]],
    ["not there", [], []],
  ] as [string, NodeSpec[], string[]][])("one that is %s has no element", async (_, before, inputs) => {
    const then_branch = { outputs: { r: ["float32"] as const }, nodes: [node("Neg", ["a"], ["r"])] };
    const else_branch = { outputs: { r: ["float32"] as const }, nodes: [node("Abs", ["a"], ["r"])] };
    const nodes = [
      ...before,
      node("OptionalHasElement", inputs, ["has"]),
      node("If", ["has"], ["y"], { then_branch, else_branch }),
    ];
    await expectResult(spec(nodes), { reference: { y: feeds.a } });
  });

  test("the value of one without is an error", async () => {
    const nodes = [
      node("Optional", [], ["o"], { type: { type: ["float32", [2]] } }),
      node("OptionalGetElement", ["o"], ["y"]),
    ];
    await expect(reasons(spec(nodes))).rejects.toThrow(/the optional has no value/);
  });
});

describe("control flow", () => {
  const sequenceOf = (op: string) => ({
    outputs: { r: { sequence: ["float32"] as const } },
    nodes: [node(op, ["a"], ["n"]), node("SequenceConstruct", ["n", "b"], ["r"])],
  });
  const choice = (condition: string) => [
    node("If", [condition], ["s"], { then_branch: sequenceOf("Neg"), else_branch: sequenceOf("Abs") }),
    joined,
  ];

  test("a branch that is known gives its sequence", async () => {
    const { initializers, ...rest } = spec(choice("yes"));
    await expectResult({ ...rest, initializers: { ...initializers, yes: tensorOf("bool", [], [1]) } });
  });

  test("one that is not gives none", async () => {
    const model = spec(choice("flag"));
    const inputs = { ...model.inputs, flag: ["bool", []] as const };
    expect(await reasons({ ...model, inputs })).toEqual([
      'If_0: its result "r": a sequence is not supported',
    ]);
  });

  test("a loop uses the sequences around it, but carries none", async () => {
    const body = {
      inputs: { i: ["int64", []] as const, go: ["bool", []] as const, sum: ["float32"] as const },
      outputs: { go2: ["bool"] as const, next: ["float32"] as const },
      nodes: [
        node("Identity", ["go"], ["go2"]),
        node("SequenceAt", ["s", "zero"], ["item"]),
        node("Add", ["sum", "item"], ["next"]),
      ],
    };
    const list = node("SequenceConstruct", ["a", "b"], ["s"]);
    const model = spec([list, node("Loop", ["three", "", "a"], ["y"], { body })], { three: 3, zero: 0 });
    await expectResult(model);
    const carrying = spec([list, node("Loop", ["three", "", "s"], ["y"], { body })], { three: 3, zero: 0 });
    expect(await reasons(carrying)).toEqual(["Loop_1: input 2 is a sequence"]);
  });
});

describe("what is refused", () => {
  const list = node("SequenceConstruct", ["a", "b"], ["s"]);
  const inputs = { a: ["float32", ["n", 3]], b: ["float32", ["n", 2]], p: ["int64", []] } as const;

  test.each([
    [
      "a position known only at run time",
      [list, node("SequenceAt", ["s", "p"], ["y"])],
      /SequenceAt_1: the position is known/,
    ],
    [
      "a split known only at run time",
      [node("SplitToSequence", ["a", "p"], ["s"]), joined],
      /_0: the split is known only/,
    ],
    [
      "a length known only at run time",
      [node("SplitToSequence", ["a"], ["s"]), joined],
      /_0: .* depends on the dim n,/,
    ],
    [
      "a sequence for another operator",
      [list, node("Relu", ["s"], ["y"])],
      /^Relu_1: input 0 is a sequence$/,
    ],
    [
      "a sequence as an output",
      [node("SequenceConstruct", ["a"], ["y"])],
      /^y: a sequence is not supported$/,
    ],
  ] as [string, NodeSpec[], RegExp][])("%s", async (_, nodes, message) => {
    const found = await reasons({ ...spec(nodes), inputs });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  test.each([
    [
      "a position outside",
      [list, node("SequenceAt", ["s", "place"], ["y"])],
      /position 2 is outside a sequence of 2/,
    ],
    ["a tensor in place of a sequence", [node("SequenceLength", ["a"], ["y"])], /input 0 is not a sequence/],
    [
      "items of two types",
      [node("Cast", ["a"], ["c"], { to: 7 }), node("SequenceConstruct", ["a", "c"], ["s"]), joined],
      /types float32 and int64/,
    ],
    ["nothing to join", [node("SequenceEmpty", [], ["s"]), joined], /the sequence is empty/],
  ] as [string, NodeSpec[], RegExp][])("%s is an error", async (_, nodes, message) => {
    await expect(reasons(spec(nodes, { place: 2 }))).rejects.toThrow(message);
  });
});
