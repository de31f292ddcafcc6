/** Pools over all of space, which are reductions. */

import { dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator, oldVersion } from "./operator.js";
import { floats } from "./pointwise.js";

/** The spatial axes of [N, C, ...spatial], as an input of reductions. */
function spatialAxes(b: GraphBuilder, x: Value, view: Pick<ImportedNode, "fail">): Value {
  if (x.rank < 3) view.fail(`needs an input [N, C, ...spatial], not one of ${x.rank} dims`, "E_SHAPE");
  return b.ints(Array.from({ length: x.rank - 2 }, (_, i) => i + 2));
}

function globalPool(name: string, reduction: string, summary: string): Operator {
  return defineExpansion({
    name,
    summary,
    inputs: ["X"],
    types: floats,
    attributes: {},
    versions: [{ since: 1 }, { since: 22 }],
    expand: (b, [x], view) => [b.op(reduction, [x!, spatialAxes(b, x!, view)], { keepdims: 1 })],
  });
}

const GlobalLpPool = defineExpansion({
  name: "GlobalLpPool",
  summary: "The p-norm over all of space.",
  inputs: ["X"],
  types: floats,
  attributes: { p: attribute.int(2) },
  versions: [
    oldVersion(1, { p: attribute.float(2) }, (b, [x], { attributes }) => [
      b.op("GlobalLpPool", [x!], attributes),
    ]),
    { since: 2 },
    { since: 22 },
  ],
  expand: (b, [x], view) => {
    const { p } = view.attributes;
    if (!(p > 0)) view.fail(`p is ${p}, and must be positive`);
    const axes = spatialAxes(b, x!, view);
    if (p === 1 || p === 2) return [b.op(p === 1 ? "ReduceL1" : "ReduceL2", [x!, axes], { keepdims: 1 })];
    // Powers leave the range of 16 bits where the norm does not.
    const dtype = dtypes[x!.dtype].bytes === 2 ? "float32" : x!.dtype;
    const powers = b.op("Pow", [b.op("Abs", [b.cast(x!, dtype)]), b.scalar(dtype, p)]);
    const sum = b.op("ReduceSum", [powers, axes], { keepdims: 1 });
    return [b.cast(b.op("Pow", [sum, b.scalar(dtype, 1 / p)]), x!.dtype)];
  },
});

export const globalPoolOperators: readonly Operator[] = [
  GlobalLpPool,
  globalPool("GlobalAveragePool", "ReduceMean", "Mean over all of space."),
  globalPool("GlobalMaxPool", "ReduceMax", "Largest element over all of space."),
];
