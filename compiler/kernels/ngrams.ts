/** Counting of n-grams: every sequence of n elements of a row, with gaps too, is looked up in a sorted table. */

import type { Dim } from "../ir/dim.js";
import { add, constant, div, i32Constant, minIndex, mul, op, read, select, sub } from "../loop/builder.js";
import { type Expr, f32 } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";

/** "IDF" gives the weight of what is there, "TF" how often it is there, "TFIDF" their product. */
export type Weighting = "TF" | "IDF" | "TFIDF";

/** The n-grams of one length. */
export interface GramTable {
  readonly length: number;
  readonly count: number;
  /** [count, length], sorted by the first element, then by the second, and so on. */
  readonly grams: TensorView;
  /** Place of each in the result. */
  readonly places: TensorView;
  readonly weights: TensorView;
}

export interface NgramParameters {
  readonly rows: Dim;
  readonly columns: Dim;
  readonly size: number;
  /** The most elements that may be left out between two. */
  readonly maximalSkip: number;
  readonly weighting: Weighting;
}

export function countNgrams(
  s: NodeScope,
  p: NgramParameters,
  x: TensorView,
  y: TensorView,
  tables: readonly GramTable[],
): void {
  s.for("row", 0, s.dim(p.rows), (row) => {
    s.for("place", 0, p.size, (place) => y.store([row, place], constant(f32, 0)));
    for (const table of tables) {
      const strides = table.length === 1 ? 1 : p.maximalSkip + 1;
      s.for("stride", 1, strides + 1, (stride) => {
        const ends = sub(s.dim(p.columns), mul(stride, table.length - 1));
        s.for("start", 0, ends, (start) => {
          const gram = Array.from({ length: table.length }, (_, k) =>
            s.let("element", x.load([row, add(start, mul(stride, k))])),
          );
          countGram(s, p, table, gram, (place) => [row, place], y);
        });
      });
    }
  });
}

function countGram(
  s: NodeScope,
  p: NgramParameters,
  table: GramTable,
  gram: readonly Expr[],
  indices: (place: Expr) => Expr[],
  y: TensorView,
): void {
  const at = findGram(s, table, gram);
  const isThere = gram
    .map((element, k) => op("eq", table.grams.load([at, i32Constant(k)]), element))
    .reduce((all, one) => op("and", all, one));
  s.if(isThere, () => {
    const place = indices(s.let("place", table.places.load([at])));
    const weight = p.weighting === "TF" ? constant(f32, 1) : table.weights.load([at]);
    y.store(place, p.weighting === "IDF" ? weight : op("add", y.load(place), weight));
  });
}

/** The first n-gram of the table that is not below the given one, or the last of all. */
function findGram(s: NodeScope, { grams, count }: GramTable, gram: readonly Expr[]): Expr {
  const low = s.variable("low", i32Constant(0));
  const high = s.variable("high", i32Constant(count));
  s.for("step", 0, Math.ceil(Math.log2(count + 1)), () => {
    s.if(op("lt_s", read(low), read(high)), () => {
      const middle = s.let("middle", div(add(read(low), read(high)), 2));
      const isBelow = gram.reduceRight<Expr | null>((rest, element, k) => {
        const own = grams.load([middle, i32Constant(k)]);
        const less = op("lt_s", own, element);
        return rest === null ? less : op("or", less, op("and", op("eq", own, element), rest));
      }, null)!;
      const found = s.let("isBelow", select(isBelow, i32Constant(1), 0));
      const goesUp = op("ne", found, 0);
      s.assign(low, select(goesUp, add(middle, 1), read(low)));
      s.assign(high, select(goesUp, read(high), middle));
    });
  });
  return s.let("at", minIndex(read(low), count - 1));
}
