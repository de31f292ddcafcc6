/** `kiln diff --layerwise` inside of If, Loop and Scan. */

import { expect, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import type { FunctionSpec, GraphSpec, ModelSpec, NodeSpec, ValueSpec } from "../onnx/build-model.js";
import { kiln, useFolder } from "./harness.js";

const folder = useFolder();

const node = (
  op: string,
  inputs: string[],
  output: string,
  attributes: NodeSpec["attributes"] = {},
): NodeSpec => ({
  ...{ op, inputs, outputs: [output], attributes },
});

const branch = (nodes: NodeSpec[], initializers: GraphSpec["initializers"] = {}): GraphSpec => ({
  ...{ nodes, initializers },
  outputs: { [nodes.at(-1)!.outputs![0]!]: ["float32"] },
});

interface Found {
  equal: boolean;
  uncomputed: number;
  unseen: string[];
  layers: { value: string; dims: number[] }[];
}

async function diff(model: ModelSpec, ...flags: string[]): Promise<Found & { note: string }> {
  const path = folder.write("model.onnx", model);
  const { stdout, stderr } = await kiln("diff", path, "--layerwise", "--json", ...flags);
  return { ...JSON.parse(stdout), note: stderr };
}

/** The other branch has an `If` of its own, with a condition that is computed there. */
const branches = (on: ValueSpec): ModelSpec => ({
  inputs: { x: ["float32", [2]], on },
  outputs: { y: ["float32", [2]] },
  nodes: [
    node("If", ["on"], "y", {
      then_branch: branch([node("Exp", ["x"], "e")]),
      else_branch: branch([
        node("Abs", ["x"], "a"),
        node("ReduceSum", ["a"], "sum", { keepdims: 0 }),
        node("Cast", ["sum"], "any", { to: 9 }),
        node("If", ["any"], "z", {
          then_branch: branch([node("Sigmoid", ["a"], "s"), node("Add", ["s", "w"], "t")], {
            w: tensorOf("float32", [2], [3, 4]),
          }),
          else_branch: branch([node("Neg", ["a"], "n")]),
        }),
      ]),
    }),
  ],
});

test("inside of branches, and of those in them, as far as they are taken", async () => {
  const runs: [ValueSpec, string][] = [
    [["bool", []], "onnxruntime-web"],
    [["bool", [1]], "onnxruntime-node"],
  ];
  for (const [condition, against] of runs) {
    const found = await diff(branches(condition), "--against", against);
    expect(found.layers.map(({ value, dims }) => [value, dims])).toEqual([
      ["If_0/else_branch/a", [2]],
      ["If_0/else_branch/sum", []],
      ["If_0/else_branch/any", []],
      ["If_0/else_branch/If_3/then_branch/s", [2]],
      ["If_0/else_branch/If_3/then_branch/t", [2]],
      ["If_0/else_branch/z", [2]],
      ["y", [2]],
    ]);
    expect(found).toMatchObject({ equal: true, uncomputed: 2, unseen: [], note: "" });
  }
});

test("inside of the branch taken where the shapes of the other do not fit", async () => {
  const model: ModelSpec = {
    inputs: { x: ["float32", ["n"]], on: ["bool", []] },
    outputs: { y: ["float32", [null]] },
    initializers: { three: tensorOf("int64", [1], [3]) },
    nodes: [
      node("If", ["on"], "y", {
        then_branch: branch([node("Reshape", ["x", "three"], "r"), node("Exp", ["r"], "e")]),
        else_branch: branch([node("Abs", ["x"], "a"), node("Neg", ["a"], "b")]),
      }),
    ],
  };
  const { layers, uncomputed, unseen, note } = await diff(model, "--dim", "n=2");
  expect(layers.map(({ value }) => value)).toEqual(["If_0/else_branch/a", "If_0/else_branch/b", "y"]);
  expect([uncomputed, unseen, note]).toEqual([2, [], ""]);
});

test("inside of loops, unless sizes differ from pass to pass", async () => {
  const loop = (body: NodeSpec[], next: ValueSpec): ModelSpec => ({
    inputs: { x: ["float32", [2]] },
    outputs: { y: next },
    initializers: { trips: tensorOf("int64", [], [3]), yes: tensorOf("bool", [], [1]) },
    nodes: [
      {
        ...{ op: "Loop", name: "loop", inputs: ["trips", "yes", "x"], outputs: ["y"] },
        attributes: {
          body: {
            inputs: { i: ["int64", []], on: ["bool", []], s: next },
            outputs: { still: ["bool", []], t: next },
            nodes: [{ op: "Identity", name: "go on", inputs: ["on"], outputs: ["still"] }, ...body],
          },
        },
      },
    ],
  });
  const steady = folder.write(
    "steady.onnx",
    loop(
      [
        { op: "Neg", name: "turned", inputs: ["s"], outputs: ["n"] },
        { op: "Exp", name: "power", inputs: ["n"], outputs: ["t"] },
      ],
      ["float32", [2]],
    ),
  );
  const { code, stdout } = await kiln("diff", steady, "--layerwise", "--json", "-q");
  const { layers, unseen } = JSON.parse(stdout);
  expect([code, unseen]).toEqual([0, []]);
  expect(layers.map(({ node, dims }: { node: string; dims: number[] }) => [node, dims])).toEqual([
    ["loop/turned", [3, 2]],
    ["loop", [2]],
  ]);
  const growing = folder.write(
    "growing.onnx",
    loop(
      [
        { op: "Neg", name: "turned", inputs: ["s"], outputs: ["n"] },
        { op: "Concat", inputs: ["n", "s"], outputs: ["t"], attributes: { axis: 0 } },
      ],
      ["float32", [null]],
    ),
  );
  const other = await kiln("diff", growing, "--layerwise");
  expect(other.stdout).toMatch(
    /^1 value compared .*, 0 of them part\n3 nodes inside .*: loop\/go on, loop\/turned, loop\/Concat_2$/m,
  );
  expect(other.stderr).toContain('what is inside of "loop" cannot be gathered');
  expect(other.code).toBe(0);
});

/** Three passes, in the second of which an If takes its other branch. */
const changing: ModelSpec = {
  inputs: { x: ["float32", [2]] },
  outputs: { y: ["float32", [2]] },
  initializers: { trips: tensorOf("int64", [], [3]), one: tensorOf("int64", [], [1]) },
  nodes: [
    node("Loop", ["trips", "", "x"], "y", {
      body: {
        inputs: { i: ["int64", []], on: ["bool", []], s: ["float32", [2]] },
        outputs: { still: ["bool", []], t: ["float32", [2]] },
        nodes: [
          node("Identity", ["on"], "still"),
          node("Tanh", ["s"], "h"),
          node("Equal", ["i", "one"], "second"),
          node("If", ["second"], "t", {
            then_branch: branch([node("Exp", ["h"], "e")]),
            else_branch: branch([node("Neg", ["h"], "n")]),
          }),
        ],
      },
    }),
  ],
};

test("what cannot be gathered is named, and the rest compared", async () => {
  const { layers, unseen, note } = await diff(changing);
  expect(layers.map(({ value, dims }) => [value, dims])).toEqual([
    ["Loop_0/h", [3, 2]],
    ["Loop_0/second", [3]],
    ["y", [2]],
  ]);
  expect(unseen).toEqual(["Loop_0/If_3/then_branch/Exp_0", "Loop_0/If_3/else_branch/Neg_0"]);
  expect(note).toContain('what is inside of "Loop_0/If_3" cannot be gathered');
});

test("in functions, unless a body calls them", async () => {
  const pick: FunctionSpec = {
    ...{ domain: "f", name: "Pick", inputs: ["a", "on"], outputs: ["c"], opset: { "": 17 } },
    nodes: [
      node("If", ["on"], "c", {
        then_branch: branch([node("Neg", ["a"], "n")]),
        else_branch: branch([node("Abs", ["a"], "b"), node("Relu", ["b"], "r")]),
      }),
    ],
  };
  const call = (input: string, output: string): NodeSpec => ({
    ...node("Pick", [input, "on"], output),
    domain: "f",
  });
  const model = (nodes: NodeSpec[]): ModelSpec => ({
    ...{ opset: { "": 17, f: 1 }, functions: [pick], nodes },
    inputs: { x: ["float32", [2]], on: ["bool", []] },
    outputs: { y: ["float32", [2]] },
  });
  const seen = await diff(model([call("x", "y")]));
  expect(seen.layers.map(({ value }) => value)).toEqual([
    "Pick_0/If_0/else_branch/b",
    "Pick_0/If_0/else_branch/r",
    "y",
  ]);
  const inBody = { then_branch: branch([node("Exp", ["x"], "e")]), else_branch: branch([call("x", "p")]) };
  const { layers, unseen } = await diff(model([node("If", ["on"], "y", inBody)]));
  expect(layers.map(({ value }) => value)).toEqual(["If_0/else_branch/p", "y"]);
  expect(unseen).toEqual([
    "Pick/If_0",
    "Pick/If_0/then_branch/Neg_0",
    "Pick/If_0/else_branch/Abs_0",
    "Pick/If_0/else_branch/Relu_1",
  ]);
});
