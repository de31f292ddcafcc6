/** The importer: sizes, versions of operators, folding, branches, names, and what it refuses. */

import { describe, expect, test } from "vitest";
import { UnsupportedModelError } from "../../compiler/diagnostics.js";
import { type Graph, printType } from "../../compiler/ir/graph.js";
import { tensorOf, toNumbers } from "../../compiler/ir/tensor.js";
import { verifyGraph } from "../../compiler/ir/verify.js";
import { defaultLimits, type Limits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { checkModel, importModel } from "../../compiler/onnx/import.js";
import type { InputSizes } from "../../compiler/onnx/import-inputs.js";
import { findOperator } from "../../compiler/operators/index.js";
import { buildModel, type GraphSpec, type ModelSpec } from "./build-model.js";
import { expectError } from "./raises.js";

const decode = (spec: ModelSpec) => decodeModel(buildModel(spec), { limits: defaultLimits });

async function importSpec(
  spec: ModelSpec,
  sizes: InputSizes = {},
  limits: Partial<Limits> = {},
): Promise<Graph> {
  const graph = importModel(await decode(spec), { ...sizes, limits: { ...defaultLimits, ...limits } });
  verifyGraph(graph, { operators: findOperator });
  return graph;
}

const ints = (...values: number[]) => tensorOf("int64", [values.length], values);
const floats = (...values: number[]) => tensorOf("float32", [values.length], values);
const operators = (graph: Graph) => graph.nodes.map((node) => node.operator);
const types = (graph: Graph) => graph.outputs.map((value) => `${value.name}: ${printType(value.type)}`);

const relu: ModelSpec = {
  inputs: { x: ["float32", ["batch", 3, null, "width"]] },
  outputs: { y: ["float32"] },
  nodes: [{ op: "Relu", inputs: ["x"], outputs: ["y"], name: "activation" }],
};

describe("sizes of inputs", () => {
  test("dims that nobody binds stay symbols, and one without a name is called after its input", async () => {
    expect(types(await importSpec(relu))).toEqual(["y: f32[batch, 3, x.2, width]"]);
  });

  test("dims are bound by name", async () => {
    const graph = await importSpec(relu, { dims: { batch: 2, "x.2": 5 } });
    expect(types(graph)).toEqual(["y: f32[2, 3, 5, width]"]);
  });

  test("a shape binds the symbols it meets, for all inputs", async () => {
    const spec: ModelSpec = {
      inputs: { a: ["float32", ["n", 2]], b: ["float32", ["n", 1]] },
      outputs: { y: ["float32"] },
      nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["y"] }],
    };
    const graph = await importSpec(spec, { inputShapes: { a: [7, 2] } });
    expect(graph.inputs.map((value) => printType(value.type))).toEqual(["f32[7, 2]", "f32[7, 1]"]);
  });

  test("a shape takes the place of an unknown rank", async () => {
    const spec = { ...relu, inputs: { x: ["float32"] as const } };
    expect(types(await importSpec(spec, { inputShapes: { x: [4] } }))).toEqual(["y: f32[4]"]);
    await expectError(() => importSpec(spec), "E_SHAPE", /number of dims of input "x" is unknown/);
  });

  const refused: [string, InputSizes, RegExp][] = [
    ["an unknown dim", { dims: { depth: 1 } }, /no dim "depth"(.|\n)*"batch", "x.2", "width"/],
    ["an unknown input", { inputShapes: { z: [1] } }, /no input "z"(.|\n)*inputs are "x"/],
    [
      "another rank",
      { inputShapes: { x: [1, 3, 4] } },
      /\[1, 3, 4\] given for input "x".*\[batch, 3, x.2, width\]/,
    ],
    ["another fixed dim", { inputShapes: { x: [1, 4, 5, 6] } }, /\[1, 4, 5, 6\].*\[batch=1, 3, x.2, width\]/],
    [
      "two sizes of a dim",
      { dims: { batch: 2 }, inputShapes: { x: [1, 3, 5, 6] } },
      /\[1, 3, 5, 6\].*batch=2/,
    ],
    ["a size that is none", { dims: { batch: 1.5 } }, /"batch" cannot be 1.5/],
    ["a negative size", { inputShapes: { x: [1, 3, -1, 6] } }, /\[1, 3, -1, 6\]/],
  ];
  test.each(refused)("%s is refused", async (_, sizes, message) => {
    await expectError(() => importSpec(relu, sizes), "E_INPUT", message);
  });

  test("inputs that are no tensors of numbers are named", async () => {
    const spec: ModelSpec = {
      inputs: { s: { sequence: ["float32", [1]] }, t: ["string", [2]], x: ["float32", [1]] },
      outputs: { y: ["float32"], z: ["string"] },
      nodes: [
        { op: "Relu", inputs: ["x"], outputs: ["y"] },
        { op: "Identity", inputs: ["t"], outputs: ["z"] },
      ],
    };
    const unsupported = checkModel(await decode(spec), { limits: defaultLimits });
    expect(unsupported.map(({ node, reason }) => `${node}: ${reason}`)).toEqual([
      "s: a sequence is not supported",
      "t: element type string is not supported",
    ]);
  });
});

describe("versions", () => {
  const sums = (attributes: ModelSpec["nodes"][0]["attributes"], opset: number): ModelSpec => ({
    opset,
    inputs: { a: ["float32", [2, 3, 4]], b: ["float32", [3]] },
    outputs: { y: ["float32"] },
    nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["y"], attributes: attributes ?? {} }],
  });

  test("old forms are brought to the current one", async () => {
    const graph = await importSpec(sums({ broadcast: 1, axis: 1 }, 6));
    expect(operators(graph)).toEqual(["Unsqueeze", "Add"]);
    expect(types(graph)).toEqual(["y: f32[2, 3, 4]"]);
  });

  test("the attributes of another version are an error, those of none too", async () => {
    await expectError(
      () => importSpec(sums({ broadcast: 1 }, 13)),
      "E_MODEL",
      /broadcast is not one of opset 13/,
    );
    await expectError(() => importSpec(sums({ flavour: 1 }, 13)), "E_MODEL", /unknown attribute flavour/);
  });

  test("consumed_inputs means nothing", async () => {
    const node = { op: "Relu", inputs: ["x"], outputs: ["y"], attributes: { consumed_inputs: [0] } };
    await expect(importSpec({ ...relu, opset: 1, nodes: [node] })).resolves.toBeDefined();
  });

  test("an attribute of another kind is an error", async () => {
    const node = { op: "Transpose", inputs: ["x"], outputs: ["y"], attributes: { perm: 1.5 } };
    await expectError(
      () => importSpec({ ...relu, nodes: [node] }),
      "E_MODEL",
      /attribute perm is of kind float, not ints/,
    );
  });

  test("inputs that are missing, or too many, are errors of every version", async () => {
    const add = (inputs: string[], opset: number): ModelSpec => ({
      ...relu,
      opset,
      nodes: [{ op: "Add", inputs, outputs: ["y"] }],
    });
    await expectError(() => importSpec(add(["x"], 13)), "E_MODEL", /input 1 \(B\) is missing/);
    await expectError(() => importSpec(add(["", "x"], 6)), "E_MODEL", /input 0 \(A\) is missing/);
    await expectError(() => importSpec(add(["x", "x", "x"], 13)), "E_MODEL", /has 3 inputs, not 2/);
    const sum = { ...relu, nodes: [{ op: "Sum", inputs: ["x", "", "x"], outputs: ["y"] }] };
    await expectError(() => importSpec(sum), "E_MODEL", /input 1 is left out/);
  });

  test("an opset before the operator's first is unsupported", async () => {
    const node = { op: "Sign", inputs: ["x"], outputs: ["y"] };
    await expectError(
      () => importSpec({ ...relu, opset: 8, nodes: [node] }),
      "E_UNSUPPORTED",
      /supported from opset 9/,
    );
  });
});

describe("what cannot be compiled", () => {
  const spec: ModelSpec = {
    inputs: { x: ["float32", [1, 4]] },
    outputs: { z: ["float32"], w: ["float32"] },
    nodes: [
      { op: "NoSuchThing", inputs: ["x"], outputs: ["a"], name: "first" },
      { op: "Relu", inputs: ["a"], outputs: ["b"], name: "downstream" },
      { op: "NorThis", domain: "com.example", inputs: ["b"], outputs: ["z"], name: "second" },
      { op: "Relu", inputs: ["x"], outputs: ["w"], name: "fine" },
    ],
    opset: { "": 17, "com.example": 3 },
  };

  test("is listed completely, without what merely follows from it", async () => {
    expect(checkModel(await decode(spec), { limits: defaultLimits })).toEqual([
      {
        node: "first",
        operator: "NoSuchThing",
        domain: "",
        opset: 17,
        reason: "the operator is not supported",
      },
      {
        node: "second",
        operator: "NorThis",
        domain: "com.example",
        opset: 3,
        reason: "the operator of domain com.example is not supported",
      },
    ]);
    await expect(importSpec(spec)).rejects.toThrow(UnsupportedModelError);
  });

  test("a reason found while types are inferred is told without repeating the place", async () => {
    const nodes = [{ op: "Reshape", inputs: ["x", "shape"], outputs: ["y"], name: "view" }];
    const inputs: ModelSpec["inputs"] = { x: ["float32", [4]], shape: ["int64", ["n"]] };
    const model = await decode({ inputs, outputs: { y: ["float32"] }, nodes });
    const [found] = checkModel(model, { limits: defaultLimits });
    expect(found?.node).toBe("view");
    expect(found?.reason).toMatch(/^input shape \("shape"\) must be known at compile time \(fold it/);
  });

  test("strings are refused where they are used", async () => {
    const model: ModelSpec = {
      inputs: { x: ["float32", [1]] },
      outputs: { y: ["float32"], z: ["string"] },
      initializers: { unused: { strings: ["a"] } },
      nodes: [
        { op: "Relu", inputs: ["x"], outputs: ["y"] },
        { op: "Constant", outputs: ["words"], attributes: { value_string: "b" }, name: "words" },
        { op: "Identity", inputs: ["unused"], outputs: ["z"], name: "copy" },
      ],
    };
    const nodes = checkModel(await decode(model), { limits: defaultLimits }).map(({ node }) => node);
    expect(nodes).toEqual(["words", "copy"]);
  });

  test("models that contradict themselves raise at once", async () => {
    const nodes = [{ op: "Add", inputs: ["x", "k"], outputs: ["y"], name: "sum" }];
    const model = { ...relu, nodes, initializers: { k: floats(1, 2) } };
    await expectError(
      () => importSpec(model, { inputShapes: { x: [1, 3, 4, 5] } }),
      "E_SHAPE",
      /node "sum" \(Add\): shapes \[1, 3, 4, 5\] and \[2\] do not broadcast/,
    );
  });

  test("a tensor beyond the limit is refused", async () => {
    await expectError(
      () => importSpec(relu, { inputShapes: { x: [9, 3, 10, 10] } }, { tensorElements: 1000 }),
      "E_LIMIT",
      /2700 elements/,
    );
  });
});

describe("folding", () => {
  /** Flattens x to [n, -1] as PyTorch exports it: with the shape computed from x's own. */
  const flatten = (dims: (number | string)[]): ModelSpec => ({
    opset: 13,
    inputs: { x: ["float32", dims] },
    outputs: { y: ["float32"] },
    initializers: { zero: tensorOf("int64", [], [0]), axes: ints(0), rest: ints(-1) },
    nodes: [
      { op: "Shape", inputs: ["x"], outputs: ["shape"] },
      { op: "Slice", inputs: ["shape", "axes", "one"], outputs: ["first"] },
      { op: "Squeeze", inputs: ["first", "axes"], outputs: ["n"] },
      { op: "Unsqueeze", inputs: ["n", "axes"], outputs: ["n1"] },
      { op: "Add", inputs: ["n1", "zeros"], outputs: ["sum"] },
      { op: "Concat", inputs: ["sum", "rest"], outputs: ["target"], attributes: { axis: 0 } },
      { op: "Reshape", inputs: ["x", "target"], outputs: ["y"] },
      { op: "Constant", outputs: ["one"], attributes: { value_ints: [1] } },
      { op: "Constant", outputs: ["zeros"], attributes: { value_ints: [0] } },
    ],
  });

  test("shapes computed from fixed ones are constants", async () => {
    const graph = await importSpec(flatten([2, 3, 4]));
    expect(types(graph)).toEqual(["y: f32[2, 12]"]);
    expect(operators(graph)).toEqual(["Reshape"]);
    expect(toNumbers(graph.nodes[0]!.inputs[1]!.constant!)).toEqual([2, -1]);
  });

  test("shapes computed from open ones are followed as dims", async () => {
    expect(types(await importSpec(flatten(["n", 3, "w"])))).toEqual(["y: f32[n, 3*w]"]);
  });

  test("a broken reshape names both shapes", async () => {
    const spec: ModelSpec = {
      inputs: { x: ["float32", [2, 3]] },
      outputs: { y: ["float32"] },
      initializers: { shape: ints(4, 2) },
      nodes: [{ op: "Reshape", inputs: ["x", "shape"], outputs: ["y"] }],
    };
    await expectError(() => importSpec(spec), "E_SHAPE", /\[2, 3\] does not reshape to \[4, 2\]/);
  });

  test("folding stops at its limit", async () => {
    const spec: ModelSpec = {
      inputs: {},
      outputs: { y: ["float32"] },
      initializers: { a: floats(1, 2, 3), b: floats(4, 5, 6) },
      nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["y"] }],
    };
    expect(operators(await importSpec(spec))).toEqual([]);
    expect(operators(await importSpec(spec, {}, { foldedBytes: 11 }))).toEqual(["Add"]);
  });
});

describe("branches", () => {
  const branch = (op: string): GraphSpec => ({
    outputs: { r: ["float32"] },
    nodes: [
      { op, inputs: ["x"], outputs: ["t"], name: `${op} inside` },
      { op: "Neg", inputs: ["t"], outputs: ["r"] },
    ],
  });
  const choose = (condition: ModelSpec["nodes"][0], more: Partial<ModelSpec> = {}): ModelSpec => ({
    inputs: { x: ["float32", ["n"]], flag: ["bool", []] },
    outputs: { y: ["float32"] },
    nodes: [
      condition,
      {
        op: "If",
        inputs: ["condition"],
        outputs: ["y"],
        attributes: { then_branch: branch("Relu"), else_branch: branch("Abs") },
        name: "choice",
      },
    ],
    ...more,
  });

  test.each([
    [1, "Relu"],
    [0, "Abs"],
  ])("condition %d takes the branch of %s", async (value, taken) => {
    const node = {
      op: "Constant",
      outputs: ["condition"],
      attributes: { value: tensorOf("bool", [], [value]) },
    };
    const graph = await importSpec(choose(node));
    expect(operators(graph).slice(0, 2)).toEqual([taken, "Neg"]);
    expect(graph.nodes[0]!.source).toEqual([`${taken} inside`]);
    expect(types(graph)).toEqual(["y: f32[n]"]);
  });
});

describe("names", () => {
  test("outputs keep theirs, whatever they are", async () => {
    const spec: ModelSpec = {
      inputs: { x: ["float32", [2]] },
      outputs: { a: ["float32"], b: ["float32"], c: ["float32"], k: ["float32"], x: ["float32"] },
      initializers: { k: floats(1, 2) },
      nodes: [
        { op: "Identity", inputs: ["x"], outputs: ["a"] },
        { op: "Relu", inputs: ["x"], outputs: ["b"] },
        { op: "Identity", inputs: ["b"], outputs: ["c"] },
      ],
    };
    const graph = await importSpec(spec);
    expect(graph.outputs.map(({ name }) => name)).toEqual(["a", "b", "c", "k", "x"]);
    expect(operators(graph)).toEqual(["Relu", "Identity", "Identity"]);
  });

  test("made-up names differ from the model's", async () => {
    const spec: ModelSpec = {
      opset: 6,
      inputs: { a: ["float32", [2, 3, 4]], b: ["float32", [3]], "y.0": ["float32", [1]] },
      outputs: { y: ["float32"] },
      nodes: [
        { op: "Add", inputs: ["a", "b"], outputs: ["y.1"], attributes: { broadcast: 1, axis: 1 } },
        { op: "Add", inputs: ["y.1", "b"], outputs: ["y"], attributes: { broadcast: 1, axis: 1 } },
      ],
    };
    const graph = await importSpec(spec);
    const names = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("y.1");
    expect(graph.outputs[0]!.name).toBe("y");
  });

  test("nodes know the ONNX node they come from", async () => {
    const spec: ModelSpec = {
      inputs: { x: ["float32", [1, 2, 3, 3]] },
      outputs: { y: ["float32"] },
      initializers: { s: floats(1, 2), b: floats(0, 1), m: floats(3, 4), v: floats(1, 1) },
      nodes: [{ op: "BatchNormalization", inputs: ["x", "s", "b", "m", "v"], outputs: ["y"], name: "norm" }],
    };
    const graph = await importSpec(spec);
    expect(operators(graph)).toEqual(["Mul", "Add"]);
    expect(graph.nodes.map(({ source }) => source)).toEqual([["norm"], ["norm"]]);
    expect(types(graph)).toEqual(["y: f32[1, 2, 3, 3]"]);
  });
});
