/**
 * What a Resize does to each axis: where every coordinate mode puts the elements of the result among those of the
 * input. All modes are straight lines: the place of element i is slope * i + start.
 */

import { isStatic } from "../ir/dim.js";
import type { AttributesOf, NodeView } from "./operator.js";
import { attribute } from "./operator.js";

export const resizeAttributes = {
  antialias: attribute.int(0),
  axes: attribute.optional("ints"),
  coordinate_transformation_mode: attribute.string("half_pixel"),
  cubic_coeff_a: attribute.float(-0.75),
  exclude_outside: attribute.int(0),
  extrapolation_value: attribute.float(0),
  keep_aspect_ratio_policy: attribute.string("stretch"),
  mode: attribute.string("nearest"),
  nearest_mode: attribute.string("round_prefer_floor"),
} as const;

export type ResizeView = NodeView<typeof resizeAttributes>;
type Attributes = AttributesOf<typeof resizeAttributes>;

export interface ResizedAxis {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  /** The place of element i of the result, in elements of the input. */
  readonly place: (i: number) => number;
  readonly slope: number;
  readonly start: number;
}

/** The axes that change; all others are kept as they are. */
export function resizedAxes(context: ResizeView): ResizedAxis[] {
  const { shape, rank } = context.input(0);
  const { attributes } = context;
  const axes = attributes.axes ?? shape.map((_, axis) => axis);
  const sizes = sizesOf(context, axes);
  const roi = context.optional(1) === null ? null : context.elements(1);
  return axes.flatMap((given, i) => {
    const axis = given < 0 ? given + rank : given;
    const from = shape[axis] ?? context.fail(`axis ${given} of a tensor of ${rank} dims`);
    const { to, scale } = sizes[i]!;
    if (to === null) return []; // a scale of 1
    if (!isStatic(from)) return context.fail(`resizes dim ${axis}, which is not known`, "E_UNSUPPORTED");
    const range = cropOf(context, roi?.map(Number), i, axes.length);
    const place = placeOf(attributes, { from, to, scale, ...range });
    if (from === to && place(0) === 0 && (to < 2 || place(to - 1) === to - 1)) return [];
    const start = place(0);
    const slope = to > 1 ? (place(to - 1) - start) / (to - 1) : 1;
    return [{ axis, from, to, place, slope, start }];
  });
}

interface AxisSize {
  /** Null where the axis keeps its size, whatever that is. */
  readonly to: number | null;
  /** The scale that the model gives, or null where it gives the size. */
  readonly scale: number | null;
}

function sizesOf(context: ResizeView, axes: readonly number[]): AxisSize[] {
  const scales = given(context, 2);
  const sizes = given(context, 3);
  if ((scales === null) === (sizes === null)) context.fail("needs either scales or sizes");
  const values = (scales ?? sizes)!;
  if (values.length !== axes.length) {
    context.fail(`has ${values.length} scales or sizes for ${axes.length} axes`, "E_SHAPE");
  }
  const { shape, rank } = context.input(0);
  const dims = axes.map((axis) => shape[axis < 0 ? axis + rank : axis]!);
  if (scales !== null) {
    return scales.map((scale, i) => {
      if (scale === 1) return { to: null, scale };
      const dim = dims[i]!;
      if (!(scale > 0)) context.fail(`scale ${scale} is not positive`);
      if (!isStatic(dim)) return context.fail(`resizes dim ${axes[i]}, which is not known`, "E_UNSUPPORTED");
      // A scale is a float32, and so is what it makes of a size: 10 * 0.7 is 7, though that float is below 0.7.
      return { to: Math.floor(Math.fround(dim * scale)), scale };
    });
  }
  const policy = context.attributes.keep_aspect_ratio_policy;
  if (policy === "stretch") return values.map((to) => ({ to, scale: null }));
  const ratios = values.map((size, i) => size / Number(dims[i]));
  if (!dims.every(isStatic) || (policy !== "not_larger" && policy !== "not_smaller")) {
    return context.fail(`keep_aspect_ratio_policy "${policy}" on dims that are not known`, "E_UNSUPPORTED");
  }
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return dims.map((dim) => ({ to: Math.floor(scale * dim + 0.5), scale }));
}

/** The elements of an optional input; one without elements counts as left out. */
function given(context: ResizeView, i: number): number[] | null {
  const value = context.optional(i);
  if (value === null || value.shape[0] === 0) return null;
  return context.requireElements(i).map((element) => {
    if (!isStatic(element)) context.fail("resizes to a size that is not known", "E_UNSUPPORTED");
    return element as number;
  });
}

/** The part of the axis that `tf_crop_and_resize` takes, in fractions of it. */
function cropOf(context: ResizeView, roi: readonly number[] | undefined, i: number, count: number) {
  if (context.attributes.coordinate_transformation_mode !== "tf_crop_and_resize")
    return { crop: [0, 1] as const };
  if (roi?.length !== 2 * count) context.fail("roi must be known at compile time", "E_UNSUPPORTED");
  return { crop: [roi![i]!, roi![i + count]!] as const };
}

interface AxisRatio {
  readonly from: number;
  readonly to: number;
  readonly scale: number | null;
  readonly crop: readonly [number, number];
}

/** Where element i of the result lies in the input. */
function placeOf(attributes: Attributes, { from, to, scale, crop }: AxisRatio): (i: number) => number {
  // i / scale: with a float32 scale rounded as float32, and exactly where the ratio is one of sizes.
  const unscale = (i: number) => (scale === null ? (i * from) / to : Math.fround(i / scale));
  const halfPixel = (i: number) => unscale(i + 0.5) - 0.5;
  // The length that a scale asks for, before it is made a whole number.
  const length = scale === null ? to : scale * from;
  switch (attributes.coordinate_transformation_mode) {
    case "half_pixel":
      return halfPixel;
    case "half_pixel_symmetric": {
      const offset = (from / 2) * (1 - to / length);
      return (i) => offset + halfPixel(i);
    }
    case "pytorch_half_pixel":
      return to > 1 ? halfPixel : () => 0;
    case "tf_half_pixel_for_nn":
      return (i) => unscale(i + 0.5);
    case "align_corners":
      return to > 1 ? (i) => (i * (from - 1)) / (length - 1) : () => 0;
    case "asymmetric":
      return unscale;
    case "tf_crop_and_resize": {
      const [low, high] = crop;
      if (to === 1) return () => 0.5 * (low + high) * (from - 1);
      return (i) => low * (from - 1) + (i * (high - low) * (from - 1)) / (length - 1);
    }
    default:
      return () => Number.NaN; // refused when types are inferred
  }
}

export const coordinateModes: ReadonlySet<string> = new Set([
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "tf_half_pixel_for_nn",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
]);

export const nearestModes: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

export interface Tap {
  /** May lie outside of the input: it then stands for the element at the edge. */
  readonly index: number;
  readonly weight: number;
}

/** The elements along an axis that one of the result is made of. */
export function tapsOf(place: number, from: number, attributes: Attributes): Tap[] {
  const { mode, nearest_mode, cubic_coeff_a: a, exclude_outside } = attributes;
  if (mode === "nearest") return [{ index: nearestModes[nearest_mode]!(place), weight: 1 }];
  const floor = Math.floor(place);
  const t = place - floor;
  const weights = mode === "linear" ? [1 - t, t] : cubicWeights(t, a);
  const first = mode === "linear" ? floor : floor - 1;
  const taps = weights.map((weight, k) => ({ index: first + k, weight }));
  if (exclude_outside === 0) return taps;
  const inside = taps.filter(({ index }) => index >= 0 && index < from);
  const sum = inside.reduce((total, { weight }) => total + weight, 0);
  return inside.map(({ index, weight }) => ({ index, weight: weight / sum }));
}

/** Keys' cubic convolution at distances 1 + t, t, 1 - t and 2 - t. */
function cubicWeights(t: number, a: number): number[] {
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}
