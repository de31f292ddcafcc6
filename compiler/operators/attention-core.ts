/**
 * Scaled dot-product attention as the operators that it is made of, for all operators that have it. Queries are
 * [batch, heads, queries, size], keys and values [batch, key heads, keys, size]: where there are fewer heads of keys,
 * each serves a group of neighbouring heads of queries, which are rows of one matrix product.
 */

import { equalDims, isStatic } from "../ir/dim.js";
import { type DType, dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import type { ImportedNode } from "./operator.js";
import { reshapeTo, shapePart } from "./shape-arithmetic.js";

/** Floats of 16 bits are computed as float32. */
export const attentionType = (dtype: DType): DType => (dtypes[dtype].bytes === 2 ? "float32" : dtype);

/** Each head of keys must serve as many heads of queries. */
export function checkHeads(q: Value, k: Value, { fail }: Pick<ImportedNode, "fail">): void {
  const [heads, keyHeads] = [q.shape[1]!, k.shape[1]!];
  if (isStatic(heads) && isStatic(keyHeads) && (keyHeads === 0 || heads % keyHeads !== 0)) {
    fail(`${heads} heads of queries for ${keyHeads} of keys`, "E_SHAPE");
  }
}

/** [batch, length, heads * size] as [batch, heads, length, size]. */
export function splitHeads(b: GraphBuilder, x: Value, heads: number): Value {
  const apart = b.op("Reshape", [x, b.ints([0, 0, heads, -1])]);
  return b.op("Transpose", [apart], { perm: [0, 2, 1, 3] });
}

/** [batch, heads, length, size] as [batch, length, heads * size]. */
export function joinHeads(b: GraphBuilder, x: Value): Value {
  return b.op("Reshape", [b.op("Transpose", [x], { perm: [0, 2, 1, 3] }), b.ints([0, 0, -1])]);
}

/** 1 / sqrt(head size). */
function usualScale(b: GraphBuilder, q: Value): Value {
  const size = q.shape[3]!;
  if (isStatic(size)) return b.scalar(q.dtype, 1 / Math.sqrt(size));
  return b.op("Reciprocal", [b.op("Sqrt", [b.cast(shapePart(b, q, 3, 4), q.dtype)])]);
}

/** Scores of all queries and keys, [batch, heads, queries, keys], scaled by 1 / sqrt(head size) unless told otherwise. */
export function attentionScores(b: GraphBuilder, q: Value, k: Value, scale: number | undefined): Value {
  const factor = scale === undefined ? usualScale(b, q) : b.scalar(q.dtype, scale);
  const scaled = b.op("Mul", [q, factor]);
  const keys = b.op("Transpose", [k], { perm: [0, 1, 3, 2] });
  if (sameHeads(q, k)) return b.op("MatMul", [scaled, keys]);
  const product = b.op("MatMul", [grouped(b, scaled, k), keys]);
  return reshapeTo(b, product, [shapePart(b, q, 0, 3), shapePart(b, k, 2, 3)]);
}

/** The values that each query sees, by its probabilities: [batch, heads, queries, size]. */
export function attentionValues(b: GraphBuilder, probabilities: Value, v: Value): Value {
  if (sameHeads(probabilities, v)) return b.op("MatMul", [probabilities, v]);
  const product = b.op("MatMul", [grouped(b, probabilities, v), v]);
  return reshapeTo(b, product, [shapePart(b, probabilities, 0, 3), shapePart(b, v, 3, 4)]);
}

const sameHeads = (x: Value, keys: Value): boolean => equalDims(x.shape[1]!, keys.shape[1]!);

/** [batch, heads, queries, n] as [batch, key heads, group * queries, n]. */
function grouped(b: GraphBuilder, x: Value, keys: Value): Value {
  const parts = [shapePart(b, x, 0, 1), shapePart(b, keys, 1, 2), b.ints([-1]), shapePart(b, x, 3, 4)];
  return reshapeTo(b, x, parts);
}

/** cap * tanh(x / cap). */
export function softcap(b: GraphBuilder, x: Value, cap: number): Value {
  const scaled = b.op("Mul", [x, b.scalar(x.dtype, 1 / cap)]);
  return b.op("Mul", [b.op("Tanh", [scaled]), b.scalar(x.dtype, cap)]);
}

/** A mask as something to be added to scores: bool ones say which keys are seen. */
export function maskBias(b: GraphBuilder, mask: Value, dtype: DType, hidden: number): Value {
  if (mask.dtype !== "bool") return b.cast(mask, dtype);
  return b.op("Where", [mask, b.scalar(dtype, 0), b.scalar(dtype, hidden)]);
}
