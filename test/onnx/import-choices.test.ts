/** If nodes whose arms differ in rank, as exporters write them for "squeeze where the dim is 1". */

import { expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { load } from "../../runtime/index.js";
import { expectLevels } from "../harness.js";
import { buildModel, type GraphSpec, type ModelSpec, type NodeSpec } from "./build-model.js";
import { expectError } from "./raises.js";

const node = (op: string, inputs: string[], outputs: string[], attributes: NodeSpec["attributes"] = {}) => ({
  op,
  inputs,
  outputs,
  attributes,
  name: `${op}:${outputs[0]}`,
});
const arm = (nodes: NodeSpec[]): GraphSpec => ({ outputs: { r: ["float32"] }, nodes });
const float = (dims: number[], ...values: number[]) => tensorOf("float32", dims, values);
const ints = (...values: number[]) => tensorOf("int64", [values.length], values);

/** Squeezes the last dim of x where it is 1, then does what `nodes` say with "s". */
const squeezed = (nodes: NodeSpec[], constants: Record<string, TensorData> = {}): ModelSpec => ({
  inputs: { x: ["float32", ["N", 2, "T"]] },
  outputs: { y: ["float32"] },
  initializers: {
    last: ints(-1),
    at: tensorOf("int64", [], [2]),
    one: tensorOf("int64", [], [1]),
    ...constants,
  },
  nodes: [
    node("Shape", ["x"], ["shape"]),
    node("Gather", ["shape", "at"], ["size"]),
    node("Equal", ["size", "one"], ["isOne"]),
    node("If", ["isOne"], ["s"], {
      then_branch: arm([node("Squeeze", ["x", "last"], ["r"])]),
      else_branch: arm([node("Identity", ["x"], ["r"])]),
    }),
    ...nodes,
  ],
});

test("the arm that fits what follows is taken, the run checks the condition", async () => {
  const spec = squeezed([node("Gemm", ["s", "w"], ["y"])], { w: float([2, 2], 1, 2, 3, 4) });
  await expectLevels(spec, { x: float([2, 2, 1], 1, -1, 2, 0.5) });
  const { wasm } = await compile(buildModel(spec));
  const model = await load(wasm as Uint8Array<ArrayBuffer>);
  const feed = { type: "float32" as const, data: new Float32Array(4), dims: [1, 2, 2] };
  expect(() => model.runSync({ x: feed })).toThrow(/model "[^"]*", node "(Squeeze|If):[rs]"/);
});

test("ranks that broadcasting takes up are left to the run", async () => {
  const spec: ModelSpec = {
    inputs: { x: ["float32", [2, 2]], flag: ["bool", []] },
    outputs: { y: ["float32"] },
    nodes: [
      node("If", ["flag"], ["s"], {
        then_branch: arm([node("ReduceSum", ["x"], ["r"], { keepdims: 0 })]),
        else_branch: arm([node("ReduceMax", ["x"], ["r"], { keepdims: 0, axes: [0] })]),
      }),
      node("Identity", ["s"], ["same"]),
      node("Mul", ["x", "same"], ["y"]),
    ],
    opset: 12,
  };
  const x = float([2, 2], 1, 2, 3, 4);
  for (const flag of [0, 1]) await expectLevels(spec, { x, flag: tensorOf("bool", [], [flag]) });
});

test("ranks that something depends on are refused", async () => {
  const refused = /rank of input 0 is known only at run time/;
  const spec = squeezed([node("ReduceSum", ["s"], ["y"], { keepdims: 0 })]);
  await expectError(() => compile(buildModel(spec)), "E_UNSUPPORTED", refused);
  const output = squeezed([node("Identity", ["s"], ["y"])]);
  await expectError(() => compile(buildModel(output)), "E_UNSUPPORTED", /its rank is known only at run time/);
  await expect(compile(buildModel(spec), { dims: { T: 1 } })).resolves.toBeDefined();
});

test("an arm whose shapes contradict each other ends a run that would take it", async () => {
  const spec: ModelSpec = {
    inputs: { x: ["float32", [2, 3]], flag: ["bool", []] },
    outputs: { y: ["float32"] },
    nodes: [
      node("If", ["flag"], ["s"], {
        then_branch: arm([node("Transpose", ["x"], ["t"]), node("Add", ["x", "t"], ["r"])]),
        else_branch: arm([node("Neg", ["x"], ["r"])]),
      }),
      node("Relu", ["s"], ["y"]),
    ],
  };
  const x = float([2, 3], 1, -2, 3, -4, 5, -6);
  const { wasm } = await compile(buildModel(spec));
  const model = await load(wasm as Uint8Array<ArrayBuffer>);
  const feeds = (flag: number) => ({ x: x.data as Float32Array<ArrayBuffer>, flag: Uint8Array.of(flag) });
  expect([...model.runSync(feeds(0)).y!.data]).toEqual([0, 2, 0, 4, 0, 6]);
  expect(() => model.runSync(feeds(1))).toThrow(/node "If:s": its condition is true.*Add.*broadcast/);
});

test("contradictions in both arms, or whatever the arm, are errors", async () => {
  const bad = arm([node("Transpose", ["x"], ["t"]), node("Add", ["x", "t"], ["r"])]);
  const spec: ModelSpec = {
    inputs: { x: ["float32", [2, 3]], flag: ["bool", []] },
    outputs: { y: ["float32"] },
    nodes: [node("If", ["flag"], ["y"], { then_branch: bad, else_branch: bad })],
  };
  await expectError(() => compile(buildModel(spec)), "E_SHAPE", /broadcast/);
  const never = squeezed([node("Gemm", ["s", "w"], ["y"])], { w: float([3, 1], 1, 2, 3) });
  await expectError(() => compile(buildModel(never)), "E_SHAPE", /Gemm/);
});
