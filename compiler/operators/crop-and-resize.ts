/** CropAndResize: boxes of images, brought to one size, the corners of a box at the corners of its crop. */

import { type Dim, isStatic } from "../ir/dim.js";
import { constant, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { insideIndex } from "./indices.js";
import { injective } from "./injective.js";
import { attribute, type ElementContext, type NodeView, type Operator } from "./operator.js";

const attributes = {
  extrapolation_value: attribute.float(0),
  mode: attribute.string("bilinear"),
} as const;

type View = NodeView<typeof attributes>;
type Context = ElementContext<typeof attributes>;

function cropSize(context: View): readonly [Dim, Dim] {
  const size = context.requireIntegers(3);
  if (size.length !== 2) context.fail(`crop_size of ${size.length} numbers, not 2`, "E_SHAPE");
  if (size.some((dim) => isStatic(dim) && dim < 1)) context.fail("crop_size is not positive", "E_SHAPE");
  return size as [Dim, Dim];
}

/** A place along an axis of the image, in elements, and whether it lies on the image. */
interface Along {
  readonly at: Expr;
  readonly inside: Expr;
  /** The last element of the axis. */
  readonly last: Expr;
}

/** Where an element of a crop lies along an axis: between the ends of the box, or in its middle where it is alone. */
function placeAlong(context: Context, roi: Expr, index: Expr, axis: 0 | 1): Along {
  const scalar = registerTypes[context.input(0).dtype] as "f32" | "f64";
  const number = (whole: Expr): Expr => op(`i32_to_${scalar}_s`, whole);
  const end = (i: number): Expr => context.load(1, [roi, context.dim(i)]);
  const [low, high] = [end(axis), end(axis + 2)];
  const last = sub(context.dim(context.input(0).shape[axis + 2]!), 1);
  const size = number(last);
  const count = context.dim(cropSize(context)[axis]);
  const span = op("mul", op("sub", high, low), size);
  const step = op("div", span, number(op("max_s", sub(count, 1), 1)));
  const between = op("add", op("mul", low, size), op("mul", number(index), step));
  const spread = select(op("eq", index, sub(count, 1)), op("mul", high, size), between);
  const middle = op("mul", op("mul", op("add", low, high), 0.5), size);
  const at = select(op("gt_s", count, 1), spread, middle);
  const inside = op("and", op("ge", at, constant(at.type, 0)), op("le", at, size));
  return { at, inside, last };
}

/** The whole number of a place, limited to the axis. */
function element({ at, last }: Along, round: (x: Expr) => Expr): Expr {
  const name = at.type.scalar === "f64" ? "f64_to_i32_s" : "f32_to_i32_s";
  return op("max_s", op("min_s", op(name, round(at)), last), 0);
}

const floor = (x: Expr): Expr => op("floor", x);
const ceil = (x: Expr): Expr => op("ceil", x);
/** Halves go away from 0, and places are not negative. */
const nearest = (x: Expr): Expr =>
  select(op("ge", op("sub", x, floor(x)), 0.5), op("add", floor(x), 1), floor(x));

function interpolated(load: (y: Expr, x: Expr) => Expr, y: Along, x: Along): Expr {
  const between = (a: Expr, b: Expr, { at }: Along): Expr =>
    op("add", a, op("mul", op("sub", b, a), op("sub", at, op("floor", at))));
  const row = (round: (at: Expr) => Expr): Expr =>
    between(load(element(y, round), element(x, floor)), load(element(y, round), element(x, ceil)), x);
  return between(row(floor), row(ceil), y);
}

const CropAndResize = injective({
  name: "CropAndResize",
  domain: "com.microsoft",
  summary: "Boxes of images brought to one size, by interpolation or the nearest element.",
  inputs: ["X", "rois", "batch_indices", "crop_size"],
  attributes,
  versions: [1],
  infer: (context) => {
    const [x, rois, batches] = [context.input(0), context.input(1), context.input(2)];
    const { mode } = context.attributes;
    if (mode !== "bilinear" && mode !== "nearest") context.fail(`mode "${mode}" is not defined`);
    if (!["float32", "float16", "float64"].includes(x.dtype))
      context.fail(`does not take ${x.dtype}`, "E_UNSUPPORTED");
    if (rois.dtype !== x.dtype) context.fail(`combines ${x.dtype} and ${rois.dtype}`);
    if (batches.dtype !== "int32") context.fail(`does not take batch_indices of ${batches.dtype}`);
    if (x.rank !== 4 || rois.rank !== 2 || batches.rank !== 1)
      context.fail(`takes 4, 2 and 1 dims, not ${x.rank}, ${rois.rank} and ${batches.rank}`, "E_SHAPE");
    context.requireEqual(rois.shape[1]!, 4, `boxes of ${rois.shape[1]} numbers`);
    context.requireEqual(
      rois.shape[0]!,
      batches.shape[0]!,
      "has another number of batch_indices than of boxes",
    );
    return [{ dtype: x.dtype, shape: [rois.shape[0]!, x.shape[1]!, ...cropSize(context)] }];
  },
  checks: (context) =>
    context.input(2).constant !== null
      ? []
      : [{ input: 2, what: "batch index", ranges: [{ least: 0, end: context.input(0).shape[0]! }] }],
  injective: (context, indices) => {
    const [roi, channel, row, column] = indices as [Expr, Expr, Expr, Expr];
    const [y, x] = [placeAlong(context, roi, row, 0), placeAlong(context, roi, column, 1)];
    const batch = insideIndex(context, 2, context.load(2, [roi]), context.input(0).shape[0]!);
    const load = (i: Expr, j: Expr): Expr => context.load(0, [batch, channel, i, j]);
    const { mode, extrapolation_value } = context.attributes;
    const value =
      mode === "nearest" ? load(element(y, nearest), element(x, nearest)) : interpolated(load, y, x);
    return select(op("and", y.inside, x.inside), value, extrapolation_value);
  },
});

export const cropAndResizeOperators: readonly Operator[] = [CropAndResize];
