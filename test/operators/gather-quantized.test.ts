/** Rows of quantised tables, compared with onnxruntime-web where it has them. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { expectResults, graphOf, ints, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { whole, uniform } = randomTensors(5);

const gather = (node: Partial<NodeCase>): NodeCase => ({
  op: "GatherBlockQuantized",
  domain: "com.microsoft",
  inputs: [],
  ...node,
});

const rows = of("int64", [2, 2], [0, 4, -1, 2]);

describe("GatherBlockQuantized", () => {
  test.each([2, 4, 8])("of uint8 that hold %d bits", async (bits) => {
    const attributes = { bits, block_size: 16 };
    const table = whole("uint8", [5, (40 * bits) / 8], 0, 255);
    const scales = uniform([5, 3], 0.1, 1);
    const zeros = whole("uint8", [5, Math.ceil((3 * bits) / 8)], 0, 255);
    const node = gather({ attributes, inputs: [table, rows, scales] });
    // onnxruntime-web 1.30 has no 2 bits yet.
    if (bits === 2) {
      const byte = (row: number, i: number) => (Number(table.data[row * 10 + (i >> 2)]) >> (2 * (i & 3))) & 3;
      const expected = [4, 0].flatMap((row) =>
        Array.from(
          { length: 40 },
          (_, i) => (byte(row, i) - 2) * (scales.data[row * 3 + (i >> 4)] as number),
        ),
      );
      await expectResults(
        { ...node, inputs: [table, ints(4, 0), scales] },
        [of("float32", [2, 40], expected)],
        {
          relative: 1e-6,
        },
      );
      return;
    }
    await expectRival(node, {}, { constant: [0, 2] });
    await expectRival({ ...node, inputs: [table, rows, scales, zeros] }, {}, { constant: [0, 2, 3] });
  });

  test.each(["int4", "uint4"] as DType[])("of %s", async (dtype) => {
    const [low, high] = dtype === "int4" ? [-8, 7] : [0, 15];
    const attributes = { block_size: 16, gather_axis: 1, quantize_axis: 0 };
    const table = whole(dtype, [20, 3, 4], low!, high!);
    const scales = uniform([2, 3, 4], 0.1, 1);
    const indices = of("int32", [2], [2, -3]);
    const at = (i: number, j: number, k: number) => (i * 3 + j) * 4 + k;
    const expected = Array.from({ length: 20 }, (_, i) =>
      [2, 0].flatMap((j) =>
        [0, 1, 2, 3].map((k) => Number(table.data[at(i, j, k)]) * (scales.data[at(i >> 4, j, k)] as number)),
      ),
    ).flat();
    const node = gather({ attributes, inputs: [table, indices, scales] });
    await expectResults({ ...node, open: [1] }, [of("float32", [20, 2, 4], expected)], { relative: 1e-6 });
  });

  test("of halves, and of minifloats whose rows share a scale", async () => {
    const table = of("float8e4m3fn", [2, 3], [1, 2, 0.5, -4, 8, 16]);
    const scales = of("float16", [1, 1], [0.5]);
    const node = gather({ attributes: { block_size: 0 }, inputs: [table, ints(1), scales] });
    await expectResults(node, [of("float16", [1, 3], [-2, 4, 8])]);
  });

  test("an index outside gives zeros", () => {
    const table = of("int4", [2, 2], [1, 2, 3, 4]);
    const attributes = { block_size: 16 };
    const scales = of("float32", [2, 1], [2, 3]);
    const node = gather({ attributes, inputs: [table, ints(2, -2, -3, 1), scales] });
    return expectResults(node, [of("float32", [4, 2], [0, 0, 2, 4, 0, 0, 9, 12])]);
  });

  const refused: [what: string, node: Partial<NodeCase>, message: string][] = [
    ["bits", { attributes: { bits: 3, block_size: 16 } }, "bits is 3"],
    ["blocks", { attributes: { block_size: 8 } }, "block_size is 8"],
    ["an axis", { attributes: { gather_axis: 1, block_size: 16 } }, "first axis"],
    ["scales", { attributes: { block_size: 32 } }, "scales of [5, 3], not [5, 2]"],
  ];
  test.each(refused)("refuses %s", (_, node, message) => {
    const inputs = [whole("uint8", [5, 20], 0, 255), rows, uniform([5, 3], 0, 1)];
    return expect(graphOf(gather({ inputs, ...node }), () => false)).rejects.toThrow(message);
  });
});
