/** Conversions between element types. */

import type { Dim } from "../ir/dim.js";
import { type DType, dtypeFromOnnx, dtypes, isBigInt } from "../ir/dtype.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { convertElement } from "./cast-emit.js";
import { integerRange, isFloat } from "./integer.js";
import { decodeElement, encodeElement } from "./numbers.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type NodeView,
  type Operator,
  oldVersion,
} from "./operator.js";
import { shapeElements } from "./reshape.js";

const castAttributes = {
  to: attribute.required("int"),
  /** For float8 only, which Kiln does not have. */
  saturate: attribute.int(1),
  /** For float8e8m0 only. */
  round_mode: attribute.string("up"),
} as const;

function target(context: NodeView<typeof castAttributes>): DType {
  const { to } = context.attributes;
  return dtypeFromOnnx(to) ?? context.fail(`element type ${to} is not supported`, "E_UNSUPPORTED");
}

const Cast = defineOperator({
  name: "Cast",
  summary: "Converts the elements: floats are truncated to integers (and limited), integers wrap.",
  inputs: ["input"],
  attributes: castAttributes,
  versions: [
    // The type was spelt out before opset 6.
    oldVersion(1, { to: attribute.required("string") }, (b, [x], view) => {
      const name = view.attributes.to
        .toLowerCase()
        .replace(/^(float|double)$/, (word) => (word === "float" ? "float32" : "float64"));
      const info = dtypes[name as DType];
      if (info === undefined)
        view.fail(`element type ${view.attributes.to} is not supported`, "E_UNSUPPORTED");
      return [b.op("Cast", [x!], { to: info.onnx })];
    }),
    { since: 6, attributes: { to: castAttributes.to } },
    { since: 9, attributes: { to: castAttributes.to } },
    { since: 13, attributes: { to: castAttributes.to } },
    ...[19, 21, 23].map((since) => ({
      since,
      attributes: { to: castAttributes.to, saturate: castAttributes.saturate },
    })),
    { since: 24 },
    { since: 25 },
  ],
  infer: (context) => [{ dtype: target(context), shape: context.input(0).shape }],
  elements: (context) => elementsAs(target(context), shapeElements(context)),
  pointwise: {
    emit: ([x], context) => convertElement(x!, context.input(0).dtype, target(context)),
    evaluate: ([x]) => x!,
  },
  evaluate: (context) => [castTensor(context.input(0), context.outputs[0]!.dtype)],
});

/** Sizes fit any integer that holds them; only those that shape arithmetic follows are kept. */
const elementsAs = (dtype: DType, elements: readonly Dim[] | null): readonly Dim[] | null =>
  dtype === "int32" || dtype === "int64" ? elements : null;

const CastLike = defineExpansion({
  name: "CastLike",
  summary: "Converts the elements to the type of another tensor's.",
  inputs: ["input", "target_type"],
  attributes: { saturate: castAttributes.saturate, round_mode: castAttributes.round_mode },
  versions: [15, 19, 21, 23, 24, 25].map((since) => ({ since })),
  expand: (b, [x, like]) => [b.op("Cast", [x!], { to: dtypes[like!.dtype].onnx })],
});

/** The tensor with its elements converted, each as `convertElement` does it. */
export function castTensor(x: TensorData, to: DType): TensorData {
  const data = new dtypes[to].array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = castElement(x.dtype, x.data[i]!, to);
  return tensor(to, x.dims, data);
}

function castElement(from: DType, stored: number | bigint, to: DType): number | bigint {
  if (to === "bool") return decodeElement(from, stored) !== 0 ? 1 : 0;
  if (isFloat(to)) return encodeElement(to, toFloat(from, stored, to));
  if (!isFloat(from)) {
    const wrapped = BigInt.asIntN(64, BigInt(stored));
    return isBigInt(to) ? wrapped : Number(BigInt.asIntN(32, wrapped));
  }
  const value = truncateTo(to, decodeElement(from, stored));
  return isBigInt(to) ? value : Number(value);
}

/** Integers beyond 2^53 are rounded once, straight to the float's precision. */
function toFloat(from: DType, stored: number | bigint, to: DType): number {
  if (typeof stored !== "bigint" || to === "float64") return decodeElement(from, stored);
  return roundToFloat32(stored);
}

/** Rounds to odd at 2^53 first, so that the second rounding cannot fall on a tie that was none. */
function roundToFloat32(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return Math.fround(number);
  const sticky = (value & ~0xfffn) | ((value & 0xfffn) === 0n ? 0n : 0x800n);
  return Math.fround(Number(sticky));
}

/** The whole number towards zero, limited to the range of 32 or 64 bits in which it is computed, then wrapped. */
function truncateTo(to: DType, value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  const { min, max } = integerRange(to);
  if (value <= Number(min)) return min;
  return value >= Number(max) ? max : BigInt(Math.trunc(value));
}

export const castOperators: readonly Operator[] = [Cast, CastLike];
