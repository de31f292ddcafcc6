/** Pools and convolutions: what the sweeps over float32 kernels do not reach. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import {
  evaluate,
  expectResults,
  expectTensor,
  interpret,
  type NodeCase,
  of,
  type Tolerance,
} from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(5);

const filled = (dtype: DType, dims: readonly number[], low = -2, high = 2): TensorData => {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const value = () => low + random() * (high - low);
  const whole = dtype.includes("int");
  return of(
    dtype,
    dims,
    Array.from({ length: count }, () => (whole ? Math.round(value()) : value())),
  );
};

/** Evaluation and loops against onnxruntime-web. */
async function compare(node: NodeCase, tolerance: Tolerance = { relative: 1e-5, absolute: 1e-5 }) {
  const expected = await rivalResults(node);
  const [evaluated, interpreted] = [await evaluate(node), await interpret(node)];
  expected.forEach((one, i) => {
    expectTensor(evaluated[i]!, one, tolerance);
    expectTensor(interpreted[i]!, one, tolerance);
  });
}

/** Evaluation and loops against each other, for what onnxruntime-web does not take. */
async function agree(node: NodeCase, tolerance: Tolerance): Promise<void> {
  const [evaluated, interpreted] = [await evaluate(node), await interpret(node)];
  evaluated.forEach((one, i) => {
    expectTensor(interpreted[i]!, one, tolerance);
  });
}

const tolerances: [DType, Tolerance][] = [
  ["float64", { relative: 1e-12, absolute: 1e-12 }],
  ["float16", { relative: 2e-3, absolute: 2e-3 }],
  ["bfloat16", { relative: 2e-2, absolute: 2e-2 }],
];

describe("MaxPool", () => {
  for (const storage_order of [0, 1]) {
    test(`indices in storage order ${storage_order}`, async () => {
      const attributes = { kernel_shape: [2, 3], strides: [2, 1], pads: [1, 1, 0, 1], storage_order };
      await compare({
        op: "MaxPool",
        attributes,
        inputs: [filled("float32", [2, 3, 5, 6])],
        outputs: 2,
        result: ["float32", "int64"],
      });
    });
  }

  test("indices over three dims, dilated", () =>
    compare({
      op: "MaxPool",
      attributes: { kernel_shape: [2, 2, 2], dilations: [1, 2, 1] },
      inputs: [filled("float32", [1, 2, 3, 5, 4])],
      outputs: 2,
      result: ["float32", "int64"],
    }));

  test("the first of equal elements, and NaN before all", () =>
    expectResults(
      {
        op: "MaxPool",
        attributes: { kernel_shape: [3], strides: [3] },
        inputs: [of("float32", [1, 1, 9], [1, 2, 2, -Infinity, -Infinity, -Infinity, 4, Number.NaN, 5])],
      },
      [of("float32", [1, 1, 3], [2, -Infinity, Number.NaN]), of("int64", [1, 1, 3], [1, 3, 7])],
    ));

  for (const dtype of ["int8", "uint8"] as const) {
    test(dtype, () =>
      compare({
        op: "MaxPool",
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
        inputs: [filled(dtype, [1, 2, 4, 5], dtype === "int8" ? -128 : 0, dtype === "int8" ? 0 : 255)],
        result: dtype,
      }),
    );
  }

  for (const [dtype] of tolerances) {
    test(dtype, () =>
      agree(
        {
          op: "MaxPool",
          opset: 22,
          attributes: { kernel_shape: [2, 2], ceil_mode: 1, strides: [2, 2] },
          inputs: [filled(dtype, [1, 3, 5, 5])],
          outputs: 2,
        },
        {},
      ),
    );
  }

  test("auto_pad takes no notice of ceil_mode", () =>
    expectResults(
      {
        op: "MaxPool",
        attributes: { kernel_shape: [1], strides: [3], auto_pad: "SAME_UPPER", ceil_mode: 1 },
        inputs: [of("float32", [1, 1, 5], [1, 2, 3, 4, 5])],
      },
      [of("float32", [1, 1, 2], [1, 4])],
    ));

  test("no channels", () =>
    expectResults(
      { op: "MaxPool", attributes: { kernel_shape: [2] }, inputs: [of("float32", [2, 0, 4], [])] },
      [of("float32", [2, 0, 3], []), of("int64", [2, 0, 3], [])],
    ));
});

describe("AveragePool", () => {
  for (const [dtype, tolerance] of tolerances) {
    test(dtype, () =>
      agree(
        {
          op: "AveragePool",
          opset: 22,
          attributes: { kernel_shape: [3, 2], pads: [1, 0, 1, 1], strides: [2, 2], dilations: [1, 2] },
          inputs: [filled(dtype, [1, 3, 6, 7])],
        },
        tolerance,
      ),
    );
  }

  test("a last window that would start in the padding is left out", () =>
    expectResults(
      {
        op: "AveragePool",
        attributes: { kernel_shape: [3], strides: [3], pads: [1, 1], ceil_mode: 1, count_include_pad: 1 },
        inputs: [of("float32", [1, 1, 2], [3, 6])],
      },
      [of("float32", [1, 1, 1], [3])],
    ));

  test("in ceil mode only the padding counts, not what lies behind it", () =>
    expectResults(
      {
        op: "AveragePool",
        attributes: { kernel_shape: [3], strides: [2], pads: [0, 1], ceil_mode: 1, count_include_pad: 1 },
        inputs: [of("float32", [1, 1, 5], [1, 2, 3, 4, 5])],
      },
      [of("float32", [1, 1, 3], [2, 4, 2.5])],
    ));
});

describe("LpPool", () => {
  for (const p of [1, 2, 3, 5]) {
    test(`p = ${p}`, () =>
      compare({
        op: "LpPool",
        opset: 18,
        attributes: { kernel_shape: [3, 2], p, pads: [1, 0, 0, 1], strides: [1, 2] },
        inputs: [filled("float32", [2, 2, 5, 6])],
      }));
  }

  test("a broken p, as version 1 has it", () =>
    agree(
      {
        op: "LpPool",
        opset: 1,
        attributes: { kernel_shape: [2], p: { float: 2.5 } },
        inputs: [filled("float32", [1, 2, 6])],
      },
      { relative: 1e-6 },
    ));

  for (const [dtype, tolerance] of tolerances) {
    test(dtype, () =>
      agree(
        {
          op: "LpPool",
          opset: 22,
          attributes: { kernel_shape: [3], p: 3 },
          inputs: [filled(dtype, [1, 2, 7])],
        },
        tolerance,
      ),
    );
  }
});

describe("GlobalLpPool", () => {
  for (const p of [1, 2, 3]) {
    test(`p = ${p}`, () =>
      compare({ op: "GlobalLpPool", attributes: { p }, inputs: [filled("float32", [2, 3, 4, 5])] }));
  }
});

describe("LRN", () => {
  for (const [dims, size] of [
    [[2, 7], 3],
    [[1, 5, 6], 4],
    [[2, 6, 3, 4], 5],
    [[1, 4, 2, 3, 2], 1],
  ] as const) {
    test(`${size} of [${dims}]`, () =>
      agree(
        {
          op: "LRN",
          attributes: { size, alpha: 0.5, beta: 0.6, bias: { float: 2 } },
          inputs: [filled("float32", dims)],
        },
        { relative: 1e-5 },
      ));
  }

  test("as onnxruntime has it", () =>
    compare({ op: "LRN", attributes: { size: 3, alpha: 0.5 }, inputs: [filled("float32", [2, 5, 3, 4])] }));
});

describe("Conv and its transpose", () => {
  for (const [dtype, tolerance] of tolerances) {
    for (const op of ["Conv", "ConvTranspose"]) {
      test(`${op} of ${dtype}`, async () => {
        const attributes = { strides: [2, 1], dilations: [1, 2], pads: [1, 0, 2, 1], group: 2 };
        const inputs = [
          filled(dtype, [2, 4, 6, 7]),
          filled(dtype, op === "Conv" ? [6, 2, 3, 2] : [4, 3, 3, 2]),
          filled(dtype, [6]),
        ];
        await agree({ op, opset: 22, attributes, inputs }, tolerance);
        await agree({ op, opset: 22, attributes, inputs, constant: [1, 2] }, tolerance);
      });
    }
  }

  test("transposed with weights that are fed", async () => {
    for (const attributes of [
      { strides: [3, 2], pads: [1, 1, 0, 2], output_padding: [1, 0], group: 2 },
      { strides: [2, 2], output_shape: [8, 5] },
      { strides: [2, 2], auto_pad: "SAME_UPPER", dilations: [2, 1] },
      { strides: [2, 1], auto_pad: "SAME_LOWER" },
      { auto_pad: "VALID" },
    ]) {
      const inputs = [
        filled("float32", [2, 4, 4, 3]),
        filled("float32", [4, 3, 3, 2]),
        filled("float32", [3 * (attributes.group ?? 1)]),
      ];
      await compare({ op: "ConvTranspose", attributes, inputs });
    }
  });

  test("transposed over one dim and over three", async () => {
    await compare({
      op: "ConvTranspose",
      attributes: { strides: [2] },
      inputs: [filled("float32", [1, 2, 5]), filled("float32", [2, 3, 4])],
    });
    await compare({
      op: "ConvTranspose",
      attributes: { strides: [1, 2, 1] },
      inputs: [filled("float32", [1, 2, 2, 3, 2]), filled("float32", [2, 2, 2, 1, 3])],
    });
  });

  test("refusals", async () => {
    const x = filled("float32", [1, 4, 5]);
    const raises = (node: NodeCase, message: RegExp) => expect(interpret(node)).rejects.toThrow(message);
    await raises({ op: "Conv", inputs: [x, filled("float32", [2, 3, 3])] }, /4 input channels/);
    await raises({ op: "Conv", inputs: [x, filled("float64", [2, 4, 3])] }, /float64/);
    await raises({ op: "Conv", inputs: [x, filled("float32", [2, 4, 3]), filled("float32", [3])] }, /bias/);
    await raises({ op: "Conv", inputs: [x, filled("float32", [2, 4, 7])] }, /larger than the padded input/);
    await raises(
      { op: "Conv", attributes: { kernel_shape: [2] }, inputs: [x, filled("float32", [2, 4, 3])] },
      /contradicts/,
    );
    await raises(
      { op: "ConvTranspose", attributes: { auto_pad: "SOME" }, inputs: [x, filled("float32", [4, 2, 3])] },
      /auto_pad/,
    );
    await raises({ op: "MaxPool", attributes: { kernel_shape: [2, 2] }, inputs: [x] }, /spatial dims/);
    for (const p of [0, -3])
      await raises({ op: "LpPool", attributes: { kernel_shape: [2], p }, inputs: [x] }, /must be positive/);
  });
});

describe("com.microsoft", () => {
  const fused = (activation: string, activation_params?: number[]): NodeCase => ({
    op: "FusedConv",
    domain: "com.microsoft",
    attributes: {
      activation,
      ...(activation_params !== undefined && { activation_params: { floats: activation_params } }),
      pads: [1, 0, 0, 1],
    },
    inputs: [filled("float32", [1, 3, 5, 4]), filled("float32", [4, 3, 2, 2]), filled("float32", [4])],
  });

  test("FusedConv", async () => {
    await compare(fused("Relu"));
    await compare(fused("LeakyRelu", [0.3]));
    await compare(fused("Clip", [-0.5, 1.5]));
    await compare(fused("HardSigmoid", [0.3, 0.6]));
    const node = fused("Tanh");
    await compare({ ...node, inputs: [...node.inputs, filled("float32", [1, 4, 5, 4])] });
    await expect(evaluate(fused("Gelu"))).rejects.toThrow(/"Gelu" is not supported/);
    await expect(evaluate(fused("Clip", [1]))).rejects.toThrow(/2 parameters/);
  });

  test("NhwcMaxPool", () =>
    compare({
      op: "NhwcMaxPool",
      domain: "com.microsoft",
      attributes: { kernel_shape: [2, 3], strides: [2, 1], pads: [0, 1, 0, 1] },
      inputs: [filled("int8", [2, 4, 5, 3], -100, 100)],
      result: "int8",
    }));
});
