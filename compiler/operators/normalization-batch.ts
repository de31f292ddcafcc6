/** Batch normalisation, with statistics that are given or (in training) those of the batch. */

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
import { floats } from "./pointwise.js";

const attributes = { epsilon: attribute.float(1e-5), momentum: attribute.float(0.9) } as const;
type BatchNode = ImportedNode<typeof attributes>;

/** x, scale, bias, mean and variance. */
type Operands = readonly [Value, Value, Value, Value, Value];

/**
 * (x - mean) / sqrt(var + epsilon) * scale + bias as x * factor + summand. Both are computed from parameters, so that
 * they are constants as soon as those are.
 */
function normalise(
  b: GraphBuilder,
  [x, scale, bias, mean, variance]: Operands,
  epsilon: number,
  perChannel = true,
): Value {
  const deviation = b.op("Sqrt", [b.op("Add", [variance, b.scalar(variance.dtype, epsilon)])]);
  const factor = b.op("Div", [b.cast(scale, deviation.dtype), deviation]);
  const summand = b.op("Sub", [b.cast(bias, mean.dtype), b.op("Mul", [mean, factor])]);
  const along = (value: Value) => b.cast(perChannel ? alongChannels(b, value, x.rank) : value, x.dtype);
  return b.op("Add", [b.op("Mul", [x, along(factor)]), along(summand)]);
}

/** [C] -> [C, 1, 1], to broadcast over [N, C, H, W]. */
function alongChannels(b: GraphBuilder, value: Value, rank: number): Value {
  if (rank <= 2) return value;
  return b.op("Unsqueeze", [value, b.ints(Array.from({ length: rank - 2 }, (_, i) => i + 1))]);
}

interface Trained {
  readonly result: Value;
  /** Given statistics moved towards those of the batch. */
  readonly running: readonly [mean: Value, variance: Value];
  readonly batch: readonly [mean: Value, variance: Value];
}

/** Statistics of halves are computed in float32, as the specification asks, and those of other types in their own. */
function train(
  b: GraphBuilder,
  operands: Operands,
  { attributes: { epsilon, momentum } }: BatchNode,
): Trained {
  const [x, scale, bias, mean, variance] = operands;
  const axes = b.ints(Array.from({ length: x.rank }, (_, axis) => axis).filter((axis) => axis !== 1));
  const wide = x.dtype === "float64" ? x : b.cast(x, "float32");
  const means = b.op("ReduceMean", [wide, axes], { keepdims: 1 });
  const centred = b.op("Sub", [wide, means]);
  const squares = b.op("ReduceMean", [b.op("Mul", [centred, centred]), axes], { keepdims: 1 });
  const flat = (value: Value): Value => b.op("Reshape", [value, b.ints([-1])]);
  const batch = [flat(means), flat(squares)] as const;
  const moved = (given: Value, found: Value): Value => {
    const part = (value: Value, factor: number) => b.op("Mul", [value, b.scalar(value.dtype, factor)]);
    return b.op("Add", [part(given, momentum), part(b.cast(found, given.dtype), 1 - momentum)]);
  };
  return {
    result: b.cast(normalise(b, [wide, scale, bias, ...batch], epsilon), x.dtype),
    running: [moved(mean, batch[0]), moved(variance, batch[1])],
    batch,
  };
}

/** Before opset 14, more outputs than one said that the model trains, unless it was said that it does not. */
function trainOrTest(b: GraphBuilder, operands: Operands, view: BatchNode, isTest: boolean): Value[] {
  if (isTest || view.outputCount <= 1) return [normalise(b, operands, view.attributes.epsilon)];
  const { result, running, batch } = train(b, operands, view);
  const saved = batch.map((value) => b.cast(value, operands[3].dtype));
  return [result, ...running, ...saved].slice(0, view.outputCount);
}

/** Before opset 9, statistics may be those of every place on its own (`spatial` is 0). */
const spatialVersion = (since: number, hasTest: boolean): OperatorVersion =>
  oldVersion(
    since,
    { ...attributes, spatial: attribute.int(1), ...(hasTest && { is_test: attribute.int(0) }) },
    (b, inputs, view) => {
      const { spatial, is_test, epsilon } = view.attributes as typeof view.attributes & { is_test?: number };
      const operands = inputs as unknown as Operands;
      if (spatial !== 0) return trainOrTest(b, operands, view, (is_test ?? 0) !== 0);
      if (view.outputCount > 1 && !is_test) view.fail("trains with spatial = 0", "E_UNSUPPORTED");
      return [normalise(b, operands, epsilon, false)];
    },
  );

const BatchNormalization = defineExpansion({
  name: "BatchNormalization",
  summary: "Normalises every channel with statistics that are given, or in training with its own.",
  inputs: ["X", "scale", "B", "input_mean", "input_var"],
  types: floats,
  attributes: { ...attributes, training_mode: attribute.int(0) },
  versions: [
    spatialVersion(1, true),
    spatialVersion(6, true),
    spatialVersion(7, false),
    oldVersion(9, attributes, (b, inputs, view) =>
      trainOrTest(b, inputs as unknown as Operands, view, false),
    ),
    ...[14, 15].map((since) => ({ since })),
  ],
  expand: (b, inputs, view) => {
    const operands = inputs as unknown as Operands;
    const { training_mode, epsilon } = view.attributes;
    if (training_mode === 0) {
      if (view.outputCount > 1) view.fail("running mean and variance are outputs of training only");
      return [normalise(b, operands, epsilon)];
    }
    const { result, running } = train(b, operands, view);
    return [result, ...running].slice(0, Math.max(view.outputCount, 1));
  },
});

export const batchNormalizationOperators: readonly Operator[] = [BatchNormalization];
