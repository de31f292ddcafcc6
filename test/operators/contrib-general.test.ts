/** Further operators of com.microsoft, compared with onnxruntime-web where it has them. */

import { describe, expect, test } from "vitest";
import { evaluate, expectResults, graphOf, ints, type NodeCase, of } from "./harness.js";
import { expectRival, randomTensors } from "./rival-compare.js";

const { normal, uniform } = randomTensors(29);
const tolerance = { relative: 1e-4, absolute: 1e-5 };
const node = (op: string, inputs: NodeCase["inputs"], rest: Partial<NodeCase> = {}): NodeCase => ({
  op,
  domain: "com.microsoft",
  inputs,
  ...rest,
});

describe("CropAndResize", () => {
  const x = normal([2, 3, 6, 7]);
  const rois = of(
    "float32",
    [4, 4],
    [0, 0, 1, 1, 0.1, 0.2, 0.7, 0.9, 0.8, 0.9, 0.2, 0.1, -0.2, 0.3, 0.9, 1.3],
  );
  const rest = [rois, of("int32", [4], [0, 1, 1, 0])];
  const size = (...dims: number[]) => of("int32", [2], dims);

  test.each(["bilinear", "nearest"])("%s", async (mode) => {
    const attributes = { mode, extrapolation_value: { float: 0.25 } };
    const ways = { constant: [3], open: [0, 1, 2] };
    await expectRival(node("CropAndResize", [x, ...rest, size(3, 4)], { attributes }), tolerance, ways);
    await expectRival(node("CropAndResize", [x, ...rest, size(1, 5)], { attributes }), tolerance, ways);
  });

  test("of halves", async () => {
    const image = of("float16", [1, 1, 2, 2], [0, 2, 4, 6]);
    const box = of("float16", [1, 4], [0, 0, 1, 1]);
    const inputs = [image, box, of("int32", [1], [0]), size(1, 3)];
    await expectResults(node("CropAndResize", inputs), [of("float16", [1, 1, 1, 3], [2, 3, 4])]);
  });

  test.each([
    ["a mode", { attributes: { mode: "cubic" } }, 'mode "cubic"'],
    ["a size", { inputs: [x, ...rest, size(0, 1)] }, "not positive"],
  ] as [string, Partial<NodeCase>, string][])("refuses %s", (_, change, message) =>
    expect(
      graphOf({ ...node("CropAndResize", [x, ...rest, size(2, 2)]), ...change }, (i) => i === 3),
    ).rejects.toThrow(message),
  );
});

describe("Inverse", () => {
  test("of batches", () =>
    expectRival(node("Inverse", [uniform([3, 4, 4], -2, 2)]), { relative: 1e-3, absolute: 1e-3 }));

  test("exchanges rows where it has to", () =>
    expectResults(node("Inverse", [of("float32", [3, 3], [0, 2, 0, 4, 0, 0, 0, 0, 8])]), [
      of("float32", [3, 3], [0, 0.25, 0, 0.5, 0, 0, 0, 0, 0.125]),
    ]));

  test("refuses other matrices", () =>
    expect(graphOf(node("Inverse", [normal([2, 3])]), () => false)).rejects.toThrow("2 x 3"));
});

describe("complex numbers", () => {
  test("products", async () => {
    const [a, b] = [of("float32", [2, 2], [1, 2, 3, -1]), of("float32", [1, 2], [2, -1])];
    await expectResults(node("ComplexMul", [a, b]), [of("float32", [2, 2], [4, 3, 5, -5])]);
    await expectResults(node("ComplexMulConj", [a, b]), [of("float32", [2, 2], [0, 5, 7, 1])]);
  });

  test("spectra of signals, and back", async () => {
    const x = normal([2, 8]);
    const attributes = { signal_ndim: 1, normalized: 0, onesided: 1 };
    const [spectrum] = await evaluate(node("Rfft", [x], { attributes }));
    expect(spectrum!.dims).toEqual([2, 5, 2]);
    await expectResults(node("Irfft", [spectrum!], { attributes }), [x], tolerance);
    const sum = Array.from(x.data, Number)
      .slice(0, 8)
      .reduce((p, q) => p + q);
    expect(Number(spectrum!.data[0])).toBeCloseTo(sum, 4);
  });
});

describe("others", () => {
  test.each([
    node("ExpandDims", [normal([2, 3]), of("int32", [], [1])]),
    node("Pad", [normal([2, 3]), ints(0, 1, 1, 0), 7]),
    node("GatherND", [normal([2, 3]), of("int64", [2, 2], [0, 1, 1, 2])]),
    node("Trilu", [normal([3, 3]), of("int64", [], [1])], { attributes: { upper: 0 } }),
    node("CDist", [normal([3, 4]), normal([2, 4])], { attributes: { metric: "euclidean" } }),
  ])("$op", (one) =>
    expectRival(one, tolerance, { open: false, constant: one.inputs.map((_, i) => i).slice(1) }),
  );

  test("TorchEmbedding", () =>
    expectResults(node("TorchEmbedding", [of("float32", [2, 1], [5, 6]), ints(1, 0, 1)]), [
      of("float32", [3, 1], [6, 5, 6]),
    ]));

  test("FusedMatMulActivation", async () => {
    const inputs = [normal([2, 3]), normal([2, 3])];
    const [product] = await evaluate(node("FusedMatMul", inputs, { attributes: { transB: 1 } }));
    const expected = await evaluate({ op: "Softmax", inputs: [product!], attributes: { axis: -1 } });
    const attributes = { transB: 1, activation: "Softmax", activation_axis: -1 };
    await expectResults(node("FusedMatMulActivation", inputs, { attributes }), expected, tolerance);
  });
});
