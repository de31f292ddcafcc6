/** QLinearMatMul and QLinearConv: products of quantised tensors that are quantised again. */

import { dtypes, isMinifloat } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { addBias, convolutionAttributes } from "./convolution-window.js";
import { integerConvolution } from "./integer-convolution.js";
import { integerProduct, operandScales, perColumn, perRow } from "./integer-matmul.js";
import { defineExpansion, type Operator } from "./operator.js";
import { float8s } from "./pointwise.js";
import { alongAxis, scalarOf } from "./quantize.js";

/** What a product of integers is multiplied by: left * right / result, in float32. */
export function rescaling(b: GraphBuilder, left: Value, right: Value, result: Value | null): Value {
  const [x, y] = [left, right].map((scale) => b.cast(scale, "float32"));
  const product = b.op("Mul", [x!, y!]);
  return result === null ? product : b.op("Div", [product, b.cast(result, "float32")]);
}

export const requantize = (b: GraphBuilder, x: Value, factor: Value, zero: Value): Value =>
  b.op("kiln.Requantize", [x, factor, zero], { to: dtypes[zero.dtype].onnx });

export const dequantize = (b: GraphBuilder, x: Value, scale: Value, zero: Value | null): Value =>
  b.op("kiln.Dequantize", [x, scale, zero], { to: dtypes.float32.onnx });

const QLinearMatMul = defineExpansion({
  name: "QLinearMatMul",
  summary: "Matrix product of quantised tensors, quantised again.",
  inputs: ["a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"],
  types: ["int8", "uint8", ...float8s],
  attributes: {},
  versions: [{ since: 10 }, { since: 21 }],
  expand: (b, inputs, view) => {
    const [left, leftScale, leftZero, right, rightScale, rightZero, scale, zero] = inputs as Value[];
    const [yScale, yZero] = [scalarOf(b, scale!), scalarOf(b, zero!)] as const;
    const operands = [left!, right!] as const;
    const [xScale, wScale] = operandScales(b, [leftScale!, rightScale!], operands);
    if (isMinifloat(left!.dtype) || isMinifloat(right!.dtype)) {
      const [x, w] = [
        dequantize(b, left!, perRow(b, leftScale!)!, perRow(b, leftZero!)),
        dequantize(b, right!, perColumn(b, rightScale!)!, perColumn(b, rightZero!)),
      ];
      return [
        b.op("kiln.Quantize", [b.op("MatMul", [x, w]), yScale, yZero], { to: dtypes[yZero.dtype].onnx }),
      ];
    }
    const product = integerProduct(b, operands, [leftZero!, rightZero!], view);
    return [requantize(b, product, rescaling(b, xScale, wScale, yScale), yZero)];
  },
});

const QLinearConv = defineExpansion({
  name: "QLinearConv",
  summary: "Convolution of quantised tensors, quantised again.",
  inputs: [
    ...["x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"],
  ],
  types: ["int8", "uint8"],
  attributes: convolutionAttributes,
  versions: [{ since: 10 }],
  expand: (b, inputs, view) => {
    const [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias] = inputs as Value[];
    const sums = addBias(b, integerConvolution(b, [x!, w!], [xZero!, wZero!], view), bias ?? null, view);
    const perChannel = wScale!.rank === 1 && wScale!.shape[0] !== 1;
    const weightScale = perChannel ? alongAxis(b, wScale!, sums, 1, view) : scalarOf(b, wScale!);
    const factor = rescaling(b, scalarOf(b, xScale!)!, weightScale!, scalarOf(b, yScale!));
    return [requantize(b, sums, factor, scalarOf(b, yZero!)!)];
  },
});

export const quantizeLinearOperators: readonly Operator[] = [QLinearMatMul, QLinearConv];
