/**
 * What a Resize does to each axis: how long it becomes, and by which ratio. Where the elements of the result lie among
 * those of the input is told by `resize-place`.
 */

import {
  addDims,
  type Dim,
  equalDims,
  floorDivDims,
  isStatic,
  maxDims,
  minDims,
  multiplyDims,
  printDim,
} from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { axesInOrder } from "./axes.js";
import type { AttributesOf, NodeView } from "./operator.js";
import { attribute } from "./operator.js";
import { floats } from "./pointwise.js";

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
export type ResizeAttributes = AttributesOf<typeof resizeAttributes>;

export interface ResizedAxis {
  readonly axis: number;
  readonly from: Dim;
  readonly to: Dim;
  readonly scale: AxisScale;
  /** Where `roi` holds the part of the axis that is taken: first and last, as fractions. Null for all of it. */
  readonly crop: readonly [number, number] | null;
}

/** By how much an axis grows. */
export type AxisScale =
  /** By its sizes: to / from. */
  | { readonly kind: "sizes" }
  /** By a float32 number of the model. */
  | { readonly kind: "given"; readonly value: number }
  /** By a number that `scales` holds at run time. */
  | { readonly kind: "input"; readonly index: number }
  /** By the smallest (or largest) of the ratios of all axes. */
  | {
      readonly kind: "common";
      readonly pick: "smallest" | "largest";
      readonly ratios: readonly { readonly from: Dim; readonly to: Dim }[];
    };

/** The axes that change; all others are kept as they are. */
export function resizedAxes(context: ResizeView): ResizedAxis[] {
  const { shape, rank } = context.input(0);
  const axes = axesInOrder(context.attributes.axes, rank, context);
  checkFloats(context, 1, "roi");
  checkFloats(context, 2, "scales");
  for (const i of [2, 3]) checkLength(context, i, axes.length);
  const sizes = sizesOf(
    context,
    axes.map((axis) => shape[axis]!),
  );
  const crops = context.attributes.coordinate_transformation_mode === "tf_crop_and_resize";
  if (crops) checkRoi(context, axes.length);
  return axes.flatMap((axis, i) => {
    const from = shape[axis]!;
    const { to, scale } = sizes[i]!;
    const crop = crops ? ([i, i + axes.length] as const) : null;
    const isKept = equalDims(from, to) && crop === null && (scale.kind !== "given" || scale.value === 1);
    return isKept && scale.kind !== "common" ? [] : [{ axis, from, to, scale, crop }];
  });
}

function checkFloats(context: ResizeView, i: number, name: string): void {
  const dtype = given(context, i)?.dtype;
  if (dtype !== undefined && !floats.includes(dtype)) context.fail(`its ${name} are ${dtype}, not floats`);
}

function checkRoi(context: ResizeView, axes: number): void {
  if (given(context, 1) === null) context.fail("tf_crop_and_resize needs roi");
  checkLength(context, 1, 2 * axes);
}

/** A list has an element (roi has two) for each axis. */
function checkLength(context: ResizeView, i: number, length: number): void {
  const list = given(context, i);
  if (list === null) return;
  const name = ["X", "roi", "scales", "sizes"][i];
  const reason = `its ${name} are [${list.shape.map(printDim)}], not [${length}]`;
  if (list.rank !== 1) context.fail(reason, "E_SHAPE");
  context.requireEqual(list.shape[0]!, length, reason);
}

type AxisSize = Pick<ResizedAxis, "to" | "scale">;

/** Where scales are only known at run time, sizes hold what the importer has computed of them. */
function sizesOf(context: ResizeView, dims: readonly Dim[]): AxisSize[] {
  const [scales, sizes] = [given(context, 2), given(context, 3)];
  if (scales === null && sizes === null) context.fail("needs either scales or sizes");
  const elements = sizes === null ? null : context.requireIntegers(3);
  const numbers = scales === null ? null : context.elements(2);
  if (scales === null) return sized(context, elements!, dims);
  return dims.map((from, i) => {
    const value = numbers?.[i];
    if (value === undefined || !isStatic(value))
      return { to: elements![i]!, scale: { kind: "input", index: i } };
    if (!(value > 0)) context.fail(`scale ${value} is not positive`);
    return { to: elements?.[i] ?? scaledSize(from, value)!, scale: { kind: "given", value } };
  });
}

/** The size that a scale makes of a dim; null where it takes more than arithmetic of dims. */
export function scaledSize(from: Dim, scale: number): Dim | null {
  // A scale is a float32, and so is what it makes of a size: 10 * 0.7 is 7, though that float is below 0.7.
  const scaled = (dim: number): number => Math.floor(Math.fround(dim * scale));
  if (isStatic(from)) return scaled(from);
  const ratio = ratioOf(scale);
  if (ratio === null) return null;
  const [numerator, denominator] = ratio;
  const agrees = (dim: number): boolean => scaled(dim) === Math.floor((dim * numerator) / denominator);
  if (!Array.from({ length: checkedSizes }, (_, dim) => dim).every(agrees)) return null;
  return floorDivDims(multiplyDims(from, numerator), denominator);
}

/** Sizes for which a ratio is compared with the float that stands for it. */
const checkedSizes = 1 << 14;

/** The ratio of small numbers that a float32 stands for, or null. */
function ratioOf(scale: number): [number, number] | null {
  for (let denominator = 1; denominator <= 256; denominator++) {
    const numerator = Math.round(scale * denominator);
    if (Math.fround(numerator / denominator) === Math.fround(scale)) return [numerator, denominator];
  }
  return null;
}

function sized(context: ResizeView, sizes: readonly Dim[], dims: readonly Dim[]): AxisSize[] {
  const policy = context.attributes.keep_aspect_ratio_policy;
  const negative = sizes.find((size) => isStatic(size) && size < 0);
  if (negative !== undefined) context.fail(`size ${printDim(negative)} is negative`, "E_SHAPE");
  if (policy === "stretch") return sizes.map((to) => ({ to, scale: { kind: "sizes" } }));
  const ratios = sizes.map((to, i) => ({ from: dims[i]!, to }));
  const pick = policy === "not_larger" ? "smallest" : "largest";
  const choose = policy === "not_larger" ? minDims : maxDims;
  return dims.map((dim) => {
    // dim * to / from of each axis, rounded half up.
    const lengths = ratios.map(({ from, to }) =>
      from === 0
        ? context.fail("keeps the ratio to an axis without elements", "E_SHAPE")
        : floorDivDims(addDims(multiplyDims(multiplyDims(dim, to), 2), from), multiplyDims(from, 2)),
    );
    return { to: lengths.reduce(choose), scale: { kind: "common", pick, ratios } };
  });
}

/** An optional input; one without elements counts as left out. */
function given(context: ResizeView, i: number): Value | null {
  const value = context.optional(i);
  return value === null || value.shape[0] === 0 ? null : value;
}

export const policies: ReadonlySet<string> = new Set(["stretch", "not_larger", "not_smaller"]);

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
