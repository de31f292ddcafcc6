/** A cache of keys or values with new ones behind those of the past, whose number each row of the batch has for itself. */

import { constant, i32Constant, maxIndex, minIndex, op, select, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { injective } from "./injective.js";
import type { Operator } from "./operator.js";

const AppendRows = injective({
  name: "AppendRows",
  domain: "kiln",
  summary:
    "[batch, heads, size, n]: the first rows of the past, as many as `lengths` says, the new ones, and zeros.",
  inputs: ["rows", "size", "past?", "lengths?"],
  attributes: {},
  versions: [1],
  infer: (context) => {
    const [rows, past] = [context.input(0), context.optional(2)];
    const [size] = context.requireElements(1);
    if (past !== null && past.dtype !== rows.dtype) context.fail(`combines ${past.dtype} and ${rows.dtype}`);
    if (rows.rank !== 4 || (past !== null && past.rank !== 4)) context.fail("takes 4 dims", "E_SHAPE");
    for (const axis of past === null ? [] : [0, 1, 3]) {
      context.requireEqual(
        past!.shape[axis]!,
        rows.shape[axis]!,
        `the past has another size on axis ${axis}`,
      );
    }
    return [{ dtype: rows.dtype, shape: rows.shape.with(2, size!) }];
  },
  injective: (context, indices) => {
    const place = indices[2]!;
    const past = context.optional(2);
    const zero = i32Constant(0);
    /** The element of an input at a row, or where there is no such row, at the nearest one. */
    const load = (input: number, row: Expr): Expr => {
      const last = sub(context.dim(context.input(input).shape[2]!), 1);
      return context.load(input, indices.with(2, maxIndex(minIndex(row, last), 0)));
    };
    const start = context.optional(3) === null ? zero : context.load(3, [indices[0]!]);
    const behind = sub(place, start);
    const inside = op("lt_u", behind, context.dim(context.input(0).shape[2]!));
    const nothing = constant({ scalar: registerTypes[context.input(0).dtype], lanes: 1 }, 0);
    const isEmpty = past === null || past.shape[2] === 0;
    const kept = isEmpty ? nothing : select(op("lt_s", behind, 0), load(2, place), nothing);
    return select(inside, load(0, behind), kept);
  },
});

export const attentionCacheOperators: readonly Operator[] = [AppendRows];
