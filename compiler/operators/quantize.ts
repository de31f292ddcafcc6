/** QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: scales for a tensor, for an axis, or for blocks. */

import { type DType, dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { allAxes, normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { differ } from "./convolution-window.js";
import { isFloat } from "./integer.js";
import {
  type AttributesOf,
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
  type OperatorVersion,
} from "./operator.js";
import { typeOf } from "./quantize-elements.js";

type Fail = Pick<ImportedNode, "fail">;

interface Granularity {
  readonly axis: number;
  readonly block: number;
}

/** A scale or zero point in a shape that broadcasts to the tensor's. */
function aligned(
  b: GraphBuilder,
  parameter: Value,
  x: Value,
  { axis, block }: Granularity,
  view: Fail,
): Value {
  if (parameter.rank === 0) return parameter;
  if (block > 0 && parameter.rank === x.rank) {
    const attributes = { axis: normaliseAxes([axis], x.rank, view)[0]!, block };
    return b.op("kiln.RepeatBlocks", [parameter, x], attributes);
  }
  if (parameter.rank === 1 && parameter.shape[0] === 1) return scalarOf(b, parameter);
  if (parameter.rank !== 1 || block > 0) {
    const what = block > 0 ? `blocks of ${block}` : "an axis";
    view.fail(`scale or zero point of ${parameter.rank} dims for ${what} of ${x.rank} dims`, "E_SHAPE");
  }
  return alongAxis(b, parameter, x, axis, view);
}

/** The one element of a tensor as a scalar. */
export function scalarOf<V extends Value | null>(b: GraphBuilder, one: V): V {
  if (one === null || one.rank === 0) return one;
  return b.op("Reshape", [one, b.ints([])]) as V;
}

/** A vector of numbers for the places of an axis. */
export function alongAxis(b: GraphBuilder, vector: Value, x: Value, axis: number, view: Fail): Value {
  const place = normaliseAxes([axis], x.rank, view)[0]!;
  if (differ(vector.shape[0]!, x.shape[place]!)) {
    view.fail(
      `${vector.shape[0]} scales or zero points for ${x.shape[place]} places of axis ${axis}`,
      "E_SHAPE",
    );
  }
  const behind = allAxes(x.rank).slice(1, x.rank - place);
  return behind.length === 0 ? vector : b.op("Unsqueeze", [vector, b.ints(behind)]);
}

/** Zero points that are known to be zeros change nothing. */
const isZero = ({ constant }: Value): boolean =>
  constant !== null &&
  Array.from(constant.data as ArrayLike<number | bigint>).every((stored) => stored === 0);

/** Both in the same shape. Where one has no dims, an open dim of the other must turn out to be 1. */
function sameShape(
  b: GraphBuilder,
  [scale, zero]: readonly [Value, Value | null],
  view: Fail,
): [Value, Value | null] {
  if (zero === null) return [scale, zero];
  const mayBeOne = ({ shape }: Value) => !differ(shape[0] ?? 1, 1);
  if (scale.rank + zero.rank === 1 && mayBeOne(scale) && mayBeOne(zero))
    return [scalarOf(b, scale), scalarOf(b, zero)];
  const isOne = ({ shape }: Value) => shape.every((dim) => dim === 1);
  const fits = zero.rank === scale.rank && !zero.shape.some((dim, i) => differ(dim, scale.shape[i]!));
  if (!fits && !(isOne(zero) && isOne(scale)))
    view.fail(`zero point of [${zero.shape}] beside a scale of [${scale.shape}]`, "E_SHAPE");
  return [scale, zero];
}

const quantizeAttributes = {
  axis: attribute.int(1),
  block_size: attribute.int(0),
  output_dtype: attribute.int(0),
  precision: attribute.int(0),
  saturate: attribute.int(1),
} as const;

type QuantizeView = ImportedNode<typeof quantizeAttributes>;

/** Versions with the attributes that they know. */
function versionsOf<N extends keyof typeof quantizeAttributes>(
  table: readonly (readonly [since: number, ...names: N[]])[],
): OperatorVersion[] {
  return table.map(([since, ...names]) => ({
    since,
    attributes: Object.fromEntries(names.map((name) => [name, quantizeAttributes[name]])),
  }));
}

/** The type that elements are divided in: the scale's, unless the node says otherwise. */
function precisionOf(scale: Value, { attributes, fail }: QuantizeView): DType {
  const { precision } = attributes;
  if (precision === 0) {
    if (scale.dtype === "int32") return "float64";
    return isFloat(scale.dtype) ? scale.dtype : "float32";
  }
  const dtype = typeOf(precision, { fail });
  return isFloat(dtype) ? dtype : fail(`precision ${dtype} is no float`, "E_UNSUPPORTED");
}

function resultType(zero: Value | null, { attributes, fail }: QuantizeView): DType {
  const { output_dtype } = attributes;
  const stated = output_dtype === 0 ? null : typeOf(output_dtype, { fail });
  if (zero !== null && stated !== null && stated !== zero.dtype) {
    fail(`output_dtype is ${stated}, the zero point ${zero.dtype}`);
  }
  return zero?.dtype ?? stated ?? "uint8";
}

function quantizeLinear(b: GraphBuilder, inputs: readonly (Value | null)[], view: QuantizeView): Value[] {
  const [x, givenScale, givenZero = null] = inputs as [Value, Value, Value | null];
  const { axis, block_size: block, saturate } = view.attributes;
  const [scale, zero] = sameShape(b, [givenScale, givenZero], view);
  const to = resultType(zero, view);
  const at = (parameter: Value) => aligned(b, parameter, x, { axis, block }, view);
  return [
    b.op("kiln.Quantize", [x, at(scale), zero === null || isZero(zero) ? null : at(zero)], {
      to: dtypes[to].onnx,
      saturate,
      precision: dtypes[precisionOf(scale, view)].onnx,
    }),
  ];
}

const quantizeVersions = versionsOf([
  [10],
  [13, "axis"],
  [19, "axis", "saturate"],
  [21, "axis", "saturate", "block_size", "output_dtype"],
  ...[23, 24, 25].map(
    (since) => [since, "axis", "saturate", "block_size", "output_dtype", "precision"] as const,
  ),
]);

const QuantizeLinear = defineExpansion({
  name: "QuantizeLinear",
  summary: "x / scale + zero point, rounded and limited to the range of the result's type.",
  inputs: ["x", "y_scale", "y_zero_point?"],
  attributes: quantizeAttributes,
  versions: quantizeVersions,
  expand: quantizeLinear,
});

const dequantizeAttributes = {
  axis: quantizeAttributes.axis,
  block_size: quantizeAttributes.block_size,
  output_dtype: quantizeAttributes.output_dtype,
} as const;

function dequantizeLinear(
  b: GraphBuilder,
  inputs: readonly (Value | null)[],
  view: Fail & { attributes: AttributesOf<typeof dequantizeAttributes> },
): Value[] {
  const [x, givenScale, givenZero = null] = inputs as [Value, Value, Value | null];
  const { axis, block_size: block, output_dtype } = view.attributes;
  const [scale, zero] = sameShape(b, [givenScale, givenZero], view);
  if (zero !== null && zero.dtype !== x.dtype) view.fail(`has ${x.dtype} and a zero point of ${zero.dtype}`);
  const to = output_dtype === 0 ? scale.dtype : typeOf(output_dtype, view);
  const at = (parameter: Value) => aligned(b, parameter, x, { axis, block }, view);
  return [
    b.op("kiln.Dequantize", [x, at(scale), zero === null || isZero(zero) ? null : at(zero)], {
      to: dtypes[to].onnx,
    }),
  ];
}

const dequantizeVersions = versionsOf([
  [10],
  [13, "axis"],
  [19, "axis"],
  [21, "axis", "block_size"],
  ...[23, 24, 25].map((since) => [since, "axis", "block_size", "output_dtype"] as const),
]);

const DequantizeLinear = defineExpansion({
  name: "DequantizeLinear",
  summary: "(x - zero point) * scale.",
  inputs: ["x", "x_scale", "x_zero_point?"],
  attributes: dequantizeAttributes,
  versions: dequantizeVersions,
  expand: dequantizeLinear,
});

const MicrosoftQuantizeLinear = defineExpansion({
  name: "QuantizeLinear",
  domain: "com.microsoft",
  summary: "QuantizeLinear, with types that ONNX's had not then.",
  inputs: ["x", "y_scale", "y_zero_point?"],
  attributes: { axis: attribute.int(1), block_size: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, inputs, { attributes }) => [b.op("QuantizeLinear", inputs, { ...attributes })],
});

const MicrosoftDequantizeLinear = defineExpansion({
  name: "DequantizeLinear",
  domain: "com.microsoft",
  summary: "DequantizeLinear, with types that ONNX's had not then.",
  inputs: ["x", "x_scale", "x_zero_point?"],
  attributes: { axis: attribute.int(1), block_size: attribute.int(0) },
  versions: [{ since: 1 }],
  expand: (b, inputs, { attributes }) => [b.op("DequantizeLinear", inputs, { ...attributes })],
});

/** Scale and zero point of a tensor's own range in uint8, the range made wide enough to hold 0. */
export function dynamicParameters(b: GraphBuilder, x: Value): { scale: Value; zero: Value } {
  const number = (value: number) => b.scalar("float32", value);
  const extreme = (reduction: string, limit: string) =>
    b.op(limit, [b.op(reduction, [x], { keepdims: 0 }), number(0)]);
  const [low, high] = [extreme("ReduceMin", "Min"), extreme("ReduceMax", "Max")];
  const range = b.op("Sub", [high, low]);
  // Where all elements are 0 any scale will do; onnxruntime's is 1.
  const isPoint = b.op("Equal", [range, number(0)]);
  const scale = b.op("Where", [isPoint, number(1), b.op("Div", [range, number(255)])]);
  const place = b.op("Neg", [b.op("Div", [low, scale])]);
  const zero = b.op("kiln.Quantize", [place, number(1)], { to: dtypes.uint8.onnx });
  return { scale, zero };
}

const DynamicQuantizeLinear = defineExpansion({
  name: "DynamicQuantizeLinear",
  summary: "Quantises to uint8 by the range that the elements have.",
  inputs: ["x"],
  types: ["float32"],
  attributes: {},
  versions: [{ since: 11 }],
  expand: (b, [x]) => {
    const { scale, zero } = dynamicParameters(b, x!);
    return [b.op("kiln.Quantize", [x!, scale, zero], { to: dtypes.uint8.onnx }), scale, zero];
  },
});

export const quantizeOperators: readonly Operator[] = [
  QuantizeLinear,
  DequantizeLinear,
  MicrosoftQuantizeLinear,
  MicrosoftDequantizeLinear,
  DynamicQuantizeLinear,
];
