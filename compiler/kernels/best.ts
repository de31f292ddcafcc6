/**
 * The k first of many elements in the order of their keys, by a heap of k: its root is the worst of those that are in
 * it, and an element that is not better than that is passed over after one comparison. Taken from the heap one by one,
 * worst first, they are sorted in place. n + k log k steps where few elements enter late, n log k at most.
 *
 * The smaller key is the better one, and of equal keys the one of the smaller place.
 */

import { add, constant, div, i32Constant, op, read, sub } from "../loop/builder.js";
import { type Buffer, bool, type Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";

export interface Heap {
  readonly keys: Buffer;
  readonly places: Buffer;
}

export interface BestParameters {
  /** Memory for `wanted` entries; in the end they are sorted. */
  readonly heap: Heap;
  /** How many there are, and how many of them are wanted, which is no more. */
  readonly count: Expr;
  readonly wanted: Expr;
  readonly keyAt: (place: Expr) => Expr;
}

export function best(s: KernelScope, { heap, count, wanted, keyAt }: BestParameters): void {
  const levels = levelsOf(s, wanted);
  s.for("i", 0, wanted, (i) => {
    s.store(heap.keys, i, keyAt(i));
    s.store(heap.places, i, i);
  });
  const half = div(wanted, 2);
  s.for("i", 0, half, (i) => {
    const start = s.let("start", sub(sub(half, 1), i));
    siftDown(s, heap, { start, from: start, size: wanted, levels });
  });
  s.for("place", wanted, count, (place) => {
    const key = s.let("key", keyAt(place));
    s.if(op("lt_s", key, s.load(heap.keys, 0)), () => {
      s.store(heap.keys, 0, key);
      s.store(heap.places, 0, place);
      siftDown(s, heap, { start: i32Constant(0), from: i32Constant(0), size: wanted, levels });
    });
  });
  s.for("taken", 1, wanted, (taken) => {
    const end = s.let("end", sub(wanted, taken));
    const [key, place] = [s.let("worst", s.load(heap.keys, 0)), s.let("place", s.load(heap.places, 0))];
    siftDown(s, heap, { start: i32Constant(0), from: end, size: end, levels });
    s.store(heap.keys, end, key);
    s.store(heap.places, end, place);
  });
}

/** How often a heap of this size can be descended. */
function levelsOf(s: KernelScope, size: Expr): Expr {
  if (size.kind === "constant") return i32Constant(Math.floor(Math.log2(Math.max(Number(size.value), 1))));
  const levels = s.variable("levels", i32Constant(0));
  s.for("bit", 1, 31, (bit) => {
    s.if(op("ne", op("shr_u", size, bit), 0), () => s.assign(levels, bit));
  });
  return read(levels);
}

interface Descent {
  /** Where the entry is to be put, or below. */
  readonly start: Expr;
  /** Where the entry stands now. */
  readonly from: Expr;
  readonly size: Expr;
  readonly levels: Expr;
}

/** Puts an entry in its place in the heap: those below it that are worse move up. */
function siftDown(s: KernelScope, heap: Heap, { start, from, size, levels }: Descent): void {
  const key = s.let("key", s.load(heap.keys, from));
  const place = s.let("moved", s.load(heap.places, from));
  const hole = s.variable("hole", start);
  const goesOn = s.variable("goesOn", constant(bool, 1));
  const child = s.variable("child", i32Constant(0));
  s.for("level", 0, levels, () => {
    s.assign(child, add(op("mul", read(hole), 2), 1));
    s.if(op("and", read(goesOn), op("lt_s", read(child), size)), () => {
      s.if(op("lt_s", add(read(child), 1), size), () => {
        const other = s.let("other", add(read(child), 1));
        s.if(
          isWorse(s, heap, other, s.load(heap.keys, read(child)), s.load(heap.places, read(child))),
          () => {
            s.assign(child, other);
          },
        );
      });
      s.if(
        isWorse(s, heap, read(child), key, place),
        () => {
          s.store(heap.keys, read(hole), s.load(heap.keys, read(child)));
          s.store(heap.places, read(hole), s.load(heap.places, read(child)));
          s.assign(hole, read(child));
        },
        () => s.assign(goesOn, constant(bool, 0)),
      );
    });
  });
  s.store(heap.keys, read(hole), key);
  s.store(heap.places, read(hole), place);
}

/** Whether an entry of the heap is worse than a key and a place. */
function isWorse(s: KernelScope, heap: Heap, at: Expr, key: Expr, place: Expr): Expr {
  const own = s.load(heap.keys, at);
  const later = op("gt_s", s.load(heap.places, at), place);
  return op("or", op("gt_s", own, key), op("and", op("eq", own, key), later));
}
