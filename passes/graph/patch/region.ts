/** Parts of tensors: a span of places on each axis, and what of an input a part of a result is made of. */

import { isStatic } from "../../../compiler/ir/dim.js";
import type { Value } from "../../../compiler/ir/graph.js";
import type { AxisReach, InputReach } from "../../../compiler/operators/reach.js";

/** Places from `start` up to `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Region = readonly Span[];

export const lengthOf = ({ start, end }: Span): number => Math.max(0, end - start);

export const sameSpan = (a: Span, b: Span): boolean => a.start === b.start && a.end === b.end;

export const shapeOf = (region: Region): number[] => region.map(lengthOf);

export const textOf = (region: Region): string => region.map(({ start, end }) => `${start}..${end}`).join();

export const hasFixedShape = ({ shape }: Value): boolean => shape.every((dim) => isStatic(dim) && dim > 0);

/** All of a tensor of fixed shape. */
export const wholeOf = ({ shape }: Value): Region => shape.map((dim) => ({ start: 0, end: dim as number }));

/** Places that a span of the result sees, those outside of the tensor too. */
export const seenBy = (span: Span, { stride, before, extent }: AxisReach): Span => ({
  start: span.start * stride - before,
  end: (span.end - 1) * stride - before + extent,
});

export const clip = ({ start, end }: Span, extent: number): Span => ({
  start: Math.max(0, start),
  end: Math.min(extent, end),
});

/** A part of an input, and how many places beside it are seen that do not exist. */
export interface Seen {
  readonly region: Region;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export function seenOf(input: Value, reach: InputReach, region: Region): Seen {
  const whole = wholeOf(input);
  const seen = whole.map((span, axis) => {
    const along = reach[axis];
    return along === null || along === undefined ? span : seenBy(region[along.axis]!, along);
  });
  const inside = seen.map((span, axis) => clip(span, whole[axis]!.end));
  return {
    region: inside,
    before: inside.map(({ start }, axis) => start - seen[axis]!.start),
    after: inside.map(({ end }, axis) => Math.max(0, seen[axis]!.end - end)),
  };
}

/** What an input of a node is to the result of another that uses the node's result. */
export const composeReach = (outer: InputReach, inner: InputReach): InputReach =>
  inner.map((along) => {
    const over = along === null ? null : outer[along.axis];
    if (along === null || over === null || over === undefined) return null;
    return {
      axis: over.axis,
      stride: over.stride * along.stride,
      before: over.before * along.stride + along.before,
      extent: (over.extent - 1) * along.stride + along.extent,
    };
  });
