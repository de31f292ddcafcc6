/** Conversions between element types. */

import type { Dim } from "../ir/dim.js";
import { type DType, dtypeFromOnnx, dtypes, isBigInt, isMinifloat, isPacked } from "../ir/dtype.js";
import { encodeMinifloat, type MinifloatRounding, type RoundMode, roundModes } from "../ir/minifloat.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { convertElement } from "./cast-emit.js";
import { integerRange, isFloat, isUnsigned } from "./integer.js";
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
  /** For floats of 8 bits only. */
  saturate: attribute.int(1),
  /** For float8e8m0 only. */
  round_mode: attribute.string("up"),
} as const;

const roundingOf = ({
  saturate,
  round_mode,
}: {
  saturate: number;
  round_mode: string;
}): MinifloatRounding => ({
  saturate: saturate !== 0,
  roundMode: round_mode as RoundMode,
});

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
  infer: (context) => {
    const { round_mode } = context.attributes;
    if (!roundModes.includes(round_mode)) context.fail(`round_mode is "${round_mode}"`);
    return [{ dtype: target(context), shape: context.input(0).shape }];
  },
  elements: (context) => elementsAs(target(context), shapeElements(context)),
  pointwise: {
    emit: ([x], context) =>
      convertElement(x!, context.input(0).dtype, target(context), roundingOf(context.attributes)),
    evaluate: ([x]) => x!,
  },
  evaluate: (context) => [
    castTensor(context.input(0), context.outputs[0]!.dtype, roundingOf(context.attributes)),
  ],
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
  expand: (b, [x, like], { attributes }) => [
    b.op("Cast", [x!], { ...attributes, to: dtypes[like!.dtype].onnx }),
  ],
});

/** The tensor with its elements converted, each as `convertElement` does it. */
export function castTensor(x: TensorData, to: DType, rounding?: MinifloatRounding): TensorData {
  const data = new dtypes[to].array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = castElement(x.dtype, x.data[i]!, to, rounding);
  return tensor(to, x.dims, data);
}

function castElement(
  from: DType,
  stored: number | bigint,
  to: DType,
  rounding: MinifloatRounding | undefined,
): number | bigint {
  if (to === from) return stored;
  if (to === "bool") return decodeElement(from, stored) !== 0 ? 1 : 0;
  if (isMinifloat(to)) return encodeMinifloat(to, toNumber(from, stored), rounding);
  if (to === "float64") return decodeElement(from, stored);
  if (isFloat(to)) return encodeElement(to, toNumber(from, stored));
  if (isFloat(from) || isMinifloat(from)) return truncateTo(to, decodeElement(from, stored));
  return wrapTo(to, BigInt(stored));
}

/**
 * A number that rounds to the same float of 32 or fewer bits: of integers beyond 2^53, the lowest 12 bits become one
 * that says whether any was set.
 */
function toNumber(from: DType, stored: number | bigint): number {
  const number = decodeElement(from, stored);
  if (typeof stored !== "bigint" || Number.isSafeInteger(number)) return number;
  return Number((stored & ~0xfffn) | ((stored & 0xfffn) === 0n ? 0n : 0x800n));
}

function wrapTo(to: DType, value: bigint): number | bigint {
  const wrapped = (isUnsigned(to) ? BigInt.asUintN : BigInt.asIntN)(dtypes[to].bits, value);
  return isBigInt(to) ? wrapped : Number(wrapped);
}

/** A float as an integer, as `floatToInteger` does it. */
function truncateTo(to: DType, value: number): number | bigint {
  if (isPacked(to)) return wrapTo(to, BigInt(truncateTo("int32", roundHalfEven(value))));
  const { min, max } = integerRange(to);
  const big = Number.isNaN(value)
    ? 0n
    : value <= Number(min)
      ? min
      : value >= Number(max)
        ? max
        : BigInt(Math.trunc(value));
  return isBigInt(to) ? big : Number(big);
}

/** Whole numbers beyond 2^52 are what they are. */
const roundHalfEven = (value: number): number =>
  Math.abs(value) < 2 ** 52 ? Math.sign(value) * (Math.abs(value) + 2 ** 52 - 2 ** 52) : value;

export const castOperators: readonly Operator[] = [Cast, CastLike];
