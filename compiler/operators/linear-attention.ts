/**
 * LinearAttention: attention by a recurrent state instead of by all keys, in four rules of how a token changes it.
 * Floats of 16 bits are computed as float32, the state among them.
 */

import {
  type Dim,
  floorDivDims,
  isStatic,
  multiplyDims,
  printDim,
  productOfDims,
  subtractDims,
} from "../ir/dim.js";
import type { TensorType, Value } from "../ir/graph.js";
import { linearAttention } from "../kernels/linear-attention.js";
import type { LoweringContext } from "../lowering/context.js";
import { attentionType } from "./attention-core.js";
import type { GraphBuilder } from "./builder.js";
import { evaluateByKernels } from "./evaluate-kernels.js";
import {
  attribute,
  defineExpansion,
  defineOperator,
  type ImportedNode,
  type NodeView,
  type Operator,
} from "./operator.js";
import { floats } from "./pointwise.js";

const common = {
  q_num_heads: attribute.required("int"),
  kv_num_heads: attribute.required("int"),
  scale: attribute.float(0),
} as const;
const attributes = {
  ...common,
  update_rule: attribute.string("gated_delta"),
  /** How many tokens to take at once, which changes no result. */
  chunk_size: attribute.int(64),
} as const;

const rules: Readonly<Record<string, { readonly decays: boolean; readonly corrects: boolean }>> = {
  linear: { decays: false, corrects: false },
  gated: { decays: true, corrects: false },
  delta: { decays: false, corrects: true },
  gated_delta: { decays: true, corrects: true },
};

function checkRule(inputs: readonly (Value | null)[], view: ImportedNode<typeof attributes>): void {
  const { update_rule: name } = view.attributes;
  const rule = Object.hasOwn(rules, name) ? rules[name]! : view.fail(`update_rule "${name}" is not defined`);
  const check = (input: string, value: Value | null | undefined, wanted: boolean) => {
    if ((value ?? null) === null ? wanted : !wanted)
      view.fail(`update_rule "${name}" ${wanted ? "needs" : "has no"} ${input}`);
  };
  check("decay", inputs[4], rule.decays);
  check("beta", inputs[5], rule.corrects);
}

function expandLinearAttention(
  b: GraphBuilder,
  inputs: readonly (Value | null)[],
  view: ImportedNode<typeof attributes>,
): Value[] {
  checkRule(inputs, view);
  const { dtype } = inputs[0]!;
  for (const value of inputs)
    if (value !== null && !floats.includes(value.dtype))
      view.fail(`does not take ${value.dtype}`, "E_UNSUPPORTED");
  inputs.forEach((value, i) => {
    // The state may have a type of its own.
    if (value !== null && i !== 3 && value.dtype !== dtype) view.fail(`combines ${dtype} and ${value.dtype}`);
  });
  const computed = inputs.map((value) => value && b.cast(value, attentionType(dtype)));
  const { q_num_heads, kv_num_heads, scale } = view.attributes;
  const [y, state] = b.ops("kiln.LinearAttention", computed, { q_num_heads, kv_num_heads, scale }, 2);
  const results = [b.cast(y!, dtype)];
  if (view.outputCount > 1) results.push(b.cast(state!, inputs[3]?.dtype ?? dtype));
  return results;
}

const LinearAttention = defineExpansion({
  name: "LinearAttention",
  summary: "Attention by a recurrent state: linear, gated, by the delta rule, or both.",
  inputs: ["query", "key", "value", "past_state?", "decay?", "beta?"],
  types: floats,
  attributes,
  versions: [{ since: 27 }],
  expand: expandLinearAttention,
});

type View = NodeView<typeof common>;

interface Sizes {
  readonly batch: Dim;
  readonly length: Dim;
  readonly keySize: Dim;
  readonly valueSize: Dim;
}

function sizesOf({ input, attributes: { q_num_heads: heads, kv_num_heads: keyHeads } }: View): Sizes {
  const [batch, length, width] = input(0).shape as [Dim, Dim, Dim];
  const keySize = floorDivDims(width, heads);
  return { batch, length, keySize, valueSize: floorDivDims(input(2).shape[2]!, keyHeads) };
}

/** One of two sizes, where only the run may know which. */
function requireEither({ requireEqual }: View, dim: Dim, a: Dim, b: Dim, reason: string): void {
  requireEqual(multiplyDims(subtractDims(dim, a), subtractDims(dim, b)), 0, reason);
}

function infer(context: View): TensorType[] {
  const { q_num_heads: heads, kv_num_heads: keyHeads } = context.attributes;
  if (heads < 1 || keyHeads < 1 || heads % keyHeads !== 0)
    context.fail(`${heads} heads of queries for ${keyHeads} of keys`);
  for (const i of [0, 1, 2, 4, 5]) {
    const rank = context.optional(i)?.rank ?? 3;
    if (rank !== 3) context.fail(`input ${i} has ${rank} dims, not 3`, "E_SHAPE");
  }
  const { dtype } = context.input(0);
  const { batch, length, keySize, valueSize } = sizesOf(context);
  const widths = [
    [heads, keySize],
    [keyHeads, keySize],
    [keyHeads, valueSize],
  ] as const;
  for (const i of [0, 1, 2, 4, 5]) {
    const value = context.optional(i);
    if (value === null) continue;
    const [count, size] = widths[i] ?? [1, value.shape[2]!];
    const wanted = [batch, length, multiplyDims(size, count)];
    const reason = `input ${i} is [${value.shape.map(printDim)}], not [${wanted.map(printDim)}]`;
    for (const [axis, dim] of value.shape.entries()) context.requireEqual(dim, wanted[axis]!, reason);
  }
  const [past, decay, beta] = [context.optional(3), context.optional(4), context.optional(5)];
  if (decay !== null) {
    const width = decay.shape[2]!;
    const reason = `decay of ${printDim(width)} elements for ${keyHeads} heads of ${printDim(keySize)}`;
    requireEither(context, width, keyHeads, multiplyDims(keySize, keyHeads), reason);
  }
  if (beta !== null) {
    const width = beta.shape[2]!;
    requireEither(context, width, keyHeads, 1, `beta of ${printDim(width)} elements for ${keyHeads} heads`);
  }
  const state = [batch, keyHeads, keySize, valueSize];
  if (past !== null) {
    const reason = `past_state is [${past.shape.map(printDim)}], not [${state.map(printDim)}]`;
    if (past.rank !== 4) context.fail(reason, "E_SHAPE");
    for (const [axis, dim] of past.shape.entries()) context.requireEqual(dim, state[axis]!, reason);
  }
  return [
    { dtype, shape: [batch, length, multiplyDims(valueSize, heads)] },
    { dtype, shape: state },
  ];
}

function flopsOf(context: View): number {
  const { q_num_heads, kv_num_heads } = context.attributes;
  const { batch, length, keySize, valueSize } = sizesOf(context);
  const walks = (context.optional(5) === null ? 1 : 2) * kv_num_heads + q_num_heads;
  const count = productOfDims([2 * walks, batch, length, keySize, valueSize]);
  return isStatic(count) ? count : 0;
}

function lower(context: LoweringContext<typeof common>): void {
  const { q_num_heads: heads, kv_num_heads: keyHeads, scale } = context.attributes;
  const sizes = sizesOf(context);
  const { dtype } = context.input(0);
  const memory = (name: string, size: Dim) =>
    context.scratch(`${context.node.outputs[0]!.name}.${name}`, {
      type: { dtype, shape: [sizes.batch, size] },
    });
  const kernelName = `linear_attention_${printDim(sizes.keySize)}x${printDim(sizes.valueSize)}`;
  context.kernel({ name: kernelName, flops: flopsOf(context) }, (s) => {
    const given = (i: number) =>
      context.optional(i) === null ? null : s.view("x", context.placement(i), "read");
    const decays = floorDivDims(context.optional(4)?.shape[2] ?? keyHeads, keyHeads);
    linearAttention(
      s,
      { ...sizes, keyHeads, group: heads / keyHeads, decays, scale },
      {
        query: given(0)!,
        key: given(1)!,
        value: given(2)!,
        past: given(3),
        decay: given(4),
        beta: given(5),
        state: s.view("state", context.output(1), "readwrite"),
        factors: s.view("factors", memory("factors", sizes.keySize), "readwrite"),
        written: s.view("written", memory("written", sizes.valueSize), "readwrite"),
        result: (value, indices) => s.result(value, indices),
      },
    );
  });
}

const rowMajor = "row-major" as const;

const Recurrence = defineOperator({
  name: "LinearAttention",
  domain: "kiln",
  summary: "Linear attention over the tokens of a sequence, with the state before and after them.",
  inputs: ["query", "key", "value", "past?", "decay?", "beta?"],
  attributes: common,
  versions: [{ since: 1 }],
  infer,
  layout: () => ({ inputs: new Array(6).fill(rowMajor), output: rowMajor }),
  flops: flopsOf,
  lower,
  evaluate: evaluateByKernels(lower),
});

export const linearAttentionOperators: readonly Operator[] = [LinearAttention, Recurrence];
