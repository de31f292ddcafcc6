/** Ensembles of decision trees (domain ai.onnx.ml). */

import type { Value } from "../ir/graph.js";
import type { TensorData } from "../ir/tensor.js";
import type { Aggregate } from "../kernels/trees.js";
import type { GraphBuilder } from "./builder.js";
import {
  type Branch,
  type Comparison,
  type Forest,
  planForest,
  type Target,
  type Vote,
} from "./ml-forest.js";
import {
  applyTransform,
  domain,
  featureTypes,
  labelsAbove,
  labelsOf,
  opposites,
  rowsOf,
  topLabels,
  transformOf,
} from "./ml-scores.js";
import { applyForest } from "./ml-trees-kernel.js";
import { decodeElements, encodeElements } from "./numbers.js";
import {
  type AttributesOf,
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
} from "./operator.js";

const nodeAttributes = {
  nodes_falsenodeids: attribute.ints([]),
  nodes_featureids: attribute.ints([]),
  nodes_hitrates: attribute.optional("floats"),
  nodes_missing_value_tracks_true: attribute.ints([]),
  nodes_modes: attribute.strings([]),
  nodes_nodeids: attribute.ints([]),
  nodes_treeids: attribute.ints([]),
  nodes_truenodeids: attribute.ints([]),
  nodes_values: attribute.optional("floats"),
  base_values: attribute.optional("floats"),
  post_transform: attribute.string("NONE"),
} as const;

/** Tensors that stand for lists of floats where these are doubles, since version 3. */
const tensorAttributes = {
  nodes_hitrates_as_tensor: attribute.optional("tensor"),
  nodes_values_as_tensor: attribute.optional("tensor"),
  base_values_as_tensor: attribute.optional("tensor"),
} as const;

type Fail = Pick<ImportedNode, "fail">;
type NodeAttributes = AttributesOf<typeof nodeAttributes>;

/** A list of floats, or the tensor given in its place. */
const numbersOf = (list: readonly number[] | undefined, given: TensorData | undefined): readonly number[] =>
  given === undefined ? (list ?? []) : Array.from(decodeElements(given));

interface Votes {
  readonly trees: readonly number[];
  readonly nodes: readonly number[];
  readonly targets: readonly number[];
  readonly weights: readonly number[];
}

/** The nodes of all trees, found by their ids. */
class NodeTable {
  private readonly places = new Map<string, number>();
  /** Number of each node among the branches or among the leaves. */
  private readonly numbers: number[];

  constructor(
    private readonly attributes: NodeAttributes,
    private readonly fail: ImportedNode["fail"],
  ) {
    const { nodes_treeids: trees, nodes_nodeids: ids, nodes_modes: modes } = attributes;
    for (const [i, tree] of trees.entries()) this.places.set(`${tree}:${ids[i]}`, i);
    if (this.places.size !== trees.length) fail("has two nodes of the same ids");
    const counts = { leaf: 0, branch: 0 };
    this.numbers = modes.map((mode) => counts[mode === "LEAF" ? "leaf" : "branch"]++);
  }

  place(tree: number, node: number): number {
    return this.places.get(`${tree}:${node}`) ?? this.fail(`tree ${tree} has no node ${node}`);
  }

  target(place: number): Target {
    const number = this.numbers[place]!;
    return this.attributes.nodes_modes[place] === "LEAF" ? { leaf: number } : { branch: number };
  }

  branch(i: number, value: number): Branch {
    const { attributes: a, fail } = this;
    const mode = a.nodes_modes[i]!;
    const way = (node: number): Target => this.target(this.place(a.nodes_treeids[i]!, node));
    return {
      feature: a.nodes_featureids[i]!,
      comparison: comparisons.get(mode) ?? fail(`mode ${mode} is not defined`),
      value,
      yes: way(a.nodes_truenodeids[i]!),
      no: way(a.nodes_falsenodeids[i]!),
      missingIsYes: (a.nodes_missing_value_tracks_true[i] ?? 0) !== 0,
    };
  }

  /** Of every tree the one node that no other leads to, or the first of several. */
  roots(): Target[] {
    const { nodes_treeids: trees, nodes_nodeids: ids, nodes_modes: modes } = this.attributes;
    const { nodes_truenodeids: yes, nodes_falsenodeids: no } = this.attributes;
    const children = new Set<string>();
    for (const [i, tree] of trees.entries()) {
      if (modes[i] !== "LEAF") children.add(`${tree}:${yes[i]}`).add(`${tree}:${no[i]}`);
    }
    const found = new Map<number, number>();
    for (const [i, tree] of trees.entries()) {
      if (!children.has(`${tree}:${ids[i]}`) && !found.has(tree)) found.set(tree, i);
    }
    const rootless = trees.find((tree) => !found.has(tree));
    if (rootless !== undefined) this.fail(`tree ${rootless} has no root`);
    return [...found.values()].map((place) => this.target(place));
  }
}

const comparisons: ReadonlyMap<string, Comparison> = new Map(
  (["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"] as const).map((name) => [`BRANCH_${name}`, name]),
);

function forestOf(
  attributes: NodeAttributes,
  values: readonly number[],
  given: Votes,
  double: boolean,
  fail: ImportedNode["fail"],
): Forest {
  const { nodes_treeids: trees, nodes_modes: modes } = attributes;
  const { nodes_nodeids, nodes_featureids, nodes_truenodeids, nodes_falsenodeids } = attributes;
  const lists = [nodes_nodeids, modes, nodes_featureids, values, nodes_truenodeids, nodes_falsenodeids];
  if (lists.some(({ length }) => length !== trees.length)) fail("has lists of nodes of different lengths");
  const votes = [given.nodes, given.targets, given.weights];
  if (votes.some(({ length }) => length !== given.trees.length))
    fail("has lists of votes of different lengths");
  const table = new NodeTable(attributes, fail);
  const leaves = modes.filter((mode) => mode === "LEAF").map((): Vote[] => []);
  given.trees.forEach((tree, i) => {
    const target = table.target(table.place(tree, given.nodes[i]!));
    // Votes of branches count for nothing: no row stays there.
    if ("leaf" in target) leaves[target.leaf]!.push({ target: given.targets[i]!, weight: given.weights[i]! });
  });
  const branches = modes.flatMap((mode, i) => (mode === "LEAF" ? [] : [table.branch(i, values[i]!)]));
  return { branches, leaves, roots: table.roots(), double };
}

/** Scores of all targets: what the trees say of the rows, in float32 or, if need be, in float64. */
function scoresOf(
  b: GraphBuilder,
  rows: Value,
  forest: Forest,
  targets: number,
  aggregate: Aggregate,
  fail: ImportedNode["fail"],
): Value {
  const outside = forest.leaves.flat().find(({ target }) => !(target >= 0 && target < targets));
  if (outside !== undefined) fail(`has votes for ${outside.target}, where there are ${targets} targets`);
  const nowhere = forest.branches.find(({ feature }) => feature < 0);
  if (nowhere !== undefined) fail(`asks for feature ${nowhere.feature}`);
  const plan = planForest(forest);
  if (typeof plan === "string") return fail(plan);
  return applyForest(b, b.cast(rows, forest.double ? "float64" : "float32"), plan, aggregate, targets);
}

/** Values that are added to the scores: one for each target, or the same for all. */
function addBase(
  b: GraphBuilder,
  scores: Value,
  base: readonly number[],
  targets: number,
  { fail }: Fail,
): Value {
  if (base.length === 0) return scores;
  if (base.length !== targets && base.length !== 1)
    fail(`has ${base.length} base values for ${targets} targets`);
  return b.op("Add", [scores, b.constant(encodeElements(scores.dtype, [base.length], base))]);
}

const aggregates: readonly string[] = ["AVERAGE", "SUM", "MIN", "MAX"];
const aggregateOf = (name: string | undefined, { fail }: Fail): Aggregate =>
  name !== undefined && aggregates.includes(name)
    ? (name as Aggregate)
    : fail(`aggregate_function ${name} is not defined`);

/** Thresholds are compared in float64 where they or the features are. */
const isDouble = (x: Value, thresholds: TensorData | undefined): boolean =>
  x.dtype === "float64" || thresholds?.dtype === "float64";

const regressorAttributes = {
  ...nodeAttributes,
  aggregate_function: attribute.string("SUM"),
  n_targets: attribute.optional("int"),
  target_ids: attribute.ints([]),
  target_nodeids: attribute.ints([]),
  target_treeids: attribute.ints([]),
  target_weights: attribute.optional("floats"),
} as const;
const currentRegressor = {
  ...regressorAttributes,
  ...tensorAttributes,
  target_weights_as_tensor: attribute.optional("tensor"),
} as const;

function expandRegressor(b: GraphBuilder, x: Value, view: ImportedNode<typeof currentRegressor>): Value[] {
  const { attributes: a, fail } = view;
  const votes = {
    trees: a.target_treeids,
    nodes: a.target_nodeids,
    targets: a.target_ids,
    weights: numbersOf(a.target_weights, a.target_weights_as_tensor),
  };
  const values = numbersOf(a.nodes_values, a.nodes_values_as_tensor);
  const forest = forestOf(a, values, votes, isDouble(x, a.nodes_values_as_tensor), fail);
  const targets = a.n_targets ?? a.target_ids.reduce((most, id) => Math.max(most, id + 1), 1);
  const sums = scoresOf(
    b,
    rowsOf(b, x, view),
    forest,
    targets,
    aggregateOf(a.aggregate_function, view),
    fail,
  );
  const scores = addBase(b, sums, numbersOf(a.base_values, a.base_values_as_tensor), targets, view);
  return [applyTransform(b, b.cast(scores, "float32"), transformOf(a.post_transform, view))];
}

const TreeEnsembleRegressor = defineExpansion({
  name: "TreeEnsembleRegressor",
  domain,
  summary: "Values by decision trees, whose leaves vote for targets.",
  inputs: ["X"],
  types: featureTypes,
  attributes: currentRegressor,
  versions: [{ since: 1, attributes: regressorAttributes }, { since: 3 }, { since: 5 }],
  expand: (b, [x], view) => expandRegressor(b, x!, view),
});

const classifierAttributes = {
  ...nodeAttributes,
  class_ids: attribute.ints([]),
  class_nodeids: attribute.ints([]),
  class_treeids: attribute.ints([]),
  class_weights: attribute.optional("floats"),
  classlabels_int64s: attribute.optional("ints"),
  classlabels_strings: attribute.optional("strings"),
} as const;
const currentClassifier = {
  ...classifierAttributes,
  ...tensorAttributes,
  class_weights_as_tensor: attribute.optional("tensor"),
} as const;

/**
 * Of two classes, the first alone may have votes: they are then for the second, and say how probable it is (none of
 * them being negative, and no transform following) or how much there is for it.
 */
function expandClassifier(b: GraphBuilder, x: Value, view: ImportedNode<typeof currentClassifier>): Value[] {
  const { attributes: a, fail } = view;
  const labels = labelsOf(a.classlabels_int64s, a.classlabels_strings, view);
  const weights = numbersOf(a.class_weights, a.class_weights_as_tensor);
  const votes = { trees: a.class_treeids, nodes: a.class_nodeids, targets: a.class_ids, weights };
  const values = numbersOf(a.nodes_values, a.nodes_values_as_tensor);
  const forest = forestOf(a, values, votes, isDouble(x, a.nodes_values_as_tensor), fail);
  const isSingle = labels.length <= 2 && a.class_ids.every((id) => id === 0);
  const classes = isSingle ? 1 : labels.length;
  const base = numbersOf(a.base_values, a.base_values_as_tensor);
  const sums = scoresOf(b, rowsOf(b, x, view), forest, classes, "SUM", fail);
  const added = addBase(b, sums, isSingle ? base.slice(0, 1) : base, classes, view);
  const scores = b.cast(added, "float32");
  const transform = transformOf(a.post_transform, view);
  if (!isSingle) return [topLabels(b, scores, labels), applyTransform(b, scores, transform)];

  const isProbability = transform === "PROBIT" || (transform === "NONE" && weights.every((w) => w >= 0));
  const [first, second] = labels.length === 2 ? (labels as [number, number]) : [0, labels[0]!];
  const threshold = isProbability && labels.length === 2 ? 0.5 : 0;
  const all = labels.length === 2 ? opposites(b, scores, isProbability) : scores;
  return [labelsAbove(b, scores, threshold, [first, second]), applyTransform(b, all, transform)];
}

const TreeEnsembleClassifier = defineExpansion({
  name: "TreeEnsembleClassifier",
  domain,
  summary: "Classes by decision trees, whose leaves vote for them.",
  inputs: ["X"],
  types: featureTypes,
  attributes: currentClassifier,
  versions: [{ since: 1, attributes: classifierAttributes }, { since: 3 }, { since: 5 }],
  expand: (b, [x], view) => expandClassifier(b, x!, view).slice(0, Math.max(view.outputCount, 1)),
});

export const treeOperators: readonly Operator[] = [TreeEnsembleRegressor, TreeEnsembleClassifier];
