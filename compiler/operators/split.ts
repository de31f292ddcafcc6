/** Split: each part is seen in place, whoever reads it. */

import {
  addDims,
  ceilDivDims,
  type Dim,
  isStatic,
  maxDims,
  minDims,
  modDims,
  multiplyDims,
  printDim,
  subtractDims,
} from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { add } from "../loop/builder.js";
import { partOf } from "../lowering/strided.js";
import { normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { injective } from "./injective.js";
import {
  attribute,
  defineExpansion,
  elementsOf,
  type ImportedNode,
  type NodeView,
  type Operator,
  oldVersion,
} from "./operator.js";

const partAttributes = {
  axis: attribute.required("int"),
  /** Number of the part, and how many equal ones there are where sizes are not given. */
  part: attribute.required("int"),
  count: attribute.int(0),
  /** Whether the last of equal parts may be smaller. */
  uneven: attribute.int(0),
} as const;

/** Where the part begins, and how many elements it has. */
function rangeOf(context: NodeView<typeof partAttributes>): { start: Dim; size: Dim } {
  const { axis, part, count, uneven } = context.attributes;
  const dim = context.input(0).shape[axis]!;
  if (context.optional(1) === null) {
    const reason = `splits ${printDim(dim)} elements into ${count} equal parts`;
    if (uneven === 0) context.requireEqual(modDims(dim, count), 0, reason);
    const size = ceilDivDims(dim, count);
    const start = minDims(multiplyDims(size, part), dim);
    return { start, size: uneven === 0 ? size : maxDims(0, minDims(size, subtractDims(dim, start))) };
  }
  const sizes = context.requireIntegers(1);
  if (part >= sizes.length)
    context.fail(`${sizes.length} sizes are given for ${part + 1} parts or more`, "E_SHAPE");
  const text = sizes.map(printDim).join(", ");
  const reason = `parts of [${text}] do not make up ${printDim(dim)} elements on axis ${axis}`;
  context.requireEqual(sizes.reduce(addDims, 0), dim, reason);
  return { start: sizes.slice(0, part).reduce(addDims, 0), size: sizes[part]! };
}

const Part = injective({
  name: "Part",
  domain: "kiln",
  summary: "One of the parts that a split makes.",
  inputs: ["input", "sizes?"],
  attributes: partAttributes,
  versions: [1],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: shape.with(context.attributes.axis, rangeOf(context).size) }];
  },
  view: (context, input) => {
    const { axis } = context.attributes;
    const { start, size } = rangeOf(context);
    return partOf(input, input.shape.with(axis, size), axis, start);
  },
  injective: (context, indices) => {
    const { axis } = context.attributes;
    return context.load(0, indices.with(axis, add(indices[axis]!, context.dim(rangeOf(context).start))));
  },
});

type SplitNode = ImportedNode<{ axis: { kind: "int"; optional: false; default: number } }>;

/** All parts that are outputs; they are slices where everything is known. */
function split(b: GraphBuilder, x: Value, sizes: Value | null | undefined, view: SplitNode): Value[] {
  const [axis] = normaliseAxes([view.attributes.axis], x.rank, view) as [number];
  const dim = x.shape[axis]!;
  if (isStatic(dim)) {
    const known = sizes ? elementsOf(sizes) : equalParts(dim, view);
    if (known?.every(isStatic)) return slices(b, x, axis, known, view);
  }
  const count = partCount(view);
  const uneven = Number(isUneven(view));
  const attributes = { axis, ...(!sizes && { count, uneven }) };
  return Array.from({ length: Math.min(view.outputCount, count) }, (_, part) =>
    b.op("kiln.Part", [x, sizes ?? null], { ...attributes, part }),
  );
}

function slices(b: GraphBuilder, x: Value, axis: number, parts: readonly number[], view: SplitNode): Value[] {
  const dim = x.shape[axis]!;
  const total = parts.reduce((sum, size) => sum + size, 0);
  if (total !== dim || parts.some((size) => size < 0)) {
    view.fail(`parts of [${parts}] do not make up ${printDim(dim)} elements on axis ${axis}`, "E_SHAPE");
  }
  let end = 0;
  return parts.slice(0, view.outputCount).map((size) => {
    const start = end;
    end += size;
    return b.op("Slice", [x, b.ints([start]), b.ints([end]), b.ints([axis])]);
  });
}

const givenCount = (view: SplitNode): number | undefined =>
  (view.attributes as { num_outputs?: number }).num_outputs;

/** Only where their number is given may the last part be smaller. */
const isUneven = (view: SplitNode): boolean => givenCount(view) !== undefined;

function partCount(view: SplitNode): number {
  const count = givenCount(view) ?? view.outputCount;
  if (count < 1) view.fail(`splits into ${count} parts`);
  return count;
}

function equalParts(dim: number, view: SplitNode): number[] {
  const count = partCount(view);
  if (!isUneven(view) && dim % count !== 0) {
    view.fail(`splits ${dim} elements into ${count} equal parts`, "E_SHAPE");
  }
  const size = Math.ceil(dim / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(size, dim - i * size)));
}

const oldAttributes = { axis: attribute.int(0), split: attribute.optional("ints") } as const;

const splitByAttribute = (since: number, inputs: readonly string[]) =>
  oldVersion(
    since,
    oldAttributes,
    (b, [x, sizes], view) => {
      const { split: given } = view.attributes;
      return split(b, x!, given === undefined ? sizes : b.ints(given), view);
    },
    inputs,
  );

const Split = defineExpansion({
  name: "Split",
  summary: "Cuts a tensor along an axis, into parts of given sizes or equal ones.",
  inputs: ["input", "split?"],
  attributes: { axis: attribute.int(0), num_outputs: attribute.optional("int") },
  versions: [
    splitByAttribute(1, ["input", "split?"]),
    splitByAttribute(2, ["input"]),
    splitByAttribute(11, ["input"]),
    { since: 13, attributes: { axis: attribute.int(0) } },
    { since: 18 },
  ],
  expand: (b, [x, sizes], view) => split(b, x!, sizes, view),
});

export const splitOperators: readonly Operator[] = [Part, Split];
