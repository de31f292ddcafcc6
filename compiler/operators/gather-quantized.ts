/** Rows of a quantised table, as numbers: the embeddings of language models. */

import { ceilDivDims, type Dim, isStatic, multiplyDims, printDim } from "../ir/dim.js";
import { type DType, isMinifloat } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { div, i32Constant, mul, op, rem, select, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { normaliseAxes } from "./axes.js";
import { convertElement } from "./cast-emit.js";
import { limitedIndex } from "./indices.js";
import { injective } from "./injective.js";
import { attribute, type ElementContext, type NodeView, type Operator } from "./operator.js";

const attributes = {
  bits: attribute.int(4),
  block_size: attribute.int(128),
  gather_axis: attribute.int(0),
  quantize_axis: attribute.int(1),
} as const;

type GatherView = NodeView<typeof attributes>;

const tableTypes: readonly DType[] = ["uint8", "int4", "uint4"];
const resultTypes: readonly DType[] = ["float32", "float16", "bfloat16"];

interface Table {
  /** Elements that a byte of the table holds. */
  readonly perByte: number;
  readonly gatherAxis: number;
  readonly quantizeAxis: number;
  /** Dims of the table in elements. */
  readonly shape: readonly Dim[];
  /** Elements of a block; null where all of the axis is one. */
  readonly block: number | null;
}

function tableOf(context: GatherView): Table {
  const { bits, block_size, gather_axis, quantize_axis } = context.attributes;
  const data = context.input(0);
  const [gatherAxis, quantizeAxis] = [gather_axis, quantize_axis].map(
    (axis) => normaliseAxes([axis], data.rank, context)[0]!,
  ) as [number, number];
  const perByte = data.dtype === "uint8" ? 8 / bits : 1;
  const shape = data.shape.map((dim, axis) => (axis === quantizeAxis ? multiplyDims(dim, perByte) : dim));
  return { perByte, gatherAxis, quantizeAxis, shape, block: block_size === 0 ? null : block_size };
}

function checkTypes(context: GatherView): void {
  const { fail, attributes } = context;
  const [data, indices, scales, zeros] = [
    context.input(0),
    context.input(1),
    context.input(2),
    context.optional(3),
  ];
  if (!tableTypes.includes(data.dtype) && !isMinifloat(data.dtype))
    fail(`does not take a table of ${data.dtype}`, "E_UNSUPPORTED");
  if (indices.dtype !== "int32" && indices.dtype !== "int64")
    fail(`does not take indices of ${indices.dtype}`);
  if (!resultTypes.includes(scales.dtype)) fail(`does not take scales of ${scales.dtype}`, "E_UNSUPPORTED");
  if (zeros !== null && isMinifloat(data.dtype)) fail(`takes no zero points for ${data.dtype}`);
  if (zeros !== null && zeros.dtype !== data.dtype)
    fail(`has ${data.dtype} and a zero point of ${zeros.dtype}`);
  const allowed = data.dtype === "uint8" ? [2, 4, 8] : [4];
  if (!isMinifloat(data.dtype) && !allowed.includes(attributes.bits))
    fail(`bits is ${attributes.bits} for ${data.dtype}`, "E_UNSUPPORTED");
  const { block_size: block } = attributes;
  const isWhole = block === 0 && isMinifloat(data.dtype);
  if (!isWhole && (block < 16 || Math.log2(block) % 1 !== 0))
    fail(`block_size is ${block}, no power of two from 16 on`);
}

/** Dims of the scales, and of the zero points, which may be several to a byte. */
function checkShapes(context: GatherView, table: Table): void {
  const { shape, quantizeAxis, perByte, block } = table;
  const [data, scales, zeros] = [context.input(0), context.input(2), context.optional(3)];
  const blocks = block === null ? 1 : ceilDivDims(shape[quantizeAxis]!, block);
  const require = (value: Value, what: string, wanted: readonly Dim[]): void => {
    const text = (dims: readonly Dim[]) => `[${dims.map(printDim).join(", ")}]`;
    const reason = `${what} of ${text(value.shape)}, not ${text(wanted)}`;
    if (value.rank !== wanted.length) context.fail(reason, "E_SHAPE");
    wanted.forEach((dim, axis) => {
      const repeats = isMinifloat(data.dtype) && axis !== quantizeAxis && value.shape[axis] === 1;
      if (!repeats) context.requireEqual(value.shape[axis]!, dim, reason);
    });
  };
  require(scales, "scales", shape.with(quantizeAxis, blocks));
  if (zeros !== null) require(zeros, "zero points", shape.with(quantizeAxis, ceilDivDims(blocks, perByte)));
}

const GatherBlockQuantized = injective({
  name: "GatherBlockQuantized",
  domain: "com.microsoft",
  summary:
    "Parts of a tensor of small integers or minifloats along an axis, times the scales of their blocks.",
  inputs: ["data", "indices", "scales", "zero_points?"],
  attributes,
  versions: [1],
  infer: (context) => {
    checkTypes(context);
    const table = tableOf(context);
    const { gatherAxis, quantizeAxis, shape } = table;
    const { dtype, rank } = context.input(0);
    if (dtype === "uint8" && (gatherAxis !== 0 || quantizeAxis !== rank - 1 || rank < 2))
      context.fail("gathers uint8 along the first axis, with blocks along the last", "E_UNSUPPORTED");
    checkShapes(context, table);
    const indices = context.input(1).shape;
    return [
      {
        dtype: context.input(2).dtype,
        shape: [...shape.slice(0, gatherAxis), ...indices, ...shape.slice(gatherAxis + 1)],
      },
    ];
  },
  injective: (context, indices) => {
    const { gatherAxis, shape } = tableOf(context);
    const { dtype, rank } = context.input(1);
    const given = limitedIndex(context.load(1, indices.slice(gatherAxis, gatherAxis + rank)), dtype);
    const size = context.dim(shape[gatherAxis]!);
    const wrapped = select(op("lt_s", given, 0), op("add", given, size), given);
    // An index that is outside gives zeros; what is read in its place must lie inside.
    const index = op("max_s", op("min_s", wrapped, sub(size, 1)), 0);
    const place = [...indices.slice(0, gatherAxis), index, ...indices.slice(gatherAxis + rank)];
    const number = dequantized(context, place);
    return isInside(context) ? number : select(op("lt_u", wrapped, size), number, 0);
  },
});

/** Whether all indices are known to be inside. */
function isInside(context: ElementContext<typeof attributes>): boolean {
  const { gatherAxis, shape } = tableOf(context);
  const dim = shape[gatherAxis]!;
  const known = context.elements(1);
  return known?.every((index) => isStatic(index) && isStatic(dim) && index >= -dim && index < dim) ?? false;
}

/** The element of the table at a place, as the number it stands for. */
function dequantized(context: ElementContext<typeof attributes>, place: readonly Expr[]): Expr {
  const { perByte, quantizeAxis, block } = tableOf(context);
  const { dtype } = context.input(0);
  const along = place[quantizeAxis]!;
  const number = block === null ? i32Constant(0) : div(along, block);
  const scales = context.input(2).shape;
  const scale = context.load(
    2,
    place.map((index, axis) =>
      axis === quantizeAxis ? number : scales[axis] === 1 ? i32Constant(0) : index,
    ),
  );
  /** An element of the table or of the zero points. */
  const element = (input: number, at: Expr): Expr => {
    const loaded = context.load(input, place.with(quantizeAxis, div(at, perByte)));
    if (perByte === 1) return loaded;
    const { bits } = context.attributes;
    return op("and", op("shr_u", loaded, mul(rem(at, perByte), bits)), 2 ** bits - 1);
  };
  const stored = element(0, along);
  if (isMinifloat(dtype)) return op("mul", convertElement(stored, dtype, "float32"), scale);
  const middle = dtype === "uint8" ? 2 ** (context.attributes.bits - 1) : 0;
  const zero = context.optional(3) === null ? i32Constant(middle) : element(3, number);
  return op("mul", op("i32_to_f32_s", sub(stored, zero)), scale);
}

export const quantizedGatherOperators: readonly Operator[] = [GatherBlockQuantized];
