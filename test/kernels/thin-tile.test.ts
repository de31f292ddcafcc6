/** Tiles of few rows, of which every other step of the reduction has accumulators of its own. */

import { describe, expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { accumulatorSets } from "../../compiler/kernels/tile.js";
import { interpretModel } from "../harness.js";
import { randomTensor } from "../harness-random.js";
import { buildModel } from "../onnx/build-model.js";
import { expectNode } from "./cases.js";

const fused = { simd: true, fusedMultiplyAdd: true };

test.each([
  [{ rows: 3, columns: 8 }, 4, 2],
  [{ rows: 3, columns: 4 }, 4, 2],
  [{ rows: 3, columns: 12 }, 4, 1],
  [{ rows: 3, columns: 8 }, 3, 1],
  [{ rows: 4, columns: 8 }, 4, 1],
] as const)("a tile of %o beside those of %i rows has %i sets of accumulators", (tile, largest, sets) => {
  expect(accumulatorSets(tile, largest, fused)).toBe(sets);
  expect(accumulatorSets(tile, largest, { ...fused, fusedMultiplyAdd: false })).toBe(1);
  expect(accumulatorSets(tile, largest, { ...fused, simd: false })).toBe(1);
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

test.each([1, 2, 3, 7])(
  "equal columns of %i rows have equal results, whichever panel they are in",
  async (rows) => {
    const [depth, columns] = [200, 40];
    const [left, column] = [randomTensor(1, [rows, depth]), randomTensor(2, [depth])];
    const model = buildModel({
      inputs: { a: ["float32", [rows, depth]] },
      outputs: { y: ["float32", [rows, columns]] },
      initializers: {
        b: tensorOf(
          "float32",
          [depth, columns],
          Array.from({ length: depth * columns }, (_, i) => Number(column.data[Math.floor(i / columns)])),
        ),
      },
      nodes: [{ op: "MatMul", inputs: ["a", "b"], outputs: ["y"] }],
    });
    const { y } = await interpretModel(model, { a: left }, { features: { relaxedSimd: true } });
    for (let row = 0; row < rows; row++) {
      const results = Array.from(y!.data.slice(row * columns, (row + 1) * columns), Number);
      expect(new Set(results).size).toBe(1);
    }
  },
);
