/**
 * Boxes of one class by falling score, each kept unless it overlaps one that is kept already. Candidates are gathered and
 * sorted first; then each is compared with the kept ones only.
 */

import { add, constant, i32Constant, op, read } from "../loop/builder.js";
import { type Buffer, bool, type Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import { mergeSort } from "./merge-sort.js";
import { sortKey } from "./sort-keys.js";

export interface SuppressionParameters {
  /** How many boxes there are, and how many may be kept. */
  readonly count: Expr;
  readonly limit: Expr;
  readonly score: (box: Expr) => Expr;
  /** Scores must be larger than it; null where all boxes are candidates. */
  readonly scoreThreshold: Expr | null;
  readonly overlapThreshold: Expr;
  /** Four numbers of a box. */
  readonly corners: (box: Expr) => readonly Expr[];
  /** The numbers are centre x and y, width and height, not two opposite corners. */
  readonly centered: boolean;
  /** Memory of `count` int32 each. */
  readonly scratch: {
    readonly keys: Buffer;
    readonly places: Buffer;
    readonly spare: Buffer;
    readonly kept: Buffer;
  };
  /** Called for every box that is kept. */
  readonly keep: (box: Expr) => void;
}

export function suppress(s: KernelScope, p: SuppressionParameters): void {
  const { keys, places, spare, kept } = p.scratch;
  const candidates = gatherCandidates(s, p);
  const isBefore = (b: Expr, a: Expr): Expr => op("lt_s", s.load(keys, b), s.load(keys, a));
  mergeSort(s, { places, spare, count: candidates, isBefore });
  const taken = s.variable("taken", i32Constant(0));
  s.for("t", 0, candidates, (t) => {
    s.if(op("lt_s", read(taken), p.limit), () => {
      const box = s.let("box", s.load(places, t));
      const own = boxOf(s, p, box);
      const isSuppressed = s.variable("isSuppressed", constant(bool, 0));
      s.for("k", 0, read(taken), (k) => {
        s.if(op("not", read(isSuppressed)), () => {
          const other = boxOf(s, p, s.let("other", s.load(kept, k)));
          s.assign(isSuppressed, overlaps(s, own, other, p.overlapThreshold));
        });
      });
      s.if(op("not", read(isSuppressed)), () => {
        s.store(kept, read(taken), box);
        s.assign(taken, add(read(taken), 1));
        p.keep(box);
      });
    });
  });
}

/** Puts the places of candidates side by side, and gives their number. */
function gatherCandidates(s: KernelScope, p: SuppressionParameters): Expr {
  const found = s.variable("found", i32Constant(0));
  s.for("i", 0, p.count, (i) => {
    const score = s.let("score", p.score(i));
    const accept = (): void => {
      s.store(p.scratch.keys, i, sortKey(score, "float32", true));
      s.store(p.scratch.places, read(found), i);
      s.assign(found, add(read(found), 1));
    };
    if (p.scoreThreshold === null) accept();
    else s.if(op("gt", score, p.scoreThreshold), accept);
  });
  return s.let("candidates", read(found));
}

/** Ends of a box along both axes, and its area. */
interface Box {
  readonly low: readonly Expr[];
  readonly high: readonly Expr[];
  readonly area: Expr;
}

function boxOf(s: KernelScope, p: SuppressionParameters, index: Expr): Box {
  const [a, b, c, d] = p.corners(index).map((value) => s.let("corner", value)) as [Expr, Expr, Expr, Expr];
  const half = (size: Expr): Expr => op("mul", size, 0.5);
  const low = p.centered
    ? [op("sub", a, half(c)), op("sub", b, half(d))]
    : [op("min", a, c), op("min", b, d)];
  const high = p.centered
    ? [op("add", a, half(c)), op("add", b, half(d))]
    : [op("max", a, c), op("max", b, d)];
  const sides = low.map((start, axis) => op("sub", high[axis]!, start)) as [Expr, Expr];
  return {
    low: low.map((value) => s.let("low", value)),
    high: high.map((value) => s.let("high", value)),
    area: s.let("area", op("mul", sides[0], sides[1])),
  };
}

/** Whether the common area of two boxes is more than this part of the area of both. */
function overlaps(s: KernelScope, a: Box, b: Box, threshold: Expr): Expr {
  const sides = [0, 1].map((axis) =>
    s.let("side", op("sub", op("min", a.high[axis]!, b.high[axis]!), op("max", a.low[axis]!, b.low[axis]!))),
  ) as [Expr, Expr];
  const common = s.let("common", op("mul", sides[0], sides[1]));
  const union = s.let("union", op("sub", op("add", a.area, b.area), common));
  const areReal = [sides[0], sides[1], common, a.area, b.area, union]
    .map((value) => op("gt", value, 0))
    .reduce((all, one) => op("and", all, one));
  return op("and", areReal, op("gt", op("div", common, union), threshold));
}
