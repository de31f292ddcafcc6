/** Operators of onnxruntime on integers: convolution with the channels last, products and sums. */

import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { presentAttributes } from "./builder.js";
import { convolutionAttributes } from "./convolution-window.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { scalarOf } from "./quantize.js";

const domain = "com.microsoft";

const QLinearConv = defineExpansion({
  name: "QLinearConv",
  domain,
  summary: "QLinearConv of an image whose channels may be its last dim.",
  inputs: [
    ...["x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"],
  ],
  types: ["int8", "uint8"],
  attributes: { ...convolutionAttributes, channels_last: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, [x, ...others], view) => {
    const { channels_last, ...attributes } = presentAttributes(view);
    if (channels_last === 0) return [b.op("QLinearConv", [x!, ...others], attributes)];
    const { rank } = x!;
    if (rank < 3) view.fail(`takes [N, ...spatial, C], not ${rank} dims`, "E_SHAPE");
    const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    const moved = b.op("Transpose", [x!], { perm: [0, rank - 1, ...spatial] });
    const result = b.op("QLinearConv", [moved, ...others], attributes);
    return [b.op("Transpose", [result], { perm: [0, ...spatial.map((axis) => axis + 1), 1] })];
  },
});

/** The tensor in 32 bits, its zero point taken off. */
function centred(b: GraphBuilder, x: Value, zero: Value | null | undefined): Value {
  const wide = b.cast(x, "int32");
  return zero == null ? wide : b.op("Sub", [wide, b.cast(scalarOf(b, zero), "int32")]);
}

function require(x: Value, types: readonly string[], { fail }: Pick<ImportedNode, "fail">): void {
  if (!types.includes(x.dtype)) fail(`does not take ${x.dtype}`, "E_UNSUPPORTED");
}

const MulInteger = defineExpansion({
  name: "MulInteger",
  domain,
  summary: "Products of bytes from which their zero points are taken, in int32.",
  inputs: ["A", "A_zero_point?", "B", "B_zero_point?"],
  types: ["int8", "uint8"],
  attributes: {},
  versions: [{ since: 1 }],
  expand: (b, [left, leftZero, right, rightZero], view) => {
    for (const x of [left!, right!]) require(x, ["int8", "uint8"], view);
    return [b.op("Mul", [centred(b, left!, leftZero), centred(b, right!, rightZero)])];
  },
});

const MatMulInteger16 = defineExpansion({
  name: "MatMulInteger16",
  domain,
  summary: "Matrix product of integers of 16 bits, in 32.",
  inputs: ["A", "B"],
  types: ["int16", "uint16"],
  attributes: {},
  versions: [{ since: 1 }],
  expand: (b, [left, right], view) => {
    for (const x of [left!, right!]) require(x, ["int16", "uint16"], view);
    const isUnsigned = left!.dtype === "uint16" && right!.dtype === "uint16";
    const type = isUnsigned ? "uint32" : "int32";
    return [b.op("MatMul", [b.cast(left!, type), b.cast(right!, type)])];
  },
});

const ReduceSumInteger = defineExpansion({
  name: "ReduceSumInteger",
  domain,
  summary: "Sums of bytes over axes, in 32 bits.",
  inputs: ["data"],
  types: ["int8", "uint8"],
  attributes: { axes: attribute.required("ints"), keepdims: attribute.required("int") },
  versions: [{ since: 1 }],
  expand: (b, [x], view) => {
    const wide = b.cast(x!, dtypes[x!.dtype].kind === "uint" ? "uint32" : "int32");
    const { axes, keepdims } = view.attributes;
    return [b.op("ReduceSum", [wide, b.ints(axes)], { keepdims })];
  },
});

export const microsoftIntegerOperators: readonly Operator[] = [
  QLinearConv,
  MulInteger,
  MatMulInteger16,
  ReduceSumInteger,
];
