/** Attention as ONNX has it. */

import { equalDims, isStatic } from "../ir/dim.js";
import { dtypeFromOnnx } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import {
  attentionScores,
  attentionType,
  attentionValues,
  checkHeads,
  joinHeads,
  maskBias,
  softcap,
  splitHeads,
} from "./attention-core.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { shapePart } from "./shape-arithmetic.js";

const attributes = {
  is_causal: attribute.int(0),
  kv_num_heads: attribute.optional("int"),
  q_num_heads: attribute.optional("int"),
  qk_matmul_output_mode: attribute.int(0),
  scale: attribute.optional("float"),
  softcap: attribute.float(0),
  softmax_precision: attribute.optional("int"),
} as const;
type AttentionView = ImportedNode<typeof attributes>;

/** Queries, keys and values as [batch, heads, length, size]. */
function withHeads(b: GraphBuilder, inputs: readonly Value[], view: AttentionView): Value[] {
  const { q_num_heads, kv_num_heads } = view.attributes;
  const { rank } = inputs[0]!;
  if ((rank !== 3 && rank !== 4) || inputs.some((x) => x.rank !== rank)) {
    view.fail(
      `takes three tensors of 3 or of 4 dims, not of ${inputs.map((x) => x.rank).join(", ")}`,
      "E_SHAPE",
    );
  }
  const heads = [q_num_heads, kv_num_heads, kv_num_heads];
  if (rank === 4) {
    inputs.forEach(({ shape }, i) => {
      const given = heads[i];
      if (given !== undefined && isStatic(shape[1]!) && given !== shape[1])
        view.fail(`${shape[1]} heads where the attribute says ${given}`, "E_SHAPE");
    });
    return [...inputs];
  }
  return inputs.map((x, i) => {
    const count = heads[i] ?? view.fail("tensors of 3 dims need q_num_heads and kv_num_heads");
    const size = x.shape[2]!;
    if (count < 1 || (isStatic(size) && size % count !== 0))
      view.fail(`${count} heads of ${size} elements`, "E_SHAPE");
    return splitHeads(b, x, count);
  });
}

/** A mask whose keys are fewer than there are: the others are not seen. */
function padMask(b: GraphBuilder, mask: Value, keys: Value): Value {
  const [own, all] = [mask.shape.at(-1)!, keys.shape[2]!];
  if (equalDims(own, all)) return mask;
  const missing = b.op("Sub", [shapePart(b, keys, 2, 3), shapePart(b, mask, mask.rank - 1, mask.rank)]);
  const pads = b.op("Concat", [b.ints([0]), missing], { axis: 0 });
  const hidden = b.scalar(mask.dtype, mask.dtype === "bool" ? 0 : Number.NEGATIVE_INFINITY);
  return b.op("Pad", [mask, pads, hidden, b.ints([mask.rank - 1])]);
}

/** Where the first query stands among the keys: behind those of the past, or with the last one at the last key. */
function offsetOf(b: GraphBuilder, q: Value, past: Value | null, lengths: Value | null): Value | null {
  if (past !== null) return shapePart(b, past, 2, 3);
  return lengths === null ? null : b.op("Sub", [lengths, shapePart(b, q, 2, 3)]);
}

interface Masking {
  readonly mask: Value | null;
  readonly past: Value | null;
  readonly lengths: Value | null;
}

function masked(
  b: GraphBuilder,
  scores: Value,
  q: Value,
  keys: Value,
  { mask, past, lengths }: Masking,
  causal: boolean,
): Value {
  let result = scores;
  if (mask !== null) {
    const bias = maskBias(b, padMask(b, mask, keys), scores.dtype, Number.NEGATIVE_INFINITY);
    result = b.op("Add", [result, bias]);
  }
  if (!causal && lengths === null) return result;
  const offset = causal ? offsetOf(b, q, past, lengths) : null;
  return b.op("kiln.MaskScores", [result, offset, lengths], { causal: causal ? 1 : 0 });
}

function expandAttention(b: GraphBuilder, inputs: readonly (Value | null)[], view: AttentionView): Value[] {
  const input = (i: number): Value | null => inputs[i] ?? null;
  const [mask, pastKey, pastValue, lengths] = [input(3), input(4), input(5), input(6)];
  const { is_causal, qk_matmul_output_mode: mode, scale, softcap: cap } = view.attributes;
  if (mode < 0 || mode > 3) view.fail(`qk_matmul_output_mode ${mode} is not defined`);
  if ((pastKey === null) !== (pastValue === null)) view.fail("past_key and past_value go together");
  const given = inputs.slice(0, 3) as Value[];
  const { dtype } = given[0]!;
  for (const x of given)
    if (!floats.includes(x.dtype)) view.fail(`does not take ${x.dtype}`, "E_UNSUPPORTED");
  const [query, newKey, newValue] = withHeads(b, given, view) as [Value, Value, Value];
  const joined = (past: Value | null, now: Value) =>
    past === null ? now : b.op("Concat", [past, now], { axis: 2 });
  const [key, value] = [joined(pastKey, newKey), joined(pastValue, newValue)];
  checkHeads(query, key, view);
  const type = attentionType(dtype);
  const [q, k, v] = [query, key, value].map((x) => b.cast(x, type)) as [Value, Value, Value];
  const raw = attentionScores(b, q, k, scale);
  const capped = cap > 0 ? softcap(b, raw, cap) : raw;
  const biased = masked(b, capped, q, k, { mask, past: pastKey, lengths }, is_causal !== 0);
  const probabilities = softmaxOf(b, biased, view);
  const y = b.cast(attentionValues(b, probabilities, v), dtype);
  const results = [given[0]!.rank === 3 ? joinHeads(b, y) : y, key, value];
  if (view.outputCount <= 3) return results.slice(0, view.outputCount);
  return [...results, b.cast([raw, capped, biased, probabilities][mode]!, dtype)];
}

function softmaxOf(b: GraphBuilder, scores: Value, view: AttentionView): Value {
  const { softmax_precision: code } = view.attributes;
  if (code === undefined) return b.op("Softmax", [scores], { axis: -1 });
  const precision = dtypeFromOnnx(code);
  if (precision === undefined || !floats.includes(precision)) {
    return view.fail(`softmax_precision ${code} is no type of floats`, "E_UNSUPPORTED");
  }
  return b.cast(b.op("Softmax", [b.cast(scores, precision)], { axis: -1 }), scores.dtype);
}

const Attention = defineExpansion({
  name: "Attention",
  summary: "Scaled dot-product attention with masks, a cache of keys and values, and heads that share keys.",
  inputs: ["Q", "K", "V", "attn_mask?", "past_key?", "past_value?", "nonpad_kv_seqlen?"],
  types: floats,
  attributes,
  versions: [23, 24].map((since) => ({ since })),
  expand: expandAttention,
});

export const attentionOperators: readonly Operator[] = [Attention];
