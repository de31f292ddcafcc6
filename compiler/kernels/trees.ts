/** Ensembles of decision trees: every row of features is sent down every tree, and the leaves' votes are put together. */

import type { Dim } from "../ir/dim.js";
import { add, constant, i32Constant, op, read, select, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";

export type Aggregate = "SUM" | "AVERAGE" | "MIN" | "MAX";

export interface TreesParameters {
  readonly rows: Dim;
  readonly features: Dim;
  readonly targets: Dim;
  readonly trees: number;
  /** The most branches on the way to a leaf. */
  readonly depth: number;
  readonly aggregate: Aggregate;
  /** Some branches send NaN the way of yes. */
  readonly hasMissing: boolean;
}

/** The tensors of a `ForestPlan`, and the sums of a row. */
export interface TreesViews {
  readonly x: TensorView;
  readonly branches: TensorView;
  readonly thresholds: TensorView;
  readonly roots: TensorView;
  readonly firstVotes: TensorView;
  readonly voteTargets: TensorView;
  readonly voteWeights: TensorView;
  /** One float64 for each target. */
  readonly sums: TensorView;
}

const f64 = { scalar: "f64", lanes: 1 } as const;

export function walkTrees(
  s: NodeScope,
  p: TreesParameters,
  v: TreesViews,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const targets = s.dim(p.targets);
  s.for("row", 0, s.dim(p.rows), (row) => {
    s.for("target", 0, targets, (target) => v.sums.store([target], constant(f64, initial[p.aggregate])));
    s.for("tree", 0, p.trees, (tree) => {
      const at = s.variable("at", v.roots.load([tree]));
      s.for("level", 0, p.depth, () => {
        s.if(op("ge_s", read(at), 0), () => s.assign(at, nextNode(s, p, v, row, read(at))));
      });
      addVotes(s, p, v, s.let("leaf", op("xor", read(at), -1)));
    });
    s.for("target", 0, targets, (target) => result(finished(p, v.sums.load([target])), [row, target]));
  });
}

/** The way that a row takes at a branch. */
function nextNode(s: NodeScope, p: TreesParameters, v: TreesViews, row: Expr, at: Expr): Expr {
  const code = s.let("code", v.branches.load([at, i32Constant(0)]));
  // A feature that the rows do not have is read as the last one: no read is outside of the tensor.
  const feature = op("min_u", op("shr_u", code, 1), sub(s.dim(p.features), 1));
  const x = s.let("x", v.x.load([row, feature]));
  const isAtMost = op("le", x, v.thresholds.load([at]));
  const missing = op("and", op("ne", x, x), op("ne", op("and", code, 1), 0));
  const isYes = p.hasMissing ? op("or", isAtMost, missing) : isAtMost;
  return v.branches.load([at, select(isYes, i32Constant(1), 2)]);
}

function addVotes(s: NodeScope, p: TreesParameters, v: TreesViews, leaf: Expr): void {
  s.for("vote", v.firstVotes.load([leaf]), v.firstVotes.load([add(leaf, 1)]), (vote) => {
    const target = s.let("votedTarget", v.voteTargets.load([vote]));
    const stored = v.voteWeights.load([vote]);
    const weight = stored.type.scalar === "f32" ? op("f32_to_f64", stored) : stored;
    v.sums.store([target], op(combine[p.aggregate], v.sums.load([target]), weight));
  });
}

const initial = { SUM: 0, AVERAGE: 0, MIN: Number.POSITIVE_INFINITY, MAX: Number.NEGATIVE_INFINITY } as const;
const combine = { SUM: "add", AVERAGE: "add", MIN: "min", MAX: "max" } as const;

/** A target that no leaf votes for gets 0. */
function finished({ aggregate, trees }: TreesParameters, sum: Expr): Expr {
  if (aggregate === "SUM") return sum;
  if (aggregate === "AVERAGE") return op("div", sum, trees);
  return select(op("eq", sum, initial[aggregate]), constant(f64, 0), sum);
}
