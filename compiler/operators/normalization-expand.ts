/** Normalisations as the operators that they are made of. */

import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import {
  attribute,
  defineExpansion,
  type ImportedNode,
  type Operator,
  type OperatorVersion,
  oldVersion,
} from "./operator.js";

const batchAttributes = {
  epsilon: attribute.float(1e-5),
  momentum: attribute.float(0.9),
} as const;

/**
 * (x - mean) / sqrt(var + epsilon) * scale + bias as x * factor + summand. Both are computed from parameters, so that
 * they are constants as soon as those are.
 */
function batchNormalization(
  b: GraphBuilder,
  inputs: readonly (Value | null)[],
  view: ImportedNode<typeof batchAttributes>,
  perChannel = true,
): Value[] {
  const [x, scale, bias, mean, variance] = inputs as Value[];
  if (view.outputCount > 1)
    view.fail("running mean and variance are outputs of training only", "E_UNSUPPORTED");
  const deviation = b.op("Sqrt", [
    b.op("Add", [variance!, b.scalar(variance!.dtype, view.attributes.epsilon)]),
  ]);
  const factor = b.op("Div", [asType(b, scale!, deviation), deviation]);
  const summand = b.op("Sub", [asType(b, bias!, mean!), b.op("Mul", [mean!, factor])]);
  const along = (value: Value) => asType(b, perChannel ? alongChannels(b, value, x!.rank) : value, x!);
  return [b.op("Add", [b.op("Mul", [x!, along(factor)]), along(summand)])];
}

/** Scale and bias may have another type than mean and variance since opset 15. */
function asType(b: GraphBuilder, value: Value, like: Value): Value {
  return value.dtype === like.dtype ? value : b.op("CastLike", [value, like]);
}

/** [C] -> [C, 1, 1], to broadcast over [N, C, H, W]. */
function alongChannels(b: GraphBuilder, value: Value, rank: number): Value {
  if (rank <= 2) return value;
  return b.op("Unsqueeze", [value, b.ints(Array.from({ length: rank - 2 }, (_, i) => i + 1))]);
}

/** Before opset 9, statistics may be those of every place on its own (`spatial` is 0). */
const spatialVersion = (since: number, more: "is_test" | "none"): OperatorVersion =>
  oldVersion(
    since,
    {
      ...batchAttributes,
      spatial: attribute.int(1),
      ...(more === "is_test" && { is_test: attribute.int(0) }),
    },
    (b, inputs, view) => batchNormalization(b, inputs, view, view.attributes.spatial !== 0),
  );

const BatchNormalization = defineExpansion({
  name: "BatchNormalization",
  summary: "Normalises every channel with statistics that are known; training mode is not supported.",
  inputs: ["X", "scale", "B", "input_mean", "input_var"],
  attributes: { ...batchAttributes, training_mode: attribute.int(0) },
  versions: [
    spatialVersion(1, "is_test"),
    spatialVersion(6, "is_test"),
    spatialVersion(7, "none"),
    { since: 9, attributes: batchAttributes },
    ...[14, 15].map((since) => ({ since })),
  ],
  expand: (b, inputs, view) => {
    if (view.attributes.training_mode) view.fail("training mode is not supported", "E_UNSUPPORTED");
    return batchNormalization(b, inputs, view);
  },
});

/** A mask that lets everything through, of a shape known no sooner than the input's. */
function keepAll(b: GraphBuilder, x: Value, isBool: boolean): Value {
  const one = b.scalar(isBool ? "bool" : x.dtype, 1);
  return b.op("Expand", [one, b.op("Shape", [x])]);
}

function dropout(b: GraphBuilder, x: Value, view: ImportedNode, boolMask = true): Value[] {
  return view.outputCount > 1 ? [x, keepAll(b, x, boolMask)] : [x];
}

const dropoutRatio = { ratio: attribute.float(0.5) } as const;

const Dropout = defineExpansion({
  name: "Dropout",
  summary: "The input itself: elements are dropped in training only.",
  inputs: ["data", "ratio?", "training_mode?"],
  attributes: { seed: attribute.optional("int") },
  versions: [
    oldVersion(1, { ...dropoutRatio, is_test: attribute.int(0) }, (b, [x], view) =>
      dropout(b, x!, view, false),
    ),
    oldVersion(6, { ...dropoutRatio, is_test: attribute.int(0) }, (b, [x], view) =>
      dropout(b, x!, view, false),
    ),
    oldVersion(7, dropoutRatio, (b, [x], view) => dropout(b, x!, view, false)),
    oldVersion(10, dropoutRatio, (b, [x], view) => dropout(b, x!, view)),
    ...[12, 13, 22].map((since) => ({ since })),
  ],
  expand: (b, [x, , training], view) => {
    const isTraining = training?.constant?.data[0];
    if (training && isTraining === undefined)
      view.fail("training_mode must be known at compile time", "E_UNSUPPORTED");
    if (isTraining) view.fail("training mode is not supported", "E_UNSUPPORTED");
    return dropout(b, x!, view);
  },
});

export const normalizationOperators: readonly Operator[] = [BatchNormalization, Dropout];
