/**
 * Samples of an image (or a volume) at places that a grid gives. For each place the elements around it and their
 * weights are worked out once; the loop over channels is the innermost one.
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, maxIndex, minIndex, mul, op, rem, select, sub } from "../loop/builder.js";
import type { Expr, ScalarType } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import {
  cubicWeights,
  intToFloat,
  linearWeights,
  splitPlace,
  sumOfProducts,
  toFloat,
} from "./interpolation.js";

export interface GridSampleParameters {
  readonly mode: "linear" | "nearest" | "cubic";
  readonly padding: "zeros" | "border" | "reflection";
  readonly alignCorners: boolean;
  /** Of the image: [batch, channels, ...spatial]. */
  readonly shape: readonly Dim[];
  /** Spatial extents of the result. */
  readonly out: readonly Dim[];
  /** Register type of the image's elements. */
  readonly scalar: ScalarType;
}

export interface GridSampleOperands {
  readonly image: (indices: readonly Expr[]) => Expr;
  /** Coordinates from -1 to 1, that of the last dim first. */
  readonly grid: (indices: readonly Expr[]) => Expr;
  readonly result: (value: Expr, indices: readonly Expr[]) => void;
}

/** What cubic convolution uses in images. */
const cubicCoefficient = -0.75;

/** An element of the image on one dim; `inside` is absent where it cannot lie elsewhere. */
interface Tap {
  readonly index: Expr;
  readonly inside: Expr | null;
}

interface Taps {
  readonly taps: readonly Tap[];
  /** Absent for a single one. */
  readonly weights: readonly Expr[] | null;
}

export function gridSample(s: KernelScope, p: GridSampleParameters, operands: GridSampleOperands): void {
  const nest = (at: readonly Expr[]): void => {
    const dim = at.length - 1;
    if (dim < p.out.length) {
      s.for(`o${dim}`, 0, s.dim(p.out[dim]!), (place) => nest([...at, place]));
      return;
    }
    const [batch, ...places] = at as [Expr, ...Expr[]];
    const around = p.out.map((_, i) => tapsOn(s, p, i, operands.grid([...at, s.dim(p.out.length - 1 - i)])));
    s.for(
      "c",
      0,
      s.dim(p.shape[1]!),
      (c) => operands.result(sample(operands.image, around, [batch, c]), [batch, c, ...places]),
      { mode: "vectorize" },
    );
  };
  s.for("n", 0, s.dim(p.shape[0]!), (n) => nest([n]), { mode: "parallel" });
}

/** The elements around one place, dim by dim. */
function sample(image: GridSampleOperands["image"], around: readonly Taps[], at: readonly Expr[]): Expr {
  const current = around[at.length - 2];
  if (current === undefined) return image(at);
  const values = current.taps.map(({ index, inside }) => {
    const value = sample(image, around, [...at, index]);
    return inside === null ? value : select(inside, value, constant(value.type, 0));
  });
  return current.weights === null ? values[0]! : sumOfProducts(values, current.weights);
}

function tapsOn(s: KernelScope, p: GridSampleParameters, dim: number, coordinate: Expr): Taps {
  const extent = s.dim(p.shape[dim + 2]!);
  const place = s.let("place", insidePlace(p, placeOf(p, coordinate, extent), extent));
  if (p.mode === "nearest") {
    const index = op(place.type.scalar === "f64" ? "f64_to_i32_s" : "f32_to_i32_s", place);
    return { taps: [tapAt(s, p, index, extent)], weights: null };
  }
  const { base, fraction } = splitPlace(place);
  const first = s.let("base", base);
  const t = s.let("t", toFloat(fraction, p.scalar === "f64" ? "f64" : "f32"));
  const offsets = p.mode === "linear" ? [0, 1] : [-1, 0, 1, 2];
  const weights = p.mode === "linear" ? linearWeights(t) : cubicWeights(t, cubicCoefficient);
  return {
    taps: offsets.map((offset) => tapAt(s, p, add(first, offset), extent)),
    weights: weights.map((weight) => s.let("weight", weight)),
  };
}

/** A coordinate from -1 to 1 in elements of the image, rounded (halves to even) where the nearest one is wanted. */
function placeOf(p: GridSampleParameters, coordinate: Expr, extent: Expr): Expr {
  const { scalar } = coordinate.type as { scalar: "f32" | "f64" };
  const shifted = op("add", coordinate, 1);
  const place = p.alignCorners
    ? op("mul", op("mul", shifted, 0.5), intToFloat(sub(extent, 1), scalar))
    : op("mul", op("sub", op("mul", shifted, intToFloat(extent, scalar)), 1), 0.5);
  return p.mode === "nearest" ? op("nearest", place) : place;
}

/** What lies outside of the borders goes to the edge, or is reflected between them. */
function insidePlace(p: GridSampleParameters, place: Expr, extent: Expr): Expr {
  if (p.padding === "zeros") return place;
  const scalar = place.type.scalar as "f32" | "f64";
  const last = intToFloat(sub(extent, 1), scalar);
  const low = constant(place.type, p.alignCorners ? 0 : -0.5);
  const high = p.alignCorners ? last : op("add", last, 0.5);
  const isOutside = op("or", op("lt", place, low), op("gt", place, high));
  if (p.padding === "border") return select(isOutside, op("pmax", op("pmin", place, last), 0), place);
  const range = op("sub", high, low);
  const below = op("lt", place, low);
  const distance = select(below, op("sub", low, place), op("sub", place, high));
  const turns = op("trunc", op("div", distance, range));
  const rest = op("sub", distance, op("mul", turns, range));
  const half = op("mul", turns, 0.5);
  const isEven = op("eq", op("floor", half), half);
  const fromLow = op("add", low, rest);
  const fromHigh = op("sub", high, rest);
  const endsHigh = op("xor", below, isEven);
  // Between borders that are one place there is nothing to reflect in.
  return select(isOutside, select(op("gt", range, 0), select(endsHigh, fromHigh, fromLow), low), place);
}

/** The element that stands at an index which may lie outside of the image. */
function tapAt(s: KernelScope, p: GridSampleParameters, index: Expr, extent: Expr): Tap {
  const clamp = (i: Expr): Expr => s.let("index", maxIndex(minIndex(i, sub(extent, 1)), 0));
  if (p.padding === "border") return { index: clamp(index), inside: null };
  if (p.padding === "zeros") {
    const inside = op("and", op("ge_s", index, 0), op("lt_s", index, extent));
    return { index: clamp(index), inside: s.let("inside", inside) };
  }
  // Places are inside of the borders by now, so only the neighbours of an element at the edge lie outside.
  const near = minIndex(maxIndex(index, -2), add(extent, 1));
  const period = p.alignCorners ? maxIndex(mul(sub(extent, 1), 2), 1) : mul(extent, 2);
  const turned = rem(add(near, mul(period, 2)), period);
  const mirrored = sub(period, p.alignCorners ? turned : add(turned, 1));
  return { index: clamp(minIndex(turned, mirrored)), inside: null };
}
