/** Normalisations with statistics of the tensor itself, as means, differences and products. */

import { isStatic } from "../ir/dim.js";
import { type DType, dtypeFromOnnx, dtypes } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator, oldVersion } from "./operator.js";
import { floats } from "./pointwise.js";

const mean = (b: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  b.op("ReduceMean", [x, b.ints(axes)], { keepdims: 1 });

export interface Moments {
  /** x less its mean. */
  readonly centred: Value;
  readonly mean: Value;
  /** 1 / sqrt(variance + epsilon). */
  readonly inverseDeviation: Value;
}

export function moments(b: GraphBuilder, x: Value, axes: readonly number[], epsilon: number): Moments {
  const average = mean(b, x, axes);
  const centred = b.op("Sub", [x, average]);
  return { centred, mean: average, inverseDeviation: inverseRoot(b, centred, axes, epsilon) };
}

/** 1 / sqrt(mean of squares + epsilon). */
export function inverseRoot(b: GraphBuilder, x: Value, axes: readonly number[], epsilon: number): Value {
  const squares = mean(b, b.op("Mul", [x, x]), axes);
  return b.op("Reciprocal", [b.op("Sqrt", [b.op("Add", [squares, b.scalar(x.dtype, epsilon)])])]);
}

const cast = (b: GraphBuilder, x: Value, like: Value): Value =>
  x.dtype === like.dtype ? x : b.op("CastLike", [x, like]);

/** Axes from a given one to the last. */
export const axesFrom = (first: number, rank: number): number[] =>
  Array.from({ length: rank - first }, (_, i) => first + i);

/** Dims of one element behind a value of one dim, so that it stands beside the channels of a tensor. */
const besideChannels = (b: GraphBuilder, value: Value, rank: number): Value =>
  rank <= 2 ? value : b.op("Unsqueeze", [value, b.ints(axesFrom(1, rank - 1))]);

const InstanceNormalization = defineExpansion({
  name: "InstanceNormalization",
  summary: "Normalises every channel of every instance with its own mean and variance.",
  inputs: ["input", "scale", "B"],
  types: floats,
  attributes: { epsilon: attribute.float(1e-5) },
  versions: [1, 6, 22].map((since) => ({ since })),
  expand: (b, [x, scale, bias], { attributes, fail }) => {
    const { rank } = x!;
    if (rank < 3) fail(`takes 3 dims or more, not ${rank}`, "E_SHAPE");
    const { centred, inverseDeviation } = moments(b, x!, axesFrom(2, rank), attributes.epsilon);
    const factor = b.op("Mul", [inverseDeviation, besideChannels(b, scale!, rank)]);
    return [b.op("Add", [b.op("Mul", [centred, factor]), besideChannels(b, bias!, rank)])];
  },
});

/** The type in which statistics are computed: float32 unless the model says otherwise. */
function stashType(code: number, x: Value, view: Pick<ImportedNode, "fail">): DType {
  if (x.dtype === "float64" || code === 0) return x.dtype;
  return dtypeFromOnnx(code) ?? view.fail(`stash_type ${code} is not supported`, "E_UNSUPPORTED");
}

/** The tensor in another type; the node's results are brought back with `cast`. */
const widen = (b: GraphBuilder, x: Value, dtype: DType): Value =>
  x.dtype === dtype ? x : cast(b, x, b.scalar(dtype, 0));

const LayerNormalization = defineExpansion({
  name: "LayerNormalization",
  summary: "Normalises over the axes from a given one to the last, then scales and shifts.",
  inputs: ["X", "Scale", "B?"],
  types: floats,
  attributes: { axis: attribute.int(-1), epsilon: attribute.float(1e-5), stash_type: attribute.int(1) },
  // Before ONNX had it, onnxruntime's optimiser made nodes of it in any opset.
  versions: [{ since: 1 }, { since: 17 }],
  expand: (b, [x, scale, bias], view) => {
    const { axis, epsilon, stash_type } = view.attributes;
    const [first] = normaliseAxes([axis], x!.rank, view) as [number];
    const wide = widen(b, x!, stashType(stash_type, x!, view));
    const found = moments(b, wide, axesFrom(first, x!.rank), epsilon);
    const normal = cast(b, b.op("Mul", [found.centred, found.inverseDeviation]), x!);
    const scaled = b.op("Mul", [normal, scale!]);
    const shifted = bias == null ? scaled : b.op("Add", [scaled, bias]);
    return [shifted, found.mean, found.inverseDeviation].slice(0, view.outputCount);
  },
});

const RMSNormalization = defineExpansion({
  name: "RMSNormalization",
  summary: "Divides by the root of the mean square over the axes from a given one to the last, then scales.",
  inputs: ["X", "scale"],
  types: floats,
  attributes: { axis: attribute.int(-1), epsilon: attribute.float(1e-5), stash_type: attribute.int(1) },
  versions: [{ since: 23 }],
  expand: (b, [x, scale], view) => {
    const { axis, epsilon, stash_type } = view.attributes;
    const [first] = normaliseAxes([axis], x!.rank, view) as [number];
    const wide = widen(b, x!, stashType(stash_type, x!, view));
    const normal = b.op("Mul", [wide, inverseRoot(b, wide, axesFrom(first, x!.rank), epsilon)]);
    return [b.op("Mul", [cast(b, normal, x!), scale!])];
  },
});

const groupAttributes = {
  epsilon: attribute.float(1e-5),
  num_groups: attribute.required("int"),
  stash_type: attribute.int(1),
} as const;

/** The tensor as [N, groups, all the rest] normalised over the rest; and put back into its shape. */
function normaliseGroups(
  b: GraphBuilder,
  x: Value,
  { attributes, fail }: ImportedNode<typeof groupAttributes>,
  finish: (grouped: Value) => Value,
): Value {
  const { num_groups: groups, epsilon } = attributes;
  const [, channels] = x.shape;
  if (x.rank < 2) fail(`takes 2 dims or more, not ${x.rank}`, "E_SHAPE");
  if (isStatic(channels!) && (groups < 1 || channels % groups !== 0)) {
    fail(`${channels} channels do not make ${groups} groups`, "E_SHAPE");
  }
  const grouped = b.op("Reshape", [x, b.ints([0, groups, -1])]);
  const { centred, inverseDeviation } = moments(b, grouped, [2], epsilon);
  return b.op("Reshape", [finish(b.op("Mul", [centred, inverseDeviation])), b.op("Shape", [x])]);
}

const GroupNormalization = defineExpansion({
  name: "GroupNormalization",
  summary: "Normalises groups of channels with their own mean and variance, then scales and shifts.",
  inputs: ["X", "scale", "bias"],
  types: floats,
  attributes: groupAttributes,
  versions: [
    // Scale and bias belonged to groups at first, and to channels ever since.
    oldVersion(
      18,
      { epsilon: groupAttributes.epsilon, num_groups: groupAttributes.num_groups },
      (b, inputs, view) => {
        const [x, scale, bias] = inputs as [Value, Value, Value];
        const attributes = { ...view.attributes, stash_type: 0 };
        const finish = (grouped: Value) => scaleAndShift(b, grouped, scale, bias);
        return [normaliseGroups(b, x, { ...view, attributes }, finish)];
      },
    ),
    { since: 21 },
  ],
  expand: (b, inputs, view) => {
    const [x, scale, bias] = inputs as [Value, Value, Value];
    const wide = widen(b, x, stashType(view.attributes.stash_type, x, view));
    const normal = cast(
      b,
      normaliseGroups(b, wide, view, (grouped) => grouped),
      x,
    );
    return [scaleAndShift(b, normal, scale, bias)];
  },
});

function scaleAndShift(b: GraphBuilder, x: Value, scale: Value, bias: Value): Value {
  const scaled = b.op("Mul", [x, besideChannels(b, scale, x.rank)]);
  return b.op("Add", [scaled, besideChannels(b, bias, x.rank)]);
}

const MeanVarianceNormalization = defineExpansion({
  name: "MeanVarianceNormalization",
  summary: "(x - mean) / (deviation + 1e-9) over axes.",
  inputs: ["X"],
  types: floats,
  attributes: { axes: attribute.ints([0, 2, 3]) },
  versions: [9, 13].map((since) => ({ since })),
  expand: (b, [x], view) => {
    const axes = normaliseAxes(view.attributes.axes, x!.rank, view);
    const centred = b.op("Sub", [x!, mean(b, x!, axes)]);
    const deviation = b.op("Sqrt", [mean(b, b.op("Mul", [centred, centred]), axes)]);
    return [b.op("Div", [centred, b.op("Add", [deviation, b.scalar(x!.dtype, 1e-9)])])];
  },
});

const LpNormalization = defineExpansion({
  name: "LpNormalization",
  summary:
    "Divides by the sum of magnitudes (p = 1) or the root of the sum of squares (p = 2) along an axis.",
  inputs: ["input"],
  types: floats,
  attributes: { axis: attribute.int(-1), p: attribute.int(2) },
  versions: [1, 22].map((since) => ({ since })),
  expand: (b, [x], { attributes: { axis, p }, fail }) => {
    if (p !== 1 && p !== 2) fail(`p is ${p}, not 1 or 2`);
    const norm = b.op(p === 1 ? "ReduceL1" : "ReduceL2", [x!, b.ints([axis])], { keepdims: 1 });
    // Where all is 0, it stays so.
    const isZero = b.op("Equal", [norm, b.scalar(x!.dtype, 0)]);
    return [b.op("Div", [x!, b.op("Where", [isZero, b.scalar(x!.dtype, 1), norm])])];
  },
});

/** The sum over neighbouring channels is the mean of a pool along them, times its size. */
const LRN = defineExpansion({
  name: "LRN",
  summary: "x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta.",
  inputs: ["X"],
  types: floats,
  attributes: {
    alpha: attribute.float(1e-4),
    beta: attribute.float(0.75),
    bias: attribute.float(1),
    size: attribute.required("int"),
  },
  versions: [1, 13].map((since) => ({ since })),
  expand: (b, [x], { attributes: { alpha, beta, bias, size }, fail }) => {
    if (x!.rank < 2) fail(`takes 2 dims or more, not ${x!.rank}`, "E_SHAPE");
    if (size < 1) fail(`size ${size} is not positive`);
    // Squares leave the range of 16 bits where the result does not.
    const dtype = dtypes[x!.dtype].bytes === 2 ? "float32" : x!.dtype;
    const wide = b.cast(x!, dtype);
    const rows = b.op("Unsqueeze", [b.op("Mul", [wide, wide]), b.ints([1])]);
    const others = new Array<number>(x!.rank - 2).fill(0);
    const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
    const means = b.op("AveragePool", [rows], {
      kernel_shape: [size, ...others.map(() => 1)],
      pads: [before, ...others, after, ...others],
      count_include_pad: 1,
    });
    const scaled = b.op("Mul", [b.op("Squeeze", [means, b.ints([1])]), b.scalar(dtype, alpha)]);
    const base = b.op("Add", [scaled, b.scalar(dtype, bias)]);
    return [b.cast(b.op("Div", [wide, b.op("Pow", [base, b.scalar(dtype, beta)])]), x!.dtype)];
  },
});

export const meanNormalizationOperators: readonly Operator[] = [
  InstanceNormalization,
  LayerNormalization,
  RMSNormalization,
  GroupNormalization,
  MeanVarianceNormalization,
  LpNormalization,
  LRN,
];
