/** Losses of classifiers, as picked logarithms of probabilities and their sums. */

import { equalDims, isStatic, printDim } from "../ir/dim.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import { attribute, defineExpansion, type ImportedNode, type Operator } from "./operator.js";
import { floats } from "./pointwise.js";

const attributes = {
  ignore_index: attribute.optional("int"),
  reduction: attribute.string("mean"),
} as const;

type LossNode = ImportedNode<typeof attributes>;

/** Scores are [N, C, d1, ...] and targets, each the number of a class, [N, d1, ...]. */
function checkShapes(
  scores: Value,
  target: Value,
  weight: Value | null,
  { fail, attributes }: LossNode,
): void {
  const { reduction } = attributes;
  if (!["none", "sum", "mean"].includes(reduction)) fail(`reduction "${reduction}" is not defined`);
  if (scores.rank < 2) fail(`takes scores of 2 dims or more, not ${scores.rank}`, "E_SHAPE");
  const wanted = scores.shape.filter((_, axis) => axis !== 1);
  const fits = wanted.every((dim, axis) => {
    const given = target.shape[axis];
    return given !== undefined && (!isStatic(dim) || !isStatic(given) || equalDims(dim, given));
  });
  if (!fits || target.rank !== wanted.length) {
    const [have, want] = [target.shape, wanted].map((shape) => shape.map(printDim).join(", "));
    fail(`targets have the shape [${have}], not [${want}]`, "E_SHAPE");
  }
  if (target.dtype !== "int32" && target.dtype !== "int64") fail(`takes no targets of ${target.dtype}`);
  if (weight !== null && weight.rank !== 1) fail(`weights have ${weight.rank} dims, not 1`, "E_SHAPE");
}

/**
 * The loss of given logarithms of probabilities: those of the targets, times the weights of these, negated. Targets
 * that are to be ignored may be no class at all: class 0 is read in their place, and the result is not used.
 */
function negativeLogLikelihood(
  b: GraphBuilder,
  scores: Value,
  given: Value,
  weight: Value | null,
  view: LossNode,
): Value {
  const { ignore_index: ignored, reduction } = view.attributes;
  const zero = b.scalar(scores.dtype, 0);
  const counts =
    ignored === undefined ? null : b.op("Not", [b.op("Equal", [given, b.scalar(given.dtype, ignored)])]);
  const target = counts === null ? given : b.op("Where", [counts, given, b.scalar(given.dtype, 0)]);
  const counted = (value: Value): Value => (counts === null ? value : b.op("Where", [counts, value, zero]));

  const axis = b.ints([1]);
  const picked = b.op("GatherElements", [scores, b.op("Unsqueeze", [target, axis])], { axis: 1 });
  const loss = b.op("Neg", [b.op("Squeeze", [picked, axis])]);
  const weights = weight === null ? null : counted(b.op("Gather", [weight, target], { axis: 0 }));
  const losses = counted(weights === null ? loss : b.op("Mul", [loss, weights]));
  if (reduction === "none") return losses;

  const sum = (value: Value): Value => b.op("ReduceSum", [value], { keepdims: 0 });
  if (reduction === "sum") return sum(losses);
  if (weights !== null) return b.op("Div", [sum(losses), sum(weights)]);
  if (counts === null) return b.op("ReduceMean", [losses], { keepdims: 0 });
  return b.op("Div", [sum(losses), sum(b.cast(counts, scores.dtype))]);
}

const NegativeLogLikelihoodLoss = defineExpansion({
  name: "NegativeLogLikelihoodLoss",
  summary: "The loss of logarithms of probabilities: those of the target classes, weighted and negated.",
  inputs: ["input", "target", "weight?"],
  types: floats,
  attributes,
  versions: [12, 13, 22].map((since) => ({ since })),
  expand: (b, [scores, target, weight = null], view) => {
    checkShapes(scores!, target!, weight, view);
    return [negativeLogLikelihood(b, scores!, target!, weight, view)];
  },
});

const SoftmaxCrossEntropyLoss = defineExpansion({
  name: "SoftmaxCrossEntropyLoss",
  summary: "The loss of the softmax of scores, and the logarithm of that softmax.",
  inputs: ["scores", "labels", "weights?"],
  types: floats,
  attributes,
  versions: [12, 13].map((since) => ({ since })),
  expand: (b, [scores, labels, weights = null], view) => {
    checkShapes(scores!, labels!, weights, view);
    const probabilities = b.op("LogSoftmax", [scores!], { axis: 1 });
    const loss = negativeLogLikelihood(b, probabilities, labels!, weights, view);
    return [loss, probabilities].slice(0, Math.max(view.outputCount, 1));
  },
});

export const lossOperators: readonly Operator[] = [NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss];
