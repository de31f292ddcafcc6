/** Pools of all parameters, against onnxruntime-web at every level. */

import fc from "fast-check";
import { describe, test } from "vitest";
import { tensor } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import { randomTensor, sweep } from "../harness-random.js";
import { buildModel } from "../onnx/build-model.js";
import { expectNode } from "./cases.js";

/** Windows that hold at least one element of the input wherever they lie: padding is smaller than the kernel. */
function pools(rank: number) {
  const each = (min: number, max: number) =>
    fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank });
  return fc
    .record({
      batch: fc.constantFrom(1, 2),
      channels: fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 17),
      kernel: each(1, 4),
      strides: each(1, 3),
      dilations: each(1, 2),
      before: each(0, 2),
      after: each(0, 2),
      extra: each(0, rank === 3 ? 3 : 8),
      ceil_mode: fc.constantFrom(0, 1),
      count_include_pad: fc.constantFrom(0, 1),
    })
    .map(({ before, after, dilations, ...p }) => {
      const pads = [before, after].map((side) => side.map((n, i) => Math.min(n, p.kernel[i]! - 1)));
      // A dilated window may straddle a short input: there every tap of it could lie in the padding.
      const plain = pads.flat().some((n) => n > 0);
      const steps = plain ? dilations.map(() => 1) : dilations;
      return {
        ...p,
        dilations: steps,
        pads: pads.flat(),
        spatial: p.kernel.map((k, i) => (k - 1) * steps[i]! + 1 + p.extra[i]!),
      };
    });
}

describe("random pools", () => {
  for (const [rank, runs] of [
    [1, 10],
    [2, 24],
    [3, 8],
  ] as const) {
    test(`MaxPool over ${rank} dims`, () =>
      fc.assert(
        fc.asyncProperty(
          pools(rank),
          ({ batch, channels, kernel, spatial, strides, dilations, pads, ceil_mode }) =>
            expectNode({
              op: "MaxPool",
              inputs: [randomTensor(1, [batch, channels, ...spatial])],
              attributes: { kernel_shape: kernel, strides, dilations, pads, ceil_mode },
            }),
        ),
        sweep(runs),
      ));

    test(`AveragePool over ${rank} dims`, () =>
      fc.assert(
        fc.asyncProperty(pools(rank), ({ batch, channels, kernel, spatial, strides, pads, ...p }) =>
          expectNode({
            op: "AveragePool",
            opset: 19,
            inputs: [randomTensor(1, [batch, channels, ...spatial])],
            attributes: {
              kernel_shape: kernel,
              strides,
              pads,
              dilations: p.dilations,
              count_include_pad: p.count_include_pad,
              ceil_mode: p.ceil_mode,
            },
          }),
        ),
        sweep(runs),
      ));
  }
});

describe("auto_pad", () => {
  for (const op of ["MaxPool", "AveragePool"]) {
    for (const auto_pad of ["VALID", "SAME_UPPER", "SAME_LOWER"]) {
      test(`${op} ${auto_pad}`, () =>
        expectNode({
          op,
          inputs: [randomTensor(1, [1, 5, 7, 10])],
          attributes: { auto_pad, kernel_shape: [3, 2], strides: [2, 2] },
        }));
    }
  }
});

test.each([[[1, 4, 5, 6]], [[1, 1, 5, 6]]])(
  "MaxPool of [%s] gives NaN where a window has one",
  async (dims) => {
    const [channels, height, width] = dims.slice(1) as [number, number, number];
    const input = Float32Array.from({ length: channels * height * width }, (_, i) => ((i * 7) % 31) - 15);
    // First, in the middle and last in windows, and beside an infinity.
    for (const at of [0, 2 * width + 3, input.length - 1]) input[at] = Number.NaN;
    input[2 * width + 2] = Number.POSITIVE_INFINITY;
    const expected = new Float32Array(channels * (height - 1) * (width - 1));
    expected.forEach((_, i) => {
      const [x, y] = [i % (width - 1), Math.floor(i / (width - 1)) % (height - 1)];
      const first = (Math.floor(i / ((width - 1) * (height - 1))) * height + y) * width + x;
      expected[i] = Math.max(...[0, 1, width, width + 1].map((tap) => input[first + tap]!));
    });
    const model = buildModel({
      inputs: { x: ["float32", dims] },
      outputs: { y: ["float32"] },
      nodes: [{ op: "MaxPool", inputs: ["x"], outputs: ["y"], attributes: { kernel_shape: [2, 2] } }],
    });
    // onnxruntime-web's depends on where in the window it lies.
    const reference = { y: tensor("float32", [1, channels, height - 1, width - 1], expected) };
    await expectLevels(model, { x: tensor("float32", dims, input) }, { reference });
  },
);

describe("global pools", () => {
  for (const op of ["GlobalAveragePool", "GlobalMaxPool"]) {
    for (const dims of [
      [1, 3, 7],
      [2, 5, 4, 6],
      [1, 17, 7, 7],
      [1, 4, 2, 3, 5],
      [2, 3, 1, 1],
    ]) {
      test(`${op} of [${dims}]`, () => expectNode({ op, inputs: [randomTensor(1, dims)] }));
    }
  }
});

test("a pool of channels that a convolution has put side by side", () =>
  expectNode({
    op: "Conv",
    inputs: [randomTensor(1, [1, 9, 8, 7]), randomTensor(2, [13, 9, 1, 1])],
    constants: [1],
    after: [
      {
        op: "MaxPool",
        inputs: ["y"],
        outputs: ["p"],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      },
      {
        op: "AveragePool",
        inputs: ["p"],
        outputs: ["z"],
        attributes: { kernel_shape: [2, 3], strides: [2, 1], pads: [1, 0, 0, 1], count_include_pad: 1 },
      },
    ],
  }));
