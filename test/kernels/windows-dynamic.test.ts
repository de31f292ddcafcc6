/** Convolutions and pools of shapes that are known only at run time, against onnxruntime-web. */

import { describe, expect, test } from "vitest";
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

  for (const width of [1, 2, 5, 6, 13]) {
    test(`depthwise and 1x1, ${width} wide`, async () => {
      const dims = [["N", 20, "H", "W"]];
      const fed = [[1, 20, 3, width]];
      const attributes = { pads: [1, 1, 1, 1], group: 20 };
      await check({ op: "Conv", dims, fed, weights: [20, 1, 3, 3], attributes });
      await check({ op: "Conv", dims, fed, weights: [13, 20, 1, 1] });
    });
  }

  test("over one dim and over three, with groups", async () => {
    const attributes = { group: 2, strides: [2], dilations: [2], pads: [2, 1] };
    await check({ op: "Conv", dims: [["N", 6, "L"]], fed: [[2, 6, 11]], weights: [10, 3, 3], attributes });
    await check({
      op: "Conv",
      dims: [["N", 3, "D", "H", "W"]],
      fed: [[1, 3, 4, 3, 7]],
      weights: [9, 3, 2, 3, 3],
      attributes: { pads: [0, 1, 1, 1, 1, 1] },
    });
  });

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

  test("transposed, padding by the size", () =>
    check({
      op: "ConvTranspose",
      dims: [["N", 4, "H", "W"]],
      fed: [[1, 4, 3, 5]],
      weights: [4, 3, 3, 3],
      attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" },
    }));

  test("transposed, with places that no tap meets", () =>
    check({
      op: "ConvTranspose",
      dims: [["N", 4, "H", "W"]],
      fed: [[2, 4, 3, 5]],
      weights: [4, 9, 1, 2],
      attributes: { strides: [2, 3] },
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

test("open dims that do not fit are refused at run time", async () => {
  const conv = (inputs: Record<string, (number | string)[]>, weights: number[] | null, attributes = {}) =>
    buildModel({
      opset: 19,
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, dims]) => [name, ["float32", dims]])),
      initializers: weights === null ? {} : { w: randomTensor(1, weights) },
      outputs: { y: ["float32"] },
      nodes: [{ op: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes }],
    });
  const image = { x: ["N", "C", "H", "W"] };
  const known = conv(image, [5, 3, 3, 3]);
  await expect(runCompiled(known, { x: randomTensor(1, [1, 4, 5, 5]) })).rejects.toThrow(/input channels/);
  await expect(runCompiled(known, { x: randomTensor(1, [1, 3, 1, 5]) })).rejects.toThrow(/negative size/);
  const fed = conv({ ...image, w: ["M", "K", "P", "Q"] }, null, { group: 2, kernel_shape: [2, 3] });
  const x = randomTensor(1, [1, 4, 5, 5]);
  await expect(runCompiled(fed, { x, w: randomTensor(2, [3, 2, 2, 3]) })).rejects.toThrow(/2 groups/);
  await expect(runCompiled(fed, { x, w: randomTensor(2, [4, 2, 3, 3]) })).rejects.toThrow(/kernel_shape/);
  const feeds = { x, w: randomTensor(2, [4, 2, 2, 3]) };
  const tolerance = { absolute: 2e-5, relative: 2e-5 };
  expectTensors(await runCompiled(fed, feeds), await runOnnxruntime(fed, feeds), tolerance, "fed");
});

test("convolutions with what is fused to them", async () => {
  const model = buildModel({
    opset: 17,
    inputs: { x: ["float32", ["N", 8, "H", "W"]] },
    initializers: {
      a: randomTensor(1, [8, 8, 3, 3]),
      b: randomTensor(2, [8]),
      c: randomTensor(3, [8, 8, 1, 1]),
    },
    outputs: { y: ["float32"] },
    nodes: [
      { op: "Conv", inputs: ["x", "a", "b"], outputs: ["p"], attributes: { pads: [1, 1, 1, 1] } },
      { op: "Relu", inputs: ["p"], outputs: ["q"] },
      { op: "Conv", inputs: ["q", "c"], outputs: ["r"] },
      { op: "Add", inputs: ["r", "x"], outputs: ["s"] },
      { op: "MaxPool", inputs: ["s"], outputs: ["y"], attributes: { kernel_shape: [2, 2] } },
    ],
  });
  for (const dims of [
    [1, 8, 2, 2],
    [2, 8, 5, 13],
  ]) {
    const feeds = { x: randomTensor(5, dims) };
    const tolerance = { absolute: 2e-5, relative: 2e-5 };
    expectTensors(await runCompiled(model, feeds), await runOnnxruntime(model, feeds), tolerance, `${dims}`);
  }
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
