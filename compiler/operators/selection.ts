/**
 * Operators whose results have as many elements as the data say: NonZero and Compress. The elements are put into a
 * tensor that has room for all there could be, and counted; what is taken of that tensor is the result.
 */

import { type Dim, isStatic, productOfDims } from "../ir/dim.js";
import { printType, type Value } from "../ir/graph.js";
import { add, i32Constant, op, read } from "../loop/builder.js";
import type { LoweringContext } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import { normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import { injective } from "./injective.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  elementsOf,
  type NodeView,
  type Operator,
} from "./operator.js";

const takeAttributes = { axis: attribute.int(0) } as const;

function takenShape(context: NodeView<typeof takeAttributes>): Dim[] {
  const [count] = context.requireIntegers(1);
  return context.input(0).shape.map((dim, axis) => (axis === context.attributes.axis ? count! : dim));
}

const Take = injective({
  name: "Take",
  domain: "kiln",
  summary: "The first `count` parts along an axis, of which there are at least as many.",
  inputs: ["data", "count"],
  attributes: takeAttributes,
  versions: [1],
  infer: (context) => [{ dtype: context.input(0).dtype, shape: takenShape(context) }],
  view: (context, input) => ({ ...input, shape: takenShape(context) }),
  injective: (context, indices) => context.load(0, indices),
});

/** What is taken of tensors that hold `count` parts along an axis, and room for more behind them. */
export function take(b: GraphBuilder, data: Value, count: Value, axis = 0): Value {
  const known = elementsOf(count) === null ? b.symbols(count, true) : count;
  return b.op("kiln.Take", [data, known], { axis });
}

function lowerPlaces(context: LoweringContext): void {
  const { shape } = context.input(0);
  context.kernel({ name: `nonzero_${shape.join("x")}`, flops: 0 }, (s) => {
    const x = s.view("x", context.placement(0), "read");
    const places = s.view("places", context.output(0), "write");
    const count = s.variable("count", i32Constant(0));
    const isEmpty = shape.includes(0);
    loopsInOrder(s, isEmpty ? [0] : shape, (indices) => {
      s.if(op("ne", x.load(indices), 0), () => {
        indices.forEach((index, axis) => {
          places.store([i32Constant(axis), read(count)], op("i32_to_i64_s", index));
        });
        s.assign(count, add(read(count), 1));
      });
    });
    s.view("count", context.output(1), "write").store([], op("i32_to_i64_s", read(count)));
  });
}

const NonZeroPlaces = defineOperator({
  name: "NonZeroPlaces",
  domain: "kiln",
  summary:
    "Indices of the elements that are not 0, a column each, in a tensor with room for all; and their number.",
  inputs: ["X"],
  attributes: {},
  versions: [{ since: 1 }],
  infer: (context) => {
    const { shape, rank } = context.input(0);
    return [
      { dtype: "int64", shape: [rank, productOfDims(shape)] },
      { dtype: "int64", shape: [] },
    ];
  },
  layout: () => ({ inputs: ["any"], output: "row-major" }),
  lower: lowerPlaces,
  evaluate: evaluateByKernels(lowerPlaces),
});

function nonZero(b: GraphBuilder, x: Value): Value {
  const [places, count] = b.ops("kiln.NonZeroPlaces", [x], {}, 2) as [Value, Value];
  return take(b, places, count, 1);
}

const NonZero = defineExpansion({
  name: "NonZero",
  summary: "Indices of the elements that are not 0, a row for each dim.",
  inputs: ["X"],
  attributes: {},
  versions: [{ since: 9 }, { since: 13 }],
  expand: (b, [x]) => [nonZero(b, x!)],
});

const Compress = defineExpansion({
  name: "Compress",
  summary: "Those parts along an axis (or of all elements in order) for which the condition is true.",
  inputs: ["input", "condition"],
  attributes: { axis: attribute.optional("int") },
  versions: [{ since: 9 }, { since: 11 }],
  expand: (b, [x, condition], view) => {
    const { type } = condition!;
    if (type.dtype !== "bool" || type.shape.length !== 1) {
      view.fail(`has a condition of ${printType(type)}, not a list of bool`);
    }
    const { axis } = view.attributes;
    const data = axis === undefined ? b.op("Reshape", [x!, b.ints([-1])]) : x!;
    const [along] = normaliseAxes([axis ?? 0], data.rank, view) as [number];
    const dim = data.shape[along]!;
    const [length] = type.shape as [Dim];
    const isLonger = isStatic(dim) && isStatic(length) && length > dim;
    const fitting = isLonger ? b.op("Slice", [condition!, b.ints([0]), b.ints([dim])]) : condition!;
    const places = b.op("Squeeze", [nonZero(b, fitting), b.ints([0])]);
    return [b.op("Gather", [data, places], { axis: along })];
  },
});

export const selectionOperators: readonly Operator[] = [Take, NonZeroPlaces, NonZero, Compress];
