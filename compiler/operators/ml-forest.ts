/**
 * Decision trees in the one form that the kernel walks. Every branch asks whether a feature is at most a threshold; the
 * other comparisons of the specification are made of that, exactly, for the floats of a type:
 *
 *     x < v    is  x <= the float below v
 *     x > v    is  x <= v with its ways exchanged
 *     x = v    is  x <= v, and not x <= the float below v
 *     x in S   is  x equal to one of S, asked one after the other
 *
 * A comparison with NaN is false, so each branch also says whether NaN goes the way of `yes` instead.
 */

/** Where a way leads: a branch, or a leaf. */
export type Target = { readonly branch: number } | { readonly leaf: number };

export type Comparison = "LEQ" | "LT" | "GTE" | "GT" | "EQ" | "NEQ";

export interface Branch {
  readonly feature: number;
  readonly comparison: Comparison | readonly number[];
  readonly value: number;
  readonly yes: Target;
  readonly no: Target;
  /** NaN goes the way of `yes` even where the comparison with it is false. */
  readonly missingIsYes: boolean;
}

export interface Vote {
  readonly target: number;
  readonly weight: number;
}

/** Three numbers for each branch, and its threshold; a way to a leaf is the complement of the leaf's number. */
export interface ForestPlan {
  /** [feature * 2 + (1 where NaN goes the way of yes), yes, no]. */
  readonly branches: readonly number[];
  readonly thresholds: readonly number[];
  readonly roots: readonly number[];
  /** Votes of leaf i are those from the i-th of these numbers to the next. */
  readonly firstVotes: readonly number[];
  readonly votes: readonly Vote[];
  /** The most branches on the way from a root to a leaf. */
  readonly depth: number;
}

export interface Forest {
  readonly branches: readonly Branch[];
  readonly leaves: readonly (readonly Vote[])[];
  readonly roots: readonly Target[];
  /** Float type of features and thresholds. */
  readonly double: boolean;
}

/** The plan of a forest, or what is wrong with it. */
export function planForest(forest: Forest): ForestPlan | string {
  const planner = new ForestPlanner(forest);
  const wrong = planner.check();
  if (wrong !== null) return wrong;
  for (const branch of forest.branches) planner.add(branch);
  return planner.finish();
}

class ForestPlanner {
  private readonly branches: number[] = [];
  private readonly thresholds: number[] = [];
  /** Number of the first branch that each branch of the forest becomes. */
  private readonly entries: number[] = [];

  constructor(private readonly forest: Forest) {
    let next = 0;
    for (const { comparison, value } of forest.branches) {
      this.entries.push(next);
      next += branchesOf(comparison, value);
    }
  }

  /** What is wrong below the roots, if anything: ways that lead nowhere, or back to where they come from. */
  check(): string | null {
    const { branches, leaves, roots } = this.forest;
    const states = new Map<number, "open" | "done">();
    const stack: (Target | { readonly leave: number })[] = [...roots];
    while (stack.length > 0) {
      const next = stack.pop()!;
      if ("leave" in next) {
        states.set(next.leave, "done");
      } else if ("leaf" in next) {
        if (leaves[next.leaf] === undefined) return `there is no leaf ${next.leaf}`;
      } else {
        const branch = branches[next.branch];
        const state = states.get(next.branch);
        if (branch === undefined) return `there is no node ${next.branch}`;
        if (state === "open") return `node ${next.branch} leads back to itself`;
        if (state === "done") continue;
        states.set(next.branch, "open");
        stack.push({ leave: next.branch }, branch.yes, branch.no);
      }
    }
    return null;
  }

  add({ feature, comparison, value, yes, no, missingIsYes }: Branch): void {
    const [y, n] = [this.place(yes), this.place(no)];
    const emit = (threshold: number, whenYes: number, whenNo: number, missing: boolean): void => {
      this.branches.push(feature * 2 + (missing ? 1 : 0), whenYes, whenNo);
      this.thresholds.push(threshold);
    };
    const equals = (v: number, whenYes: number, whenNo: number, missing: boolean): void => {
      emit(v, this.thresholds.length + 1, whenNo, missing);
      emit(this.below(v), whenNo, whenYes, false);
    };
    if (typeof comparison !== "string") {
      const values = comparison.filter((v) => !Number.isNaN(v));
      if (values.length === 0) emit(Number.NaN, y, n, missingIsYes);
      values.forEach((v, i) => {
        const last = i === values.length - 1;
        equals(v, y, last ? n : this.thresholds.length + 2, missingIsYes);
      });
    } else if (Number.isNaN(value)) {
      if (comparison === "NEQ") emit(value, n, y, false);
      else emit(value, y, n, missingIsYes);
    } else if (comparison === "LEQ") emit(value, y, n, missingIsYes);
    else if (comparison === "LT") emit(this.below(value), y, n, missingIsYes);
    else if (comparison === "GT") emit(value, n, y, !missingIsYes);
    else if (comparison === "GTE") emit(this.below(value), n, y, !missingIsYes);
    else if (comparison === "EQ") equals(value, y, n, missingIsYes);
    else equals(value, n, y, false);
  }

  private place(target: Target): number {
    return "leaf" in target ? ~target.leaf : (this.entries[target.branch] ?? 0);
  }

  /** The largest float below, NaN (which nothing is at most) where there is none. */
  private below(value: number): number {
    if (value === Number.NEGATIVE_INFINITY) return Number.NaN;
    const float = this.forest.double ? new Float64Array([value]) : new Float32Array([value]);
    const bits = this.forest.double ? new BigInt64Array(float.buffer) : new Int32Array(float.buffer);
    if (float[0] === 0) return this.forest.double ? -(2 ** -1074) : -(2 ** -149);
    if (bits instanceof BigInt64Array) bits[0]! += float[0]! > 0 ? -1n : 1n;
    else bits[0]! += float[0]! > 0 ? -1 : 1;
    return float[0]!;
  }

  finish(): ForestPlan {
    const { leaves, roots } = this.forest;
    const firstVotes = [0];
    for (const votes of leaves) firstVotes.push(firstVotes.at(-1)! + votes.length);
    const places = roots.map((root) => this.place(root));
    return {
      branches: this.branches,
      thresholds: this.thresholds,
      roots: places,
      firstVotes,
      votes: leaves.flat(),
      depth: this.depthBelow(places),
    };
  }

  private depthBelow(roots: readonly number[]): number {
    const depths = new Map<number, number>();
    const depth = (at: number): number | undefined => (at < 0 ? 0 : depths.get(at));
    const stack = [...roots];
    while (stack.length > 0) {
      const at = stack.at(-1)!;
      const ways = at < 0 ? [] : [this.branches[at * 3 + 1]!, this.branches[at * 3 + 2]!];
      const unknown = ways.filter((way) => depth(way) === undefined);
      if (unknown.length > 0) stack.push(...unknown);
      else {
        stack.pop();
        if (at >= 0) depths.set(at, 1 + Math.max(...ways.map((way) => depth(way)!)));
      }
    }
    return roots.reduce((most, root) => Math.max(most, depth(root)!), 0);
  }
}

/** How many branches of the plan one of the forest takes. */
function branchesOf(comparison: Branch["comparison"], value: number): number {
  if (typeof comparison !== "string")
    return Math.max(comparison.filter((v) => !Number.isNaN(v)).length * 2, 1);
  return (comparison === "EQ" || comparison === "NEQ") && !Number.isNaN(value) ? 2 : 1;
}
