/** Small models that ask for much: each ends in an error or in a module, soon and without much memory. */

import { describe, expect, test } from "vitest";
import { type CompileOptions, compile } from "../../compiler/index.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { buildModel, type ModelSpec, type NodeSpec } from "../onnx/build-model.js";
import { cpuTime, expectError } from "../onnx/raises.js";

const ints = (...values: number[]) => tensorOf("int64", [values.length], values);

/** The report of a module that must be valid, made within five seconds. */
async function compiled(spec: ModelSpec, options: CompileOptions = {}) {
  const start = cpuTime();
  const { wasm, report } = await compile(buildModel(spec), options);
  expect(WebAssembly.validate(wasm as BufferSource)).toBe(true);
  expect(cpuTime(start)).toBeLessThan(5000);
  return report;
}

const refused = (spec: ModelSpec, message: RegExp, options: CompileOptions = {}) =>
  expectError(() => compile(buildModel(spec), options), "E_LIMIT", message);

/** Constants of zeros in these shapes, the nodes, and what they call `c`, added to an input. */
function folded(shapes: Record<string, number[]>, nodes: NodeSpec[]): ModelSpec {
  const sizes = Object.entries(shapes).map(([name, dims]) => [`${name}_size`, ints(...dims)] as const);
  return {
    inputs: { x: ["float32", [1]] },
    outputs: { y: ["float32"] },
    initializers: { ...Object.fromEntries(sizes), axis: tensorOf("int64", [], [0]) },
    nodes: [
      ...Object.keys(shapes).map((name) => ({
        op: "ConstantOfShape",
        inputs: [`${name}_size`],
        outputs: [name],
      })),
      ...nodes,
      { op: "Add", inputs: ["c", "x"], outputs: ["y"] },
    ],
  };
}

describe("constants that would be large, or take long to compute, are left to the run", () => {
  test("a gigabyte of zeros", async () => {
    expect((await compiled(folded({ c: [2 ** 28] }, []))).weightBytes).toBeLessThan(1000);
  });

  test("a large matrix product", async () => {
    const product = { op: "MatMul", inputs: ["a", "a"], outputs: ["c"] };
    expect((await compiled(folded({ a: [1500, 1500] }, [product]))).flops).toBeGreaterThan(6e9);
  });

  test("a convolution with many taps", async () => {
    const convolution = { op: "Conv", inputs: ["a", "w"], outputs: ["c"] };
    const spec = folded({ a: [1, 16, 256, 256], w: [16, 16, 9, 9] }, [convolution]);
    expect((await compiled(spec)).flops).toBeGreaterThan(1e9);
  });

  test("a chain of many steps", async () => {
    const steps = Array.from({ length: 40 }, (_, i) => ({
      op: "CumSum",
      inputs: [i === 0 ? "a" : `c${i}`, "axis"],
      outputs: [i === 39 ? "c" : `c${i + 1}`],
    }));
    await compiled(folded({ a: [2 ** 21] }, steps));
  });

  test("small ones are folded", async () => {
    const report = await compiled(folded({ a: [64, 64] }, [{ op: "Exp", inputs: ["a"], outputs: ["c"] }]));
    // The result is one of halves by value, which the first run makes float32 of.
    expect(report.kernels.filter(({ name }) => !name.startsWith("widen_"))).toHaveLength(1);
  });
});

describe("long chains and deep nests", () => {
  const chain = (length: number): ModelSpec => ({
    inputs: { x: ["float32", [3]] },
    outputs: { [`v${length}`]: ["float32"] },
    nodes: Array.from({ length }, (_, i) => ({
      op: i % 2 === 0 ? "Tanh" : "Neg",
      inputs: [i === 0 ? "x" : `v${i}`],
      outputs: [`v${i + 1}`],
    })),
  });

  test("a thousand pointwise nodes are several kernels", async () => {
    expect((await compiled(chain(1000))).kernels.length).toBeLessThan(40);
  });

  test("values used twice at every step", async () => {
    const nodes = Array.from({ length: 200 }, (_, i) => ({
      op: "Mul",
      inputs: [i === 0 ? "x" : `v${i}`, i === 0 ? "x" : `v${i}`],
      outputs: [`v${i + 1}`],
    }));
    await compiled({ inputs: { x: ["float32", [3]] }, outputs: { v200: ["float32"] }, nodes });
  });

  test("functions that call others twice", async () => {
    const functions = Array.from({ length: 40 }, (_, i) => ({
      domain: "f",
      name: `F${i}`,
      inputs: ["a"],
      outputs: ["b"],
      opset: { "": 17, f: 1 },
      nodes:
        i === 0
          ? [{ op: "Neg", inputs: ["a"], outputs: ["b"] }]
          : [
              { op: `F${i - 1}`, domain: "f", inputs: ["a"], outputs: ["c"] },
              { op: `F${i - 1}`, domain: "f", inputs: ["c"], outputs: ["b"] },
            ],
    }));
    const call = { op: "F39", domain: "f", inputs: ["x"], outputs: ["y"] };
    const opset = { "": 17, f: 1 };
    await refused(
      { opset, inputs: { x: ["float32", [1]] }, outputs: { y: ["float32"] }, nodes: [call], functions },
      /nodes/,
    );
  });
});

describe("limits", () => {
  const single = (op: string, dims: (number | string)[]): ModelSpec => ({
    inputs: { x: ["float32", dims] },
    outputs: { y: ["float32"] },
    nodes: [{ op, inputs: ["x"], outputs: ["y"] }],
  });

  test("dims of a tensor", async () => {
    await compiled(single("Transpose", [2, 3, ...Array<number>(62).fill(1)]));
    await refused(single("Neg", Array<number>(65).fill(1)), /"x" has 65 dims, more than the limit of 64/);
    const reshape: ModelSpec = {
      inputs: { x: ["float32", [1]] },
      outputs: { y: ["float32"] },
      initializers: { s: ints(...Array<number>(4000).fill(1)) },
      nodes: [{ op: "Reshape", inputs: ["x", "s"], outputs: ["y"] }],
    };
    await refused(reshape, /4000 dims/);
    const proto = { dims: Array<number>(100).fill(1), dataType: 1, floatData: [1] };
    await refused({ ...reshape, initializers: { s: { proto } } }, /tensor "s" has 100 dims/);
  });

  test("elements of a tensor, of inputs too; sizes do not overflow", async () => {
    await refused(single("Neg", [2 ** 40]), /1099511627776 elements/);
    await expectError(() => compile(buildModel(single("Neg", [2 ** 62]))), "E_MODEL", /a dimension of size/);
    await refused(single("Neg", [2 ** 21, 2 ** 21, 2 ** 22, 2 ** 21]), /elements, more than the limit/);
  });

  test("open dims", async () => {
    const inputs = Object.fromEntries(
      Array.from({ length: 600 }, (_, i) => [`x${i}`, ["float32", [`a${i}`, `b${i}`]] as const]),
    );
    const nodes = [{ op: "Neg", inputs: ["x0"], outputs: ["y"] }];
    await refused({ inputs, outputs: { y: ["float32"] }, nodes }, /1200 open dims/);
  });

  test("memory of the module, before any of it is there", async () => {
    const limits = { memoryBytes: 2 ** 20 };
    await compiled(single("Exp", [2 ** 10]), { limits });
    await refused(single("Exp", [2 ** 20]), /bytes of memory, the limit is 1048576/, { limits });
    const open = single("Exp", ["n"]);
    await compiled(open, { limits, dims: { n: { min: 0, max: 1000 } } });
    await refused(open, /the limit is 1048576/, { limits, dims: { n: { min: 0, max: 2 ** 20 } } });
  });

  test("padding, strides and dilations beyond what addresses can reach", async () => {
    const convolution = (attributes: NonNullable<NodeSpec["attributes"]>): ModelSpec => ({
      inputs: { x: ["float32", [1, 1, 8, 8]] },
      outputs: { y: ["float32"] },
      initializers: { w: tensorOf("float32", [1, 1, 2, 2], [1, 2, 3, 4]) },
      nodes: [{ op: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes }],
    });
    await refused(convolution({ pads: [2 ** 30, 2 ** 30, 2 ** 30, 2 ** 30] }), /elements/);
    await refused(convolution({ pads: [2 ** 31, 0, 0, 0], strides: [2 ** 31, 1] }), /memory|elements/);
    const depthwise: ModelSpec = {
      inputs: { x: ["float32", [1, 8, 8, 8]] },
      outputs: { z: ["float32"] },
      initializers: {
        v: tensorOf("float32", [8, 8, 1, 1], new Array(64).fill(1)),
        w: tensorOf("float32", [8, 1, 2, 2], new Array(32).fill(1)),
      },
      nodes: [
        { op: "Conv", inputs: ["x", "v"], outputs: ["y"] },
        {
          op: "Conv",
          inputs: ["y", "w"],
          outputs: ["z"],
          attributes: { group: 8, pads: [2 ** 31, 0, 0, 0], strides: [2 ** 31, 1] },
        },
      ],
    };
    await refused(depthwise, /memory|elements/);
    const pool: ModelSpec = {
      inputs: { x: ["float32", [1, 1, 8, 8]] },
      outputs: { y: ["float32"] },
      nodes: [
        {
          op: "MaxPool",
          inputs: ["x"],
          outputs: ["y"],
          attributes: { kernel_shape: [2 ** 31, 1], pads: [2 ** 31 - 1, 0, 0, 0] },
        },
      ],
    };
    await refused(pool, /elements/);
    const same = { kernel_shape: [2 ** 31, 1], auto_pad: "SAME_UPPER" };
    await refused({ ...pool, nodes: [{ ...pool.nodes[0]!, attributes: same }] }, /elements/);
  });
});
