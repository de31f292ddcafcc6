/** GroupQueryAttention: the attention of language models, with a cache whose rows are filled to different lengths. */

import { equalDims, isStatic, printDim } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import {
  attentionScores,
  attentionType,
  attentionValues,
  joinHeads,
  softcap,
  splitHeads,
} from "./attention-core.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { rotate } from "./rotary.js";
import { placesOf, reshapeTo, shapePart } from "./shape-arithmetic.js";

const attributes = {
  causal: attribute.int(1),
  do_rotary: attribute.int(0),
  k_quant_type: attribute.string("NONE"),
  kv_cache_bit_width: attribute.int(0),
  kv_num_heads: attribute.required("int"),
  local_window_size: attribute.int(-1),
  num_heads: attribute.required("int"),
  qk_norm_epsilon: attribute.float(1e-6),
  qk_output: attribute.int(0),
  rotary_interleaved: attribute.int(0),
  scale: attribute.optional("float"),
  sliding_window_cache: attribute.int(0),
  smooth_softmax: attribute.int(0),
  softcap: attribute.float(0),
  v_quant_type: attribute.string("NONE"),
} as const;

type View = ImportedNode<typeof attributes>;

const inputs = [
  ...["query", "key?", "value?", "past_key?", "past_value?", "seqlens_k", "total_sequence_length"],
  ...["cos_cache?", "sin_cache?", "position_ids?", "attention_bias?", "head_sink?", "k_scale?", "v_scale?"],
  ...["q_norm_weight?", "k_norm_weight?"],
] as const;

/** What the node is given, by name. */
type Given = Readonly<Record<string, Value | null>> & {
  readonly query: Value;
  readonly seqlens_k: Value;
  readonly total_sequence_length: Value;
};

const byName = (values: readonly (Value | null)[]): Given =>
  Object.fromEntries(inputs.map((name, i) => [name.replace("?", ""), values[i] ?? null])) as Given;

function refuseUnsupported(given: Given, { attributes: a, fail }: View): void {
  if (a.k_quant_type !== "NONE" || a.v_quant_type !== "NONE" || given.k_scale || given.v_scale)
    fail("a quantised cache is not supported", "E_UNSUPPORTED", "export the model with a cache of floats");
  if (a.sliding_window_cache !== 0) fail("a cache of the window alone is not supported", "E_UNSUPPORTED");
  if (a.causal !== 0 && a.causal !== 1) fail(`causal ${a.causal} is not defined`);
  if (a.causal === 0 && a.local_window_size !== -1) fail("has a window without being causal");
  if (a.qk_output < 0 || a.qk_output > 2) fail(`qk_output ${a.qk_output} is not defined`);
  if ((given.past_key === null) !== (given.past_value === null)) fail("past_key and past_value go together");
  if ((given.key === null) !== (given.value === null)) fail("key and value go together");
  if (!given.q_norm_weight !== !given.k_norm_weight) fail("q_norm_weight and k_norm_weight go together");
  if (a.do_rotary !== 0 && !(given.cos_cache && given.sin_cache))
    fail("do_rotary needs cos_cache and sin_cache");
  const { num_heads: heads, kv_num_heads: kept } = a;
  if (heads < 1 || kept < 1 || heads % kept !== 0) fail(`${heads} heads of queries for ${kept} of keys`);
}

/** Queries, keys and values by heads; packed ones lie behind each other in the queries. */
function headsOf(b: GraphBuilder, { query, key, value }: Given, view: View): [Value, Value, Value] {
  const { fail } = view;
  const { num_heads: heads, kv_num_heads: kept } = view.attributes;
  const split = (x: Value, count: number): Value => {
    const size = x.shape.at(-1)!;
    if (x.rank !== 3) fail(`takes 3 dims, not ${x.rank}`, "E_SHAPE");
    if (isStatic(size) && size % count !== 0) fail(`${count} heads of ${printDim(size)} elements`, "E_SHAPE");
    return splitHeads(b, x, count);
  };
  if (key != null) {
    const [own, others] = [query.shape[1], key.shape[1]];
    if (isStatic(own!) && isStatic(others!) && own !== others)
      fail(`${others} new keys for ${own} queries`, "E_UNSUPPORTED", "use MultiHeadAttention for other keys");
    return [split(query, heads), split(key, kept), split(value!, kept)];
  }
  const all = split(query, heads + 2 * kept);
  const part = (start: number, count: number) =>
    b.op("Slice", [all, b.ints([start]), b.ints([start + count]), b.ints([1])]);
  return [part(0, heads), part(heads, kept), part(heads + kept, kept)];
}

interface Lengths {
  /** Keys of the past, int32 for each row of the batch; null where there is no past. */
  readonly past: Value | null;
  /** All keys, int32 for each row. */
  readonly all: Value;
  /** The most keys that a row has, as a one-dimensional tensor. */
  readonly most: Value;
  /** Whether there is no past yet; null where there is none at all. */
  readonly isFirst: Value | null;
}

/** The first run has all keys at once, though rows may end in padding; later ones add theirs to those of the past. */
function lengthsOf(b: GraphBuilder, q: Value, given: Given): Lengths {
  const rows = shapePart(b, q, 0, 1);
  const last = reshapeTo(b, given.seqlens_k, [rows]);
  const all = b.op("Add", [last, b.scalar("int32", 1)]);
  const most = b.op("Reshape", [b.cast(given.total_sequence_length, "int64"), b.ints([1])]);
  if (given.past_key === null) return { past: null, all, most, isFirst: null };
  const queries = shapePart(b, q, 2, 3);
  const before = b.op("Sub", [all, b.cast(queries, "int32")]);
  const isFirst = b.op("Equal", [queries, most]);
  return { past: b.op("Where", [isFirst, b.scalar("int32", 0), before]), all, most, isFirst };
}

/** Turns queries and keys by their places. */
function turned(
  b: GraphBuilder,
  heads: readonly [Value, Value],
  given: Given,
  lengths: Lengths,
  view: View,
): [Value, Value] {
  const [cosines, sines] = [given.cos_cache!, given.sin_cache!];
  for (const table of [cosines, sines])
    if (table.rank !== 2) view.fail(`takes caches of 2 dims, not of ${table.rank}`, "E_SHAPE");
  const pairs = cosines.shape[1]!;
  if (!isStatic(pairs)) return view.fail("the size of cos_cache must be known", "E_UNSUPPORTED");
  const places = placesOfQueries(b, heads[0], given.position_ids ?? null, lengths);
  const [cos, sin] = [cosines, sines].map((table) =>
    b.cast(b.op("Gather", [table, places], { axis: 0 }), heads[0].dtype),
  );
  const rotation = {
    cos: cos!,
    sin: sin!,
    size: 2 * pairs,
    interleaved: view.attributes.rotary_interleaved !== 0,
  };
  return [rotate(b, heads[0], rotation), rotate(b, heads[1], rotation)];
}

/** Where each query stands, [batch or 1, queries]: as it is given, but for a first run, of which the first place counts. */
function placesOfQueries(b: GraphBuilder, q: Value, given: Value | null, { past, isFirst }: Lengths): Value {
  const own = b.op("Unsqueeze", [placesOf(b, q, 2, "int64"), b.ints([0])]);
  if (given === null) {
    return past === null ? own : b.op("Add", [b.op("Unsqueeze", [b.cast(past, "int64"), b.ints([1])]), own]);
  }
  const [zeros, ones, axes] = [b.ints([0, 0]), b.ints([1, 1]), b.ints([0, 1])];
  const run = b.op("Add", [b.op("Slice", [given, zeros, ones, axes]), own]);
  return isFirst === null ? run : b.op("Where", [isFirst, run, given]);
}

/** The cache with the new rows in it: as long as that of the past, or longer where that has no room. */
function present(b: GraphBuilder, now: Value, past: Value | null, { past: before, most }: Lengths): Value {
  if (past === null) return b.op("kiln.AppendRows", [now, most]);
  const size = b.op("Max", [most, shapePart(b, past, 2, 3)]);
  return b.op("kiln.AppendRows", [now, size, past, before]);
}

/** Probabilities of scores; with a score more, of nothing, that every row has. */
function smoothSoftmax(b: GraphBuilder, scores: Value, sink: Value | null, isSmooth: boolean): Value {
  if (sink === null && !isSmooth) return b.op("Softmax", [scores], { axis: -1 });
  const each = sink === null ? b.scalar(scores.dtype, 0) : reshapeTo(b, sink, [b.ints([1, -1, 1, 1])]);
  const shape = b.op("Concat", [shapePart(b, scores, 0, 3), b.ints([1])], { axis: 0 });
  const column = b.op("Expand", [b.cast(each, scores.dtype), shape]);
  const all = b.op("Softmax", [b.op("Concat", [scores, column], { axis: 3 })], { axis: -1 });
  return b.op("Slice", [all, b.ints([0]), shapePart(b, scores, 3, 4), b.ints([3])]);
}

function expand(b: GraphBuilder, values: readonly (Value | null)[], view: View): Value[] {
  const given = byName(values);
  const { attributes: a, outputCount } = view;
  refuseUnsupported(given, view);
  const { dtype } = given.query;
  const [plainQuery, plainKey, newValue] = headsOf(b, given, view);
  const norm = (x: Value, weight: Value | null | undefined): Value =>
    weight == null ? x : b.op("SimplifiedLayerNormalization", [x, weight], { epsilon: a.qk_norm_epsilon });
  const normal = [norm(plainQuery, given.q_norm_weight), norm(plainKey, given.k_norm_weight)] as const;
  const lengths = lengthsOf(b, plainQuery, given);
  const [query, newKey] = a.do_rotary !== 0 ? turned(b, normal, given, lengths, view) : normal;
  const presentKey = present(b, newKey, given.past_key!, lengths);
  const presentValue = present(b, newValue, given.past_value!, lengths);
  const type = attentionType(dtype);
  const kept = (cache: Value): Value => {
    const isAll = equalDims(cache.shape[2]!, shapeOf(lengths.most) ?? -1);
    const used = isAll ? cache : b.op("Slice", [cache, b.ints([0]), lengths.most, b.ints([2])]);
    return b.cast(used, type);
  };
  const scale = a.scale === 0 ? undefined : a.scale;
  const raw = attentionScores(b, b.cast(query, type), kept(presentKey), scale);
  const capped = a.softcap > 0 ? softcap(b, raw, a.softcap) : raw;
  const bias = given.attention_bias ?? null;
  const scores = bias === null ? capped : b.op("Add", [capped, b.cast(bias, type)]);
  const masked = (value: number): Value =>
    b.op("kiln.MaskScores", [scores, lengths.past, lengths.all], {
      causal: a.causal,
      window: a.local_window_size,
      value,
    });
  const probabilities = smoothSoftmax(
    b,
    masked(Number.NEGATIVE_INFINITY),
    given.head_sink ?? null,
    a.smooth_softmax === 1,
  );
  const result = joinHeads(b, b.cast(attentionValues(b, probabilities, kept(presentValue)), dtype));
  const results = [result, presentKey, presentValue];
  if (outputCount > 3) results.push(b.cast(a.qk_output === 1 ? masked(0) : probabilities, dtype));
  return results.slice(0, Math.max(outputCount, 1));
}

const shapeOf = ({ elements, constant }: Value) =>
  elements?.[0] ?? (constant === null ? null : Number(constant.data[0]));

const GroupQueryAttention = defineExpansion({
  name: "GroupQueryAttention",
  domain: "com.microsoft",
  summary: "Causal attention with heads that share keys, rotary embeddings, and a cache of keys and values.",
  inputs: [...inputs],
  types: ["float32", "float16", "bfloat16"],
  attributes,
  versions: [{ since: 1 }],
  expand,
});

export const groupedAttentionOperators: readonly Operator[] = [GroupQueryAttention];
