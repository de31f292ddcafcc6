/** MultiHeadAttention as onnxruntime's optimiser makes it, for encoders and decoders. */

import { isStatic, multiplyDims, printDim } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { splitHeads } from "./attention-core.js";
import { paddingBias } from "./attention-padding.js";
import { attend, checkBias, type Heads, joined } from "./attention-weighing.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { shapePart } from "./shape-arithmetic.js";

type Fail = Pick<ImportedNode, "fail">;

const multiHeadAttributes = {
  mask_filter_value: attribute.float(-10000),
  num_heads: attribute.required("int"),
  scale: attribute.optional("float"),
  unidirectional: attribute.int(0),
} as const;

type MultiHeadView = ImportedNode<typeof multiHeadAttributes>;

/** The i-th of several parts that lie side by side in the last but one dim: [batch, heads, length, size]. */
function packedPart(b: GraphBuilder, packed: Value, i: number): Value {
  const part = b.op("Slice", [packed, b.ints([i]), b.ints([i + 1]), b.ints([3])]);
  return b.op("Transpose", [b.op("Squeeze", [part, b.ints([3])])], { perm: [0, 2, 1, 3] });
}

/** [batch, length, heads * size] by heads; what has heads already stays. */
function byHeads(b: GraphBuilder, x: Value, count: number, { fail }: Fail): Value {
  if (x.rank === 4) return x;
  const size = x.shape.at(-1)!;
  if (x.rank !== 3) fail(`takes 3 or 4 dims, not ${x.rank}`, "E_SHAPE");
  if (count < 1 || (isStatic(size) && size % count !== 0))
    fail(`${count} heads of ${printDim(size)} elements`, "E_SHAPE");
  return splitHeads(b, x, count);
}

function multiHeads(
  b: GraphBuilder,
  [query, key, value]: readonly [Value, Value | null, Value | null],
  view: MultiHeadView,
): Heads {
  const { attributes, fail } = view;
  const heads = attributes.num_heads;
  if (query.rank === 5) {
    if (key !== null || value !== null) fail("packed queries have keys and values with them");
    requirePacked(query, heads, 3, view);
    return { query: packedPart(b, query, 0), key: packedPart(b, query, 1), value: packedPart(b, query, 2) };
  }
  if (key === null) return fail("needs keys, or queries of 5 dims that hold them");
  if (key.rank === 5) {
    if (value !== null) fail("packed keys have values with them");
    requirePacked(key, heads, 2, view);
    return {
      query: byHeads(b, query, heads, view),
      key: packedPart(b, key, 0),
      value: packedPart(b, key, 1),
    };
  }
  if (value === null) return fail("needs values, or keys of 5 dims that hold them");
  if (key.rank !== value.rank) fail(`keys of ${key.rank} dims, values of ${value.rank}`, "E_SHAPE");
  const [q, k, v] = [query, key, value].map((x) => byHeads(b, x, heads, view));
  return { query: q!, key: k!, value: v! };
}

/** [batch, length, heads, parts, size] */
function requirePacked({ shape }: Value, heads: number, parts: number, { fail }: Fail): void {
  const [count, own] = [shape[2]!, shape[3]!];
  if ((isStatic(count) && count !== heads) || own !== parts)
    fail(`[${shape.map(printDim).join(", ")}] does not hold ${parts} parts of ${heads} heads`, "E_SHAPE");
}

/** Adds to queries, keys and values their parts of a vector. */
function addBias(b: GraphBuilder, { query, key, value }: Heads, bias: Value | null, { fail }: Fail): Heads {
  if (bias === null) return { query, key, value };
  if (bias.rank !== 1) fail(`bias of ${bias.rank} dims`, "E_SHAPE");
  const sizes = [query, key, value].map(({ shape }) => multiplyDims(shape[1]!, shape[3]!));
  if (!sizes.every(isStatic))
    return fail("a bias needs heads whose size is known", "E_UNSUPPORTED", "bind the hidden size");
  const [all, sum] = [bias.shape[0]!, (sizes as number[]).reduce((x, y) => x + y)];
  if (isStatic(all) && all !== sum) fail(`bias of ${all} elements for ${sum}`, "E_SHAPE");
  let start = 0;
  const [q, k, v] = [query, key, value].map((x, i) => {
    const size = sizes[i] as number;
    const part = b.op("Slice", [bias, b.ints([start]), b.ints([start + size]), b.ints([0])]);
    start += size;
    const shape = [1, x.shape[1] as number, 1, x.shape[3] as number];
    return b.op("Add", [x, b.op("Reshape", [part, b.ints(shape)])]);
  });
  return { query: q!, key: k!, value: v! };
}

const MultiHeadAttention = defineExpansion({
  name: "MultiHeadAttention",
  domain: "com.microsoft",
  summary: "Attention of projected queries, keys and values, which may be packed, with a bias and a cache.",
  inputs: [
    ...["query", "key?", "value?", "bias?", "key_padding_mask?", "attention_bias?"],
    ...["past_key?", "past_value?", "past_sequence_length?", "cache_indirection?"],
  ],
  types: floats,
  attributes: multiHeadAttributes,
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const { fail, attributes, outputCount } = view;
    const at = (i: number): Value | null => inputs[i] ?? null;
    const [pastKey, pastValue] = [at(6), at(7)];
    if (at(8) !== null || at(9) !== null)
      fail("a cache of a fixed length is not supported", "E_UNSUPPORTED", "use GroupQueryAttention for it");
    if ((pastKey === null) !== (pastValue === null)) fail("past_key and past_value go together");
    checkBias(at(5), view);
    if (at(3) !== null && at(1)?.rank === 4) fail("takes no bias for keys that have heads");
    const heads = addBias(b, multiHeads(b, [at(0)!, at(1), at(2)], view), at(3), view);
    const all = {
      query: heads.query,
      key: joined(b, pastKey, heads.key),
      value: joined(b, pastValue, heads.value),
    };
    const from = pastKey === null ? b.ints([0]) : shapePart(b, pastKey, 2, 3);
    const mask = at(4);
    const padding = mask === null ? null : paddingBias(b, mask, all, attributes.mask_filter_value, view);
    const { result, scores } = attend(b, all, {
      scale: attributes.scale,
      biases: [at(5), padding],
      causalFrom: attributes.unidirectional !== 0 ? from : null,
    });
    return [result, all.key, all.value, b.cast(scores, at(0)!.dtype)].slice(0, Math.max(outputCount, 1));
  },
});

export const multiHeadAttentionOperators: readonly Operator[] = [MultiHeadAttention];
