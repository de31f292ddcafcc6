/** If, Loop and Scan as they are run: values at every level against onnxruntime-web. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { load } from "../../runtime/index.js";
import { expectLevels, type Tensors, toRuntime } from "../harness.js";
import {
  buildModel,
  type GraphSpec,
  type ModelSpec,
  type NodeSpec,
  type TensorSpec,
  type ValueSpec,
} from "./build-model.js";

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

/** What a Loop does to the value that it carries; `passes` is its trip count. */
interface LoopSpec {
  readonly inputs: Record<string, ValueSpec>;
  readonly initializers?: Record<string, TensorSpec>;
  /** Names of what is carried at first, and what the body knows that by. */
  readonly carried: Record<string, string>;
  readonly nodes: NodeSpec[];
  /** Results of the body behind its condition `goOn`. */
  readonly results: Record<string, ValueSpec>;
}

const loopModel = ({ inputs, initializers, carried, nodes, results }: LoopSpec): ModelSpec => {
  const [initial, names] = [Object.keys(carried), Object.values(carried)];
  const open = (name: string): [string, ValueSpec] => {
    const [dtype, dims = []] = inputs[name] as [DType, number[]];
    return [carried[name]!, [dtype, dims.map(() => null)]];
  };
  const outputs = Object.entries(results).map(([name, spec], i): [string, ValueSpec] => {
    const [dtype, dims = []] = spec as [DType, (number | null)[]];
    return [`${name}.all`, [dtype, (i < names.length ? dims : [null, ...dims]).map(() => null)]];
  });
  const body: GraphSpec = {
    inputs: { i: ["int64", []], go: ["bool", []], ...Object.fromEntries(initial.map(open)) },
    outputs: { goOn: ["bool", []], ...results },
    nodes,
  };
  return {
    inputs: { passes: ["int64", []], ...inputs },
    outputs: Object.fromEntries(outputs),
    ...(initializers !== undefined && { initializers }),
    nodes: [
      node(
        "Loop",
        ["passes", "", ...initial],
        outputs.map(([name]) => name),
        { body },
      ),
    ],
  };
};

const goesOn = node("Identity", ["go"], ["goOn"]);
const ints = (...values: number[]) => tensorOf("int64", [values.length], values);
const places = { first: ints(0), second: ints(1), last: ints(-1), end: ints(99) };
const slice = (x: string, from: string, to: string, y: string, axis = "first") =>
  node("Slice", [x, from, to, axis], [y]);

describe("lists of a Loop whose passes, if any, decide their dims", () => {
  /** Collects the last number of a value whose length the model does not tell. */
  const collecting = (size: number | string | null): ModelSpec =>
    loopModel({
      inputs: { x: ["float32", [3]] },
      initializers: places,
      carried: { x: "c" },
      nodes: [goesOn, slice("c", "first", "last", "n"), slice("n", "first", "second", "item")],
      results: { n: ["float32", [null]], item: ["float32", [size]] },
    });
  const row = tensorOf("float32", [3], [7, 8, 9]);

  test.each([
    [1, [0, 1]],
    [null, [0, 0]],
    ["k", [0, 0]],
  ])("have, without a pass, the dims that the body declares: %s", async (size, dims) => {
    const { reference } = await expectLevels(collecting(size), { x: row, passes: integer(0) });
    expect(reference["item.all"]!.dims).toEqual(dims);
  });

  test("take no memory for declared dims that the passes do not have", async () => {
    await expectLevels(collecting(2 ** 30), { x: row, passes: integer(2) });
  });

  test("have those without a pass, whatever an earlier run collected", async () => {
    const { wasm } = await compile(buildModel(collecting(null)));
    const module = await load(wasm as Uint8Array<ArrayBuffer>);
    const dims = [0, 2, 0].map(
      (passes) => module.runSync(toRuntime({ x: row, passes: integer(passes) }))["item.all"]!.dims,
    );
    module.dispose();
    expect(dims).toEqual([
      [0, 0],
      [2, 1],
      [0, 0],
    ]);
  });
});

describe("what a Loop carries", () => {
  const five = tensorOf("float32", [5], [1, 2, 3, 4, 5]);
  const flips = {
    then_branch: arm([slice("c", "second", "end", "r")]),
    else_branch: arm([slice("c", "first", "last", "r")]),
  };
  const growing: GraphSpec = {
    inputs: { j: ["int64", []], on: ["bool", []], d: ["float32", [null]] },
    outputs: { still: ["bool", []], next: ["float32", [null]], item: ["float32", []] },
    nodes: [
      node("Identity", ["on"], ["still"]),
      node("Concat", ["d", "x"], ["next"], { axis: 0 }),
      node("ReduceSum", ["next"], ["item"], { keepdims: 0 }),
    ],
  };

  const cases: [string, LoopSpec, Tensors][] = [
    [
      "may be a part of itself, where it lies",
      {
        inputs: { x: ["float32", [2, 3]] },
        initializers: places,
        carried: { x: "c" },
        nodes: [goesOn, slice("c", "first", "last", "n", "second")],
        results: { n: ["float32", [null, null]] },
      },
      { x },
    ],
    [
      "may be the condition of the pass before",
      {
        inputs: { flag: ["bool", []] },
        initializers: { one: integer(1) },
        carried: { flag: "c" },
        nodes: [node("Less", ["i", "one"], ["goOn"]), node("Identity", ["go"], ["n"])],
        results: { n: ["bool", []] },
      },
      { flag: bool(0) },
    ],
    [
      "may be parts of one another",
      {
        inputs: { x: ["float32", [5]], y: ["float32", [5]] },
        initializers: places,
        carried: { x: "c", y: "d" },
        nodes: [goesOn, slice("d", "second", "end", "n"), slice("c", "first", "last", "m")],
        results: { n: ["float32", [null]], m: ["float32", [null]] },
      },
      { x: five, y: tensorOf("float32", [5], [9, 8, 7, 6, 5]) },
    ],
    [
      "may lose what the branch of an If takes off",
      {
        inputs: { x: ["float32", [5]] },
        initializers: { ...places, one: integer(1) },
        carried: { x: "c" },
        nodes: [goesOn, node("Equal", ["i", "one"], ["q"]), node("If", ["q"], ["n"], flips)],
        results: { n: ["float32", [null]] },
      },
      { x: five },
    ],
    [
      "may be what a Loop inside makes of it, in another number of passes each time",
      {
        inputs: { x: ["float32", [5]] },
        carried: { x: "c" },
        nodes: [
          goesOn,
          node("Loop", ["i", "", "c"], ["n", "sums"], { body: growing }),
          node("ReduceSum", ["sums"], ["item"], { keepdims: 0 }),
        ],
        results: { n: ["float32", [null]], item: ["float32", []] },
      },
      { x: five },
    ],
  ];

  test.each(cases)("%s", async (_, spec, given) => {
    const model = buildModel(loopModel(spec));
    for (const passes of [0, 1, 3]) await expectLevels(model, { ...given, passes: integer(passes) });
  });

  test("keeps its rank, or the node is refused by name", async () => {
    const model = loopModel({
      inputs: { x: ["float32", [5]] },
      initializers: places,
      carried: { x: "c" },
      nodes: [goesOn, node("Unsqueeze", ["c", "first"], ["n"])],
      results: { n: ["float32"] },
    });
    model.nodes[0]!.name = "deepening";
    await expect(compile(buildModel(model))).rejects.toThrow(
      /node "deepening" \(Loop.*the rank of carried value 0 changes/,
    );
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
