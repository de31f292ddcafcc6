/**
 * A stable sort of places by merging, from runs of one place to the whole. Loops have fixed ends, so each pass visits
 * every place once and takes it from one of two runs: n log n steps whatever the order is.
 */

import { add, constant, i32Constant, minIndex, mul, op, read, select } from "../loop/builder.js";
import { type Buffer, bool, type Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";

export interface SortParameters {
  /** Holds the places 0 to `count`, in any order; in the end in that of the sort. */
  readonly places: Buffer;
  /** Memory for as many places. */
  readonly spare: Buffer;
  readonly count: Expr;
  /** Whether place `b` must come before place `a`, which it follows now. May add statements to the scope. */
  readonly isBefore: (b: Expr, a: Expr) => Expr;
}

/** Passes that as many places need as there is memory for, or any number where that is open. */
const passesFor = ({ elements }: Buffer): number =>
  elements === null ? 31 : Math.ceil(Math.log2(Math.max(elements, 1)));

export function mergeSort(s: KernelScope, { places, spare, count, isBefore }: SortParameters): void {
  // Of an open number the verifier cannot see that vectors of it stay inside the memory.
  const mode = count.kind === "constant" ? "vectorize" : "serial";
  s.for("pass", 0, passesFor(places), (pass) => {
    const width = s.let("width", op("shl", i32Constant(1), pass));
    s.if(op("lt_u", width, count), () => {
      const last = add(count, -1);
      const pairs = op("shr_u", op("shr_u", last, pass), 1); // the last pair, whose second run may be empty
      s.for("pair", 0, add(pairs, 1), (pair) => {
        const start = s.let("start", mul(pair, mul(width, 2)));
        const middle = s.let("middle", minIndex(add(start, width), count));
        const end = s.let("end", minIndex(add(middle, width), count));
        merge(s, { from: places, to: spare, start, middle, end, isBefore });
      });
      s.for("i", 0, count, (i) => s.store(places, i, s.load(spare, i)), { mode });
    });
  });
}

interface Merge {
  readonly from: Buffer;
  readonly to: Buffer;
  readonly start: Expr;
  readonly middle: Expr;
  readonly end: Expr;
  readonly isBefore: SortParameters["isBefore"];
}

/** Merges two neighbouring sorted runs. */
function merge(s: KernelScope, { from, to, start, middle, end, isBefore }: Merge): void {
  const left = s.variable("left", start);
  const right = s.variable("right", middle);
  s.for("at", start, end, (at) => {
    const takesRight = s.variable("takesRight", constant(bool, 0));
    s.if(op("lt_s", read(right), end), () => {
      s.if(
        op("lt_s", read(left), middle),
        () => s.assign(takesRight, isBefore(s.load(from, read(right)), s.load(from, read(left)))),
        () => s.assign(takesRight, constant(bool, 1)),
      );
    });
    s.store(to, at, s.load(from, select(read(takesRight), read(right), read(left))));
    const step = s.let("step", select(read(takesRight), i32Constant(1), 0));
    s.assign(right, add(read(right), step));
    s.assign(left, op("sub", add(read(left), 1), step));
  });
}
