/** Names, scopes and order of a model's nodes. */

import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { getAttribute, getInt, getInts, type OnnxGraph, type OnnxModel } from "../../compiler/onnx/model.js";
import { buildModel, type GraphSpec, type ModelSpec, type NodeSpec } from "./build-model.js";
import { expectError } from "./raises.js";

const x = { x: ["float32", [2]] } as const;
const y = { y: ["float32", [2]] } as const;

function decode(spec: ModelSpec, limits = defaultLimits): Promise<OnnxModel> {
  return decodeModel(buildModel(spec), { limits });
}

function node(op: string, inputs: string[], outputs: string[], more: Partial<NodeSpec> = {}): NodeSpec {
  return { op, inputs, outputs, ...more };
}

function names(graph: OnnxGraph): string[] {
  return graph.nodes.map(({ name }) => name);
}

describe("header", () => {
  test("is decoded", async () => {
    const model = await decode({
      opset: { "ai.onnx": 17, "com.microsoft": 1 },
      irVersion: 9,
      metadata: { author: "me", __proto__x: "y" },
      inputs: {
        x: ["float32", ["batch", 3, null]],
        s: { sequence: ["int64", []] },
        o: { optional: ["bool"] },
      },
      outputs: y,
      valueInfo: { m: ["float16", [-1, 4]] },
      nodes: [node("Relu", ["x"], ["y"], { domain: "ai.onnx" })],
    });
    expect(model.irVersion).toBe(9);
    expect(model.producerName).toBe("kiln-test");
    expect([...model.opsetImports]).toEqual([
      ["", 17],
      ["com.microsoft", 1],
    ]);
    expect(model.metadata.get("author")).toBe("me");
    expect(model.graph.inputs).toEqual([
      { name: "x", type: { kind: "tensor", elemType: 1, dims: ["batch", 3, null] } },
      { name: "s", type: { kind: "sequence", elem: { kind: "tensor", elemType: 7, dims: [] } } },
      { name: "o", type: { kind: "optional", elem: { kind: "tensor", elemType: 9, dims: null } } },
    ]);
    expect(model.graph.valueInfo).toEqual([
      { name: "m", type: { kind: "tensor", elemType: 10, dims: [null, 4] } },
    ]);
    expect(model.graph.nodes[0]).toMatchObject({ domain: "", opset: 17 });
  });

  test("an initializer that is an input too is no input", async () => {
    const { graph } = await decode({
      irVersion: 3,
      inputs: { ...x, w: ["float32", [2]] },
      outputs: y,
      initializers: { w: tensorOf("float32", [2], [1, 2]) },
      nodes: [node("Add", ["x", "w"], ["y"])],
    });
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(graph.initializers.get("w")).toEqual(tensorOf("float32", [2], [1, 2]));
  });

  test.each<[string, Partial<ModelSpec>, RegExp]>([
    ["no IR version", { irVersion: 0 }, /IR version/],
    ["no operator set", { opset: {} }, /no operator set.*\n.*hint: add an opset_import/],
    ["an operator set of version 0", { opset: 0 }, /version 0/],
    ["two versions of an operator set", { opset: { "": 17, "ai.onnx": 13 } }, /versions 17 and 13/],
    ["no operator set for a node", { opset: { other: 1 } }, /node "Relu_0".*domain "".*\n.*hint/],
  ])("%s is refused", async (_, over, message) => {
    const spec = { inputs: x, outputs: y, nodes: [node("Relu", ["x"], ["y"])], ...over };
    await expectError(() => decode(spec), "E_MODEL", message);
  });
});

describe("names", () => {
  test("nodes without one get their operator and index, beside names that exist", async () => {
    const branch = { nodes: [node("Relu", ["x"], ["r"])], outputs: { r: ["float32"] as const } };
    const { graph } = await decode({
      inputs: x,
      outputs: y,
      nodes: [
        node("Relu", ["x"], ["a"]),
        node("Relu", ["a"], ["b"], { name: "Conv_2" }),
        node("Conv", ["b"], ["c"]),
        node("If", ["c"], ["y"], { attributes: { then_branch: branch } }),
      ],
    });
    expect(names(graph)).toEqual(["Relu_0", "Conv_2", "Conv_2_1", "If_3"]);
    expect(names(getAttribute(graph.nodes[3]!, "then_branch", "graph")!)).toEqual(["Relu_0_1"]);
  });

  const relu = node("Relu", ["x"], ["y"]);
  test.each<[string, Partial<ModelSpec>, RegExp]>([
    [
      "a value of two nodes",
      { nodes: [relu, node("Abs", ["x"], ["y"], { name: "n" })] },
      /"y".*node "y" and by node "n"/,
    ],
    ["a value twice of one node", { nodes: [node("Split", ["x"], ["y", "y"])] }, /"y" is defined twice/],
    ["a node output that is an input", { nodes: [relu, node("Abs", ["y"], ["x"])] }, /"x".*an input/],
    [
      "an undefined input",
      { nodes: [node("Add", ["x", "z"], ["y"])] },
      /node "Add_0" \(Add\): it uses "z", which nothing/,
    ],
    ["an undefined output", { nodes: [] }, /has the output "y", which nothing/],
    ["an operator without a type", { nodes: [node("", ["x"], ["y"])] }, /node "y".*no operator type/],
    ["an input without a name", { inputs: { ...x, "": ["float32"] }, nodes: [relu] }, /input without a name/],
    [
      "an initializer without a name",
      { initializers: { "": tensorOf("int8", [], [1]) } },
      /initializer has no name/,
    ],
  ])("%s is refused", async (_, over, message) => {
    await expectError(() => decode({ inputs: x, outputs: y, nodes: [], ...over }), "E_MODEL", message);
  });

  test("missing optional inputs and outputs are no names", async () => {
    const nodes = [node("Op", ["x", "", "x"], ["", "a", ""]), node("Op", ["", "a"], ["", "y"])];
    const { graph } = await decode({ inputs: x, outputs: y, nodes });
    expect(graph.nodes.map(({ inputs }) => inputs)).toEqual([
      ["x", "", "x"],
      ["", "a"],
    ]);
  });
});

describe("order", () => {
  test("nodes in order stay as they are, others move in front of what needs them, and no further", async () => {
    const a = node("Relu", ["x"], ["a"], { name: "a" });
    const b = node("Relu", ["a"], ["b"], { name: "b" });
    const c = node("Relu", ["b"], ["c"], { name: "c" });
    const d = node("Relu", ["x"], ["d"], { name: "d" });
    const sum = node("Sum", ["c", "d"], ["y"], { name: "sum" });
    const ordered = async (nodes: NodeSpec[]) =>
      names((await decode({ inputs: x, outputs: y, nodes })).graph);
    expect(await ordered([d, a, b, c, sum])).toEqual(["d", "a", "b", "c", "sum"]);
    expect(await ordered([d, c, b, a, sum])).toEqual(["d", "a", "b", "c", "sum"]);
    expect(await ordered([sum, d, c, b, a])).toEqual(["a", "b", "c", "d", "sum"]);
  });

  test("what a subgraph uses orders the node that has it", async () => {
    const inner: GraphSpec = { nodes: [node("Neg", ["late"], ["i"])], outputs: { i: ["float32"] } };
    const outer: GraphSpec = {
      nodes: [node("If", ["x"], ["o"], { attributes: { then_branch: inner } })],
      outputs: { o: ["float32"] },
    };
    const nodes = [
      node("If", ["x"], ["y"], { name: "if", attributes: { then_branch: outer } }),
      node("Relu", ["x"], ["late"], { name: "late" }),
    ];
    expect(names((await decode({ inputs: x, outputs: y, nodes })).graph)).toEqual(["late", "if"]);
  });

  test("a chain of 100,000 nodes backwards is no trouble", async () => {
    const count = 100_000;
    const nodes = Array.from({ length: count }, (_, i) => {
      const at = count - i;
      return node("Relu", [at === 1 ? "x" : `v${at - 1}`], [at === count ? "y" : `v${at}`], {
        name: `n${at}`,
      });
    });
    const { graph } = await decode({ inputs: x, outputs: y, nodes });
    expect(graph.nodes[0]!.name).toBe("n1");
    expect(graph.nodes[count - 1]!.name).toBe(`n${count}`);
  });

  test("a cycle names its nodes, and no other", async () => {
    const nodes = [
      node("Relu", ["x"], ["a"], { name: "before" }),
      node("Add", ["a", "d"], ["b"], { name: "n1" }),
      node("Relu", ["b"], ["c"], { name: "n2" }),
      node("Relu", ["c"], ["d"], { name: "n3" }),
      node("Relu", ["d"], ["y"], { name: "after" }),
    ];
    const cycle = /cycle.*: "n1", "n3", "n2"$/;
    await expectError(() => decode({ inputs: x, outputs: y, nodes }), "E_MODEL", cycle);
    const self = [node("Relu", ["y"], ["y"], { name: "self" })];
    await expectError(() => decode({ outputs: y, nodes: self }), "E_MODEL", /cycle.*: "self"$/);
  });

  test("a cycle through a subgraph", async () => {
    const branch: GraphSpec = { nodes: [node("Neg", ["y"], ["r"])], outputs: { r: ["float32"] } };
    const nodes = [node("If", ["x"], ["y"], { name: "if", attributes: { then_branch: branch } })];
    await expectError(() => decode({ inputs: x, outputs: y, nodes }), "E_MODEL", /cycle.*: "if"$/);
  });
});

describe("scopes", () => {
  function withBranch(branch: GraphSpec): ModelSpec {
    const attributes = { then_branch: branch };
    const nodes = [node("Relu", ["x"], ["a"]), node("If", ["a"], ["y"], { name: "if", attributes })];
    return { inputs: x, outputs: y, nodes };
  }

  test("a subgraph may use, hide and give out values of outer graphs", async () => {
    const hiding = { nodes: [node("Neg", ["x"], ["a"])], outputs: { a: ["float32"] as const } };
    await decode(withBranch(hiding));
    await decode(withBranch({ nodes: [], outputs: { a: ["float32"] } }));
  });

  test("values of a subgraph are not seen outside, and undefined ones are refused inside", async () => {
    const branch: GraphSpec = { nodes: [node("Neg", ["x"], ["i"])], outputs: { i: ["float32"] } };
    const leaking = withBranch(branch);
    leaking.nodes.push(node("Relu", ["i"], ["z"]));
    await expectError(() => decode(leaking), "E_MODEL", /"i", which nothing defines/);
    const undefinedInside = withBranch({
      nodes: [node("Neg", ["nope"], ["i"])],
      outputs: { i: ["float32"] },
    });
    await expectError(() => decode(undefinedInside), "E_MODEL", /node "Neg_0".*"nope"/);
  });

  test("subgraphs count against the node limit", async () => {
    const branch: GraphSpec = { nodes: [node("Neg", ["x"], ["i"])], outputs: { i: ["float32"] } };
    await decode(withBranch(branch), { ...defaultLimits, nodes: 3 });
    await expectError(() => decode(withBranch(branch), { ...defaultLimits, nodes: 2 }), "E_LIMIT", /2 nodes/);
  });
});

describe("attributes", () => {
  test("of every kind, with 64-bit integers whole", async () => {
    const value = tensorOf("float32", [1], [1]);
    const graph: GraphSpec = { name: "g", nodes: [] };
    const attributes = {
      int: 3,
      max: 2n ** 63n - 1n,
      min: -(2n ** 63n),
      float: { float: 1 },
      fraction: 0.5,
      string: "é",
      ints: [1, -1],
      floats: [0.5, 2],
      strings: ["a", "b"],
      tensor: value,
      tensors: [value, value],
      graph,
      graphs: [graph, graph],
      type: { type: ["float32", [1]] as const },
    };
    const model = await decode({ outputs: y, nodes: [node("Op", [], ["y"], { attributes })] });
    const decoded = model.graph.nodes[0]!;
    const kinds = Array.from(decoded.attributes, ([name, { kind }]) => [name, kind]);
    expect(Object.fromEntries(kinds)).toEqual({
      int: "int",
      max: "int",
      min: "int",
      float: "float",
      fraction: "float",
      string: "string",
      ints: "ints",
      floats: "floats",
      strings: "strings",
      tensor: "tensor",
      tensors: "tensors",
      graph: "graph",
      graphs: "graphs",
      type: "type_proto",
    });
    expect(getAttribute(decoded, "max", "int")).toBe(2n ** 63n - 1n);
    expect(getInt(decoded, "max")).toBe(Number.MAX_SAFE_INTEGER);
    expect(getInt(decoded, "min")).toBe(Number.MIN_SAFE_INTEGER);
    expect(getInt(decoded, "int")).toBe(3);
    expect(getInt(decoded, "none")).toBeUndefined();
    expect(getInts(decoded, "ints")).toEqual([1, -1]);
    expect(getAttribute(decoded, "string", "string")).toBe("é");
    expect(getAttribute(decoded, "floats", "floats")).toEqual([0.5, 2]);
    expect(getAttribute(decoded, "strings", "strings")).toEqual(["a", "b"]);
    expect(getAttribute(decoded, "tensors", "tensors")).toEqual([value, value]);
    const type = { kind: "tensor", elemType: 1, dims: [1] };
    expect(getAttribute(decoded, "type", "type_proto")).toEqual(type);
    await expectError(() => getInt(decoded, "float"), "E_MODEL", /attribute float is of kind float, not int/);
  });
});
