/** TopK: the largest or smallest elements along an axis, and their places. */

import { type Dim, isStatic, maxDims, minDims, printDim } from "../ir/dim.js";
import { best } from "../kernels/best.js";
import { keyType, sortKey } from "../kernels/sort-keys.js";
import { op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { LoweringContext } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import { normaliseAxes } from "./axes.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineOperator, type NodeView, type Operator, oldVersion } from "./operator.js";
import { numeric } from "./pointwise.js";

const attributes = {
  axis: attribute.int(-1),
  largest: attribute.int(1),
  sorted: attribute.int(1),
} as const;
type TopKView = NodeView<typeof attributes>;

const axisOf = (context: TopKView): number =>
  normaliseAxes([context.attributes.axis], context.input(0).rank, context)[0]!;

/** How many elements are wanted, which must be no more than there are. */
function wanted(context: TopKView): Dim {
  const elements = context.requireIntegers(1);
  const [k] = elements;
  if (k === undefined || elements.length > 1) {
    return context.fail(`K has ${elements.length} elements, not one`, "E_SHAPE");
  }
  const dim = context.input(0).shape[axisOf(context)]!;
  const reason = `K is ${printDim(k)}, of ${printDim(dim)} elements`;
  if (isStatic(k) && k < 0) context.fail(reason, "E_SHAPE");
  context.requireEqual(minDims(k, dim), k, reason);
  return k;
}

/** The order of the results is that of a sort, whether it is asked for or not: by value, and by place where equal. */
function lower(context: LoweringContext<typeof attributes>): void {
  const { shape, dtype } = context.input(0);
  const axis = axisOf(context);
  const k = wanted(context);
  const largest = context.attributes.largest !== 0;
  // No more than there are, so that no element beyond the tensor is read.
  const size = minDims(k, shape[axis]!);
  // A heap of none still has a root to compare with.
  const room = [maxDims(k, 1)];
  const keys = context.scratch("keys", { type: { dtype: keyType(dtype), shape: room } });
  const places = context.scratch("places", { type: { dtype: "int32", shape: room } });
  context.kernel({ name: `topk_${k}of${shape[axis]}`, flops: 0 }, (s) => {
    const x = s.view("x", context.placement(0), "read");
    const heap = {
      keys: s.view("keys", keys, "readwrite").buffer,
      places: s.view("places", places, "readwrite").buffer,
    };
    loopsInOrder(s, shape.with(axis, 1), (row) => {
      const at = (place: Expr) => row.with(axis, place);
      best(s, {
        heap,
        count: s.dim(shape[axis]!),
        wanted: s.dim(size),
        keyAt: (place) => sortKey(x.load(at(place)), dtype, largest),
      });
      s.for("i", 0, s.dim(size), (i) => {
        const place = s.let("place", s.load(heap.places, i));
        s.result(x.load(at(place)), at(i));
        if (context.node.outputs.length > 1) {
          s.view("indices", context.output(1), "write").store(at(i), op("i32_to_i64_s", place));
        }
      });
    });
  });
}

const TopK = defineOperator<typeof attributes>({
  name: "TopK",
  summary: "The largest (or smallest) elements along an axis in order, and their places.",
  inputs: ["X", "K"],
  types: numeric,
  attributes,
  versions: [
    oldVersion(
      1,
      { axis: attribute.int(-1), k: attribute.required("int") },
      (b, [x], { attributes: { axis, k }, outputCount }) =>
        b.ops("TopK", [x!, b.ints([k])], { axis }, outputCount),
      ["X"],
    ),
    { since: 10, attributes: { axis: attribute.int(-1) } },
    { since: 11 },
    { since: 24 },
  ],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    const result = shape.with(axisOf(context), wanted(context));
    return [
      { dtype, shape: result },
      { dtype: "int64", shape: result },
    ];
  },
  layout: () => ({ inputs: ["any", "row-major"], output: "row-major" }),
  lower,
  evaluate: evaluateByKernels(lower),
});

export const topKOperators: readonly Operator[] = [TopK];
