/** FlexAttention: attention with graphs of the model's own between the scores, their softmax and the values. */

import { equalDims, isStatic, printDim } from "../ir/dim.js";
import { type DType, dtypeFromOnnx } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { attentionScores, attentionType, attentionValues, checkHeads } from "./attention-core.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { reshapeTo, shapePart } from "./shape-arithmetic.js";

const attributes = {
  scale: attribute.optional("float"),
  softmax_precision: attribute.optional("int"),
} as const;
type View = ImportedNode<typeof attributes>;

/** The values through the node's graph of this name, which keeps their type and shape. */
function modified(b: GraphBuilder, x: Value, name: string, view: View): Value {
  const body = view.bodies.get(name);
  if (body === undefined) return x;
  if (body.inputCount !== 1) view.fail(`its ${name} takes ${body.inputCount} inputs, not 1`);
  const [result, ...more] = body.inline([x]);
  if (result === undefined || more.length > 0) return view.fail(`its ${name} has not one output`);
  const fits =
    result.dtype === x.dtype &&
    result.rank === x.rank &&
    result.shape.every((dim, axis) => !isStatic(dim) || !isStatic(x.shape[axis]!) || dim === x.shape[axis]);
  const text = ({ dtype, shape }: Value) => `${dtype}[${shape.map(printDim)}]`;
  if (!fits) return view.fail(`its ${name} makes ${text(result)} of ${text(x)}`, "E_SHAPE");
  if (result.shape.every((dim, axis) => equalDims(dim, x.shape[axis]!))) return result;
  return reshapeTo(b, result, [shapePart(b, x, 0, x.rank)]);
}

/** The type of scores and probabilities, which is that of the graphs' values. */
function precisionOf(dtype: DType, { attributes: { softmax_precision: code }, fail }: View): DType {
  if (code === undefined) return attentionType(dtype);
  const precision = dtypeFromOnnx(code);
  if (precision !== undefined && floats.includes(precision)) return precision;
  return fail(`softmax_precision ${code} is no type of floats`);
}

function expandFlexAttention(b: GraphBuilder, inputs: readonly (Value | null)[], view: View): Value[] {
  const [query, key, value] = inputs as [Value, Value, Value];
  const { dtype } = query;
  for (const x of [query, key, value]) {
    if (x.dtype !== dtype) view.fail(`combines ${dtype} and ${x.dtype}`);
    if (x.rank !== 4) view.fail(`takes tensors of 4 dims, not of ${x.rank}`, "E_SHAPE");
  }
  checkHeads(query, key, view);
  const precision = precisionOf(dtype, view);
  const [q, k] = [b.cast(query, attentionType(dtype)), b.cast(key, attentionType(dtype))];
  const raw = b.cast(attentionScores(b, q, k, view.attributes.scale), precision);
  const scores = modified(b, raw, "score_mod", view);
  const probabilities = modified(b, b.op("Softmax", [scores], { axis: -1 }), "prob_mod", view);
  return [b.cast(attentionValues(b, probabilities, b.cast(value, precision)), dtype)];
}

const FlexAttention = defineExpansion({
  name: "FlexAttention",
  domain: "ai.onnx.preview",
  summary: "Scaled dot-product attention with graphs that change its scores and its probabilities.",
  inputs: ["Q", "K", "V"],
  types: floats,
  attributes,
  graphs: ["score_mod", "prob_mod"],
  versions: [{ since: 1 }],
  expand: expandFlexAttention,
});

export const flexAttentionOperators: readonly Operator[] = [FlexAttention];
