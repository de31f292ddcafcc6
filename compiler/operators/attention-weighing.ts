/** What Attention and MultiHeadAttention of com.microsoft have in common: scores, what is added to them, and values. */

import type { Value } from "../ir/graph.js";
import { attentionScores, attentionType, attentionValues, joinHeads } from "./attention-core.js";
import type { GraphBuilder } from "./builder.js";
import type { ImportedNode } from "./operator.js";

type Fail = Pick<ImportedNode, "fail">;

/** Queries, keys and values, [batch, heads, length, size], those of the past among them. */
export interface Heads {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

interface Weighing {
  readonly scale: number | undefined;
  /** What is added to the scores. */
  readonly biases: readonly (Value | null)[];
  /** Keys of the past, which all queries see; null where queries see keys behind their own as well. */
  readonly causalFrom: Value | null;
}

/** The values by which queries attend to keys, and the scores behind them. */
export function attend(b: GraphBuilder, heads: Heads, { scale, biases, causalFrom }: Weighing) {
  const { dtype } = heads.query;
  const type = attentionType(dtype);
  const [q, k, v] = [heads.query, heads.key, heads.value].map((x) => b.cast(x, type)) as [
    Value,
    Value,
    Value,
  ];
  let scores = attentionScores(b, q, k, scale === 0 ? undefined : scale);
  for (const bias of biases) {
    if (bias !== null) scores = b.op("Add", [scores, b.cast(bias, type)]);
  }
  const seen =
    causalFrom === null ? scores : b.op("kiln.MaskScores", [scores, causalFrom, null], { causal: 1 });
  const probabilities = b.op("Softmax", [seen], { axis: -1 });
  return { result: joinHeads(b, b.cast(attentionValues(b, probabilities, v), dtype)), scores: seen };
}

/** A bias of scores: [batch or 1, heads or 1, queries, keys]. */
export function checkBias(bias: Value | null, { fail }: Fail): void {
  if (bias !== null && bias.rank !== 4) fail(`attention_bias of ${bias.rank} dims, not 4`, "E_SHAPE");
}

/** Values of the past and the new ones, [batch, heads, length, size]. */
export const joined = (b: GraphBuilder, past: Value | null, now: Value): Value =>
  past === null ? now : b.op("Concat", [past, now], { axis: 2 });
