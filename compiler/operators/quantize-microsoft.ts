/** Quantised operators of onnxruntime: on numbers, or on integers where these are products. */

import { dtypes } from "../ir/dtype.js";
import type { Attributes, Value } from "../ir/graph.js";
import { type GraphBuilder, presentAttributes } from "./builder.js";
import { integerProduct, operandScales, perColumn } from "./integer-matmul.js";
import {
  type AttributeSchema,
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
} from "./operator.js";
import { dynamicParameters, scalarOf } from "./quantize.js";
import { dequantize, requantize, rescaling } from "./quantize-linear.js";
import { windowAttributes } from "./window.js";

/** A tensor of bytes with its scale and zero point. */
interface Quantized {
  readonly value: Value;
  readonly scale: Value;
  readonly zero: Value | null;
}

const numbers = (b: GraphBuilder, { value, scale, zero }: Quantized): Value =>
  dequantize(b, value, scalarOf(b, scale), scalarOf(b, zero));

/** Quantises to the type of the zero point; without one, of `like`. */
function quantizeAs(b: GraphBuilder, x: Value, scale: Value, zero: Value | null, like: Value): Value {
  const to = dtypes[(zero ?? like).dtype].onnx;
  return b.op("kiln.Quantize", [x, scalarOf(b, scale), scalarOf(b, zero)], { to });
}

/** An operator that is its namesake on the numbers that the bytes stand for. */
function onNumbers<const S extends AttributeSchema>(
  name: string,
  attributes: S,
  compute: (b: GraphBuilder, x: Value, view: ImportedNode<S>) => Value,
): Operator {
  return defineExpansion<S>({
    name: `QLinear${name}`,
    domain: "com.microsoft",
    summary: `${name} of a quantised tensor, quantised again.`,
    inputs: ["X", "X_scale", "X_zero_point?", "Y_scale", "Y_zero_point?"],
    types: ["int8", "uint8"],
    attributes,
    versions: [{ since: 1 }],
    expand: (b, [value, scale, zero, yScale, yZero], view) => {
      const x = numbers(b, { value: value!, scale: scale!, zero: zero ?? null });
      return [quantizeAs(b, compute(b, x, view), yScale!, yZero ?? null, value!)];
    },
  });
}

const binary = (name: "Add" | "Mul"): Operator =>
  defineExpansion({
    name: `QLinear${name}`,
    domain: "com.microsoft",
    summary: `${name} of quantised tensors, quantised again.`,
    inputs: ["A", "A_scale", "A_zero_point?", "B", "B_scale", "B_zero_point?", "C_scale", "C_zero_point?"],
    types: ["int8", "uint8"],
    attributes: {},
    versions: [{ since: 1 }],
    expand: (b, [a, aScale, aZero, other, otherScale, otherZero, scale, zero]) => {
      const left = numbers(b, { value: a!, scale: aScale!, zero: aZero ?? null });
      const right = numbers(b, { value: other!, scale: otherScale!, zero: otherZero ?? null });
      return [quantizeAs(b, b.op(name, [left, right]), scale!, zero ?? null, a!)];
    },
  });

/** With the channels last, the operator works on them moved to where ONNX has them. */
function channelsFirst(b: GraphBuilder, x: Value, isLast: boolean, compute: (x: Value) => Value): Value {
  if (!isLast) return compute(x);
  const inner = [...x.shape.keys()].slice(1, -1);
  const result = compute(b.op("Transpose", [x], { perm: [0, x.rank - 1, ...inner] }));
  return b.op("Transpose", [result], { perm: [0, ...inner.map((axis) => axis + 1), 1] });
}

const poolAttributes = {
  ...windowAttributes,
  ceil_mode: attribute.int(0),
  channels_last: attribute.int(0),
  count_include_pad: attribute.int(0),
} as const;

const reduceAttributes = { axes: attribute.optional("ints"), keepdims: attribute.int(1) } as const;

const softmaxAttributes = { axis: attribute.int(-1), opset: attribute.int(13) } as const;

/** Before opset 13 all dims from the axis on are one. */
function softmax(b: GraphBuilder, x: Value, { attributes }: ImportedNode<typeof softmaxAttributes>): Value {
  const { axis, opset } = attributes;
  if (opset >= 13) return b.op("Softmax", [x], { axis });
  const rows = b.op("Softmax", [b.op("Flatten", [x], { axis })], { axis: 1 });
  return b.op("Reshape", [rows, b.op("Shape", [x])]);
}

const onNumbersOperators: readonly Operator[] = [
  onNumbers("Sigmoid", {}, (b, x) => b.op("Sigmoid", [x])),
  onNumbers("LeakyRelu", { alpha: attribute.float(0.01) }, (b, x, { attributes }) =>
    b.op("LeakyRelu", [x], { alpha: attributes.alpha }),
  ),
  onNumbers("Softmax", softmaxAttributes, softmax),
  onNumbers("GlobalAveragePool", { channels_last: attribute.int(0) }, (b, x, { attributes }) =>
    channelsFirst(b, x, attributes.channels_last !== 0, (moved) => b.op("GlobalAveragePool", [moved])),
  ),
  onNumbers("AveragePool", poolAttributes, (b, x, view) => {
    const { channels_last, ...attributes } = presentAttributes(view) as Attributes & {
      channels_last: number;
    };
    return channelsFirst(b, x, channels_last !== 0, (moved) => b.op("AveragePool", [moved], attributes));
  }),
  onNumbers("ReduceMean", reduceAttributes, (b, x, { attributes: { axes, keepdims } }) =>
    b.op("ReduceMean", [x, axes === undefined ? null : b.ints(axes)], { keepdims }),
  ),
];

const QLinearConcat = defineExpansion({
  name: "QLinearConcat",
  domain: "com.microsoft",
  summary: "Concatenation of quantised tensors, each quantised as the result is.",
  inputs: ["Y_scale", "Y_zero_point", "inputs..."],
  types: ["float32"],
  attributes: { axis: attribute.required("int") },
  versions: [{ since: 1 }],
  expand: (b, [scale, zero, ...inputs], { attributes: { axis }, fail }) => {
    if (inputs.length === 0 || inputs.length % 3 !== 0)
      fail("takes a scale and a zero point for each tensor");
    const tensors = Array.from({ length: inputs.length / 3 }, (_, i) => {
      const [value, own, ownZero] = inputs.slice(3 * i, 3 * i + 3);
      const x = numbers(b, { value: value!, scale: own!, zero: ownZero ?? null });
      return quantizeAs(b, x, scale!, zero ?? null, value!);
    });
    return [b.op("Concat", tensors, { axis })];
  },
});

const QLinearWhere = defineExpansion({
  name: "QLinearWhere",
  domain: "com.microsoft",
  summary: "Where on quantised tensors, quantised again.",
  inputs: [
    ...[
      "condition",
      "X",
      "x_scale",
      "x_zero_point",
      "Y",
      "y_scale",
      "y_zero_point",
      "z_scale",
      "z_zero_point",
    ],
  ],
  types: ["bool"],
  attributes: {},
  versions: [{ since: 1 }],
  expand: (b, inputs) => {
    const [condition, x, xScale, xZero, y, yScale, yZero, scale, zero] = inputs as Value[];
    const chosen = b.op("Where", [
      condition!,
      numbers(b, { value: x!, scale: xScale!, zero: xZero! }),
      numbers(b, { value: y!, scale: yScale!, zero: yZero! }),
    ]);
    return [quantizeAs(b, chosen, scale!, zero!, x!)];
  },
});

const MatMulIntegerToFloat = defineExpansion({
  name: "MatMulIntegerToFloat",
  domain: "com.microsoft",
  summary: "Matrix product of quantised tensors, as numbers, with a bias.",
  inputs: ["A", "B", "a_scale", "b_scale", "a_zero_point?", "b_zero_point?", "bias?"],
  types: ["int8", "uint8"],
  attributes: {},
  versions: [{ since: 1 }],
  expand: (b, [left, right, leftScale, rightScale, leftZero, rightZero, bias], view) => {
    const operands = [left!, right!] as const;
    const factor = rescaling(b, ...operandScales(b, [leftScale!, rightScale!], operands), null);
    const product = integerProduct(b, operands, [leftZero ?? null, rightZero ?? null], view);
    return [withBias(b, b.op("Mul", [b.cast(product, "float32"), factor]), bias, leftScale!)];
  },
});

/** The result has the type of the scales. */
function withBias(b: GraphBuilder, product: Value, bias: Value | null | undefined, like: Value): Value {
  const sum = bias == null ? product : b.op("Add", [product, b.cast(bias, "float32")]);
  return b.cast(sum, like.dtype);
}

const DynamicQuantizeMatMul = defineExpansion({
  name: "DynamicQuantizeMatMul",
  domain: "com.microsoft",
  summary:
    "Matrix product of a tensor quantised by its own range and a quantised one, as numbers, with a bias.",
  inputs: ["A", "B", "b_scale", "b_zero_point?", "bias?"],
  types: ["float32"],
  attributes: {},
  versions: [{ since: 1 }],
  expand: (b, [left, right, rightScale, rightZero, bias], view) => {
    const { scale, zero } = dynamicParameters(b, left!);
    const bytes = b.op("kiln.Quantize", [left!, scale, zero], { to: dtypes.uint8.onnx });
    const product = integerProduct(b, [bytes, right!], [zero, rightZero ?? null], view);
    const factor = rescaling(b, scale, perColumn(b, rightScale!)!, null);
    return [withBias(b, b.op("Mul", [b.cast(product, "float32"), factor]), bias, left!)];
  },
});

const gemmAttributes = {
  alpha: attribute.float(1),
  transA: attribute.int(0),
  transB: attribute.int(0),
} as const;

const QGemm = defineExpansion({
  name: "QGemm",
  domain: "com.microsoft",
  summary:
    "alpha * A' * B' + C of quantised matrices, C counting in units of the product; quantised again or as numbers.",
  inputs: [
    ...["A", "a_scale", "a_zero_point", "B", "b_scale", "b_zero_point", "C?", "y_scale?", "y_zero_point?"],
  ],
  types: ["int8", "uint8"],
  attributes: gemmAttributes,
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const [left, leftScale, leftZero, right, rightScale, rightZero, summand, scale, zero] = inputs as Value[];
    const { alpha, transA, transB } = view.attributes;
    const turned = (x: Value, transposed: number): Value => {
      if (x.rank !== 2) view.fail(`takes matrices, not a tensor of ${x.rank} dims`, "E_SHAPE");
      return transposed !== 0 ? b.op("Transpose", [x], { perm: [1, 0] }) : x;
    };
    const operands = [turned(left!, transA), turned(right!, transB)] as const;
    const product = integerProduct(b, operands, [leftZero!, rightZero!], view);
    const sum = summand == null ? product : b.op("Add", [product, summand]);
    const unit = rescaling(b, ...operandScales(b, [leftScale!, rightScale!], operands), null);
    const scaled = alpha === 1 ? unit : b.op("Mul", [unit, b.scalar("float32", alpha)]);
    if (scale == null) return [b.op("Mul", [b.cast(sum, "float32"), scaled])];
    const factor = b.op("Div", [scaled, scalarOf(b, scale)]);
    const offset = zero == null ? b.scalar(left!.dtype, 0) : scalarOf(b, zero);
    return [requantize(b, sum, factor, offset)];
  },
});

export const microsoftQuantizeOperators: readonly Operator[] = [
  binary("Add"),
  binary("Mul"),
  ...onNumbersOperators,
  QLinearConcat,
  QLinearWhere,
  MatMulIntegerToFloat,
  DynamicQuantizeMatMul,
  QGemm,
];
