/** Ensembles of decision trees on random forests, compared with onnxruntime-web and with a walk written out. */

import { describe, expect, test } from "vitest";
import { toNumbers } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(5);
const domain = "ai.onnx.ml";
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

/** Thresholds and features are multiples of a half, so that they often meet. */
const half = () => Math.round(random() * 8 - 4) / 2;

interface TreeNode {
  tree: number;
  id: number;
  mode: string;
  feature: number;
  value: number;
  yes: number;
  no: number;
  missing: number;
}

const branchModes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

function randomTree(tree: number, depth: number, features: number, modes: readonly string[]): TreeNode[] {
  const nodes: TreeNode[] = [];
  const grow = (level: number): number => {
    const id = nodes.length;
    const node = { tree, id, mode: "LEAF", feature: 0, value: 0, yes: 0, no: 0, missing: 0 };
    nodes.push(node);
    if (level < depth && random() < 0.85) {
      Object.assign(node, { mode: pick(modes), feature: Math.floor(random() * features), value: half() });
      node.missing = random() < 0.5 ? 1 : 0;
      node.yes = grow(level + 1);
      node.no = grow(level + 1);
    }
    return id;
  };
  grow(0);
  return nodes;
}

interface Votes {
  nodes: TreeNode[];
  ids: number[];
  weights: number[];
}

/** Every leaf votes for one or more targets. */
function randomVotes(nodes: readonly TreeNode[], targets: number, weight: () => number, most = 2): Votes {
  const votes: Votes = { nodes: [], ids: [], weights: [] };
  for (const node of nodes.filter(({ mode }) => mode === "LEAF")) {
    const count = Math.min(1 + Math.floor(random() * most), targets);
    const first = Math.floor(random() * targets);
    for (let k = 0; k < count; k++) {
      votes.nodes.push(node);
      votes.ids.push((first + k) % targets);
      votes.weights.push(weight());
    }
  }
  return votes;
}

const attributesOf = (nodes: readonly TreeNode[]): Record<string, AttributeSpec> => ({
  nodes_treeids: nodes.map(({ tree }) => tree),
  nodes_nodeids: nodes.map(({ id }) => id),
  nodes_modes: { strings: nodes.map(({ mode }) => mode) },
  nodes_featureids: nodes.map(({ feature }) => feature),
  nodes_values: { floats: nodes.map(({ value }) => value) },
  nodes_truenodeids: nodes.map(({ yes }) => yes),
  nodes_falsenodeids: nodes.map(({ no }) => no),
  nodes_missing_value_tracks_true: nodes.map(({ missing }) => missing),
});

const votesAttributes = (
  prefix: "target" | "class",
  { nodes, ids, weights }: Votes,
): Record<string, AttributeSpec> => ({
  [`${prefix}_treeids`]: nodes.map(({ tree }) => tree),
  [`${prefix}_nodeids`]: nodes.map(({ id }) => id),
  [`${prefix}_ids`]: ids,
  [`${prefix}_weights`]: { floats: weights },
});

/** All comparisons in one forest are the same: onnxruntime does not get those right that mix them. */
const forest = (trees: number, features: number, modes = [pick(branchModes)]): TreeNode[] =>
  Array.from({ length: trees }, (_, tree) => randomTree(tree, 4, features, modes)).flat();

const rows = (n: number, features: number, missing = 0.1): number[] =>
  Array.from({ length: n * features }, () => (random() < missing ? Number.NaN : half()));

async function compare(node: NodeCase, tolerance = { relative: 1e-5, absolute: 1e-5 }): Promise<void> {
  const expected = await rivalResults(node);
  for (const results of [await evaluate(node), await interpret(node)]) {
    for (const [i, one] of expected.entries()) expectTensor(results[i]!, one, tolerance);
  }
}

const weight = () => random() * 4 - 2;

describe("TreeEnsembleRegressor", () => {
  test.each(["SUM", "AVERAGE", "MIN", "MAX"])("%s", async (aggregate_function) => {
    for (const targets of [1, 3]) {
      for (const opset of [1, 3]) {
        const nodes = forest(5, 3);
        const votes = randomVotes(nodes, targets, weight, targets === 1 ? 1 : 2);
        const attributes: Record<string, AttributeSpec> = {
          ...attributesOf(nodes),
          ...votesAttributes("target", votes),
          n_targets: targets,
          aggregate_function,
          ...(opset === 3 && { base_values: { floats: Array.from({ length: targets }, weight) } }),
        };
        const inputs = [of("float32", [9, 3], rows(9, 3))];
        await compare({ op: "TreeEnsembleRegressor", domain, opset, inputs, attributes });
      }
    }
  });

  test("integers are features, too", async () => {
    const nodes = forest(3, 2, branchModes);
    const attributes = {
      ...attributesOf(nodes),
      ...votesAttributes("target", randomVotes(nodes, 1, weight, 1)),
      n_targets: 1,
    };
    const node: NodeCase = { op: "TreeEnsembleRegressor", domain, inputs: [], attributes };
    const values = rows(6, 2, 0).map(Math.round);
    const [ofFloats] = await interpret({ ...node, inputs: [of("float32", [6, 2], values)] });
    const [ofIntegers] = await interpret({ ...node, inputs: [of("int64", [6, 2], values)] });
    expectTensor(ofIntegers!, ofFloats!);
  });

  test("doubles are compared as doubles", async () => {
    const close = 1 + 2 ** -40;
    const nodes: TreeNode[] = [
      { tree: 0, id: 0, mode: "BRANCH_LT", feature: 0, value: 1, yes: 1, no: 2, missing: 0 },
      { tree: 0, id: 1, mode: "LEAF", feature: 0, value: 0, yes: 0, no: 0, missing: 0 },
      { tree: 0, id: 2, mode: "LEAF", feature: 0, value: 0, yes: 0, no: 0, missing: 0 },
    ];
    const { nodes_values: _, ...structure } = attributesOf(nodes);
    const attributes: Record<string, AttributeSpec> = {
      ...structure,
      nodes_values_as_tensor: of("float64", [3], [close, 0, 0]),
      ...votesAttributes("target", { nodes: nodes.slice(1), ids: [0, 0], weights: [10, 20] }),
      n_targets: 1,
    };
    const inputs = [of("float64", [3, 1], [1, close, 1 + 2 ** -39])];
    const node: NodeCase = { op: "TreeEnsembleRegressor", domain, opset: 3, inputs, attributes };
    expectTensor((await interpret(node))[0]!, of("float32", [3, 1], [10, 20, 20]));
  });

  test.each(["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])("transform %s", async (post_transform) => {
    const nodes = forest(4, 3);
    const votes = randomVotes(nodes, 3, weight);
    const attributes = {
      ...attributesOf(nodes),
      ...votesAttributes("target", votes),
      n_targets: 3,
      post_transform,
    };
    await compare({
      op: "TreeEnsembleRegressor",
      domain,
      inputs: [of("float32", [8, 3], rows(8, 3))],
      attributes,
    });
  });
});

describe("TreeEnsembleClassifier", () => {
  const classifier = (
    nodes: TreeNode[],
    votes: Votes,
    labels: number[],
    more: Record<string, AttributeSpec> = {},
  ): NodeCase => ({
    op: "TreeEnsembleClassifier",
    domain,
    outputs: 2,
    result: ["int64", "float32"],
    inputs: [of("float32", [10, 3], rows(10, 3))],
    attributes: {
      ...attributesOf(nodes),
      ...votesAttributes("class", votes),
      classlabels_int64s: labels,
      ...more,
    },
  });

  test.each(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])(
    "several classes, transform %s",
    async (post_transform) => {
      for (const labels of [
        [0, 1, 2],
        [10, -3, 7, 4],
      ]) {
        const nodes = forest(6, 3);
        const votes = randomVotes(nodes, labels.length, () => random() + 0.1, labels.length);
        await compare(classifier(nodes, votes, labels, { post_transform }));
      }
    },
  );

  test("two classes by votes for the first", async () => {
    for (const [low, post_transform] of [
      [0.01, "NONE"],
      [-1, "NONE"],
      [-1, "LOGISTIC"],
    ] as const) {
      const nodes = forest(4, 3);
      const votes = randomVotes(nodes, 1, () => low + random() * 1.2);
      await compare(classifier(nodes, votes, [4, 9], { post_transform }));
      await compare(classifier(nodes, votes, [4, 9], { post_transform, base_values: { floats: [0.25] } }));
    }
  });

  test("two classes by votes for both", async () => {
    const nodes = forest(1, 3);
    const leaves = nodes.filter(({ mode }) => mode === "LEAF");
    const shares = leaves.map(() => random());
    const votes = {
      nodes: leaves.flatMap((leaf) => [leaf, leaf]),
      ids: leaves.flatMap(() => [0, 1]),
      weights: shares.flatMap((share) => [share, 1 - share]),
    };
    const [labels, scores] = await interpret(classifier(nodes, votes, [4, 9]));
    const pairs = toNumbers(scores!);
    for (const [i, label] of toNumbers(labels!).entries()) {
      expect(label).toBe(pairs[2 * i]! >= pairs[2 * i + 1]! ? 4 : 9);
      expect(pairs[2 * i]! + pairs[2 * i + 1]!).toBeCloseTo(1, 6);
    }
  });

  test("labels alone, and labels of strings", async () => {
    const nodes = forest(2, 3);
    const node = classifier(nodes, randomVotes(nodes, 3, weight), [5, 6, 7]);
    const [labels] = await interpret(node);
    expectTensor((await interpret({ ...node, outputs: 1 }))[0]!, labels!);
    const { classlabels_int64s: _, ...attributes } = node.attributes!;
    const named = {
      ...node,
      attributes: { ...attributes, classlabels_strings: { strings: ["a", "b", "c"] } },
    };
    await expectError(() => graphOf(named, () => false), "E_UNSUPPORTED", /labels of strings/);
  });
});

describe("TreeEnsemble", () => {
  interface Member {
    mode: number;
    feature: number;
    split: number;
    members: number[];
    yes: [leaf: boolean, id: number];
    no: [leaf: boolean, id: number];
    missing: boolean;
  }

  /** A tree of three branches and four leaves, the first branch being `at`. */
  const branch = (at: number): Member[] => {
    const make = (yes: Member["yes"], no: Member["no"]): Member => ({
      mode: Math.floor(random() * 7),
      feature: Math.floor(random() * 2),
      split: half(),
      members: Array.from({ length: Math.floor(random() * 4) }, half),
      yes,
      no,
      missing: random() < 0.5,
    });
    const leaf = (at / 3) * 4;
    return [
      make([false, at + 1], [false, at + 2]),
      make([true, leaf], [true, leaf + 1]),
      make([true, leaf + 2], [true, leaf + 3]),
    ];
  };

  const holds = ({ mode, split, members, missing }: Member, x: number): boolean =>
    [x <= split, x < split, x >= split, x > split, x === split, x !== split, members.includes(x)][mode]! ||
    (missing && Number.isNaN(x));

  test.each(["float32", "float64", "float16"] as const)("all comparisons of %s, and sets", async (dtype) => {
    for (let round = 0; round < 5; round++) {
      const nodes = [0, 3, 6].flatMap(branch);
      const weights = Array.from({ length: 12 }, () => half());
      const targets = weights.map(() => Math.floor(random() * 2));
      const sets = nodes.filter(({ mode }) => mode === 6).flatMap(({ members }) => [...members, Number.NaN]);
      const flags = (pickWay: (node: Member) => [boolean, number]) =>
        nodes.map((node) => (pickWay(node)[0] ? 1 : 0));
      const attributes: Record<string, AttributeSpec> = {
        n_targets: 2,
        tree_roots: [0, 3, 6],
        nodes_modes: of(
          "uint8",
          [9],
          nodes.map(({ mode }) => mode),
        ),
        nodes_featureids: nodes.map(({ feature }) => feature),
        nodes_splits: of(
          dtype,
          [9],
          nodes.map(({ split }) => split),
        ),
        nodes_truenodeids: nodes.map(({ yes }) => yes[1]),
        nodes_trueleafs: flags(({ yes }) => yes),
        nodes_falsenodeids: nodes.map(({ no }) => no[1]),
        nodes_falseleafs: flags(({ no }) => no),
        nodes_missing_value_tracks_true: nodes.map(({ missing }) => (missing ? 1 : 0)),
        leaf_targetids: targets,
        leaf_weights: of(dtype, [12], weights),
        membership_values: of(dtype, [sets.length], sets),
      };
      const x = of(dtype, [12, 2], rows(12, 2, 0.2));
      const values = Array.from(decodeElements(x));
      const expected = Array.from({ length: 12 }, (_, row) => {
        const sums = [0, 0];
        for (const root of [0, 3, 6]) {
          let at: [boolean, number] = [false, root];
          while (!at[0]) {
            const node = nodes[at[1]]!;
            at = holds(node, values[row * 2 + node.feature]!) ? node.yes : node.no;
          }
          sums[targets[at[1]]!]! += weights[at[1]]!;
        }
        return sums;
      }).flat();
      const node: NodeCase = { op: "TreeEnsemble", domain, opset: 5, inputs: [x], attributes };
      for (const [result] of [await evaluate(node), await interpret(node)]) {
        expectTensor(result!, of(dtype, [12, 2], expected), { absolute: 1e-6 });
      }
    }
  });
});

describe("refusals", () => {
  const nodes: TreeNode[] = [
    { tree: 0, id: 0, mode: "BRANCH_LT", feature: 0, value: 1, yes: 1, no: 2, missing: 0 },
    { tree: 0, id: 1, mode: "LEAF", feature: 0, value: 0, yes: 0, no: 0, missing: 0 },
    { tree: 0, id: 2, mode: "LEAF", feature: 0, value: 0, yes: 0, no: 0, missing: 0 },
  ];
  const regressor = (changed: Partial<TreeNode>[], target = 0): NodeCase => {
    const given = nodes.map((node, i) => ({ ...node, ...changed[i] }));
    const votes = { nodes: nodes.slice(1), ids: [0, target], weights: [1, 2] };
    const attributes = { ...attributesOf(given), ...votesAttributes("target", votes), n_targets: 1 };
    return { op: "TreeEnsembleRegressor", domain, inputs: [of("float32", [1, 2], [0, 0])], attributes };
  };

  test.each([
    ["a way to nowhere", regressor([{ yes: 7 }]), /tree 0 has no node 7/],
    [
      "a tree without root",
      regressor([{ yes: 0 }, { mode: "BRANCH_LT", yes: 1, no: 2 }]),
      /tree 0 has no root/,
    ],
    ["unknown comparisons", regressor([{ mode: "BRANCH_NEAR" }]), /mode BRANCH_NEAR/],
    ["features that no row has", regressor([{ feature: 2 }]), /feature 2 of 2/],
    ["negative features", regressor([{ feature: -1 }]), /feature -1/],
    ["nodes of the same id", regressor([{}, {}, { id: 1 }]), /two nodes of the same ids/],
    ["votes for too many targets", regressor([], 3), /votes for 3/],
  ])("%s", async (_, node, message) => {
    const code = /rows|feature 2/.test(message.source) ? "E_SHAPE" : "E_MODEL";
    await expectError(() => graphOf(node, () => false), code, message);
  });
});
