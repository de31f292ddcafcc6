/** Quantised operators: by hand, and compared with onnxruntime-web on random tensors. */

import { describe, expect, test } from "vitest";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import {
  evaluate,
  expectResults,
  expectTensor,
  type Given,
  graphOf,
  interpret,
  type NodeCase,
  of,
} from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(7);
const size = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);
const vector = (dtype: DType, ...values: number[]): TensorData => of(dtype, [values.length], values);
const scalar = (dtype: DType, value: number): TensorData => of(dtype, [], [value]);
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const floats = (dims: readonly number[], scale = 4): TensorData =>
  of(
    "float32",
    dims,
    Array.from({ length: size(dims) }, () => (random() + random() - 1) * scale),
  );
const positive = (dims: readonly number[]): TensorData =>
  of(
    "float32",
    dims,
    Array.from({ length: size(dims) }, () => 0.01 + random() / 20),
  );
const bytes = (dtype: DType, dims: readonly number[]): TensorData => {
  const low = dtype === "int8" ? -128 : 0;
  return of(
    dtype,
    dims,
    Array.from({ length: size(dims) }, () => low + Math.floor(random() * 256)),
  );
};

async function compare(node: NodeCase, absolute = 0): Promise<void> {
  const expected = await rivalResults(node);
  const results = { ...node, outputs: expected.length };
  const [evaluated, interpreted] = [await evaluate(results), await interpret(results)];
  expected.forEach((one, i) => {
    const tolerance = one.dtype === "float32" ? { relative: 1e-5, absolute: 1e-6 } : { absolute };
    expectTensor(evaluated[i]!, one, tolerance);
    expectTensor(interpreted[i]!, one, tolerance);
  });
}

describe("QuantizeLinear", () => {
  const quantize = (inputs: Given[], attributes: NodeCase["attributes"] = {}, opset = 25): NodeCase => ({
    op: "QuantizeLinear",
    opset,
    inputs,
    attributes,
  });

  test("rounds half to even, adds the zero point and limits", async () => {
    await expectResults(quantize([[1, 3, -1, 254, 1e30, -1e30, nan, inf], 2]), [
      vector("uint8", 0, 2, 0, 127, 255, 0, 0, 255),
    ]);
    await expectResults(quantize([[1, 3, -1, -300, 300], 2, scalar("int8", -5)]), [
      vector("int8", -5, -3, -5, -128, 127),
    ]);
  });

  test("to every integer type, by output_dtype", async () => {
    const cases: [DType, number[]][] = [
      ["int16", [3, -4, 32767, -32768]],
      ["uint16", [3, 0, 65535, 0]],
      ["int4", [3, -4, 7, -8]],
      ["uint4", [3, 0, 15, 0]],
      ["int2", [1, -2, 1, -2]],
      ["uint2", [3, 0, 3, 0]],
    ];
    for (const [dtype, values] of cases) {
      await expectResults(quantize([[3.4, -4, 1e6, -1e6], 1], { output_dtype: dtypes[dtype].onnx }), [
        vector(dtype, ...values),
      ]);
    }
  });

  test("along an axis, counted from either end", async () => {
    const x = of("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
    const scale = [1, 2, 4];
    const expected = of("uint8", [2, 3], [1, 1, 1, 4, 2, 2]);
    await expectResults(quantize([x, scale, vector("uint8", 0, 0, 0)], { axis: 1 }), [expected]);
    await expectResults(quantize([x, scale], { axis: -1 }), [expected]);
    await expectResults(quantize([x, [1, 2], vector("uint8", 1, 2)], { axis: 0 }), [
      of("uint8", [2, 3], [2, 3, 4, 4, 4, 5]),
    ]);
  });

  test("in blocks, of which the last is not full", async () => {
    const x = of("float32", [2, 5], [1, 2, 3, 4, 5, 10, 20, 30, 40, 50]);
    const scale = of("float32", [2, 3], [1, 2, 4, 10, 5, 2]);
    await expectResults(quantize([x, scale], { axis: 1, block_size: 2 }), [
      of("uint8", [2, 5], [1, 2, 2, 2, 1, 1, 2, 6, 8, 25]),
    ]);
  });

  test("to floats of 8 bits", async () => {
    const x = [0, -1.0625, 500, -1e9];
    const e4m3 = (values: number[]) => vector("float8e4m3fn", ...values);
    await expectResults(quantize([x, 1, scalar("float8e4m3fn", 0)]), [e4m3([0, -1, 448, -448])]);
    await expectResults(quantize([x, 1], { output_dtype: dtypes.float8e4m3fn.onnx, saturate: 0 }), [
      e4m3([0, -1, nan, nan]),
    ]);
    await expectResults(quantize([x, 1], { output_dtype: dtypes.float8e5m2.onnx, saturate: 0 }), [
      tensor("float8e5m2", [4], Uint8Array.of(0, 0xbc, 0x60, 0xfc)),
    ]);
    await expectResults(quantize([[0.3, 9], 1], { output_dtype: dtypes.float4e2m1.onnx }), [
      vector("float4e2m1", 0.5, 6),
    ]);
  });

  test("divides in the type of the scale, or as told", async () => {
    // 1025 / 2 is 512.5 in float32 and 512 or 513 in fewer bits.
    const x = vector("float16", 1025, 1027);
    const to16 = { output_dtype: dtypes.int16.onnx };
    await expectResults(quantize([x, scalar("float16", 2)], to16), [vector("int16", 512, 514)]);
    const third = vector("float32", 2049);
    await expectResults(quantize([third, 1], { ...to16, precision: dtypes.bfloat16.onnx }), [
      vector("int16", 2048),
    ]);
    await expectResults(quantize([third, scalar("bfloat16", 1)], to16), [vector("int16", 2048)]);
    await expectResults(quantize([vector("int32", 7, -5), scalar("float32", 2)], to16), [
      vector("int16", 4, -2),
    ]);
    const power = tensor("float8e8m0", [], Uint8Array.of(128));
    await expectResults(quantize([[5, 7], power], to16), [vector("int16", 2, 4)]);
  });

  test("as onnxruntime does", async () => {
    for (const type of ["int8", "uint8"] as const) {
      await compare({
        op: "QuantizeLinear",
        opset: 19,
        inputs: [floats([3, 40], 20), 0.07, scalar(type, 3)],
        result: type,
      });
      const zero = bytes(type, [3]);
      const node = { op: "QuantizeLinear", opset: 19, attributes: { axis: 0 }, result: type } as const;
      await compare({ ...node, inputs: [floats([3, 40], 20), positive([3]), zero] });
    }
  });

  test("empty tensors and scalars", async () => {
    await expectResults(quantize([of("float32", [0, 3], []), 1]), [of("uint8", [0, 3], [])]);
    await expectResults(quantize([scalar("float32", 3), [1]]), [scalar("uint8", 3)]);
  });

  test("what does not fit is refused", async () => {
    const import_ = (node: NodeCase) => graphOf(node, () => false);
    const x = floats([2, 3]);
    await expect(import_(quantize([x, [1, 2]], { axis: 1 }))).rejects.toThrow(
      /2 scales or zero points for 3 places/,
    );
    await expect(import_(quantize([x, [1, 2, 3]], { axis: 2 }))).rejects.toThrow(/axis 2/);
    await expect(import_(quantize([x, 1, vector("uint8", 1, 2)]))).rejects.toThrow(/zero point of \[2\]/);
    await expect(import_(quantize([x, 1, scalar("uint8", 1)], { output_dtype: 3 }))).rejects.toThrow(
      /output_dtype/,
    );
    await expect(import_(quantize([x, floats([2, 2])]))).rejects.toThrow(/2 dims/);
    await expect(import_(quantize([x, floats([2, 3])], { block_size: 2 }))).rejects.toThrow(/blocks of 2/);
    await expect(import_(quantize([x, 1], { output_dtype: 7 }))).rejects.toThrow(/int64/);
    await expect(import_(quantize([x, 1], { axis: 1 }, 10))).rejects.toThrow(/axis/);
  });
});

describe("DequantizeLinear", () => {
  const dequantize = (inputs: Given[], attributes: NodeCase["attributes"] = {}): NodeCase => ({
    op: "DequantizeLinear",
    opset: 25,
    inputs,
    attributes,
  });

  test("from every type", async () => {
    await expectResults(dequantize([vector("int16", -32768, 3), 0.5, scalar("int16", 1)]), [[-16384.5, 1]]);
    await expectResults(dequantize([vector("uint16", 65535, 0), 1, scalar("uint16", 65535)]), [[0, -65535]]);
    await expectResults(dequantize([vector("int4", -8, 7), 2, scalar("int4", -1)]), [[-14, 16]]);
    await expectResults(dequantize([vector("uint2", 3, 0, 1), 2]), [[6, 0, 2]]);
    await expectResults(dequantize([vector("float8e5m2", 1.5, -inf, nan), 2]), [[3, -inf, nan]]);
    await expectResults(dequantize([vector("float4e2m1", 1.5, -6), 2]), [[3, -12]]);
    await expectResults(dequantize([vector("int32", 2 ** 31 - 1), 1, scalar("int32", -(2 ** 31) + 1)]), [
      [2 ** 32],
    ]);
  });

  test("to the type of the scale, or as told", async () => {
    await expectResults(dequantize([vector("uint8", 255, 3), scalar("float16", 0.5)]), [
      vector("float16", 127.5, 1.5),
    ]);
    const bfloat16 = { output_dtype: dtypes.bfloat16.onnx };
    await expectResults(dequantize([vector("int16", 257), 1], bfloat16), [vector("bfloat16", 256)]);
    const power = tensor("float8e8m0", [], Uint8Array.of(130));
    await expectResults(dequantize([vector("int8", -3), power], { output_dtype: 1 }), [[-24]]);
  });

  test("in blocks, with zero points", async () => {
    const x = of("uint4", [3, 2], [1, 2, 3, 4, 5, 15]);
    const scale = of("float32", [2, 2], [1, 2, 10, 20]);
    const zero = of("uint4", [2, 2], [1, 2, 0, 5]);
    await expectResults(dequantize([x, scale, zero], { axis: 0, block_size: 2 }), [
      of("float32", [3, 2], [0, 0, 2, 4, 50, 200]),
    ]);
  });

  test("as onnxruntime does", async () => {
    for (const type of ["int8", "uint8"] as const) {
      const node = { op: "DequantizeLinear", opset: 19, attributes: { axis: 1 } } as const;
      await compare({ ...node, inputs: [bytes(type, [2, 3, 5]), positive([3]), bytes(type, [3])] });
    }
  });

  test("a result that is no float is refused", async () => {
    const power = tensor("float8e8m0", [], Uint8Array.of(130));
    await expect(evaluate(dequantize([vector("int8", -3), power]))).rejects.toThrow(/float8e8m0/);
  });
});

test("DynamicQuantizeLinear", async () => {
  const node = (x: Given): NodeCase => ({
    op: "DynamicQuantizeLinear",
    inputs: [x],
    outputs: 3,
    result: ["uint8", "float32", "uint8"],
  });
  await compare(node(floats([5, 7])));
  await compare(node([1, 2, 3]));
  await compare(node([-1, -2, -3]));
  await compare(node([0, 0]));
});

describe("products of integers", () => {
  const types = ["int8", "uint8"] as const;

  test("MatMulInteger", async () => {
    for (const right of types) {
      const node = { op: "MatMulInteger", opset: 10, result: "int32" } as const;
      await compare({ ...node, inputs: [bytes("uint8", [5, 9]), bytes(right, [9, 6])] });
      const zeros = [scalar("uint8", 7), scalar(right, 3)];
      await compare({ ...node, inputs: [bytes("uint8", [2, 1, 5, 9]), bytes(right, [3, 9, 6]), ...zeros] });
      await compare({
        ...node,
        inputs: [bytes("uint8", [5, 9]), bytes(right, [9, 6]), null, bytes(right, [6])],
      });
    }
  });

  test("MatMulInteger of vectors, with zero points a row, and of nothing", async () => {
    const node = { op: "MatMulInteger", opset: 10 } as const;
    const [a, b] = [of("int8", [2, 2], [1, 2, 3, 4]), of("int8", [2, 2], [5, 6, 7, 8])];
    await expectResults({ ...node, inputs: [a, b, vector("int8", 1, 3), scalar("int8", 5)] }, [
      of("int32", [2, 2], [2, 3, 2, 3]),
    ]);
    await expectResults({ ...node, inputs: [vector("int8", 1, -2), b] }, [vector("int32", -9, -10)]);
    await expectResults({ ...node, inputs: [a, vector("uint8", 1, 200)] }, [vector("int32", 401, 803)]);
    await expectResults({ ...node, inputs: [vector("int8", 1, 2), vector("int8", 3, 4)] }, [
      scalar("int32", 11),
    ]);
    await expectResults({ ...node, inputs: [of("int8", [2, 0], []), of("int8", [0, 3], [])] }, [
      of("int32", [2, 3], [0, 0, 0, 0, 0, 0]),
    ]);
  });

  test("ConvInteger", async () => {
    const node = { op: "ConvInteger", opset: 10, result: "int32" } as const;
    const x = bytes("uint8", [2, 4, 7, 6]);
    const [xZero, wZero] = [scalar("uint8", 12), scalar("uint8", 100)];
    await compare({
      ...node,
      inputs: [x, bytes("uint8", [3, 4, 3, 3]), xZero, wZero],
      attributes: { pads: [1, 1, 0, 2] },
    });
    await compare({
      ...node,
      inputs: [x, bytes("uint8", [3, 4, 3, 3])],
      attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" },
    });
    await compare({
      ...node,
      inputs: [x, bytes("uint8", [4, 2, 2, 2]), xZero],
      attributes: { group: 2, dilations: [2, 1] },
    });
    await compare({ ...node, inputs: [bytes("uint8", [1, 2, 9]), bytes("uint8", [3, 2, 3]), xZero, wZero] });
  });

  test("ConvInteger with a zero point for each channel", async () => {
    const node = { op: "ConvInteger", opset: 10 } as const;
    const x = of("uint8", [1, 1, 3], [10, 20, 30]);
    const w = of("int8", [2, 1, 2], [1, 2, 3, 4]);
    const inputs = [x, w, scalar("uint8", 10), vector("int8", 1, 2)];
    await expectResults({ ...node, inputs }, [of("int32", [1, 2, 2], [10, 20, 20, 50])]);
    await expectResults({ ...node, inputs, attributes: { pads: [1, 0] } }, [
      of("int32", [1, 2, 3], [0, 10, 20, 0, 20, 50]),
    ]);
  });

  test("QLinearMatMul", async () => {
    for (const right of types) {
      const node = { op: "QLinearMatMul", opset: 10, result: "uint8" } as const;
      const result = [0.05, scalar("uint8", 128)];
      const left = [bytes("uint8", [5, 8]), 0.02, scalar("uint8", 110)];
      await compare({ ...node, inputs: [...left, bytes(right, [8, 3]), 0.01, scalar(right, 9), ...result] });
      await compare({
        ...node,
        inputs: [...left, bytes(right, [8, 3]), positive([3]), bytes(right, [3]), ...result],
      });
    }
  });

  test("QLinearMatMul of floats of 8 bits", async () => {
    const inputs = [
      of("float8e4m3fn", [1, 2], [1, 2]),
      ...[2, scalar("float8e4m3fn", 0)],
      of("float8e4m3fn", [2, 1], [3, 4]),
      ...[1, scalar("float8e4m3fn", 0), 2, scalar("float8e4m3fn", 0)],
    ];
    await expectResults({ op: "QLinearMatMul", opset: 21, inputs }, [of("float8e4m3fn", [1, 1], [11])]);
  });

  test("QLinearConv", async () => {
    const node = { op: "QLinearConv", opset: 10, result: "uint8" } as const;
    const x = [bytes("uint8", [1, 4, 6, 7]), 0.02, scalar("uint8", 120)];
    const result = [0.4, scalar("uint8", 100)];
    const bias = of("int32", [6], [100, -2000, 30, 0, 5000, -70]);
    for (const type of types) {
      const w = bytes(type, [6, 4, 3, 3]);
      const attributes = { pads: [1, 1, 1, 1] };
      await compare({ ...node, inputs: [...x, w, 0.03, scalar(type, 4), ...result, bias], attributes });
    }
    const w = bytes("int8", [6, 2, 3, 3]);
    const zeros = of("int8", [6], [0, 0, 0, 0, 0, 0]);
    const attributes = { group: 2, strides: [2, 1], pads: [0, 1, 2, 0] };
    await compare({ ...node, inputs: [...x, w, positive([6]), zeros, ...result], attributes });
  });
});

describe("onnxruntime's", () => {
  const microsoft = (
    op: string,
    inputs: Given[],
    attributes: NodeCase["attributes"] = {},
    result: DType = "uint8",
  ) => compare({ op, domain: "com.microsoft", inputs, attributes, result }, 1);
  const x = (dims: number[], zero = 128) => [bytes("uint8", dims), 0.04, scalar("uint8", zero)];
  const result = [0.05, scalar("uint8", 120)];

  test("QLinearAdd and QLinearMul", async () => {
    for (const op of ["QLinearAdd", "QLinearMul"]) {
      await microsoft(op, [...x([2, 3, 4]), ...x([3, 1], 7), ...result]);
      const int8 = [bytes("int8", [20]), 0.03, scalar("int8", -3)];
      await microsoft(op, [...int8, ...int8, 0.1, scalar("int8", 5)], {}, "int8");
    }
  });

  test("activations", async () => {
    await microsoft("QLinearSigmoid", [...x([3, 50]), 1 / 256, scalar("uint8", 0)]);
    await microsoft("QLinearLeakyRelu", [...x([3, 50]), ...result], { alpha: { float: 0.2 } });
    await microsoft("QLinearSoftmax", [...x([3, 4, 5]), 1 / 256, scalar("uint8", 0)], { axis: 1, opset: 13 });
    await microsoft("QLinearSoftmax", [...x([3, 4, 5]), 1 / 256, scalar("uint8", 0)], { axis: 1, opset: 11 });
  });

  test("pools", async () => {
    for (const channels_last of [0, 1]) {
      await microsoft("QLinearGlobalAveragePool", [...x([2, 3, 5, 4]), ...result], { channels_last });
    }
    const attributes = { kernel_shape: [2, 3], strides: [1, 2], pads: [1, 1, 0, 1] };
    await microsoft("QLinearAveragePool", [...x([1, 3, 6, 7]), ...result], attributes);
    await microsoft("QLinearAveragePool", [...x([1, 3, 6, 7]), ...result], {
      ...attributes,
      count_include_pad: 1,
    });
    await microsoft("QLinearAveragePool", [...x([1, 6, 7, 3]), ...result], {
      ...attributes,
      channels_last: 1,
    });
  });

  test("QLinearConcat, QLinearReduceMean and QLinearWhere", async () => {
    await microsoft("QLinearConcat", [...result, ...x([2, 3]), ...x([2, 4], 100)], { axis: 1 });
    const condition = of("bool", [2, 1], [1, 0]);
    await microsoft("QLinearWhere", [condition, ...x([2, 5]), ...x([2, 5], 100), ...result]);
    // onnxruntime-web has no QLinearReduceMean.
    const inputs = [of("uint8", [2, 2], [1, 3, 5, 7]), 1, scalar("uint8", 1), 0.5, scalar("uint8", 10)];
    const node = { op: "QLinearReduceMean", domain: "com.microsoft", attributes: { axes: [1], keepdims: 0 } };
    await expectResults({ ...node, inputs }, [vector("uint8", 12, 20)]);
  });

  test("products that give numbers", async () => {
    const a = bytes("uint8", [4, 6]);
    const b = bytes("int8", [6, 3]);
    await microsoft(
      "MatMulIntegerToFloat",
      [a, b, 0.02, positive([3]), scalar("uint8", 120), bytes("int8", [3]), floats([3])],
      {},
      "float32",
    );
    await microsoft("MatMulIntegerToFloat", [a, b, 0.02, 0.1], {}, "float32");
    await microsoft(
      "DynamicQuantizeMatMul",
      [floats([4, 6]), b, positive([3]), bytes("int8", [3]), floats([3])],
      {},
      "float32",
    );
  });

  test("QGemm", async () => {
    const left = [bytes("uint8", [6, 4]), 0.02, scalar("uint8", 120)];
    const right = [bytes("int8", [3, 6]), 0.03, scalar("int8", 2)];
    const summand = of("int32", [3], [500, -700, 9]);
    const attributes = { transA: 1, transB: 1, alpha: { float: 0.5 } };
    await microsoft("QGemm", [...left, ...right, summand, ...result], attributes);
    await microsoft("QGemm", [...left, ...right, summand], attributes, "float32");
  });
});
