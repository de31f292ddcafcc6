/** Pools of regions, and operators that put elements back to their places or move taps. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { toNumbers } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, expectTensor, interpret, ints, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(3);

const count = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

const filled = (dims: readonly number[], low = -2, high = 2, dtype: DType = "float32"): TensorData =>
  of(
    dtype,
    dims,
    Array.from({ length: count(dims) }, () => low + random() * (high - low)),
  );

const tolerance = { relative: 1e-4, absolute: 1e-5 };

async function compare(node: NodeCase): Promise<void> {
  const [expected] = await rivalResults(node);
  expectTensor((await evaluate(node))[0]!, expected!, tolerance);
  expectTensor((await interpret(node))[0]!, expected!, tolerance);
}

const expectInterpreted = async (node: NodeCase, expected: TensorData) =>
  expectTensor((await interpret(node))[0]!, expected, tolerance);

/** Regions inside and outside of an image of 6 x 8 elements, some of them turned round. */
const corners = [1.2, 0.7, 6.3, 5.1, -3, -2, 4, 3, 5, 4, 12, 11, 3, 3, 3, 3, 5, 5, 2, 1];
const rois = of("float32", [5, 4], corners);

describe("RoiAlign", () => {
  for (const mode of ["avg", "max"]) {
    for (const sampling_ratio of [0, 2]) {
      for (const coordinate_transformation_mode of ["half_pixel", "output_half_pixel"]) {
        // An empty grid of samples is no maximum of anything: onnxruntime has what was there before.
        const regions = mode === "max" ? of("float32", [3, 4], corners.slice(0, 12)) : rois;
        test(`${mode}, ${sampling_ratio} samples, ${coordinate_transformation_mode}`, () =>
          compare({
            op: "RoiAlign",
            opset: 16,
            attributes: {
              mode,
              sampling_ratio,
              coordinate_transformation_mode,
              output_height: 2,
              output_width: 3,
              spatial_scale: 0.75,
            },
            inputs: [filled([2, 3, 6, 8], 0, 2), regions, ints(...[0, 1, 1, 0, 1].slice(0, regions.dims[0]))],
          }));
      }
    }
  }

  test("as it was before opset 16", () =>
    compare({
      op: "RoiAlign",
      opset: 10,
      attributes: { output_height: 3, output_width: 2 },
      inputs: [filled([1, 2, 6, 8]), rois, ints(0, 0, 0, 0, 0)],
    }));

  test("no regions, float64 and float16", async () => {
    const none = {
      op: "RoiAlign",
      opset: 22,
      inputs: [filled([1, 2, 3, 3]), of("float32", [0, 4], []), ints()],
    };
    await expectInterpreted(none, of("float32", [0, 2, 1, 1], []));
    for (const dtype of ["float64", "float16"] as const) {
      const inputs = [of(dtype, [1, 1, 2, 2], [1, 2, 3, 4]), of(dtype, [1, 4], [0, 0, 2, 2]), ints(0)];
      await expectInterpreted({ op: "RoiAlign", opset: 22, inputs }, of(dtype, [1, 1, 1, 1], [2.5]));
    }
  });

  test("refusals", async () => {
    const raises = (inputs: NodeCase["inputs"], message: RegExp, attributes = {}) =>
      expect(interpret({ op: "RoiAlign", opset: 16, inputs, attributes })).rejects.toThrow(message);
    const x = filled([1, 2, 3, 3]);
    await raises([x, of("float32", [1, 5], [0, 0, 0, 1, 1]), ints(0)], /4 numbers/);
    await raises([x, of("float32", [1, 4], [0, 0, 1, 1]), ints(0)], /mode "mean"/, { mode: "mean" });
  });
});

describe("MaxRoiPool", () => {
  test("bins inside and outside", () =>
    compare({
      op: "MaxRoiPool",
      attributes: { pooled_shape: [2, 3], spatial_scale: 0.5 },
      inputs: [
        filled([2, 3, 6, 8]),
        of("float32", [4, 5], [0, 1, 1, 9, 9, 1, 4, 3, 15, 11, 1, 20, 20, 30, 30, 0, 3, 3, 3, 3]),
      ],
    }));

  test("bins without elements are zero", () =>
    expectInterpreted(
      {
        op: "MaxRoiPool",
        attributes: { pooled_shape: [1, 2] },
        inputs: [of("float32", [1, 1, 1, 2], [-1, -2]), of("float32", [1, 5], [0, 1, 0, 4, 0])],
      },
      of("float32", [1, 1, 1, 2], [-2, 0]),
    ));
});

describe("MaxUnpool", () => {
  const inputs = [of("float32", [1, 1, 2, 2], [1, 2, 3, 4]), of("int64", [1, 1, 2, 2], [5, 7, 13, 15])];
  const attributes = { kernel_shape: [2, 2], strides: [2, 2] };

  test("to the size that the window tells", () =>
    expectInterpreted(
      { op: "MaxUnpool", attributes, inputs },
      of("float32", [1, 1, 4, 4], [0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4]),
    ));

  test("into a corner of the size that is stated", () =>
    expectInterpreted(
      { op: "MaxUnpool", attributes, inputs: [...inputs, ints(1, 1, 5, 5)], constant: [2] },
      of(
        "float32",
        [1, 1, 5, 5],
        [0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0],
      ),
    ));

  test("over one dim, of any type", () =>
    expectInterpreted(
      {
        op: "MaxUnpool",
        attributes: { kernel_shape: [2], strides: [2], pads: [0, 1] },
        inputs: [of("int8", [2, 1, 2], [1, -2, 3, -4]), of("int64", [2, 1, 2], [2, 0, 5, 3])],
      },
      of("int8", [2, 1, 3], [-2, 0, 1, -4, 0, 3]),
    ));

  test("takes back what MaxPool took", async () => {
    const pool = { kernel_shape: [2, 2], strides: [2, 2] };
    const x = filled([2, 3, 4, 6], 1, 2);
    const [values, places] = await interpret({ op: "MaxPool", attributes: pool, inputs: [x], outputs: 2 });
    const [back] = await interpret({ op: "MaxUnpool", attributes: pool, inputs: [values!, places!] });
    const found = toNumbers(back!).filter((value) => value !== 0);
    expect(found.sort()).toEqual(toNumbers(values!).sort());
  });
});

describe("Col2Im", () => {
  test("adds up what overlaps", () =>
    expectInterpreted(
      {
        op: "Col2Im",
        inputs: [of("float32", [1, 2, 3], [1, 2, 3, 10, 20, 30]), ints(4), ints(2)],
        constant: [1, 2],
      },
      of("float32", [1, 1, 4], [1, 12, 23, 30]),
    ));

  test("padding, strides and dilations, whole numbers", () =>
    expectInterpreted(
      {
        op: "Col2Im",
        attributes: { pads: [1, 0], strides: [2], dilations: [2] },
        // Taps at -1 and 1, at 1 and 3.
        inputs: [of("int32", [1, 4, 2], [1, 2, 3, 4, 5, 6, 7, 8]), ints(4), ints(2)],
        constant: [1, 2],
      },
      of("int32", [1, 2, 4], [0, 5, 0, 4, 0, 13, 0, 8]),
    ));

  test("as onnxruntime has it", async () => {
    const attributes = { pads: [1, 0, 1, 1], strides: [1, 2], dilations: [2, 1] };
    // 5 + 2 - 3 + 1 = 5 rows of blocks, (6 + 1 - 2) / 2 + 1 = 3 columns.
    const inputs = [filled([2, 12, 15]), ints(5, 6), ints(2, 2)];
    await compare({ op: "Col2Im", opset: 18, attributes, inputs, constant: [1, 2] });
  });

  test("refusals", async () => {
    const raises = (dims: number[], message: RegExp) =>
      expect(
        interpret({ op: "Col2Im", inputs: [filled(dims), ints(4), ints(2)], constant: [1, 2] }),
      ).rejects.toThrow(message);
    await raises([1, 3, 3], /multiple/);
    await raises([1, 2, 4], /columns/);
  });
});

describe("CenterCropPad", () => {
  const x = of("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  const node = (sizes: number[], axes?: number[]): NodeCase => ({
    op: "CenterCropPad",
    attributes: axes === undefined ? {} : { axes },
    inputs: [x, ints(...sizes)],
    constant: [1],
  });

  test("cuts and pads", () =>
    expectResults(node([5, 2]), [of("float32", [5, 2], [0, 0, 1, 2, 4, 5, 0, 0, 0, 0])]));
  test("on some axes", () => expectResults(node([1], [-1]), [of("float32", [2, 1], [2, 5])]));
  test("to nothing, and to the same", async () => {
    await expectResults(node([0, 2]), [of("float32", [0, 2], [])]);
    await expectResults(node([2, 3]), [x]);
  });
  test("of nothing", () =>
    expectResults({ op: "CenterCropPad", inputs: [of("int64", [0, 1], []), ints(1, 2)], constant: [1] }, [
      of("int64", [1, 2], [0, 0]),
    ]));
  test("refusals", () => expect(interpret(node([1, 2, 3]))).rejects.toThrow(/3 sizes for 2 axes/));
});

describe("DeformConv", () => {
  const attributes = { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1], dilations: [1, 2] };
  const [x, w, bias] = [filled([2, 4, 6, 5]), filled([6, 2, 3, 2]), filled([6])];
  const out = [3, 4]; // (6 + 2 - 3) / 2 + 1 and 5 + 1 - 3 + 1

  test("without offsets it is a convolution", async () => {
    const offset = of("float32", [2, 24, ...out], new Array(2 * 24 * 12).fill(0));
    const group = { ...attributes, group: 2 };
    const [expected] = await rivalResults({ op: "Conv", attributes: group, inputs: [x, w, bias] });
    const node = { op: "DeformConv", opset: 19, attributes: { ...group, offset_group: 2 } };
    await expectInterpreted({ ...node, inputs: [x, w, offset, bias] }, expected!);
    const mask = of("float32", [2, 12, ...out], new Array(2 * 12 * 12).fill(1));
    await expectInterpreted({ ...node, inputs: [x, w, offset, bias, mask] }, expected!);
  });

  test("as onnxruntime has it", async () => {
    const [offset, mask] = [filled([2, 24, ...out]), filled([2, 12, ...out], 0, 1)];
    await compare({
      op: "DeformConv",
      opset: 19,
      attributes: { ...attributes, group: 2, offset_group: 2 },
      inputs: [x, w, offset, bias, mask],
    });
  });

  test("over one dim", () =>
    // Taps between elements, and half outside.
    expectInterpreted(
      {
        op: "DeformConv",
        opset: 19,
        inputs: [
          of("float64", [1, 1, 3], [2, 4, 8]),
          of("float64", [1, 1, 2], [1, 10]),
          of("float64", [1, 2, 2], [0.5, 0.25, 0, 0.5]),
        ],
      },
      of("float64", [1, 1, 2], [3 + 40, 5 + 40]),
    ));

  test("refusals", async () => {
    const node = { op: "DeformConv", opset: 19, attributes: { ...attributes, group: 2 } };
    await expect(interpret({ ...node, inputs: [x, w, filled([2, 12, 3, 3])] })).rejects.toThrow(/offset/);
  });
});
