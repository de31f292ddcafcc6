/** Attention as onnxruntime's optimiser makes it: with the projection to queries, keys and values as part of it. */

import { equalDims, isStatic } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import { splitHeads } from "./attention-core.js";
import { paddingBias } from "./attention-padding.js";
import { attend, checkBias, type Heads, joined } from "./attention-weighing.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { shapePart } from "./shape-arithmetic.js";

const weighingAttributes = {
  do_rotary: attribute.int(0),
  mask_filter_value: attribute.float(-10000),
  num_heads: attribute.required("int"),
  past_present_share_buffer: attribute.int(0),
  scale: attribute.optional("float"),
  unidirectional: attribute.int(0),
} as const;

/** How many columns of the weights queries, keys and values have. */
function hiddenSizes(
  weights: Value,
  given: readonly number[] | undefined,
  { attributes, fail }: ImportedNode<typeof weighingAttributes>,
): readonly number[] {
  const all = weights.rank === 2 ? weights.shape[1]! : fail(`weights of ${weights.rank} dims`, "E_SHAPE");
  const { num_heads: heads } = attributes;
  if (!isStatic(all)) return fail("the shape of the weights must be known", "E_UNSUPPORTED");
  const sizes = given !== undefined && given.length > 0 ? given : [all / 3, all / 3, all / 3];
  const isWhole = sizes.every((size) => size > 0 && Number.isInteger(size / heads));
  if (sizes.length !== 3 || !isWhole || sizes[0] !== sizes[1])
    fail(`hidden sizes ${sizes.join(", ")} for ${heads} heads`, "E_SHAPE");
  const sum = sizes.reduce((x, y) => x + y);
  if (sum !== all) fail(`weights of ${all} columns for hidden sizes ${sizes.join(", ")}`, "E_SHAPE");
  return sizes;
}

/** Queries, keys and values that lie side by side in the last dim, by heads. */
function apart(b: GraphBuilder, all: Value, sizes: readonly number[], heads: number): Heads {
  let start = 0;
  const [query, key, value] = sizes.map((size) => {
    start += size;
    const part = b.op("Slice", [all, b.ints([start - size]), b.ints([start]), b.ints([2])]);
    return splitHeads(b, part, heads);
  });
  return { query: query!, key: key!, value: value! };
}

interface Projection {
  /** The input times the weights, with their bias. */
  readonly product: Value;
  readonly sizes: readonly number[];
  readonly mask: Value | null;
  readonly past: Value | null;
  readonly bias: Value | null;
}

function attendProjected(
  b: GraphBuilder,
  { product, sizes, mask, past, bias }: Projection,
  { attributes, fail, outputCount }: ImportedNode<typeof weighingAttributes>,
): Value[] {
  const now = apart(b, product, sizes, attributes.num_heads);
  if (past !== null && past.rank !== 5) fail(`past of ${past.rank} dims, not 5`, "E_SHAPE");
  const pastPart = (i: number): Value | null =>
    past === null ? null : b.op("Gather", [past, b.scalar("int64", i)], { axis: 0 });
  const all = {
    query: now.query,
    key: joined(b, pastPart(0), now.key),
    value: joined(b, pastPart(1), now.value),
  };
  const from = past === null ? b.ints([0]) : shapePart(b, past, 3, 4);
  const padding = mask === null ? null : paddingBias(b, mask, all, attributes.mask_filter_value, { fail });
  const { result } = attend(b, all, {
    scale: attributes.scale,
    biases: [bias, padding],
    causalFrom: attributes.unidirectional !== 0 ? from : null,
  });
  if (outputCount < 2) return [result];
  if (!equalDims(all.key.shape[3]!, all.value.shape[3]!))
    fail("keys and values of different sizes make no present", "E_SHAPE");
  const present = [all.key, all.value].map((x) => b.op("Unsqueeze", [x, b.ints([0])]));
  return [result, b.op("Concat", present, { axis: 0 })];
}

function refuseUnsupported(
  { attributes: a, fail }: ImportedNode<typeof weighingAttributes>,
  pastLength: Value | null,
): void {
  if (a.do_rotary !== 0)
    fail("do_rotary is not supported", "E_UNSUPPORTED", "use RotaryEmbedding and MultiHeadAttention");
  if (a.past_present_share_buffer !== 0 || pastLength !== null)
    fail("a cache of a fixed length is not supported", "E_UNSUPPORTED", "use GroupQueryAttention for it");
}

const Attention = defineExpansion({
  name: "Attention",
  domain: "com.microsoft",
  summary: "Projection of an input to queries, keys and values, and attention of these to each other.",
  inputs: [
    ...["input", "weights", "bias?", "mask_index?", "past?", "attention_bias?", "past_sequence_length?"],
  ],
  types: floats,
  attributes: {
    ...weighingAttributes,
    qkv_hidden_sizes: attribute.optional("ints"),
    rotary_embedding_dim: attribute.int(0),
  },
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const [x, weights, bias, mask = null, past = null, scoreBias = null, pastLength = null] = inputs;
    refuseUnsupported(view, pastLength);
    checkBias(scoreBias, view);
    if (x!.rank !== 3) view.fail(`takes 3 dims, not ${x!.rank}`, "E_SHAPE");
    const sizes = hiddenSizes(weights!, view.attributes.qkv_hidden_sizes, view);
    const plain = b.op("MatMul", [x!, weights!]);
    const product = bias == null ? plain : b.op("Add", [plain, bias]);
    return attendProjected(b, { product, sizes, mask, past, bias: scoreBias }, view);
  },
});

const QAttention = defineExpansion({
  name: "QAttention",
  domain: "com.microsoft",
  summary: "Attention of a quantised input, projected by quantised weights.",
  inputs: [
    ...["input", "weight", "bias", "input_scale", "weight_scale", "mask_index?"],
    ...["input_zero_point?", "weight_zero_point?", "past?"],
  ],
  types: ["int8", "uint8"],
  attributes: weighingAttributes,
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const [x, weights, bias, xScale, weightScale, mask = null, xZero, weightZero, past = null] = inputs;
    refuseUnsupported(view, null);
    if (x!.rank !== 3) view.fail(`takes 3 dims, not ${x!.rank}`, "E_SHAPE");
    const sizes = hiddenSizes(weights!, undefined, view);
    const operands = [x!, weights!, xScale!, weightScale!, xZero ?? null, weightZero ?? null, bias!];
    const product = b.op("com.microsoft.MatMulIntegerToFloat", operands);
    return attendProjected(b, { product, sizes, mask, past, bias: null }, view);
  },
});

export const projectedAttentionOperators: readonly Operator[] = [Attention, QAttention];
