/** Convolutions of 16-bit floats in the compiled module: results are those of float32, rounded once. */

import { describe, expect, test } from "vitest";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { decodeElements, encodeElements } from "../../compiler/operators/numbers.js";
import { expectLevels } from "../harness.js";
import { randomNumbers } from "../operators/rival.js";

function some(seed: number, dtype: "float16" | "bfloat16", ...dims: number[]): TensorData {
  const random = randomNumbers(seed);
  const count = dims.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, () => random() * 2 - 1);
  return encodeElements(dtype, dims, values);
}

const single = (x: TensorData): TensorData => encodeElements("float32", x.dims, decodeElements(x));

describe.each([
  ["float16", 2e-3],
  ["bfloat16", 1e-2],
] as const)("%s", (dtype, relative) => {
  test.each([
    ["3x3", [1, 6, 9, 9], [8, 6, 3, 3], {}],
    ["1x1", [1, 16, 7, 7], [12, 16, 1, 1], {}],
    ["depthwise", [2, 8, 9, 9], [8, 1, 3, 3], { group: 8, pads: [1, 1, 1, 1] }],
    [
      "in groups, with strides",
      [1, 8, 9, 9],
      [12, 4, 3, 3],
      { group: 2, strides: [2, 2], pads: [1, 0, 1, 0] },
    ],
  ] as const)("%s", async (_, image, kernel, attributes) => {
    const tensors = [some(1, dtype, ...image), some(2, dtype, ...kernel), some(3, dtype, kernel[0])] as const;
    const model = (type: "float32" | typeof dtype, [x, w, b]: readonly TensorData[]) => ({
      opset: 22,
      inputs: { x: [type, x!.dims] as const },
      outputs: { y: [type] as const },
      initializers: { w: w!, b: b! },
      nodes: [{ op: "Conv", inputs: ["x", "w", "b"], outputs: ["y"], attributes: { ...attributes } }],
    });
    const singles = tensors.map(single);
    const { reference } = await expectLevels(
      model("float32", singles),
      { x: singles[0]! },
      {
        levels: [],
        reference: "evaluate",
      },
    );
    const y = encodeElements(dtype, reference.y!.dims, decodeElements(reference.y!));
    const { ran } = await expectLevels(
      model(dtype, tensors),
      { x: tensors[0] },
      {
        reference: { y },
        tolerance: { relative, absolute: relative },
      },
    );
    expect(ran).toContain("wasm");
  });
});
