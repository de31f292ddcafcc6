/** Resize (and Upsample, its first form): interpolation between neighbouring elements, axis by axis. */

import type { Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { elementCount, forEachIndex } from "../ir/tensor.js";
import { add, constant, maxIndex, minIndex, op, select } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { rowMajorStrides } from "./movement.js";
import { decodeElements, encodeElements } from "./numbers.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type ElementContext,
  type Operator,
  oldVersion,
} from "./operator.js";
import { allTypes, floats } from "./pointwise.js";
import { nearestIndex } from "./resize-nearest.js";
import {
  coordinateModes,
  nearestModes,
  type ResizedAxis,
  type ResizeView,
  resizeAttributes,
  resizedAxes,
  tapsOf,
} from "./resize-plan.js";

function checkModes(context: ResizeView): void {
  const { mode, nearest_mode, coordinate_transformation_mode, antialias } = context.attributes;
  const refuse = (what: string): never => context.fail(`${what} is not supported`, "E_UNSUPPORTED");
  if (mode !== "nearest" && mode !== "linear" && mode !== "cubic") refuse(`mode "${mode}"`);
  if (mode === "nearest" && nearestModes[nearest_mode] === undefined)
    refuse(`nearest_mode "${nearest_mode}"`);
  if (!coordinateModes.has(coordinate_transformation_mode)) {
    refuse(`coordinate_transformation_mode "${coordinate_transformation_mode}"`);
  }
  const { dtype } = context.input(0);
  const types: readonly DType[] = mode === "nearest" ? allTypes : floats;
  if (!types.includes(dtype)) refuse(`mode "${mode}" on ${dtype}`);
  // Enlarging with antialias is the same as without.
  if (antialias !== 0 && mode !== "nearest" && resizedAxes(context).some(({ from, to }) => to < from)) {
    refuse("antialias where the size shrinks");
  }
}

/** The element of the result made of those along the first of the axes, and so on along the others. */
function interpolate(
  context: ElementContext<typeof resizeAttributes>,
  axes: ResizedAxis[],
  indices: Expr[],
): Expr {
  const [first, ...others] = axes;
  if (first === undefined) return context.load(0, indices);
  const { mode, coordinate_transformation_mode, extrapolation_value, nearest_mode } = context.attributes;
  const at = (index: Expr): Expr => {
    const inside = minIndex(maxIndex(index, 0), first.from - 1);
    return interpolate(context, others, indices.with(first.axis, inside));
  };
  const index = indices[first.axis]!;
  const value =
    mode === "nearest"
      ? interpolate(
          context,
          others,
          indices.with(first.axis, nearestIndex(index, first, nearestModes[nearest_mode]!)),
        )
      : weightedSum(context, first, index, at);
  if (coordinate_transformation_mode !== "tf_crop_and_resize") return value;
  const place = placeExpr(index, first);
  const outside = op("or", op("lt", place, 0), op("gt", place, first.from - 1));
  return select(outside, constant(value.type, extrapolation_value), value);
}

/** The place of an element among those of the input, in float64 so that large sizes lose nothing. */
const placeExpr = (index: Expr, { slope, start }: ResizedAxis): Expr =>
  op("add", op("mul", op("i32_to_f64_s", index), slope), start);

function weightedSum(
  context: ElementContext<typeof resizeAttributes>,
  axis: ResizedAxis,
  index: Expr,
  at: (index: Expr) => Expr,
): Expr {
  const { mode, cubic_coeff_a: a, exclude_outside } = context.attributes;
  const place = placeExpr(index, axis);
  const floor = op("floor", place);
  const fraction = op("sub", place, floor);
  const base = op("f64_to_i32_s", floor);
  const isDouble = registerTypes[context.input(0).dtype] === "f64";
  const t = isDouble ? fraction : op("f64_to_f32", fraction);
  const indices = (mode === "linear" ? [0, 1] : [-1, 0, 1, 2]).map((offset) => add(base, offset));
  let weights = mode === "linear" ? [op("sub", 1, t), t] : cubicWeights(t, a);
  if (exclude_outside !== 0) {
    const inside = weights.map((weight, k) => {
      const outside = op("or", op("lt_s", indices[k]!, 0), op("ge_s", indices[k]!, axis.from));
      return select(outside, 0, weight);
    });
    const total = inside.reduce((sum, weight) => op("add", sum, weight));
    weights = inside.map((weight) => op("div", weight, total));
  }
  return indices.map((tap, k) => op("mul", at(tap), weights[k]!)).reduce((sum, term) => op("add", sum, term));
}

/** As `cubicWeights` of the plan. */
function cubicWeights(t: Expr, a: number): Expr[] {
  const rest = op("sub", 1, t);
  const near = (x: Expr) => op("add", op("mul", op("sub", op("mul", x, a + 2), a + 3), op("mul", x, x)), 1);
  // At 1 + x: a x^3 - 2 a x^2 + a x = a x (1 - x)^2.
  const far = (x: Expr, other: Expr) => op("mul", op("mul", op("mul", other, other), x), a);
  return [far(t, rest), near(t), near(rest), far(rest, t)];
}

const newest = [18, 19].map((since) => ({ since }));
const {
  antialias: _antialias,
  axes: _axes,
  keep_aspect_ratio_policy: _policy,
  ...attributes11
} = resizeAttributes;

const Resize = defineOperator({
  name: "Resize",
  summary: "Another size on any of the axes: nearest elements, or linear or cubic interpolation.",
  inputs: ["X", "roi?", "scales?", "sizes?"],
  attributes: resizeAttributes,
  versions: [
    oldVersion(
      10,
      { mode: resizeAttributes.mode },
      (b, [x, scales], { attributes: { mode } }) => [b.op("Resize", [x!, null, scales!], upsampling(mode))],
      ["X", "scales"],
    ),
    { since: 11, attributes: attributes11 },
    { since: 13, attributes: attributes11 },
    ...newest,
  ],
  infer: (context) => {
    checkModes(context);
    const { dtype, shape } = context.input(0);
    const result: Dim[] = [...shape];
    for (const { axis, to } of resizedAxes(context)) result[axis] = to;
    return [{ dtype, shape: result }];
  },
  injective: (context, indices) => interpolate(context, resizedAxes(context), [...indices]),
  evaluate: (context) => {
    const x = context.input(0);
    const { dtype, dims } = context.outputs[0]!;
    const { attributes } = context;
    const elements = decodeElements(x);
    const strides = rowMajorStrides(x.dims);
    const axes = resizedAxes(context.view);
    const values = new Float64Array(elementCount(dims));
    const isCropped = attributes.coordinate_transformation_mode === "tf_crop_and_resize";
    const valueAt = (indices: readonly number[], depth: number): number => {
      const resized = axes[depth];
      if (resized === undefined)
        return elements[indices.reduce((sum, i, axis) => sum + i * strides[axis]!, 0)]!;
      const { axis, from } = resized;
      const place = resized.place(indices[axis]!);
      if (isCropped && (place < 0 || place > from - 1)) return attributes.extrapolation_value;
      return tapsOf(place, from, attributes).reduce((sum, { index, weight }) => {
        const inside = Math.min(Math.max(index, 0), from - 1);
        return sum + weight * valueAt(indices.with(axis, inside), depth + 1);
      }, 0);
    };
    forEachIndex(dims, (indices, at) => {
      values[at] = valueAt(indices, 0);
    });
    return [encodeElements(dtype, dims, values)];
  },
});

/** What was meant before there were modes to choose from. */
const upsampling = (mode: string) => ({
  mode: mode === "bilinear" ? "linear" : mode,
  coordinate_transformation_mode: "asymmetric",
  nearest_mode: "floor",
});

const Upsample = defineExpansion({
  name: "Upsample",
  summary: "Resize as it was before opset 10.",
  inputs: ["X", "scales"],
  attributes: { mode: attribute.string("nearest") },
  versions: [
    oldVersion(
      7,
      { mode: attribute.string("nearest"), scales: attribute.required("floats") },
      (b, [x], { attributes: { mode, scales } }) => {
        const values = encodeElements("float32", [scales.length], scales);
        return [b.op("Resize", [x!, null, b.constant(values)], upsampling(mode))];
      },
      ["X"],
    ),
    { since: 9 },
    { since: 10 },
  ],
  expand: (b, [x, scales], { attributes: { mode } }) => [
    b.op("Resize", [x!, null, scales!], upsampling(mode)),
  ],
});

export const resizeOperators: readonly Operator[] = [Resize, Upsample];
