/** Types of less than a byte from feeds to results, through the module and the runtime. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import { load, Tensor } from "../../runtime/index.js";
import { expectLevels } from "../harness.js";
import { buildModel, type ModelSpec } from "../onnx/build-model.js";

const sequence = (dtype: DType, dims: number[], step = 5): TensorData => {
  const { bits, kind, array } = dtypes[dtype];
  const count = dims.reduce((a, b) => a * b, 1);
  const lowest = kind === "int" ? -(2 ** (bits - 1)) : 0;
  const values = Array.from({ length: count }, (_, i) => ((i * step) % 2 ** bits) + lowest);
  return tensor(dtype, dims, new array(values as never));
};

/** Parts of a tensor written to places that begin within a byte, and read from such places. */
const parts = (dtype: DType): ModelSpec => ({
  opset: 25,
  inputs: { x: [dtype, [3, 7]], y: [dtype, [3, 2]] },
  outputs: { whole: [dtype], middle: [dtype], wide: ["float32"] },
  initializers: {
    starts: tensor("int64", [2], BigInt64Array.of(1n, 3n)),
    ends: tensor("int64", [2], BigInt64Array.of(3n, 8n)),
  },
  nodes: [
    { op: "Transpose", inputs: ["x"], outputs: ["turned"] },
    { op: "Transpose", inputs: ["turned"], outputs: ["back"] },
    { op: "Concat", inputs: ["y", "back"], outputs: ["whole"], attributes: { axis: 1 } },
    { op: "Slice", inputs: ["whole", "starts", "ends"], outputs: ["middle"] },
    { op: "Cast", inputs: ["middle"], outputs: ["wide"], attributes: { to: 1 } },
  ],
});

describe("every level", () => {
  test.each(["int4", "uint4", "int2", "uint2", "float4e2m1", "float8e4m3fn"] as const)(
    "%s",
    async (dtype) => {
      const feeds = { x: sequence(dtype, [3, 7]), y: sequence(dtype, [3, 2], 3) };
      const { ran } = await expectLevels(parts(dtype), feeds, { reference: "evaluate" });
      expect(ran).toContain("wasm");
    },
  );

  test("casts of many elements", async () => {
    for (const to of ["int4", "uint2", "float8e5m2", "float8e4m3fnuz", "float4e2m1"] as const) {
      const values = Array.from({ length: 67 }, (_, i) => (i - 33) / 4);
      await expectLevels(
        {
          opset: 25,
          inputs: { x: ["float32", [67]] },
          outputs: { y: [to], z: ["float32"] },
          nodes: [
            { op: "Cast", inputs: ["x"], outputs: ["y"], attributes: { to: dtypes[to].onnx } },
            { op: "Cast", inputs: ["y"], outputs: ["z"], attributes: { to: 1 } },
          ],
        },
        { x: tensor("float32", [67], Float32Array.from(values)) },
        { reference: "evaluate" },
      );
    }
  });
});

test("results have nothing behind their last element, whatever lay there", async () => {
  const { wasm } = await compile(
    buildModel({
      opset: 25,
      inputs: { x: ["int8", [3]] },
      outputs: { y: ["int4"] },
      nodes: [{ op: "Cast", inputs: ["x"], outputs: ["y"], attributes: { to: dtypes.int4.onnx } }],
    }),
  );
  const model = await load(wasm as BufferSource);
  expect(model.outputs[0]).toMatchObject({ type: "int4", dims: [3] });
  const { y } = model.runSync({ x: new Tensor("int8", Int8Array.of(-1, 2, -3)) });
  expect(y).toMatchObject({ type: "int4", dims: [3], size: 3, data: Uint8Array.of(0x2f, 0x0d) });
});
