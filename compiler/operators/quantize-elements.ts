/**
 * Quantisation of elements, with scales and zero points that broadcast to the tensor. These operators are what all
 * forms of quantisation in ONNX are made of when they are imported.
 */

import { ceilDivDims, equalDims, isStatic } from "../ir/dim.js";
import { type DType, dtypeFromOnnx, dtypes, isMinifloat } from "../ir/dtype.js";
import { encodeMinifloat } from "../ir/minifloat.js";
import { div, op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { convertElement } from "./cast-emit.js";
import { injective } from "./injective.js";
import { integerRange, isFloat } from "./integer.js";
import { decodeElement, encodeElement } from "./numbers.js";
import { type AttributesOf, attribute, type NodeView, type Operator } from "./operator.js";
import { evaluateElements, float8s, pointwise } from "./pointwise.js";

/** Types that tensors are quantised to. */
export const quantizedTypes: readonly DType[] = [
  ...(["int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2"] as const),
  ...float8s,
  "float4e2m1",
];

/** The element type with this number; an error of the node where there is none. */
export function typeOf(code: number, context: Pick<NodeView, "fail">): DType {
  return dtypeFromOnnx(code) ?? context.fail(`element type ${code} is not supported`, "E_UNSUPPORTED");
}

const quantizeAttributes = {
  /** Element type of the result. */
  to: attribute.required("int"),
  /** Floats of 8 bits: numbers beyond the largest become that one. */
  saturate: attribute.int(1),
  /** Element type in which the elements are divided. */
  precision: attribute.int(dtypes.float32.onnx),
} as const;

type QuantizeAttributes = typeof quantizeAttributes;

const isWide = (dtype: DType): boolean => dtype === "float64";

/** A quotient or product as an element of the result: rounded, with the zero point added, and limited. */
function quantized(
  value: Expr,
  zero: { element: Expr; dtype: DType } | undefined,
  to: DType,
  saturate: boolean,
): Expr {
  const computed = value.type.scalar === "f64" ? "float64" : "float32";
  const offset = zero && convertElement(zero.element, zero.dtype, computed);
  if (isMinifloat(to)) {
    const sum = offset === undefined ? value : op("add", value, offset);
    return convertElement(sum, computed, to, { saturate, roundMode: "up" });
  }
  const { min, max } = integerRange(to);
  const whole = op("nearest", value);
  const sum = offset === undefined ? whole : op("add", whole, offset);
  // A sum that a float does not hold lies far outside of the range. NaN passes, and becomes 0.
  const limited = op("pmin", op("pmax", sum, Number(min)), Number(max));
  return op(isWide(computed) ? "f64_to_i32_s" : "f32_to_i32_s", limited);
}

/** The same on numbers. */
function quantizedNumber(value: number, zero: number | undefined, to: DType): number {
  if (isMinifloat(to)) return zero === undefined ? value : Math.fround(value + zero);
  const { min, max } = integerRange(to);
  const sum = roundHalfEven(value) + (zero ?? 0);
  return Number.isNaN(sum) ? 0 : Math.min(Math.max(sum, Number(min)), Number(max));
}

/** Whole numbers beyond 2^52 are what they are. */
const roundHalfEven = (value: number): number =>
  Math.abs(value) < 2 ** 52 ? Math.sign(value) * (Math.abs(value) + 2 ** 52 - 2 ** 52) : value;

function checkQuantized(context: NodeView<QuantizeAttributes>): void {
  const { to } = context.attributes;
  const dtype = typeOf(to, context);
  if (!quantizedTypes.includes(dtype)) context.fail(`does not quantise to ${dtype}`, "E_UNSUPPORTED");
  const zero = context.optional(2);
  if (zero !== null && zero.dtype !== dtype) context.fail(`has a zero point of ${zero.dtype}, not ${dtype}`);
}

const zeroPoint = (args: readonly Expr[], context: NodeView) =>
  args[2] && { element: args[2], dtype: context.input(2).dtype };

/** Numbers rounded to a float type. */
const rounded = (dtype: DType, value: number): number => decodeElement(dtype, encodeElement(dtype, value));

const Quantize = quantizing({
  name: "Quantize",
  summary: "round(x / scale) + zero point, limited to the range of the result.",
  inputs: ["x", "scale", "zero?"],
  types: ["float32", "float16", "bfloat16", "float64", "int32"],
  emit: (args, context) => {
    const { to, saturate, precision } = context.attributes;
    const type = typeOf(precision, context);
    const [x, scale] = [0, 1].map((i) => convertElement(args[i]!, context.input(i).dtype, type));
    const quotient = op("div", x!, scale!);
    // 16-bit floats are computed in f32: what is left of the quotient in 16 bits counts.
    const kept = isWide(type) ? quotient : convertElement(quotient, "float32", type);
    return quantized(kept, zeroPoint(args, context), typeOf(to, context), saturate !== 0);
  },
  evaluate: ([x, scale, zero], { to, precision }) => {
    const type = dtypeFromOnnx(precision)!;
    const quotient = rounded(type, rounded(type, x!) / rounded(type, scale!));
    return quantizedNumber(quotient, zero, dtypeFromOnnx(to)!);
  },
});

const Requantize = quantizing({
  name: "Requantize",
  summary: "round(x * factor) + zero point, limited to the range of the result.",
  inputs: ["x", "factor", "zero?"],
  types: ["int32"],
  emit: (args, context) => {
    const { to, saturate } = context.attributes;
    const [x, factor] = [0, 1].map((i) => convertElement(args[i]!, context.input(i).dtype, "float32"));
    const product = op("mul", x!, factor!);
    return quantized(product, zeroPoint(args, context), typeOf(to, context), saturate !== 0);
  },
  evaluate: ([x, factor, zero], { to }) =>
    quantizedNumber(Math.fround(Math.fround(x!) * factor!), zero, dtypeFromOnnx(to)!),
});

interface Quantizing {
  readonly name: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly types: readonly DType[];
  readonly emit: (args: readonly Expr[], context: NodeView<QuantizeAttributes>) => Expr;
  readonly evaluate: (args: readonly number[], attributes: AttributesOf<QuantizeAttributes>) => number;
}

function quantizing({ evaluate, ...declaration }: Quantizing): Operator {
  const operator = pointwise<QuantizeAttributes>({
    ...declaration,
    domain: "kiln",
    attributes: quantizeAttributes,
    versions: [1],
    operands: checkQuantized,
    result: (context) => typeOf(context.attributes.to, context),
    evaluate: (args, { attributes }) => evaluate(args, attributes),
  });
  return {
    ...operator,
    evaluate: (context) => {
      const attributes = context.attributes as AttributesOf<QuantizeAttributes>;
      const { dtype } = context.outputs[0]!;
      const rounding = { saturate: attributes.saturate !== 0, roundMode: "up" } as const;
      const encode = isMinifloat(dtype)
        ? (value: number) => encodeMinifloat(dtype, value, rounding)
        : (value: number) => encodeElement(dtype, value);
      const data = evaluateElements(context, (args) => evaluate(args, attributes), encode);
      return data === null ? null : [data];
    },
  };
}

const dequantizeAttributes = { to: attribute.required("int") } as const;

const Dequantize = pointwise({
  name: "Dequantize",
  domain: "kiln",
  summary: "(x - zero point) * scale.",
  inputs: ["x", "scale", "zero?"],
  attributes: dequantizeAttributes,
  versions: [1],
  types: [...quantizedTypes, "int32"],
  operands: (context) => {
    const [x, zero] = [context.input(0), context.optional(2)];
    if (zero !== null && zero.dtype !== x.dtype)
      context.fail(`has ${x.dtype} and a zero point of ${zero.dtype}`);
  },
  result: (context) => {
    const dtype = typeOf(context.attributes.to, context);
    return isFloat(dtype) ? dtype : context.fail(`does not dequantise to ${dtype}`, "E_UNSUPPORTED");
  },
  emit: (args, context) => {
    const to = typeOf(context.attributes.to, context);
    const scale = convertElement(args[1]!, context.input(1).dtype, "float32");
    const product = op("mul", difference(args[0]!, args[2], context.input(0).dtype), scale);
    return convertElement(product, "float32", to);
  },
  evaluate: ([x, scale, zero], { attributes }) => {
    const product = Math.fround(Math.fround(x! - (zero ?? 0)) * scale!);
    return rounded(dtypeFromOnnx(attributes.to)!, product);
  },
});

/** x - zero point in f32, rounded once. */
function difference(x: Expr, zero: Expr | undefined, dtype: DType): Expr {
  if (zero === undefined) return convertElement(x, dtype, "float32");
  if (isMinifloat(dtype)) {
    return op("sub", convertElement(x, dtype, "float32"), convertElement(zero, dtype, "float32"));
  }
  if (dtype !== "int32") return op("i32_to_f32_s", op("sub", x, zero));
  const [a, b] = [x, zero].map((each) => convertElement(each, dtype, "float64")) as [Expr, Expr];
  return op("f64_to_f32", op("sub", a, b));
}

const blockAttributes = { axis: attribute.int(0), block: attribute.required("int") } as const;

const RepeatBlocks = {
  ...injective({
    name: "RepeatBlocks",
    summary: "Each element of a scale repeated over its block of the tensor that it belongs to.",
    inputs: ["scale", "like"],
    attributes: blockAttributes,
    versions: [1],
    infer: (context) => {
      const [scale, like] = [context.input(0), context.input(1)];
      const { axis, block } = context.attributes;
      const fits = scale.shape.every((dim, i) => {
        const wanted = i === axis ? ceilDivDims(like.shape[i]!, block) : like.shape[i]!;
        return equalDims(dim, wanted) || !isStatic(dim) || !isStatic(wanted);
      });
      if (scale.rank !== like.rank || !fits) {
        context.fail(`scale of [${scale.shape}] for blocks of ${block} of [${like.shape}]`, "E_SHAPE");
      }
      return [
        { dtype: scale.dtype, shape: scale.shape.map((dim, i) => (i === axis ? like.shape[i]! : dim)) },
      ];
    },
    injective: (context, indices) => {
      const { axis, block } = context.attributes;
      return context.load(
        0,
        indices.map((index, i) => (i === axis ? div(index, block) : index)),
      );
    },
  }),
  domain: "kiln",
};

export const quantizeElementOperators: readonly Operator[] = [Quantize, Requantize, Dequantize, RepeatBlocks];
