/** TreeEnsemble, which takes the place of the older ensembles since version 5 of ai.onnx.ml. */

import type { Value } from "../ir/graph.js";
import type { Aggregate } from "../kernels/trees.js";
import type { GraphBuilder } from "./builder.js";
import { type Branch, type Comparison, planForest, type Target } from "./ml-forest.js";
import { applyTransform, domain, transformOf } from "./ml-scores.js";
import { applyForest } from "./ml-trees-kernel.js";
import { decodeElements } from "./numbers.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";

const attributes = {
  aggregate_function: attribute.int(1),
  leaf_targetids: attribute.required("ints"),
  leaf_weights: attribute.required("tensor"),
  membership_values: attribute.optional("tensor"),
  n_targets: attribute.optional("int"),
  nodes_falseleafs: attribute.required("ints"),
  nodes_falsenodeids: attribute.required("ints"),
  nodes_featureids: attribute.required("ints"),
  nodes_hitrates: attribute.optional("tensor"),
  nodes_missing_value_tracks_true: attribute.ints([]),
  nodes_modes: attribute.required("tensor"),
  nodes_splits: attribute.required("tensor"),
  nodes_trueleafs: attribute.required("ints"),
  nodes_truenodeids: attribute.required("ints"),
  post_transform: attribute.int(0),
  tree_roots: attribute.required("ints"),
} as const;
type TreeNode = ImportedNode<typeof attributes>;

const comparisons: readonly Comparison[] = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"];
const MEMBER = comparisons.length;
const aggregates: readonly Aggregate[] = ["AVERAGE", "SUM", "MIN", "MAX"];

/** Sets of the nodes that ask for membership, in their order; NaN ends each. */
function membershipSets({ attributes: { membership_values: given } }: TreeNode): number[][] {
  const sets: number[][] = [[]];
  for (const value of Array.from(given === undefined ? [] : decodeElements(given))) {
    if (Number.isNaN(value)) sets.push([]);
    else sets.at(-1)!.push(value);
  }
  return sets.slice(0, -1);
}

function branchesOf(view: TreeNode): Branch[] {
  const { attributes: a, fail } = view;
  const modes = Array.from(decodeElements(a.nodes_modes));
  const splits = decodeElements(a.nodes_splits);
  const lists = [
    splits,
    a.nodes_featureids,
    a.nodes_truenodeids,
    a.nodes_falsenodeids,
    a.nodes_trueleafs,
    a.nodes_falseleafs,
  ];
  if (lists.some(({ length }) => length !== modes.length)) fail("has lists of nodes of different lengths");
  const sets = membershipSets(view);
  const members = modes.filter((mode) => mode === MEMBER).length;
  if (sets.length !== members) fail(`has ${sets.length} sets of members for ${members} nodes`);
  const target = (isLeaf: number, id: number): Target => (isLeaf !== 0 ? { leaf: id } : { branch: id });
  return modes.map((mode, i) => ({
    feature: a.nodes_featureids[i]!,
    comparison: mode === MEMBER ? sets.shift()! : (comparisons[mode] ?? fail(`mode ${mode} is not defined`)),
    value: splits[i]!,
    yes: target(a.nodes_trueleafs[i]!, a.nodes_truenodeids[i]!),
    no: target(a.nodes_falseleafs[i]!, a.nodes_falsenodeids[i]!),
    missingIsYes: (a.nodes_missing_value_tracks_true[i] ?? 0) !== 0,
  }));
}

function expand(b: GraphBuilder, x: Value, view: TreeNode): Value {
  const { attributes: a, fail } = view;
  const weights = decodeElements(a.leaf_weights);
  if (weights.length !== a.leaf_targetids.length) fail("has lists of leaves of different lengths");
  const branches = branchesOf(view);
  const negative = branches.find(({ feature }) => feature < 0);
  if (negative !== undefined) fail(`asks for feature ${negative.feature}`);
  const targets = a.n_targets ?? a.leaf_targetids.reduce((most, id) => Math.max(most, id + 1), 1);
  const outside = a.leaf_targetids.find((id) => id < 0 || id >= targets);
  if (outside !== undefined) fail(`has leaves for target ${outside} of ${targets}`);
  const plan = planForest({
    branches,
    leaves: a.leaf_targetids.map((target, i) => [{ target, weight: weights[i]! }]),
    roots: a.tree_roots.map((branch) => ({ branch })),
    double: x.dtype === "float64",
  });
  if (typeof plan === "string") return fail(plan);
  const aggregate =
    aggregates[a.aggregate_function] ?? fail(`aggregate_function ${a.aggregate_function} is not defined`);
  const wide = x.dtype === "float16" ? b.cast(x, "float32") : x;
  const scores = applyForest(b, wide, plan, aggregate, targets);
  return b.cast(applyTransform(b, scores, transformOf(a.post_transform, view)), x.dtype);
}

const TreeEnsemble = defineExpansion({
  name: "TreeEnsemble",
  domain,
  summary: "Values by decision trees, each leaf of which has a weight for one target.",
  inputs: ["X"],
  types: ["float32", "float64", "float16"],
  attributes,
  versions: [{ since: 5 }],
  expand: (b, [x], view) => [expand(b, x!, view)],
});

export const treeEnsembleOperators: readonly Operator[] = [TreeEnsemble];
