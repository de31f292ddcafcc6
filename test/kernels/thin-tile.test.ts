/** Tiles of few rows, of which every other step of the reduction has accumulators of its own. */

import { describe, expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import { accumulatorSets } from "../../compiler/kernels/tile.js";
import { randomTensor } from "../harness-random.js";
import { expectNode } from "./cases.js";

const fused = { simd: true, fusedMultiplyAdd: true };

test.each([
  [{ rows: 3, columns: 8 }, 2],
  [{ rows: 3, columns: 5 }, 2],
  [{ rows: 1, columns: 4 }, 2],
  [{ rows: 4, columns: 8 }, 1],
  [{ rows: 2, columns: 16 }, 1],
  [{ rows: 8, columns: 4 }, 1],
] as const)("a tile of %o has %i sets of accumulators", (tile, sets) => {
  expect(accumulatorSets(tile, fused)).toBe(sets);
  expect(accumulatorSets(tile, { ...fused, fusedMultiplyAdd: false })).toBe(1);
  expect(accumulatorSets(tile, { ...fused, simd: false })).toBe(1);
});

describe("products of depth", () => {
  const options = {
    ...(!hasRelaxedSimd() && { levels: ["loops-O0", "loops-O3"] as const }),
    compile: { features: { relaxedSimd: true } },
    tolerance: { absolute: 1e-5, relative: 1e-4 },
  };

  test.each([20, 21, 6, 7, 1])("%i, by convolution", async (channels) => {
    const inputs = [randomTensor(1, [1, channels, 7, 7]), randomTensor(2, [24, channels, 1, 1])];
    await expectNode({ op: "Conv", inputs: [...inputs, randomTensor(3, [24])], constants: [1, 2] }, options);
  });

  test.each([20, 21])("9 times %i, by convolution", async (channels) => {
    const inputs = [randomTensor(1, [1, channels, 14, 14]), randomTensor(2, [13, channels, 3, 3])];
    // With steps it is not by Winograd's filtering.
    const attributes = { pads: [1, 1, 1, 1], strides: [2, 2] };
    await expectNode({ op: "Conv", inputs, constants: [1], attributes }, options);
  });

  test.each([20, 21])("%i, of three rows", async (depth) => {
    const inputs = [randomTensor(1, [3, depth]), randomTensor(2, [depth, 17])];
    await expectNode({ op: "MatMul", inputs, constants: [1] }, options);
  });
});
