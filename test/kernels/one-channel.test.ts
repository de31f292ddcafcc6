/** Convolutions whose result has one channel: what is fused with them is computed for neighbouring places at once. */

import { describe, expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import { compile } from "../../compiler/index.js";
import { randomTensor } from "../harness-random.js";
import { expectNode, modelOf, type NodeCase } from "./cases.js";

/** Relaxed SIMD makes tiles of other rows; Node 20 does not run it. */
const features = [{}, { relaxedSimd: true }, { simd: false }, { threads: true }];

describe.each(features)("with features %o", (feature) => {
  const isRelaxed = "relaxedSimd" in feature && !hasRelaxedSimd();
  const options = {
    ...(isRelaxed && { levels: ["loops-O0", "loops-O3"] as const }),
    compile: { features: feature },
    tolerance: { absolute: 1e-5, relative: 1e-4 },
  };

  const expectWithSigmoid = (
    op: string,
    inputs: NodeCase["inputs"],
    attributes: NodeCase["attributes"] = {},
  ) =>
    expectNode(
      {
        op,
        inputs,
        constants: [1, 2],
        attributes,
        after: [{ op: "Sigmoid", inputs: ["y"], outputs: ["z"] }],
      },
      options,
    );

  test.each([
    ["1x1 on a map, whose places are one row", [2, 24, 7, 9], [1, 24, 1, 1], {}],
    ["1x1 on a map of a single column", [1, 5, 11, 1], [1, 5, 1, 1], {}],
    ["1x1 with steps", [1, 24, 9, 13], [1, 24, 1, 1], { strides: [2, 2] }],
    ["3x3", [1, 8, 6, 11], [1, 8, 3, 3], { pads: [1, 1, 1, 1] }],
    ["3x3 on a map of fewer than four columns", [1, 8, 5, 3], [1, 8, 3, 3], { pads: [1, 1, 1, 1] }],
    ["over one dim", [1, 6, 21], [1, 6, 5], {}],
  ] as const)("%s", async (_, x, w, attributes) => {
    const inputs = [randomTensor(1, x), randomTensor(2, w), randomTensor(3, [1])];
    await expectWithSigmoid("Conv", inputs, attributes);
  });

  test.each([
    ["2x2 by 2", [2, 24, 5, 7], [2, 2], { strides: [2, 2] }],
    ["2x2 by 2, with an odd number of places", [1, 3, 3, 1], [2, 2], { strides: [2, 2] }],
    ["4x4 by 4", [1, 7, 3, 5], [4, 4], { strides: [4, 4] }],
    ["3x3 by 3", [1, 7, 3, 5], [3, 3], { strides: [3, 3] }],
    ["3x2 by 1 and 2", [1, 7, 4, 5], [3, 2], { strides: [1, 2] }],
    ["2x2 by 2, with padding", [1, 7, 4, 5], [2, 2], { strides: [2, 2], pads: [1, 1, 1, 1] }],
    [
      "2x2 by 2, with padding of the result",
      [1, 7, 4, 5],
      [2, 2],
      { strides: [2, 2], output_padding: [1, 1] },
    ],
    ["4x4 by 2", [1, 7, 4, 5], [4, 4], { strides: [2, 2], pads: [1, 1, 1, 1] }],
    ["1x1 by 2", [1, 7, 4, 5], [1, 1], { strides: [2, 2] }],
    ["over one dim", [1, 6, 9], [2], { strides: [2] }],
  ] as const)("transposed, %s", async (_, x, kernel, attributes) => {
    const inputs = [randomTensor(1, x), randomTensor(2, [x[1], 1, ...kernel]), randomTensor(3, [1])];
    await expectWithSigmoid("ConvTranspose", inputs, attributes);
  });
});

test("two phases of a transposed convolution are channels of one", async () => {
  const kernelsOf = async (outChannels: number): Promise<string[]> => {
    const inputs = [randomTensor(1, [1, 24, 5, 7]), randomTensor(2, [24, outChannels, 2, 2])];
    const { model } = modelOf({
      op: "ConvTranspose",
      inputs,
      constants: [1],
      attributes: { strides: [2, 2] },
    });
    const { report } = await compile(model);
    return report.kernels
      .filter(({ calls }) => calls > 0)
      .flatMap(({ name, calls }) => Array(calls).fill(name));
  };
  expect((await kernelsOf(1)).filter((name) => name.startsWith("deconv_1x1_s2x2_24to2_"))).toHaveLength(2);
  expect((await kernelsOf(8)).filter((name) => name.startsWith("deconv_1x1_s2x2_24to8_"))).toHaveLength(4);
});
