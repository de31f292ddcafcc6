/** TensorScatter: a cache with new entries in it, from a place of its own in each row of the batch. */

import { addDims, isStatic, subtractDims } from "../ir/dim.js";
import { add, i32Constant, maxIndex, minIndex, op, select, sub } from "../loop/builder.js";
import { injective } from "./injective.js";
import { attribute, type NodeView, type Operator } from "./operator.js";

const attributes = { axis: attribute.int(-2), mode: attribute.string("linear") } as const;
type View = NodeView<typeof attributes>;

/** The dim along which entries follow one another; it is never that of the batch. */
function axisOf({ attributes: { axis }, input, fail }: Pick<View, "attributes" | "input" | "fail">): number {
  const { rank } = input(0);
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 1 || normal >= rank) fail(`axis ${axis} of a cache of ${rank} dims`);
  return normal;
}

const TensorScatter = injective({
  name: "TensorScatter",
  summary:
    "The cache, with the update written over it from the index of each row, around its end in circular mode.",
  inputs: ["past_cache", "update", "write_indices?"],
  attributes,
  versions: [24],
  infer: (context) => {
    const [cache, update] = [context.input(0), context.input(1)];
    const { mode } = context.attributes;
    if (mode !== "linear" && mode !== "circular") context.fail(`mode "${mode}" is not defined`);
    if (cache.dtype !== update.dtype) context.fail(`combines ${cache.dtype} and ${update.dtype}`);
    const axis = axisOf(context);
    const fits =
      cache.rank === update.rank &&
      cache.shape.every((dim, i) => {
        const other = update.shape[i]!;
        if (!isStatic(dim) || !isStatic(other)) return true;
        return i === axis ? other <= dim : other === dim;
      });
    if (!fits) context.fail("the update does not fit the cache", "E_SHAPE");
    return [{ dtype: cache.dtype, shape: cache.shape }];
  },
  checks: (context) => {
    const indices = context.optional(2);
    if (indices === null || indices.constant !== null) return [];
    const [room, length] = [context.input(0), context.input(1)].map(({ shape }) => shape[axisOf(context)]!);
    const end = context.attributes.mode === "linear" ? subtractDims(addDims(room!, 1), length!) : room!;
    return [{ input: 2, what: "write index", ranges: [{ least: 0, end }] }];
  },
  injective: (context, indices) => {
    const axis = axisOf(context);
    const [room, length] = [context.input(0), context.input(1)].map(({ shape }) => shape[axis]!);
    const kept = context.load(0, indices);
    if (length === 0) return kept;
    const first = context.optional(2) === null ? i32Constant(0) : context.load(2, [indices[0]!]);
    const start = first.type.scalar === "i64" ? op("i64_to_i32", first) : first;
    const behind = sub(indices[axis]!, start);
    const isLinear = context.attributes.mode === "linear";
    const place = isLinear ? behind : select(op("lt_s", behind, 0), add(behind, context.dim(room!)), behind);
    const last = sub(context.dim(length!), 1);
    const updated = context.load(1, indices.with(axis, maxIndex(minIndex(place, last), 0)));
    return select(op("and", op("ge_s", place, 0), op("le_s", place, last)), updated, kept);
  },
});

export const tensorScatterOperators: readonly Operator[] = [TensorScatter];
