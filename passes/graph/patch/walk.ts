/**
 * The order of things in a band: for every strip from the top, every node computes its new rows, which join those that
 * were kept; rows that a later strip needs again are kept as soon as the strip has no more use of the value.
 */

import { lengthOf, type Span, sameSpan } from "./region.js";
import type { Segment } from "./segment.js";
import type { Band } from "./tiling.js";

export interface Visitor {
  /** Computes new rows of a value. `rows` are all that it has then: those that were kept, and these. */
  make(i: number, fresh: Span, rows: Span, strip: number): void;
  /** Of the rows that a value has, these will be used again. */
  keep(i: number, rows: Span): void;
  /** A value is not used any more. */
  drop(i: number): void;
}

export function walkBand(segment: Segment, band: Band, visitor: Visitor): void {
  const held: (Span | null)[] = segment.locals.map(() => null);
  const last = segment.locals.length - 1;
  band.strips.forEach((strip, number) => {
    const next = band.strips[number + 1];
    const release = (i: number): void => {
      const rows = held[i];
      if (rows === null || rows === undefined) return;
      const start = Math.max(rows.start, next === undefined ? rows.end : next[i]!.kept.start);
      if (start >= rows.end) {
        held[i] = null;
        visitor.drop(i);
      } else if (!sameSpan(rows, { start, end: rows.end })) {
        held[i] = { start, end: rows.end };
        visitor.keep(i, held[i]!);
      }
    };
    const lastUser = lastUsers(segment, strip);
    strip.forEach(({ fresh }, i) => {
      if (lengthOf(fresh) > 0) {
        const rows = { start: held[i]?.start ?? fresh.start, end: fresh.end };
        visitor.make(i, fresh, rows, number);
        if (i !== last) held[i] = rows;
      }
      for (const value of [...segment.producers[i]!, i]) if (lastUser[value] === i) release(value);
    });
  });
}

/** For every value the last node of the strip that uses it: its own where none does. */
function lastUsers({ producers }: Segment, strip: Band["strips"][number]): number[] {
  const users = producers.map((_, i) => i);
  producers.forEach((used, i) => {
    if (lengthOf(strip[i]!.fresh) === 0) return;
    for (const producer of used) users[producer] = i;
  });
  return users;
}
