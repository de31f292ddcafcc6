/**
 * Where the elements of a resized axis lie among those of the input. The formulas of the coordinate modes are written
 * once, over numbers and over expressions: what is known when the model is compiled becomes a straight line, the place
 * of element i being slope * i + start; anything else is computed at run time, in float64.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import { intToFloat, toFloat } from "../kernels/interpolation.js";
import { constant, i32Constant, type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { ResizeAttributes, ResizedAxis, ResizeView } from "./resize-plan.js";

/** Arithmetic on numbers, or on expressions. */
interface Arithmetic<T> {
  readonly of: (value: number) => T;
  readonly dim: (dim: Dim) => T;
  /** Elements of the inputs `roi` and `scales`. */
  readonly roi: (index: number) => T;
  readonly scale: (index: number) => T;
  readonly add: (a: T, b: T) => T;
  readonly sub: (a: T, b: T) => T;
  readonly mul: (a: T, b: T) => T;
  readonly div: (a: T, b: T) => T;
  /** Rounds to float32. */
  readonly round: (a: T) => T;
  /** a < b ? x : y */
  readonly ifLess: (a: T, b: T, x: T, y: T) => T;
}

/** A scale as a fraction, so that ratios of sizes stay exact. */
interface Fraction<T> {
  readonly over: T;
  readonly under: T;
}

function fractionOf<T>(m: Arithmetic<T>, { from, to, scale }: ResizedAxis): Fraction<T> {
  switch (scale.kind) {
    case "sizes":
      return { over: m.dim(to), under: m.dim(from) };
    case "given":
      return { over: m.of(scale.value), under: m.of(1) };
    case "input":
      return { over: m.scale(scale.index), under: m.of(1) };
    case "common": {
      const fractions = scale.ratios.map((one) => ({ over: m.dim(one.to), under: m.dim(one.from) }));
      return fractions.reduce((best, other) => {
        const [a, b] = [m.mul(other.over, best.under), m.mul(best.over, other.under)];
        const [less, more] = scale.pick === "smallest" ? [a, b] : [b, a];
        return {
          over: m.ifLess(less, more, other.over, best.over),
          under: m.ifLess(less, more, other.under, best.under),
        };
      });
    }
  }
}

/** The scale of an axis, but no more than 1: how much wider filters get. */
export function shrinkage(scope: PlaceScope, axis: ResizedAxis): Expr {
  const m = expressions(scope);
  const { over, under } = fractionOf(m, axis);
  return op("pmin", m.div(over, under), 1);
}

/** Where element i of the result lies in the input. */
function placeOf<T>(m: Arithmetic<T>, mode: string, axis: ResizedAxis): (i: T) => T {
  const { over, under } = fractionOf(m, axis);
  const [from, to] = [m.dim(axis.from), m.dim(axis.to)];
  const [one, half] = [m.of(1), m.of(0.5)];
  // i / scale: with a float32 scale rounded as float32, and exactly where the ratio is one of sizes.
  const isFloat = axis.scale.kind === "given" || axis.scale.kind === "input";
  const unscale = (i: T): T => (isFloat ? m.round(m.div(i, over)) : m.div(m.mul(i, under), over));
  // The length that a scale asks for, before it is made a whole number.
  const length = axis.scale.kind === "sizes" ? to : m.div(m.mul(from, over), under);
  const halfPixel = (i: T): T => m.sub(unscale(m.add(i, half)), half);
  const lastFrom = m.sub(from, one);
  // A single element has no step to another: neither a quotient by its length, nor (as 2 stands in) one by 0.
  const unlessSingle = (single: T, place: T): T => m.ifLess(one, to, place, single);
  const lastTo = m.sub(unlessSingle(m.of(2), length), one);
  switch (mode) {
    case "half_pixel_symmetric": {
      const offset = m.mul(m.mul(from, half), m.sub(one, m.div(to, length)));
      return (i) => m.add(offset, halfPixel(i));
    }
    case "pytorch_half_pixel":
      return (i) => unlessSingle(m.of(0), halfPixel(i));
    case "tf_half_pixel_for_nn":
      return (i) => unscale(m.add(i, half));
    case "align_corners":
      return (i) => unlessSingle(m.of(0), m.div(m.mul(i, lastFrom), lastTo));
    case "asymmetric":
      return unscale;
    case "tf_crop_and_resize": {
      const [low, high] = axis.crop!.map(m.roi) as [T, T];
      const start = m.mul(low, lastFrom);
      const middle = m.mul(m.mul(half, m.add(low, high)), lastFrom);
      return (i) =>
        unlessSingle(middle, m.add(start, m.div(m.mul(m.mul(i, m.sub(high, low)), lastFrom), lastTo)));
    }
    default:
      return halfPixel;
  }
}

// ---------------------------------------------------------------------------------------------- numbers

/** An axis of which everything is known when the model is compiled. */
export interface KnownAxis {
  readonly from: number;
  readonly to: number;
  readonly place: (i: number) => number;
  readonly slope: number;
  readonly start: number;
}

/** Null where the axis depends on what is only known at run time. */
export function knownAxis(context: ResizeView, axis: ResizedAxis): KnownAxis | null {
  const { from, to, scale } = axis;
  const roi = axis.crop === null ? [] : context.elements(1);
  const ratios = scale.kind === "common" ? scale.ratios.flatMap((one) => [one.from, one.to]) : [];
  if (!isStatic(from) || !isStatic(to) || scale.kind === "input" || !ratios.every(isStatic)) return null;
  if (roi === null || !roi.every(isStatic)) return null;
  const numbers: Arithmetic<number> = {
    of: (value) => value,
    dim: Number,
    roi: (index) => Number(roi[index]),
    scale: Number,
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    div: (a, b) => a / b,
    round: Math.fround,
    ifLess: (a, b, x, y) => (a < b ? x : y),
  };
  const place = placeOf(numbers, context.attributes.coordinate_transformation_mode, axis);
  const start = place(0);
  return { from, to, place, start, slope: to > 1 ? (place(to - 1) - start) / (to - 1) : 1 };
}

/** True for an axis whose elements all stay where they are. */
export const staysInPlace = (known: KnownAxis | null): boolean =>
  known !== null &&
  known.from === known.to &&
  known.start === 0 &&
  (known.to < 2 || known.place(known.to - 1) === known.to - 1);

// ---------------------------------------------------------------------------------------------- expressions

/** What places are computed from at run time. */
export interface PlaceScope {
  readonly dim: (dim: Dim) => Expr;
  /** An element of the i-th input. */
  readonly load: (i: number, indices: readonly Expr[]) => Expr;
}

/** The place of an element as a float64. */
export function placeExpr(
  scope: PlaceScope,
  attributes: ResizeAttributes,
  axis: ResizedAxis,
  index: Expr,
): Expr {
  const place = placeOf(expressions(scope), attributes.coordinate_transformation_mode, axis);
  return place(intToFloat(index, "f64"));
}

function expressions({ dim, load }: PlaceScope): Arithmetic<Expr> {
  const element = (input: number) => (index: number) => toFloat(load(input, [i32Constant(index)]), "f64");
  const float64 = { scalar: "f64", lanes: 1 } as const;
  const combine = (name: "add" | "sub" | "mul" | "div") => (a: Operand, b: Operand) => op(name, a, b);
  return {
    of: (value) => constant(float64, value),
    dim: (size) => (isStatic(size) ? constant(float64, size) : intToFloat(dim(size), "f64")),
    roi: element(1),
    scale: element(2),
    add: combine("add"),
    sub: combine("sub"),
    mul: combine("mul"),
    div: combine("div"),
    round: (a) => op("f32_to_f64", op("f64_to_f32", a)),
    ifLess: (a, b, x, y) => select(op("lt", a, b), x, y),
  };
}
