/** Normalisations as onnxruntime's optimiser makes them: with sums, embeddings or activations around them. */

import { isStatic, printDim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { axesFrom, inverseRoot, moments } from "./normalization-expand-mean.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";
import { placesOf, shapePart } from "./shape-arithmetic.js";

const domain = "com.microsoft";

type Fail = Pick<ImportedNode, "fail">;

/** Floats of 16 bits are computed as float32. */
const wideType = ({ dtype }: Value): DType => (dtype === "float64" ? dtype : "float32");

interface Normalised {
  readonly result: Value;
  /** Absent where nothing is taken off before the division. */
  readonly mean: Value | null;
  readonly inverseDeviation: Value;
}

interface Norm {
  readonly axes: readonly number[];
  readonly epsilon: number;
  /** Divides by the root mean square, without taking the mean off first. */
  readonly simplified: boolean;
}

function normalise(
  b: GraphBuilder,
  x: Value,
  scale: Value,
  shift: Value | null,
  { axes, epsilon, simplified }: Norm,
): Normalised {
  const found = simplified ? null : moments(b, x, axes, epsilon);
  const inverseDeviation = found?.inverseDeviation ?? inverseRoot(b, x, axes, epsilon);
  const normal = b.op("Mul", [found?.centred ?? x, inverseDeviation]);
  const scaled = b.op("Mul", [normal, b.cast(scale, x.dtype)]);
  const result = shift === null ? scaled : b.op("Add", [scaled, b.cast(shift, x.dtype)]);
  return { result, mean: found?.mean ?? null, inverseDeviation };
}

const SimplifiedLayerNormalization = defineExpansion({
  name: "SimplifiedLayerNormalization",
  summary: "RMSNormalization under the name that onnxruntime gave it before ONNX had it.",
  inputs: ["X", "scale"],
  types: floats,
  attributes: { axis: attribute.int(-1), epsilon: attribute.float(1e-5), stash_type: attribute.int(1) },
  versions: [{ since: 1 }],
  expand: (b, [x, scale], view) => {
    const { axis, epsilon } = view.attributes;
    const [first] = normaliseAxes([axis], x!.rank, view) as [number];
    const norm = { axes: axesFrom(first, x!.rank), epsilon, simplified: true };
    const { result, inverseDeviation } = normalise(b, b.cast(x!, wideType(x!)), scale!, null, norm);
    return [b.cast(result, scale!.dtype), inverseDeviation].slice(0, Math.max(view.outputCount, 1));
  },
});

/** The tensor that is added has the shape of the first, but for dims before that it is repeated over. */
function checkSkip(x: Value, skip: Value, { fail }: Fail): void {
  const lead = x.rank - skip.rank;
  const fits = skip.shape.every((dim, axis) => {
    const other = x.shape[axis + lead];
    const isRepeated = dim === 1 && axis + lead === 0;
    return isRepeated || other === undefined || !isStatic(dim) || !isStatic(other) || dim === other;
  });
  const text = ({ shape }: Value) => `[${shape.map(printDim).join(", ")}]`;
  if (lead < 0 || skip.rank < 2 || !fits) fail(`adds ${text(skip)} to ${text(x)}`, "E_SHAPE");
}

function checkVectors(x: Value, vectors: readonly (Value | null)[], { fail }: Fail): void {
  const size = x.shape.at(-1)!;
  for (const vector of vectors) {
    if (vector === null) continue;
    const [own] = vector.shape;
    if (vector.rank !== 1 || (isStatic(own!) && isStatic(size) && own !== size))
      fail(`has [${vector.shape.map(printDim).join(", ")}] for rows of ${printDim(size)}`, "E_SHAPE");
  }
}

function skipNormalization(
  b: GraphBuilder,
  [x, skip, gamma, beta, bias]: readonly [Value, Value, Value, Value | null, Value | null],
  view: ImportedNode<typeof skipAttributes>,
  simplified: boolean,
): Value[] {
  const { fail, outputCount } = view;
  if (x.rank !== 3 && x.rank !== 2) fail(`takes 2 or 3 dims, not ${x.rank}`, "E_SHAPE");
  for (const { dtype } of [skip, gamma]) if (dtype !== x.dtype) fail(`combines ${x.dtype} and ${dtype}`);
  checkSkip(x, skip, view);
  checkVectors(x, [gamma, beta, bias], view);
  const type = wideType(x);
  const added = b.op("Add", [b.cast(x, type), b.cast(skip, type)]);
  const sum = bias === null ? added : b.op("Add", [added, b.cast(bias, type)]);
  const norm = { axes: [x.rank - 1], epsilon: view.attributes.epsilon, simplified };
  const { result, mean, inverseDeviation } = normalise(b, sum, gamma, beta, norm);
  const average = () => mean ?? b.op("ReduceMean", [sum, b.ints([x.rank - 1])], { keepdims: 1 });
  const outputs = [b.cast(result, x.dtype)];
  if (outputCount > 1) outputs.push(average());
  if (outputCount > 2) outputs.push(inverseDeviation);
  if (outputCount > 3) outputs.push(b.cast(sum, x.dtype));
  return outputs;
}

const skipAttributes = { epsilon: attribute.float(1e-12) } as const;

const SkipLayerNormalization = defineExpansion({
  name: "SkipLayerNormalization",
  domain,
  summary: "Layer normalisation of a sum of two tensors and a bias, which is a result as well.",
  inputs: ["input", "skip", "gamma", "beta?", "bias?"],
  types: floats,
  attributes: skipAttributes,
  versions: [{ since: 1 }],
  expand: (b, [x, skip, gamma, beta, bias], view) =>
    skipNormalization(b, [x!, skip!, gamma!, beta ?? null, bias ?? null], view, false),
});

const SkipSimplifiedLayerNormalization = defineExpansion({
  name: "SkipSimplifiedLayerNormalization",
  domain,
  summary: "RMSNormalization of a sum of two tensors and a bias, which is a result as well.",
  inputs: ["input", "skip", "gamma", "bias?"],
  types: floats,
  attributes: skipAttributes,
  versions: [{ since: 1 }],
  expand: (b, [x, skip, gamma, bias], view) =>
    skipNormalization(b, [x!, skip!, gamma!, null, bias ?? null], view, true),
});

/** Rows of a table for the places of a sequence, [1, length, size]. */
function positions(b: GraphBuilder, table: Value, ids: Value): Value {
  const isAll = isStatic(ids.shape[1]!) && ids.shape[1] === table.shape[0];
  const rows = isAll ? table : b.op("Gather", [table, placesOf(b, ids, 1, "int64")], { axis: 0 });
  return b.op("Unsqueeze", [rows, b.ints([0])]);
}

const EmbedLayerNormalization = defineExpansion({
  name: "EmbedLayerNormalization",
  domain,
  summary: "Layer normalisation of the sum of the embeddings of words, places and segments.",
  inputs: [
    ...["input_ids", "segment_ids?", "word_embedding", "position_embedding", "segment_embedding?"],
    ...["gamma", "beta", "mask?", "position_ids?"],
  ],
  types: ["int32"],
  attributes: { epsilon: attribute.float(1e-12), mask_index_type: attribute.optional("int") },
  versions: [{ since: 1 }],
  expand: (b, inputs, view) => {
    const [ids, segments, words, places, kinds, gamma, beta, mask, placeIds] = inputs as [
      Value,
      ...(Value | null)[],
    ] as Value[];
    if (ids!.rank !== 2) view.fail(`takes words of 2 dims, not ${ids!.rank}`, "E_SHAPE");
    if ((segments == null) !== (kinds == null)) view.fail("segment_ids and segment_embedding go together");
    const rows = (table: Value, at: Value) => b.op("Gather", [table, at], { axis: 0 });
    const place = placeIds == null ? positions(b, places!, ids!) : rows(places!, placeIds);
    const own = [rows(words!, ids!), place, ...(segments == null ? [] : [rows(kinds!, segments)])];
    checkVectors(own[0]!, [gamma!, beta!], view);
    const type = wideType(words!);
    const sum = own.map((part) => b.cast(part, type)).reduce((x, y) => b.op("Add", [x, y]));
    const norm = { axes: [2], epsilon: view.attributes.epsilon, simplified: false };
    const outputs = [b.cast(normalise(b, sum, gamma!, beta!, norm).result, words!.dtype)];
    if (view.outputCount > 1) outputs.push(maskIndex(b, ids!, mask ?? null));
    if (view.outputCount > 2) outputs.push(b.cast(sum, words!.dtype));
    return outputs;
  },
});

/** How many words of each row are not masked; zeros where there is no mask. */
function maskIndex(b: GraphBuilder, ids: Value, mask: Value | null): Value {
  const zero = b.scalar("int32", 0);
  if (mask === null) return b.op("Expand", [zero, shapePart(b, ids, 0, 1)]);
  const isOne = b.cast(b.op("Equal", [mask, b.scalar(mask.dtype, 1)]), "int32");
  return b.op("ReduceSum", [isOne, b.ints([1])], { keepdims: 0 });
}

const groupAttributes = {
  activation: attribute.required("int"),
  channels_last: attribute.int(1),
  epsilon: attribute.float(1e-5),
  groups: attribute.required("int"),
} as const;

/** Normalises groups of channels, and applies the activation that the node asks for. */
function groupNorm(
  b: GraphBuilder,
  [x, gamma, beta]: readonly [Value, Value, Value],
  { attributes, fail }: ImportedNode<typeof groupAttributes>,
): Value {
  const { activation, channels_last, epsilon, groups } = attributes;
  if (activation !== 0 && activation !== 1) fail(`activation ${activation} is not defined`);
  if (x.rank !== 4) fail(`takes 4 dims, not ${x.rank}`, "E_SHAPE");
  const isLast = channels_last !== 0;
  const moved = isLast ? b.op("Transpose", [x], { perm: [0, 3, 1, 2] }) : x;
  const operands = [moved, gamma, beta].map((value) => b.cast(value, "float32"));
  const normal = b.op("GroupNormalization", operands, { num_groups: groups, epsilon });
  const active = activation === 0 ? normal : b.op("Swish", [normal]);
  const result = b.cast(active, x.dtype);
  return isLast ? b.op("Transpose", [result], { perm: [0, 2, 3, 1] }) : result;
}

const GroupNorm = defineExpansion({
  name: "GroupNorm",
  domain,
  summary: "Normalises groups of channels, with an activation.",
  inputs: ["X", "gamma", "beta"],
  types: floats,
  attributes: groupAttributes,
  versions: [{ since: 1 }],
  expand: (b, [x, gamma, beta], view) => [groupNorm(b, [x!, gamma!, beta!], view)],
});

const SkipGroupNorm = defineExpansion({
  name: "SkipGroupNorm",
  domain,
  summary: "GroupNorm of a sum of two tensors and a bias, which is a result as well.",
  inputs: ["X", "gamma", "beta", "skip", "bias?"],
  types: floats,
  attributes: groupAttributes,
  versions: [{ since: 1 }],
  expand: (b, [x, gamma, beta, skip, bias], view) => {
    const isLast = view.attributes.channels_last !== 0;
    const besides = (value: Value): Value => {
      // Channels of a batch, or of all batches, stand where the tensor has its channels.
      if (value.rank === 4) return value;
      const inner = isLast ? [value.rank - 1, value.rank] : [value.rank, value.rank + 1];
      return b.op("Unsqueeze", [value, b.ints(inner)]);
    };
    const added = b.op("Add", [x!, besides(skip!)]);
    const sum = bias == null ? added : b.op("Add", [added, isLast ? bias : besides(bias)]);
    const results = [groupNorm(b, [sum, gamma!, beta!], view), sum];
    return results.slice(0, Math.max(view.outputCount, 1));
  },
});

export const contribNormalizationOperators: readonly Operator[] = [
  SimplifiedLayerNormalization,
  SkipLayerNormalization,
  SkipSimplifiedLayerNormalization,
  EmbedLayerNormalization,
  GroupNorm,
  SkipGroupNorm,
];
