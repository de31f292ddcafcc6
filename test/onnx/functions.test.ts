/** Model-local functions: what their inlining looks like, and what is refused. */

import { describe, expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import type { OnnxGraph, OnnxModel, OnnxNode } from "../../compiler/onnx/model.js";
import {
  type AttributeSpec,
  buildModel,
  type FunctionSpec,
  type GraphSpec,
  type ModelSpec,
  type NodeSpec,
} from "./build-model.js";
import { cpuTime, expectError } from "./raises.js";

/** A model with input x, output y, functions of domain "f" and these nodes. */
function spec(
  functions: Partial<FunctionSpec>[],
  nodes: NodeSpec[],
  more: Partial<ModelSpec> = {},
): ModelSpec {
  return {
    opset: { "": 17, f: 1 },
    inputs: { x: ["float32", [2]] },
    outputs: { y: ["float32", [2]] },
    functions: functions.map((fn) => ({
      domain: "f",
      name: "F",
      inputs: ["a"],
      outputs: ["b"],
      nodes: [],
      ...fn,
    })),
    nodes,
    ...more,
  };
}

function decode(model: ModelSpec, limits = defaultLimits): Promise<OnnxModel> {
  return decodeModel(buildModel(model), { limits });
}

function call(attributes: Record<string, AttributeSpec> = {}, more: Partial<NodeSpec> = {}): NodeSpec {
  return { op: "F", domain: "f", name: "call", inputs: ["x"], outputs: ["y"], attributes, ...more };
}

/** One line a node: name, operator, inputs, outputs. */
function text(graph: OnnxGraph): string[] {
  const line = ({ name, opType, inputs, outputs }: OnnxNode) =>
    `${name}: ${outputs} = ${opType}(${inputs.map((input) => input || "-")})`;
  return graph.nodes.map(line);
}

describe("inlining", () => {
  test("renames inner values and nodes after the call, and outputs to the caller's", async () => {
    const body = [
      { op: "Relu", name: "relu", inputs: ["a"], outputs: ["t"] },
      { op: "Neg", inputs: ["t"], outputs: ["b"] },
    ];
    const model = await decode(
      spec(
        [{ nodes: body }],
        [
          { op: "F", domain: "f", name: "first", inputs: ["x"], outputs: ["m"] },
          { op: "F", domain: "f", inputs: ["m"], outputs: ["y"] },
        ],
      ),
    );
    expect(model.functions).toEqual([]);
    expect(text(model.graph)).toEqual([
      "first/relu: first/t = Relu(x)",
      "first/Neg_1: m = Neg(first/t)",
      "F_1/relu: F_1/t = Relu(m)",
      "F_1/Neg_1: y = Neg(F_1/t)",
    ]);
  });

  test("new names step aside for names that the model has", async () => {
    const body = [
      { op: "Relu", inputs: ["a"], outputs: ["t"] },
      { op: "Neg", inputs: ["t"], outputs: ["b"] },
    ];
    const model = await decode(
      spec(
        [{ nodes: body }],
        [{ op: "Abs", inputs: ["x"], outputs: ["call/t"] }, call({}, { inputs: ["call/t"] })],
      ),
    );
    expect(text(model.graph)).toEqual([
      "Abs_0: call/t = Abs(x)",
      "call/Relu_0: call/t_1 = Relu(call/t)",
      "call/Neg_1: y = Neg(call/t_1)",
    ]);
  });

  test("calls of functions in functions, whatever the order of either", async () => {
    const outer = {
      nodes: [
        { op: "G", domain: "f", name: "g", inputs: ["t"], outputs: ["b"] },
        { op: "Relu", name: "relu", inputs: ["a"], outputs: ["t"] },
      ],
    };
    const inner = { name: "G", nodes: [{ op: "Neg", name: "neg", inputs: ["a"], outputs: ["b"] }] };
    const model = await decode(spec([outer, inner], [call()]));
    expect(text(model.graph)).toEqual(["call/relu: call/t = Relu(x)", "call/g/neg: y = Neg(call/t)"]);
  });

  test("each node keeps the operator set version of its function", async () => {
    const softmax = [{ op: "Softmax", inputs: ["a"], outputs: ["b"] }];
    const model = await decode(
      spec(
        [{ opset: 11, nodes: softmax }],
        [call({}, { outputs: ["m"] }), { op: "Softmax", inputs: ["m"], outputs: ["y"] }],
      ),
    );
    expect(model.graph.nodes.map(({ opset }) => opset)).toEqual([11, 17]);
  });

  test("missing optional inputs and outputs stay missing", async () => {
    const fn = {
      inputs: ["a", "lo", "hi"],
      outputs: ["b", "c"],
      nodes: [
        { op: "Clip", name: "clip", inputs: ["a", "lo", "hi"], outputs: ["b"] },
        { op: "Neg", name: "neg", inputs: ["b"], outputs: ["c"] },
      ],
    };
    const model = await decode(spec([fn], [call({}, { inputs: ["x", "", "x"] })]));
    expect(text(model.graph)).toEqual(["call/clip: y = Clip(x,-,x)", "call/neg: call/c = Neg(y)"]);
    const short = await decode(spec([fn], [call({}, { inputs: ["x"], outputs: ["", "y"] })]));
    expect(text(short.graph)).toEqual(["call/clip: call/b = Clip(x,-,-)", "call/neg: y = Neg(call/b)"]);
  });

  test("an output that is an input, or listed twice, is copied", async () => {
    const fn = {
      outputs: ["a", "b", "b"],
      nodes: [{ op: "Neg", name: "neg", inputs: ["a"], outputs: ["b"] }],
    };
    const model = await decode(spec([fn], [call({}, { outputs: ["p", "q", "y"] })]));
    expect(text(model.graph)).toEqual([
      "call/neg: q = Neg(x)",
      "call/copy: p = Identity(x)",
      "call/copy_1: y = Identity(q)",
    ]);
  });

  test("attributes come from the call, else from the default, else are absent", async () => {
    const fn: Partial<FunctionSpec> = {
      attributes: ["alpha"],
      defaults: { beta: { float: 0.5 }, axes: [7] },
      nodes: [
        {
          op: "Op",
          inputs: ["a"],
          outputs: ["b"],
          attributes: {
            p: { ref: "alpha", kind: "FLOAT" },
            q: { ref: "beta", kind: "FLOAT" },
            r: { ref: "axes", kind: "INTS" },
            s: 3,
          },
        },
      ],
    };
    const attributes = async (given: Record<string, AttributeSpec>) =>
      Object.fromEntries((await decode(spec([fn], [call(given)]))).graph.nodes[0]!.attributes);
    const s = { kind: "int", value: 3n };
    expect(await attributes({})).toEqual({
      q: { kind: "float", value: 0.5 },
      r: { kind: "ints", value: [7n] },
      s,
    });
    expect(await attributes({ alpha: { float: 2 }, axes: [1, 2], unrelated: 1 })).toEqual({
      p: { kind: "float", value: 2 },
      q: { kind: "float", value: 0.5 },
      r: { kind: "ints", value: [1n, 2n] },
      s,
    });
  });

  test("references pass through nested calls", async () => {
    const inner = {
      name: "G",
      attributes: ["n"],
      nodes: [
        { op: "Op", inputs: ["a"], outputs: ["b"], attributes: { k: { ref: "n", kind: "INT" } as const } },
      ],
    };
    const outer = {
      attributes: ["m"],
      nodes: [{ ...call({ n: { ref: "m", kind: "INT" } }), op: "G", inputs: ["a"], outputs: ["b"] }],
    };
    const model = await decode(spec([outer, inner], [call({ m: 5 })]));
    expect(model.graph.nodes[0]!.attributes.get("k")).toEqual({ kind: "int", value: 5n });
  });

  test("overloads are functions of their own", async () => {
    const body = (op: string) => [{ op, inputs: ["a"], outputs: ["b"] }];
    const functions = [{ nodes: body("Relu") }, { overload: "2", nodes: body("Neg") }];
    const model = await decode(
      spec(functions, [
        call({}, { outputs: ["m"] }),
        call({}, { inputs: ["m"], overload: "2", name: "other" }),
      ]),
    );
    expect(text(model.graph)).toEqual(["call/Relu_0: m = Relu(x)", "other/Neg_0: y = Neg(m)"]);
  });

  test("subgraphs of a body see its values, and their own are renamed", async () => {
    const then = {
      initializers: { w: tensorOf("float32", [2], [1, 2]) },
      nodes: [{ op: "Add", name: "add", inputs: ["t", "w"], outputs: ["r"] }],
      outputs: { r: ["float32"] as const },
    };
    const other = {
      nodes: [{ op: "Neg", name: "neg", inputs: ["a"], outputs: ["r"] }],
      outputs: { r: ["float32"] as const },
    };
    const fn = {
      nodes: [
        { op: "Relu", name: "relu", inputs: ["a"], outputs: ["t"] },
        {
          op: "If",
          name: "if",
          inputs: ["t"],
          outputs: ["b"],
          attributes: { then_branch: then, else_branch: other },
        },
      ],
    };
    const model = await decode(spec([fn], [call()]));
    const node = model.graph.nodes[1]!;
    const branch = (name: string) => node.attributes.get(name)!.value as OnnxGraph;
    expect(text(branch("then_branch"))).toEqual(["call/add: call/r = Add(call/t,call/w)"]);
    expect([...branch("then_branch").initializers.keys()]).toEqual(["call/w"]);
    expect(branch("then_branch").outputs[0]!.name).toBe("call/r");
    expect(text(branch("else_branch"))).toEqual(["call/neg: call/r_1 = Neg(x)"]);
  });

  test("calls in subgraphs of the model, and graphs passed as attributes in the caller's names", async () => {
    const branch = (op: string) => ({
      nodes: [{ op, domain: op === "F" ? "f" : "", name: "n", inputs: ["x"], outputs: ["r"] }],
      outputs: { r: ["float32"] as const },
    });
    const body = [{ op: "Relu", name: "relu", inputs: ["a"], outputs: ["b"] }];
    const choose: Partial<FunctionSpec> = {
      name: "Choose",
      attributes: ["g"],
      nodes: [
        { op: "Abs", inputs: ["a"], outputs: ["x"] },
        { op: "If", inputs: ["x"], outputs: ["b"], attributes: { then_branch: { ref: "g", kind: "GRAPH" } } },
      ],
    };
    const model = await decode(
      spec([{ nodes: body }, choose], [call({ g: branch("F") }, { op: "Choose", name: "choose" })]),
    );
    expect(text(model.graph)).toEqual(["choose/Abs_0: choose/x = Abs(x)", "choose/If_1: y = If(choose/x)"]);
    const inner = model.graph.nodes[1]!.attributes.get("then_branch")!.value as OnnxGraph;
    expect(text(inner)).toEqual(["n/relu: r = Relu(x)"]);
  });
});

describe("refused", () => {
  const callOf = (name: string): NodeSpec => ({ op: name, domain: "f", inputs: ["a"], outputs: ["b"] });

  test("direct and mutual recursion", async () => {
    await expectError(() => decode(spec([{ nodes: [callOf("F")] }], [call()])), "E_MODEL", /f\.F calls f\.F/);
    const mutual = [{ nodes: [callOf("G")] }, { name: "G", nodes: [callOf("F")] }];
    await expectError(() => decode(spec(mutual, [call()])), "E_MODEL", /f\.F calls f\.G calls f\.F/);
  });

  test("recursion through a subgraph", async () => {
    const body = { nodes: [callOf("F")], outputs: { b: ["float32"] as const } };
    const fn = { nodes: [{ op: "If", inputs: ["a"], outputs: ["b"], attributes: { then_branch: body } }] };
    await expectError(() => decode(spec([fn], [call()])), "E_MODEL", /calls itself/);
  });

  test("chains of functions that double at each step end at the node limit", async () => {
    const step = (i: number): Partial<FunctionSpec> => ({
      name: `F${i}`,
      nodes: [
        { op: `F${i + 1}`, domain: "f", inputs: ["a"], outputs: ["t"] },
        { op: `F${i + 1}`, domain: "f", inputs: ["t"], outputs: ["b"] },
      ],
    });
    const chain = Array.from({ length: 40 }, (_, i) => step(i));
    const last = { name: "F40", nodes: [{ op: "Relu", inputs: ["a"], outputs: ["b"] }] };
    const start = cpuTime();
    const model = spec([...chain, last], [call({}, { op: "F0" })]);
    await expectError(() => decode(model, { ...defaultLimits, nodes: 20_000 }), "E_LIMIT", /20000 nodes/);
    expect(cpuTime(start)).toBeLessThan(5000);
  });

  test("deep chains of functions end at the nesting limit", async () => {
    const chain = Array.from({ length: 70 }, (_, i) => ({ name: `F${i}`, nodes: [callOf(`F${i + 1}`)] }));
    const last = { name: "F70", nodes: [{ op: "Relu", inputs: ["a"], outputs: ["b"] }] };
    await expectError(
      () => decode(spec([...chain, last], [call({}, { op: "F0" })])),
      "E_LIMIT",
      /deeper than 64/,
    );
  });

  test("and so do functions with deep subgraphs, which together are deeper than any stack", async () => {
    const nest = (inside: NodeSpec, depth: number): NodeSpec => {
      if (depth === 0) return inside;
      const body = { nodes: [nest(inside, depth - 1)], outputs: { b: ["float32"] as const } };
      return { op: "If", inputs: ["a"], outputs: ["b"], attributes: { then_branch: body } };
    };
    const chain = Array.from({ length: 60 }, (_, i) => ({
      name: `F${i}`,
      nodes: [nest(callOf(`F${i + 1}`), 18)],
    }));
    await expectError(() => decode(spec(chain, [call({}, { op: "F0" })])), "E_LIMIT", /deeper than 64/);
  });

  test("what functions repeat with each call cannot multiply without bound", async () => {
    const name = "n".repeat(100_000);
    const many = (length: number) => Array.from({ length }, (_, i) => `${i}`);
    const relu = { op: "Relu", inputs: ["a"], outputs: ["b"] };
    const attributes = Object.fromEntries(many(20_000).map((key) => [key, 1]));
    const valueInfo = Object.fromEntries(many(20_000).map((key) => [key, ["float32"] as const]));
    const branch: GraphSpec = { nodes: [], valueInfo, outputs: { a: ["float32"] } };
    const hostile: Partial<FunctionSpec>[] = [
      { nodes: [{ ...relu, name }] },
      { nodes: [{ ...relu, inputs: Array(20_000).fill("a") }] },
      { nodes: [relu], inputs: ["a", ...many(20_000)] },
      { nodes: [{ ...relu, attributes }] },
      { nodes: [{ ...relu, attributes: { branch } }] },
    ];
    const nodes = Array.from({ length: 3000 }, (_, i) => call({}, { name: `c${i}`, outputs: [`y${i}`] }));
    const limits = { ...defaultLimits, nodes: 10_000 };
    for (const fn of hostile) {
      const start = cpuTime();
      await expectError(() => decode(spec([fn], nodes, { outputs: {} }), limits), "E_LIMIT", /10000 nodes/);
      expect(cpuTime(start)).toBeLessThan(5000);
    }
  });

  test.each<[string, Partial<FunctionSpec>, Partial<NodeSpec>, RegExp]>([
    ["more inputs than the function has", {}, { inputs: ["x", "x"] }, /2 inputs/],
    ["more outputs than the function has", {}, { outputs: ["y", "z"] }, /2 outputs/],
    ["an output that nothing defines", { nodes: [] }, {}, /defines "b"/],
    ["a value of the caller's", { nodes: [{ op: "Neg", inputs: ["x"], outputs: ["b"] }] }, {}, /defines "x"/],
    [
      "an input defined again",
      { nodes: [{ op: "Neg", inputs: ["a"], outputs: ["a"] }] },
      {},
      /"a" is defined again/,
    ],
    ["inputs of one name", { inputs: ["a", "a"] }, {}, /two inputs are named "a"/],
    ["a missing input as output", { inputs: ["a", "o"], outputs: ["o"] }, {}, /leaves out/],
    [
      "a value defined twice",
      { nodes: ["Neg", "Abs"].map((op) => ({ op, inputs: ["a"], outputs: ["b"] })) },
      {},
      /"y" is defined twice/,
    ],
    [
      "an attribute of another kind",
      {
        attributes: ["n"],
        nodes: [{ op: "Op", inputs: ["a"], outputs: ["b"], attributes: { n: { ref: "n", kind: "INT" } } }],
      },
      { attributes: { n: "text" } },
      /kind string, not int/,
    ],
    [
      "an attribute that the function does not have",
      { nodes: [{ op: "Op", inputs: ["a"], outputs: ["b"], attributes: { n: { ref: "n", kind: "INT" } } }] },
      { attributes: {} },
      /no attribute "n"/,
    ],
    [
      "an operator set that the function does not import",
      { nodes: [{ op: "Op", domain: "other", inputs: ["a"], outputs: ["b"] }] },
      {},
      /domain "other"/,
    ],
  ])("%s", async (_, fn, node, message) => {
    await expectError(() => decode(spec([fn], [call({}, node)])), "E_MODEL", message);
  });

  test("two functions of one name", async () => {
    const body = { nodes: [{ op: "Neg", inputs: ["a"], outputs: ["b"] }] };
    await expectError(() => decode(spec([body, body], [call()])), "E_MODEL", /f\.F is defined twice/);
  });

  test("references outside of functions", async () => {
    const node = { op: "Op", outputs: ["y"], attributes: { n: { ref: "n", kind: "INT" } as const } };
    await expectError(() => decode(spec([], [node])), "E_MODEL", /attribute n/);
  });
});
