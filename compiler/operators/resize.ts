/** Resize (and Upsample, its first form): interpolation between neighbouring elements, axis by axis. */

import type { Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { TensorType } from "../ir/graph.js";
import { cubicWeights, linearWeights, splitPlace, sumOfProducts, toFloat } from "../kernels/interpolation.js";
import { add, constant, maxIndex, minIndex, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { convertElement } from "./cast-emit.js";
import { injective } from "./injective.js";
import { isFloat } from "./integer.js";
import type { ElementContext, Operator } from "./operator.js";
import { allTypes, numeric } from "./pointwise.js";
import { nearestIndex, nearestTo } from "./resize-nearest.js";
import { knownAxis, placeExpr, staysInPlace } from "./resize-place.js";
import {
  coordinateModes,
  nearestModes,
  policies,
  type ResizedAxis,
  type ResizeView,
  resizeAttributes,
  resizedAxes,
} from "./resize-plan.js";
import { resizeVersions } from "./resize-versions.js";

export function inferResize(context: ResizeView): TensorType[] {
  const { attributes } = context;
  const { mode, nearest_mode, coordinate_transformation_mode, keep_aspect_ratio_policy } = attributes;
  const refuse = (what: string): never => context.fail(`${what} is not supported`, "E_UNSUPPORTED");
  if (mode !== "nearest" && mode !== "linear" && mode !== "cubic") refuse(`mode "${mode}"`);
  if (mode === "nearest" && nearestModes[nearest_mode] === undefined)
    refuse(`nearest_mode "${nearest_mode}"`);
  if (!coordinateModes.has(coordinate_transformation_mode)) {
    refuse(`coordinate_transformation_mode "${coordinate_transformation_mode}"`);
  }
  if (!policies.has(keep_aspect_ratio_policy))
    refuse(`keep_aspect_ratio_policy "${keep_aspect_ratio_policy}"`);
  const { dtype, shape } = context.input(0);
  const types: readonly DType[] = mode === "nearest" ? allTypes : numeric;
  if (!types.includes(dtype)) context.fail(`mode "${mode}" on ${dtype}`, "E_UNSUPPORTED");
  const result: Dim[] = [...shape];
  for (const { axis, from, to } of resizedAxes(context)) {
    if (from === 0 && to !== 0) context.fail(`makes ${to} elements of none on axis ${axis}`, "E_SHAPE");
    result[axis] = to;
  }
  return [{ dtype, shape: result }];
}

type Context = ElementContext<typeof resizeAttributes>;

/** Register type in which elements are weighted: whole numbers keep their last digit in float64. */
export const weightedType = (dtype: DType): "f32" | "f64" =>
  isFloat(dtype) && registerTypes[dtype] === "f32" ? "f32" : "f64";

/** The element of the result made of those along the first of the axes, and so on along the others. */
function interpolate(context: Context, axes: readonly ResizedAxis[], indices: readonly Expr[]): Expr {
  const [first, ...others] = axes;
  const { mode } = context.attributes;
  const { dtype } = context.input(0);
  if (first === undefined) {
    const element = context.load(0, indices);
    if (mode === "nearest" || isFloat(dtype)) return element;
    return convertElement(element, dtype, "float64");
  }
  const at = (index: Expr): Expr => interpolate(context, others, indices.with(first.axis, index));
  const index = indices[first.axis]!;
  const value =
    mode === "nearest" ? at(nearestElement(context, first, index)) : weightedSum(context, first, index, at);
  if (first.crop === null) return value;
  const place = placeExpr(context, context.attributes, first, index);
  return croppedValue(context.attributes.extrapolation_value, place, context.dim(first.from), value);
}

/** What lies outside of the input is made up where parts of it are taken. */
export function croppedValue(outsideValue: number, place: Expr, extent: Expr, value: Expr): Expr {
  const last = op("i32_to_f64_s", sub(extent, 1));
  const outside = op("or", op("lt", place, 0), op("gt", place, last));
  const isWhole = value.type.scalar === "i32" || value.type.scalar === "i64";
  return select(outside, constant(value.type, isWhole ? Math.trunc(outsideValue) : outsideValue), value);
}

function nearestElement(context: Context, axis: ResizedAxis, index: Expr): Expr {
  const round = nearestModes[context.attributes.nearest_mode]!;
  const known = knownAxis(context, axis);
  if (known !== null) return nearestIndex(index, known, round);
  return nearestTo(placeExpr(context, context.attributes, axis, index), context.dim(axis.from), round);
}

function weightedSum(context: Context, axis: ResizedAxis, index: Expr, at: (index: Expr) => Expr): Expr {
  const { mode, cubic_coeff_a: a, exclude_outside } = context.attributes;
  const { base, fraction } = splitPlace(linePlace(context, axis, index));
  const t = toFloat(fraction, weightedType(context.input(0).dtype));
  const from = context.dim(axis.from);
  const indices = (mode === "linear" ? [0, 1] : [-1, 0, 1, 2]).map((offset) => add(base, offset));
  let weights = mode === "linear" ? linearWeights(t) : cubicWeights(t, a);
  if (exclude_outside !== 0) {
    const inside = weights.map((weight, k) => select(op("lt_u", indices[k]!, from), weight, 0));
    const total = inside.reduce((sum, weight) => op("add", sum, weight));
    weights = inside.map((weight) => op("div", weight, total));
  }
  const values = indices.map((tap) => at(maxIndex(minIndex(tap, sub(from, 1)), 0)));
  return sumOfProducts(values, weights);
}

/**
 * The place of an element where a last digit of it does not matter: on the straight line through the first two. Whole
 * numbers are cut off, so there it does, and at the edges of what is cropped.
 */
function linePlace(context: Context, axis: ResizedAxis, index: Expr): Expr {
  const place = (i: Expr): Expr => placeExpr(context, context.attributes, axis, i);
  if (axis.crop !== null || !isFloat(context.input(0).dtype)) return place(index);
  const known = knownAxis(context, axis);
  const number = op("i32_to_f64_s", index);
  if (known !== null) return op("add", op("mul", number, known.slope), known.start);
  const start = place(context.dim(0));
  return op("add", op("mul", number, op("sub", place(context.dim(1)), start)), start);
}

const Resize = injective({
  name: "Resize",
  summary: "Another size on any of the axes: nearest elements, or linear or cubic interpolation.",
  inputs: ["X", "roi?", "scales?", "sizes?"],
  attributes: resizeAttributes,
  versions: resizeVersions,
  infer: inferResize,
  injective: (context, indices) => {
    const { dtype } = context.input(0);
    const axes = resizedAxes(context).filter((axis) => !staysInPlace(knownAxis(context, axis)));
    if (axes.length === 0) return context.load(0, indices);
    const value = interpolate(context, axes, indices);
    const isWeighted = context.attributes.mode !== "nearest" && !isFloat(dtype);
    return isWeighted ? convertElement(value, "float64", dtype) : value;
  },
});

export const resizeOperators: readonly Operator[] = [Resize];
