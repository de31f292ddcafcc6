/** Convolutions and pools of shapes that are known only at run time, against onnxruntime-web. */

import { describe, test } from "vitest";
import { expectTensors, runCompiled, runOnnxruntime } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { type AttributeSpec, buildModel } from "../onnx/build-model.js";

interface DynamicCase {
  readonly op: string;
  readonly dims: readonly (readonly (number | string)[])[];
  readonly fed: readonly (readonly number[])[];
  /** Dims of an input after these, which is a constant. */
  readonly weights?: readonly number[];
  readonly attributes?: Record<string, AttributeSpec>;
}

async function check({ op, dims, fed, weights, attributes = {} }: DynamicCase): Promise<void> {
  const names = fed.map((_, i) => `x${i}`);
  const model = buildModel({
    opset: 19,
    inputs: Object.fromEntries(names.map((name, i) => [name, ["float32", dims[i]!]])),
    initializers: weights === undefined ? {} : { w: randomTensor(7, weights) },
    outputs: { y: ["float32"] },
    nodes: [{ op, inputs: weights === undefined ? names : [...names, "w"], outputs: ["y"], attributes }],
  });
  const feeds = Object.fromEntries(names.map((name, i) => [name, randomTensor(i + 1, fed[i]!)]));
  const tolerance = { absolute: 2e-5, relative: 2e-5 };
  expectTensors(await runCompiled(model, feeds), await runOnnxruntime(model, feeds), tolerance, op);
}

const image = ["N", "C", "H", "W"];

describe("convolutions", () => {
  test("of any batch and size", () =>
    check({
      op: "Conv",
      dims: [["N", 3, "H", "W"]],
      fed: [[2, 3, 7, 9]],
      weights: [5, 3, 3, 3],
      attributes: { pads: [1, 1, 0, 2], strides: [2, 1] },
    }));

  test("whose padding depends on the size", () =>
    check({
      op: "Conv",
      dims: [["N", 3, "H", "W"]],
      fed: [[1, 3, 7, 10]],
      weights: [4, 3, 3, 2],
      attributes: { auto_pad: "SAME_LOWER", strides: [2, 3] },
    }));

  test("whose weights and all dims are fed", () =>
    check({
      op: "Conv",
      dims: [image, ["M", "K", "P", "Q"]],
      fed: [
        [2, 4, 6, 7],
        [6, 2, 3, 2],
      ],
      attributes: { group: 2, pads: [1, 0, 1, 1], dilations: [1, 2] },
    }));

  test("transposed", () =>
    check({
      op: "ConvTranspose",
      dims: [["N", 4, "H", "W"]],
      fed: [[1, 4, 3, 5]],
      weights: [4, 3, 3, 2],
      attributes: { strides: [2, 3], pads: [1, 0, 0, 1], group: 2, output_padding: [1, 0] },
    }));
});

describe("pools", () => {
  for (const op of ["MaxPool", "AveragePool", "LpPool"]) {
    test(`${op} of any size`, () =>
      check({
        op,
        dims: [image],
        fed: [[2, 3, 7, 10]],
        attributes: { kernel_shape: [3, 2], strides: [2, 3], pads: [1, 0, 1, 1] },
      }));

    test(`${op} in ceil mode`, () =>
      check({
        op,
        dims: [image],
        fed: [[1, 2, 8, 9]],
        attributes: { kernel_shape: [3, 3], strides: [2, 3], ceil_mode: 1, pads: [0, 1, 0, 1] },
      }));
  }

  test("AveragePool whose padding depends on the size", () =>
    check({
      op: "AveragePool",
      dims: [image],
      fed: [[1, 2, 5, 6]],
      attributes: { kernel_shape: [3, 4], strides: [2, 2], auto_pad: "SAME_UPPER" },
    }));
});
