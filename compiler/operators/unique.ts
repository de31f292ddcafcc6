/** Unique: the distinct elements of a tensor, or the distinct parts along an axis. */

import { type Dim, productOfDims } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { keyType, sortKey } from "../kernels/sort-keys.js";
import { unique } from "../kernels/unique.js";
import { add, i32Constant, op, read } from "../loop/builder.js";
import type { LoweringContext } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import { normaliseAxes } from "./axes.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { attribute, defineExpansion, defineOperator, type NodeView, type Operator } from "./operator.js";
import { take } from "./selection.js";

const attributes = { axis: attribute.optional("int"), sorted: attribute.int(1) } as const;

/** Dims in the order in which the elements of parts lie side by side, and the number of those that make parts. */
function partsOf(context: NodeView<typeof attributes>): { order: number[]; outer: number } {
  const { rank } = context.input(0);
  const dims = Array.from({ length: rank }, (_, i) => i);
  const { axis } = context.attributes;
  if (axis === undefined) return { order: dims, outer: rank };
  const [along] = normaliseAxes([axis], rank, context) as [number];
  return { order: [along, ...dims.filter((dim) => dim !== along)], outer: 1 };
}

function lower(context: LoweringContext<typeof attributes>): void {
  const { shape, dtype } = context.input(0);
  const { order, outer } = partsOf(context);
  const dims = order.map((axis) => shape[axis]!);
  const [count, size] = [dims.slice(0, outer), dims.slice(outer)].map(productOfDims) as [Dim, Dim];
  const memory = (name: string, type: "int32" | "int64", length: Dim) =>
    context.scratch(name, { type: { dtype: type, shape: [length] } });
  const keyMemory = memory("keys", keyType(dtype), productOfDims(shape));
  const [places, spare, sizes] = ["places", "spare", "sizes"].map((name) => memory(name, "int32", count));
  context.kernel({ name: `unique_${count}x${size}`, flops: 0 }, (s) => {
    const number = (total = i32Constant(0)): void =>
      s.view("total", context.output(3), "write").store([], op("i32_to_i64_s", total));
    if (count === 0) {
      number();
      return;
    }
    const keys = s.view("keys", keyMemory, "readwrite").buffer;
    if (size !== 0) {
      const x = s.view("x", context.placement(0), "read");
      const at = s.variable("at", i32Constant(0));
      loopsInOrder(s, dims, (indices) => {
        const own = order.map((_, axis) => indices[order.indexOf(axis)]!);
        s.store(keys, read(at), sortKey(x.load(own), dtype));
        s.assign(at, add(read(at), 1));
      });
    }
    const [first, inverse, counts] = [0, 1, 2].map(
      (i) => s.view(["first", "inverse", "counts"][i]!, context.output(i), "readwrite").buffer,
    );
    const scratch = {
      places: s.view("places", places!, "readwrite").buffer,
      spare: s.view("spare", spare!, "readwrite").buffer,
      sizes: s.view("sizes", sizes!, "readwrite").buffer,
    };
    const results = { first: first!, inverse: inverse!, counts: counts! };
    const sorted = context.attributes.sorted !== 0;
    number(unique(s, { keys, count: s.dim(count), size: s.dim(size), sorted, scratch, results }));
  });
}

const UniqueParts = defineOperator<typeof attributes>({
  name: "UniqueParts",
  domain: "kiln",
  summary:
    "First places and counts of distinct parts, with room for all, which of them each part is, and their number.",
  inputs: ["X"],
  attributes,
  versions: [{ since: 1 }],
  infer: (context) => {
    const { shape } = context.input(0);
    const { order, outer } = partsOf(context);
    const count = productOfDims(order.slice(0, outer).map((axis) => shape[axis]!));
    return [
      ...[1, 2, 3].map(() => ({ dtype: "int64", shape: [count] }) as const),
      { dtype: "int64", shape: [] },
    ];
  },
  layout: () => ({ inputs: ["any"], output: "row-major" }),
  lower,
  evaluate: evaluateByKernels(lower),
});

const Unique = defineExpansion({
  name: "Unique",
  summary: "Distinct elements (or parts along an axis) and where and how often they are.",
  inputs: ["X"],
  attributes,
  versions: [{ since: 11 }],
  expand: (b, [x], { attributes: { axis, sorted }, outputCount }) => {
    const given = axis === undefined ? { sorted } : { axis, sorted };
    const [first, inverse, counts, total] = b.ops("kiln.UniqueParts", [x!], given, 4) as Value[];
    const places = take(b, first!, total!);
    const data = axis === undefined ? b.op("Reshape", [x!, b.ints([-1])]) : x!;
    const parts = b.op("Gather", [data, places], { axis: axis ?? 0 });
    return [parts, places, inverse!, take(b, counts!, total!)].slice(0, outputCount);
  },
});

export const uniqueOperators: readonly Operator[] = [UniqueParts, Unique];
