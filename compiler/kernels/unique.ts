/**
 * Equal parts of a tensor found by sorting: parts that are equal follow one another in the order, the first of them
 * first, since the sort is stable.
 */

import { add, constant, i32Constant, mul, op, read, select, sub } from "../loop/builder.js";
import { type Buffer, bool, type Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import { mergeSort } from "./merge-sort.js";

export interface UniqueParameters {
  /** Keys of all elements, those of a part side by side. */
  readonly keys: Buffer;
  /** How many parts there are, and how many elements each has. */
  readonly count: Expr;
  readonly size: Expr;
  /** In the order of their keys; else in that in which they are met. */
  readonly sorted: boolean;
  /** Memory of `count` int32 each. */
  readonly scratch: { readonly places: Buffer; readonly spare: Buffer; readonly sizes: Buffer };
  /** int64: for each distinct part its first place and how often it is there, and for each part which one it is. */
  readonly results: { readonly first: Buffer; readonly inverse: Buffer; readonly counts: Buffer };
}

/** Gives the number of distinct parts. */
export function unique(s: KernelScope, p: UniqueParameters): Expr {
  const { places, spare } = p.scratch;
  s.for("i", 0, p.count, (i) => s.store(places, i, i), { mode: "vectorize" });
  const isBefore = (b: Expr, a: Expr): Expr => isLess(s, p, b, a);
  mergeSort(s, { places, spare, count: p.count, isBefore });
  const total = numberSorted(s, p);
  if (!p.sorted) numberAsMet(s, p, total);
  return total;
}

/** Whether part `a` comes before part `b`: the first elements that differ decide. */
function isLess(s: KernelScope, { keys, size }: UniqueParameters, a: Expr, b: Expr): Expr {
  const key = (part: Expr, i: Expr): Expr => s.load(keys, add(mul(part, size), i));
  if (size.kind === "constant" && size.value === 1) {
    return op("lt_s", key(a, i32Constant(0)), key(b, i32Constant(0)));
  }
  const order = s.variable("order", i32Constant(0));
  s.for("k", 0, size, (k) => {
    s.if(op("eq", read(order), 0), () => {
      const [x, y] = [s.let("x", key(a, k)), s.let("y", key(b, k))];
      s.assign(order, select(op("lt_s", x, y), i32Constant(-1), select(op("gt_s", x, y), i32Constant(1), 0)));
    });
  });
  return op("lt_s", read(order), 0);
}

const long = (x: Expr): Expr => op("i32_to_i64_s", x);

/** Numbers the distinct parts in the order of the sort. */
function numberSorted(s: KernelScope, p: UniqueParameters): Expr {
  const { first, inverse, counts } = p.results;
  const number = s.variable("number", i32Constant(-1));
  s.for("t", 0, p.count, (t) => {
    const place = s.let("place", s.load(p.scratch.places, t));
    const isNew = s.variable("isNew", constant(bool, 1));
    s.if(op("gt_s", t, 0), () => {
      s.assign(isNew, isLess(s, p, s.load(p.scratch.places, sub(t, 1)), place));
    });
    s.if(read(isNew), () => {
      s.assign(number, add(read(number), 1));
      s.store(first, read(number), long(place));
      s.store(counts, read(number), constant({ scalar: "i64", lanes: 1 }, 0));
    });
    s.store(inverse, place, long(read(number)));
    s.store(counts, read(number), op("add", s.load(counts, read(number)), 1));
  });
  return s.let("total", add(read(number), 1));
}

/** Numbers them anew in the order in which they are met. The memory of the sort is free by then. */
function numberAsMet(s: KernelScope, p: UniqueParameters, total: Expr): void {
  const { first, inverse, counts } = p.results;
  const [starts, numbers, sizes] = [p.scratch.places, p.scratch.spare, p.scratch.sizes];
  const short = (x: Expr): Expr => op("i64_to_i32", x);
  s.for("n", 0, total, (n) => {
    s.store(starts, n, short(s.load(first, n)));
    s.store(sizes, n, short(s.load(counts, n)));
  });
  const met = s.variable("met", i32Constant(0));
  s.for("i", 0, p.count, (i) => {
    const old = s.let("old", short(s.load(inverse, i)));
    s.if(op("eq", s.load(starts, old), i), () => {
      s.store(numbers, old, read(met));
      s.store(first, read(met), long(i));
      s.store(counts, read(met), long(s.load(sizes, old)));
      s.assign(met, add(read(met), 1));
    });
    s.store(inverse, i, long(s.load(numbers, old)));
  });
}
