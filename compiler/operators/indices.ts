/** Elements of tensors as indices of others. Negative ones count from the end. */

import { type Dim, isStatic, printDim, subtractDims } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { TensorData } from "../ir/tensor.js";
import { op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { convertElement } from "./cast-emit.js";
import { decodeElements } from "./numbers.js";
import type { ElementCheck, ElementContext, NodeView } from "./operator.js";

const indexTypes: readonly DType[] = ["int32", "int64"];

/**
 * What is known of the indices: whether they are integers, and all inside. Where there are several dims, the last dim of
 * the indices holds one for each.
 */
export function checkIndices(context: NodeView, input: number, dims: readonly Dim[]): void {
  const indices = context.input(input);
  if (!indexTypes.includes(indices.dtype)) context.fail(`does not take indices of ${indices.dtype}`);
  const hasSome = indices.shape.every((dim) => isStatic(dim) && dim > 0);
  if (hasSome && dims.includes(0)) context.fail("has indices for a dim of no elements", "E_SHAPE");
  if (indices.constant === null) return;
  const outside = Array.from(decodeElements(indices.constant), (index, i): [number, Dim] => [
    index,
    dims[i % dims.length]!,
  ]).find(([index, dim]) => isStatic(dim) && (index < -dim || index >= dim));
  if (outside !== undefined) {
    context.fail(`index ${outside[0]} of a dim of ${printDim(outside[1])} elements`, "E_SHAPE");
  }
}

/** The same of indices that are not known before the node runs. */
export const indexChecks = (context: NodeView, input: number, dims: readonly Dim[]): ElementCheck[] =>
  context.input(input).constant !== null
    ? []
    : [{ input, what: "index", ranges: dims.map((dim) => ({ least: subtractDims(0, dim), end: dim })) }];

const hasNegative = (indices: TensorData): boolean =>
  Array.from(decodeElements(indices)).some((index) => index < 0);

/**
 * An element of a tensor of indices as an i32 inside the dim. Indices that are not known when the model is compiled are
 * limited to the dim, so that none touches what lies beyond the tensor.
 */
export function insideIndex(
  context: Pick<NodeView, "input"> & Pick<ElementContext, "dim">,
  input: number,
  element: Expr,
  dim: Dim,
): Expr {
  const index = element.type.scalar === "i64" ? op("i64_to_i32", element) : element;
  const { constant } = context.input(input);
  if (constant !== null && !hasNegative(constant)) return index;
  const size = context.dim(dim);
  const wrapped = select(op("lt_s", index, 0), op("add", index, size), index);
  return constant !== null ? wrapped : op("min_u", wrapped, op("sub", size, 1));
}

/** The index that an input has at some place. */
export const loadIndex = (context: ElementContext, input: number, at: readonly Expr[], dim: Dim): Expr =>
  insideIndex(context, input, context.load(input, at), dim);

/** A number as an i32, limited to what is at most `limit` from 0: what is far outside stays outside. */
export function limitedIndex(x: Expr, dtype: DType, limit = 2 ** 30): Expr {
  if (dtype === "uint64") return op("i64_to_i32", op("min_u", x, limit));
  if (dtype === "int64") return op("i64_to_i32", op("min_s", op("max_s", x, -limit), limit));
  if (dtype === "uint32") return op("min_u", x, limit);
  return op("min_s", op("max_s", convertElement(x, dtype, "int32"), -limit), limit);
}
