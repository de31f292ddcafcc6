/** GridSample and AffineGrid. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, expectTensor, interpret, ints, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(11);

const filled = (dims: readonly number[], range: number, dtype: DType = "float32"): TensorData => {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return of(
    dtype,
    dims,
    Array.from({ length: count }, () => (random() * 2 - 1) * range),
  );
};

const tolerance = { relative: 1e-4, absolute: 1e-5 };

async function compare(node: NodeCase): Promise<void> {
  const [expected] = await rivalResults(node);
  expectTensor((await evaluate(node))[0]!, expected!, tolerance);
  expectTensor((await interpret(node))[0]!, expected!, tolerance);
}

const paddings = ["zeros", "border", "reflection"];

describe("GridSample on images", () => {
  for (const mode of ["linear", "nearest", "cubic"]) {
    for (const padding_mode of paddings) {
      for (const align_corners of [0, 1]) {
        test(`${mode}, ${padding_mode}${align_corners ? ", corners aligned" : ""}`, async () => {
          const attributes = { mode, padding_mode, align_corners };
          const [x, grid] = [filled([2, 3, 4, 5], 2), filled([2, 3, 4, 2], 1)];
          await compare({ op: "GridSample", opset: 20, attributes, inputs: [x, grid] });
          if (mode === "cubic") return; // there onnxruntime moves a place on all dims if it is outside on one
          const wide = filled([2, 5, 3, 2], 4);
          await compare({ op: "GridSample", opset: 20, attributes, inputs: [x, wide] });
        });
      }
    }
  }

  test("modes as they were named before opset 20", () =>
    compare({
      op: "GridSample",
      opset: 16,
      attributes: { mode: "bicubic", align_corners: 1 },
      inputs: [filled([1, 2, 4, 5], 2), filled([1, 3, 4, 2], 1)],
    }));

  test("places far outside and NaN stay inside of the memory", async () => {
    const x = of("float32", [1, 1, 2, 2], [1, 2, 3, 4]);
    const grid = of("float32", [1, 1, 3, 2], [1e30, -1e30, Infinity, 0, Number.NaN, Number.NaN]);
    for (const padding_mode of paddings) {
      const attributes = { mode: "nearest", padding_mode };
      const [result] = await interpret({ op: "GridSample", opset: 20, attributes, inputs: [x, grid] });
      expect(Array.from(result!.data as Float32Array).every((value) => value >= 0 && value <= 4)).toBe(true);
    }
  });

  test("a border of a single place", async () => {
    const x = of("float32", [1, 1, 1, 1], [7]);
    const grid = of("float32", [1, 1, 2, 2], [3, -5, 0, 0.5]);
    const attributes = { padding_mode: "reflection", align_corners: 1 };
    const [result] = await interpret({ op: "GridSample", opset: 20, attributes, inputs: [x, grid] });
    expectTensor(result!, of("float32", [1, 1, 1, 2], [7, 7]));
  });

  test("elements that are no floats", async () => {
    const x = of("int64", [1, 1, 1, 3], [5, 6, 7]);
    const grid = of("float64", [1, 1, 2, 2], [-0.9, 0, 0.7, 0]);
    const node = { op: "GridSample", opset: 20, inputs: [x, grid] };
    const [result] = await interpret({ ...node, attributes: { mode: "nearest" } });
    expectTensor(result!, of("int64", [1, 1, 1, 2], [5, 7]));
    await expect(interpret(node)).rejects.toThrow(/int64/);
  });

  test("no places and no images", async () => {
    for (const [image, places] of [
      [
        [1, 2, 3, 3],
        [1, 0, 4, 2],
      ],
      [
        [0, 2, 3, 3],
        [0, 2, 4, 2],
      ],
    ] as const) {
      const node = {
        op: "GridSample",
        opset: 20,
        inputs: [of("float32", image, new Array(18).fill(0)), of("float32", places, [])],
      };
      const [result] = await interpret(node);
      expect(result!.data.length).toBe(0);
    }
  });
});

describe("GridSample on volumes and lines", () => {
  for (const mode of ["linear", "nearest"]) {
    for (const padding_mode of paddings) {
      test(`${mode}, ${padding_mode}`, () =>
        compare({
          op: "GridSample",
          opset: 20,
          attributes: { mode, padding_mode },
          inputs: [filled([2, 2, 3, 4, 3], 2), filled([2, 2, 3, 2, 3], 2)],
        }));
    }
  }

  test("a line, between its elements", async () => {
    const x = of("float32", [1, 1, 3], [0, 10, 30]);
    const grid = of("float32", [1, 4, 1], [-1, -0.5, 0.5, 1]);
    const node = { op: "GridSample", opset: 20, attributes: { align_corners: 1 }, inputs: [x, grid] };
    expectTensor((await interpret(node))[0]!, of("float32", [1, 1, 4], [0, 5, 20, 30]));
  });

  test("float64 and float16", async () => {
    for (const [dtype, precision] of [
      ["float64", 1e-6],
      ["float16", 4e-3],
    ] as const) {
      const [x, grid] = [filled([1, 2, 3, 3, 2], 2), filled([1, 2, 2, 2, 3], 1)];
      const wanted = await interpret({ op: "GridSample", opset: 20, inputs: [x, grid] });
      const other = of(dtype, x.dims, Array.from(x.data as Float32Array));
      const [result] = await interpret({ op: "GridSample", opset: 20, inputs: [other, grid] });
      const expected = of(dtype, wanted[0]!.dims, Array.from(wanted[0]!.data as Float32Array));
      expectTensor(result!, expected, { absolute: precision, relative: precision });
    }
  });
});

describe("AffineGrid", () => {
  test("the middles of pixels", () =>
    expectResults(
      {
        op: "AffineGrid",
        inputs: [of("float32", [1, 2, 3], [1, 0, 0, 0, 2, 1]), ints(1, 1, 1, 2)],
        constant: [1],
      },
      [of("float32", [1, 1, 2, 2], [-0.5, 1, 0.5, 1])],
    ));

  test("corners, and a dim of a single place", () =>
    expectResults(
      {
        op: "AffineGrid",
        attributes: { align_corners: 1 },
        inputs: [of("float32", [1, 2, 3], [1, 0, 0, 0, 1, 0]), ints(1, 5, 1, 3)],
        constant: [1],
      },
      [of("float32", [1, 1, 3, 2], [-1, -1, 0, -1, 1, -1])],
    ));

  test("volumes", () =>
    expectResults(
      {
        op: "AffineGrid",
        attributes: { align_corners: 1 },
        inputs: [of("float64", [1, 3, 4], [1, 10, 100, 0, 0, 0, 0, 5, 0, 0, 1, 0]), ints(1, 1, 2, 2, 1)],
        constant: [1],
      },
      [of("float64", [1, 2, 2, 1, 3], [-111, 5, -1, -91, 5, -1, 89, 5, 1, 109, 5, 1])],
    ));

  test("refusals", async () => {
    const theta = of("float32", [1, 2, 3], [1, 0, 0, 0, 1, 0]);
    const raises = (inputs: NodeCase["inputs"], message: RegExp) =>
      expect(interpret({ op: "AffineGrid", inputs, constant: [1] })).rejects.toThrow(message);
    await raises([theta, ints(2, 1, 2, 2)], /theta/);
    await raises([theta, ints(1, 1, 2, 2, 2)], /theta/);
    await raises([theta, ints(1, 1, 2)], /4 or 5/);
  });
});
