/** Shapes as values while operators are put in terms of others: constants where the dims are, else arithmetic. */

import { isStatic, productOfDims } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { tensorOf } from "../ir/tensor.js";
import type { GraphBuilder } from "./builder.js";

/** The dims of a tensor from `start` up to `end`, as a one-dimensional tensor. */
export function shapePart(b: GraphBuilder, x: Value, start: number, end: number): Value {
  const dims = x.shape.slice(start, end);
  return dims.every(isStatic) ? b.ints(dims as number[]) : b.op("Shape", [x], { start, end });
}

/** The product of these dims, as a tensor of one element. */
export function shapeProduct(b: GraphBuilder, x: Value, start: number, end: number): Value {
  const product = productOfDims(x.shape.slice(start, end));
  if (isStatic(product)) return b.ints([product]);
  const part = shapePart(b, x, start, end);
  return end - start === 1 ? part : b.op("ReduceProd", [part], { keepdims: 1 });
}

/** The tensor in the shape that these parts, tensors of one dim, make together. */
export function reshapeTo(b: GraphBuilder, x: Value, parts: readonly Value[]): Value {
  const present = parts.filter((part) => part.shape[0] !== 0);
  const shape = present.length > 1 ? b.op("Concat", [...present], { axis: 0 }) : (present[0] ?? b.ints([]));
  return b.op("Reshape", [x, shape], { allowzero: 1 });
}

/** The tensor with runs of neighbouring dims, given by their lengths, joined to one dim each; empty runs give 1. */
export function joinDims(b: GraphBuilder, x: Value, runs: readonly number[]): Value {
  if (runs.every((length) => length === 1)) return x;
  let start = 0;
  const parts = runs.map((length) => {
    start += length;
    return shapeProduct(b, x, start - length, start);
  });
  return reshapeTo(b, x, parts);
}

/** A dim as a number. */
export const scalarDim = (b: GraphBuilder, x: Value, axis: number): Value =>
  b.op("Squeeze", [shapePart(b, x, axis, axis + 1), b.ints([0])]);

/** The numbers from 0 up to a dim, in a given type. */
export function placesOf(b: GraphBuilder, x: Value, axis: number, dtype: "int32" | "int64"): Value {
  const length = x.shape[axis]!;
  if (isStatic(length)) return b.constant(tensorOf(dtype, [length], [...Array(length).keys()]));
  const places = b.op("Range", [b.scalar("int64", 0), scalarDim(b, x, axis), b.scalar("int64", 1)]);
  return b.cast(places, dtype);
}
