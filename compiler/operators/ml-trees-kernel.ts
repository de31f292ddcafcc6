/** The operator that all ensembles of trees become: a plan of the trees, as constant tensors, applied to rows. */

import { type Dim, isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { tensorOf } from "../ir/tensor.js";
import { type Aggregate, type TreesViews, walkTrees } from "../kernels/trees.js";
import { op } from "../loop/builder.js";
import type { LoweringContext } from "../lowering/context.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import type { ForestPlan } from "./ml-forest.js";
import { encodeElements } from "./numbers.js";
import { attribute, defineOperator, type Operator } from "./operator.js";

const attributes = {
  aggregate: attribute.required("string"),
  targets: attribute.required("int"),
  trees: attribute.required("int"),
  depth: attribute.required("int"),
  /** The highest number of a feature that is asked for. */
  feature: attribute.required("int"),
  has_missing: attribute.required("int"),
} as const;

function lower(context: LoweringContext<typeof attributes>): void {
  const { aggregate, targets, trees, depth, has_missing } = context.attributes;
  const [rows, features] = context.input(0).shape as [Dim, Dim];
  const { dtype } = context.node.outputs[0]!;
  const sums = context.scratch("sums", { type: { dtype: "float64", shape: [targets] } });
  context.kernel({ name: `trees_${trees}_depth${depth}_${aggregate.toLowerCase()}`, flops: 0 }, (s) => {
    const names = ["x", "branches", "thresholds", "roots", "firstVotes", "voteTargets", "voteWeights"];
    const inputs = names.map((name, i) => [name, s.view(name, context.placement(i), "read")]);
    const views = { ...Object.fromEntries(inputs), sums: s.view("sums", sums, "readwrite") } as TreesViews;
    const parameters = {
      rows,
      features,
      targets,
      trees,
      depth,
      aggregate: aggregate as Aggregate,
      hasMissing: has_missing !== 0,
    };
    walkTrees(s, parameters, views, (sum, indices) => {
      s.result(dtype === "float64" ? sum : op("f64_to_f32", sum), indices);
    });
  });
}

const Trees = defineOperator({
  name: "Trees",
  domain: "kiln",
  summary: "Votes of the leaves that rows of features reach in decision trees, by target.",
  inputs: ["X", "branches", "thresholds", "roots", "firstVotes", "voteTargets", "voteWeights"],
  attributes,
  versions: [{ since: 1 }],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    if (rank !== 2) context.fail(`takes rows of features in 2 dims, not ${rank}`, "E_SHAPE");
    const [rows, features] = shape as [Dim, Dim];
    const { feature, targets } = context.attributes;
    if (isStatic(features) && feature >= features) {
      context.fail(`asks for feature ${feature} of ${features}`, "E_SHAPE");
    }
    return [{ dtype, shape: [rows, targets] }];
  },
  layout: () => ({ inputs: new Array(7).fill("row-major"), output: "row-major" }),
  epilogue: true,
  lower,
  evaluate: evaluateByKernels(lower),
});

/** Rows of features, of the float type of the plan, sent through its trees. */
export function applyForest(
  b: GraphBuilder,
  x: Value,
  plan: ForestPlan,
  aggregate: Aggregate,
  targets: number,
): Value {
  const { branches, thresholds, roots, firstVotes, votes, depth } = plan;
  const floats = (values: readonly number[]) => b.constant(encodeElements(x.dtype, [values.length], values));
  const integers = (values: readonly number[], dims: readonly number[] = [values.length]) =>
    b.constant(tensorOf("int32", dims, values));
  const codes = branches.filter((_, i) => i % 3 === 0);
  const inputs = [
    x,
    integers(branches, [thresholds.length, 3]),
    floats(thresholds),
    integers(roots),
    integers(firstVotes),
    integers(votes.map(({ target }) => target)),
    floats(votes.map(({ weight }) => weight)),
  ];
  return b.op("kiln.Trees", inputs, {
    aggregate,
    targets,
    trees: roots.length,
    depth,
    feature: codes.reduce((most, code) => Math.max(most, code >> 1), -1),
    has_missing: codes.some((code) => code % 2 === 1) ? 1 : 0,
  });
}

export const treeKernelOperators: readonly Operator[] = [Trees];
