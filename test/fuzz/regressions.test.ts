/** What `npm run fuzz` once found, each as the smallest model that showed it: now an error that names the node. */

import { expect, test } from "vitest";
import { compile, type KilnError } from "../../compiler/index.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { load } from "../../runtime/index.js";
import { buildModel, type ModelSpec, type NodeSpec, type ValueSpec } from "../onnx/build-model.js";

/** A model of one node, whose first output is the model's. */
const single = (
  inputs: Record<string, ValueSpec>,
  node: Omit<NodeSpec, "inputs"> & { inputs?: string[] },
  opset = 21,
): ModelSpec => ({
  opset,
  inputs,
  outputs: { y: ["float32"] },
  nodes: [{ inputs: Object.keys(inputs), outputs: ["y"], ...node }],
});

const branch = (name: string) => ({
  nodes: [{ op: "Neg", inputs: ["x"], outputs: [name] }],
  outputs: { [name]: ["float32", [4]] as ValueSpec },
});

const loop = (condition: DType, trips: DType): ModelSpec =>
  single(
    { n: [trips, []], c: ["bool", []], x: ["float32", [4]] },
    {
      op: "Loop",
      attributes: {
        body: {
          inputs: { i: ["int64", []], keep: ["bool", []], s: ["float32", [4]] },
          outputs: { more: [condition, []], next: ["float32", [4]] },
          nodes: [
            {
              op: "Cast",
              inputs: ["keep"],
              outputs: ["more"],
              attributes: { to: condition === "bool" ? 9 : 1 },
            },
            { op: "Neg", inputs: ["s"], outputs: ["next"] },
          ],
        },
      },
    },
  );

const cases: readonly (readonly [title: string, model: ModelSpec, message: RegExp])[] = [
  [
    "CumSum of a scalar, whose axis only the run would know",
    single({ x: ["float32", []], axis: ["int32", []] }, { op: "CumSum" }),
    /a scalar has no axis/,
  ],
  [
    "Split by one size into two parts",
    single({ x: ["float32", [2, 6]], s: ["int64", []] }, { op: "Split", outputs: ["y", "z"] }),
    /1 sizes are given for 2 parts/,
  ],
  [
    "ReduceSum over axes that are uint64",
    single({ x: ["float32", [2, 6]], a: ["uint64", [1]] }, { op: "ReduceSum" }),
    /holds uint64, not int64 or int32/,
  ],
  [
    "Slice by int16",
    single({ x: ["float32", [6]], s: ["int16", [1]], e: ["int16", [1]] }, { op: "Slice" }),
    /holds int16, not int64 or int32/,
  ],
  [
    "NonMaxSuppression with a threshold of another type",
    single(
      { b: ["float32", [1, 6, 4]], s: ["float32", [1, 1, 6]], n: ["int64", [1]], t: ["int32", [1]] },
      { op: "NonMaxSuppression" },
    ),
    /iou_threshold is i32\[1\], not one float32/,
  ],
  [
    "If whose condition is a float of four bits",
    single(
      { c: ["float4e2m1", []], x: ["float32", [4]] },
      {
        op: "If",
        inputs: ["c"],
        attributes: { then_branch: branch("t"), else_branch: branch("e") },
      },
    ),
    /its condition is .*, not one bool/,
  ],
  ["Loop whose body has a float for a condition", loop("float32", "int64"), /condition of its body is f32/],
  ["Loop over a float number of passes", loop("bool", "float32"), /trip count is f32\[\], not one int64/],
  [
    "Resize whose region is of integers",
    single(
      { x: ["float32", [1, 1, 4, 4]], roi: ["int32", [8]], none: ["float32", [0]], sizes: ["int64", [4]] },
      { op: "Resize", attributes: { coordinate_transformation_mode: "tf_crop_and_resize", mode: "linear" } },
    ),
    /its roi are int32, not floats/,
  ],
  [
    "Resize by a scalar scale",
    single(
      { x: ["float32", [1, 1, 4, 4]], none: ["float32", [0]], scales: ["float32", []] },
      { op: "Resize", attributes: { mode: "linear", antialias: 1 } },
    ),
    /its scales are \[\], not \[4\]/,
  ],
  [
    "Squeeze by more axes than there are dims",
    single({ x: ["float32", [3]], axes: ["int64", [3]] }, { op: "Squeeze" }),
    /has 3 axes for 1 dims/,
  ],
  [
    "Reshape to floats",
    single({ x: ["float32", [2]], s: ["float32", [2]] }, { op: "Reshape" }),
    /holds float32, not int64 or int32/,
  ],
];

test.each(cases)("%s", async (_, model, message) => {
  const error = await compile(buildModel(model), { verify: true }).then(
    () => null,
    (thrown: KilnError) => thrown,
  );
  expect(["E_MODEL", "E_SHAPE"]).toContain(error?.code);
  expect(error?.message).toMatch(message);
});

test("loops of open sizes may be dead: a vector loop over rows of two", async () => {
  const model: ModelSpec = {
    inputs: { x: ["float32", [2]], s: ["int64", [2]] },
    outputs: { y: ["float32"] },
    initializers: { axes: tensorOf("int64", [1], [0]) },
    nodes: [{ op: "Reshape", inputs: ["x", "s"], outputs: ["y"] }],
  };
  const { wasm } = await compile(buildModel(model), { verify: true });
  expect(WebAssembly.validate(wasm as BufferSource)).toBe(true);
});

test("an input without elements, one of whose dims nobody binds", async () => {
  const model: ModelSpec = {
    inputs: { x: ["float32", [2]], unused: ["int64", [0, "n"]] },
    outputs: { y: ["float32"] },
    nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"] }],
  };
  const loaded = await load((await compile(buildModel(model), { verify: true })).wasm);
  const unused = { type: "int64" as const, data: new BigInt64Array(0), dims: [0, 3] };
  expect([...loaded.runSync({ x: Float32Array.of(1, 2), unused }).y!.data]).toEqual([-1, -2]);
});

test("nothing runs after an index has been found out of range: the open dim may be empty", async () => {
  const model: ModelSpec = {
    inputs: { x: ["float32", [2, "n", 3]], index: ["int64", [2, 1, 3]] },
    outputs: { y: ["float32"] },
    nodes: [
      { op: "GatherElements", inputs: ["x", "index"], outputs: ["picked"], attributes: { axis: 1 } },
      { op: "Neg", inputs: ["picked"], outputs: ["y"] },
    ],
  };
  const loaded = await load((await compile(buildModel(model), { verify: true })).wasm);
  const index = { type: "int64" as const, data: new BigInt64Array(6), dims: [2, 1, 3] };
  const x = { type: "float32" as const, data: new Float32Array(0), dims: [2, 0, 3] };
  expect(() => loaded.runSync({ x, index })).toThrow(/an index lies outside of/);
});

test("a constant without elements has a dim of any size", async () => {
  const { wasm } = await compile(
    buildModel({
      inputs: { x: ["float32", [1]] },
      outputs: { y: ["float32"], z: ["float32", [1]] },
      initializers: {
        nothing: tensorOf("float32", [1, 0], []),
        dims: tensorOf("int64", [2], [Number.MAX_SAFE_INTEGER, 1]),
      },
      nodes: [
        { op: "Expand", inputs: ["nothing", "dims"], outputs: ["y"] },
        { op: "Neg", inputs: ["x"], outputs: ["z"] },
      ],
    }),
  );
  expect(WebAssembly.validate(wasm as BufferSource)).toBe(true);
});
