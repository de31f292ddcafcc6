/** Which keys a query does not see, by their places: those behind it, those too far before it, and padding. */

import { printType } from "../ir/graph.js";
import { add, i32Constant, op, select, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { injective } from "./injective.js";
import { attribute, type ElementContext, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";

const attributes = {
  causal: attribute.int(0),
  /** Keys that a query sees up to its own; all where it is negative. */
  window: attribute.int(-1),
  value: attribute.float(Number.NEGATIVE_INFINITY),
} as const;

/** A whole number for each batch, or one for all; where the input is absent, what is given instead. */
function perBatch(
  context: ElementContext<typeof attributes>,
  input: number,
  batch: Expr,
  absent: Expr | null,
): Expr | null {
  const value = context.optional(input);
  if (value === null) return absent;
  const element = context.load(input, [value.shape[0] === 1 ? i32Constant(0) : batch]);
  return element.type.scalar === "i64" ? op("i64_to_i32", element) : element;
}

const MaskScores = injective({
  name: "MaskScores",
  domain: "kiln",
  summary:
    "Scores [batch, heads, queries, keys], with a value in place of those of keys that queries do not see. " +
    "The i-th query stands at i + offset among the keys, of which there are as many as `lengths` says.",
  inputs: ["scores", "offsets?", "lengths?"],
  types: floats,
  attributes,
  versions: [1],
  infer: ({ input, optional, fail }) => {
    const { dtype, shape } = input(0);
    for (const i of [1, 2]) {
      const value = optional(i);
      if (value === null || (value.rank === 1 && /^int(32|64)$/.test(value.dtype))) continue;
      fail(`offsets and lengths are whole numbers in a row, not ${printType(value.type)}`, "E_SHAPE");
    }
    return [{ dtype, shape }];
  },
  injective: (context, indices) => {
    const { causal, window, value } = context.attributes;
    const [batch, , query, key] = indices as [Expr, Expr, Expr, Expr];
    const place = add(query, perBatch(context, 1, batch, i32Constant(0))!);
    const length = perBatch(context, 2, batch, null);
    // A query of padding sees what the last one before it does, so that there is no row without any key.
    const within = length === null ? place : op("min_s", place, sub(length, 1));
    const seen = [
      ...(causal !== 0 ? [op("le_s", key, place)] : []),
      ...(window >= 0 ? [op("gt_s", key, sub(within, window))] : []),
      ...(length !== null ? [op("lt_s", key, length)] : []),
    ];
    const score = context.load(0, indices);
    const [first, ...others] = seen;
    if (first === undefined) return score;
    return select(
      others.reduce((both, one) => op("and", both, one), first),
      score,
      value,
    );
  },
});

export const attentionMaskOperators: readonly Operator[] = [MaskScores];
