/** Masks of padding as onnxruntime's attention takes them, as what is added to scores. */

import { equalDims, isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import type { ImportedNode } from "./operator.js";
import { placesOf, reshapeTo, shapePart } from "./shape-arithmetic.js";

interface Masked {
  readonly query: Value;
  readonly key: Value;
}

/**
 * A bias of [batch, 1, queries or 1, keys] that hides keys by adding a large negative number. The mask says
 *
 *     [batch]                    how many keys there are before the padding
 *     [2 * batch]                the same, and then where the first key behind padding is
 *     [3 * batch + 2]            how many keys there are, and where queries and keys begin when they are packed
 *     [batch, keys]              which keys are no padding
 *     [batch, queries, keys]     which key each query sees
 *     [batch, 1, all, all]       the same of all queries and keys that there can be, those of the past among them
 */
export function paddingBias(
  b: GraphBuilder,
  mask: Value,
  { query, key }: Masked,
  hidden: number,
  { fail }: Pick<ImportedNode, "fail">,
): Value {
  if (mask.dtype !== "int32") fail(`does not take a mask of ${mask.dtype}`, "E_UNSUPPORTED");
  const seen = seenKeys(b, mask, query, key, fail);
  return b.op("Where", [seen, b.scalar("float32", 0), b.scalar("float32", hidden)]);
}

function seenKeys(b: GraphBuilder, mask: Value, query: Value, key: Value, fail: ImportedNode["fail"]): Value {
  const isSet = (flags: Value) => b.op("Greater", [flags, b.scalar("int32", 0)]);
  const between = (axes: number[]) => b.op("Unsqueeze", [isSet(mask), b.ints(axes)]);
  switch (mask.rank) {
    case 1:
      return keysByLength(b, mask, query, key, fail);
    case 2:
      return between([1, 2]);
    case 3:
      return between([1]);
    case 4:
      return isSet(presentPart(b, mask, query, key));
    default:
      return fail(`mask of ${mask.rank} dims`, "E_SHAPE");
  }
}

function keysByLength(
  b: GraphBuilder,
  mask: Value,
  query: Value,
  key: Value,
  fail: ImportedNode["fail"],
): Value {
  const [count, batch] = [mask.shape[0]!, query.shape[0]!];
  const rows = shapePart(b, query, 0, 1);
  const beside = (numbers: Value): Value => reshapeTo(b, numbers, [rows, b.ints([1, 1, 1])]);
  const places = placesOf(b, key, 2, "int32");
  if (equalDims(count, batch)) return b.op("Less", [places, beside(mask)]);
  if (isStatic(count) && isStatic(batch) && ![batch, 2 * batch, 3 * batch + 2].includes(count))
    fail(`mask of ${count} numbers for ${batch} rows`, "E_SHAPE");
  const ends = b.op("Slice", [mask, b.ints([0]), rows, b.ints([0])]);
  const before = b.op("Less", [places, beside(ends)]);
  // Only the run may know whether there are starts: where there are none, what is read in their place is not used.
  const size = shapePart(b, mask, 0, 1);
  const hasStarts = b.op("Equal", [size, b.op("Mul", [rows, b.ints([2])])]);
  const behind = b.op("Add", [placesOf(b, query, 0, "int64"), rows]);
  const inside = b.op("Min", [behind, b.op("Sub", [size, b.ints([1])])]);
  const starts = b.op("Where", [hasStarts, b.op("Gather", [mask, inside]), b.scalar("int32", 0)]);
  return b.op("And", [before, b.op("GreaterOrEqual", [places, beside(starts)])]);
}

/** The rows of the queries, which are the last ones of those that there are, and the columns of the keys. */
function presentPart(b: GraphBuilder, mask: Value, query: Value, key: Value): Value {
  const [queries, keys] = [shapePart(b, query, 2, 3), shapePart(b, key, 2, 3)];
  const start = b.op("Sub", [keys, queries]);
  const rows = b.op("Slice", [mask, start, keys, b.ints([2])]);
  return b.op("Slice", [rows, b.ints([0]), keys, b.ints([3])]);
}
