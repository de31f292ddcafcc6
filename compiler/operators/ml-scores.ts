/**
 * What the operators of ai.onnx.ml have in common: rows of features, transforms of scores, and class labels.
 *
 * The specification names the transforms without defining them; ONNX's reference implementation and onnxruntime do, and
 * agree: PROBIT is Winitzki's approximation of the inverse error function, and SOFTMAX_ZERO leaves out what is 0.
 */

import type { DType } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import type { GraphBuilder } from "./builder.js";
import type { ImportedNode } from "./operator.js";

export const domain = "ai.onnx.ml";

type Fail = Pick<ImportedNode, "fail">;

/** Input types of most operators. */
export const featureTypes: readonly DType[] = ["float32", "float64", "int32", "int64"];

/** Features as rows, [N, F]; a tensor of one dim is one row. */
export function rowsOf(b: GraphBuilder, x: Value, { fail }: Fail): Value {
  if (x.rank === 1) return b.op("Unsqueeze", [x, b.ints([0])]);
  return x.rank === 2 ? x : fail(`takes rows of features in 1 or 2 dims, not ${x.rank}`, "E_SHAPE");
}

const transforms = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"] as const;
export type Transform = (typeof transforms)[number];

export function transformOf(name: string | number, { fail }: Fail): Transform {
  const found = typeof name === "number" ? transforms[name] : transforms.find((one) => one === name);
  return found ?? fail(`post_transform ${name} is not defined`);
}

/** Scores [N, E] as the transform has them. */
export function applyTransform(b: GraphBuilder, scores: Value, transform: Transform): Value {
  switch (transform) {
    case "NONE":
      return scores;
    case "LOGISTIC":
      return b.op("Sigmoid", [scores]);
    case "SOFTMAX": {
      const e = b.op("Exp", [b.op("Sub", [scores, largest(b, scores)])]);
      return b.op("Div", [e, sum(b, e)]);
    }
    case "SOFTMAX_ZERO":
      return softmaxZero(b, scores);
    case "PROBIT":
      return probit(b, scores);
  }
}

const largest = (b: GraphBuilder, x: Value): Value => b.op("ReduceMax", [x, b.ints([1])], { keepdims: 1 });
const sum = (b: GraphBuilder, x: Value): Value => b.op("ReduceSum", [x, b.ints([1])], { keepdims: 1 });

/** Scores near 0 stay near 0; where nothing else is there, all get a half. */
function softmaxZero(b: GraphBuilder, scores: Value): Value {
  const number = (value: number) => b.scalar(scores.dtype, value);
  const top = largest(b, scores);
  const counts = b.op("Greater", [b.op("Abs", [scores]), number(1e-7)]);
  const small = b.op("Mul", [scores, b.op("Exp", [b.op("Neg", [top])])]);
  const e = b.op("Where", [counts, b.op("Exp", [b.op("Sub", [scores, top])]), small]);
  const total = sum(b, e);
  const isNothing = b.op("Equal", [total, number(0)]);
  const divisor = b.op("Where", [isNothing, number(1), total]);
  return b.op("Where", [isNothing, number(0.5), b.op("Div", [e, divisor])]);
}

/** sqrt(2) times the inverse error function of 2 x - 1. */
function probit(b: GraphBuilder, x: Value): Value {
  const number = (value: number) => b.scalar(x.dtype, value);
  const mul = (one: Value, other: Value | number) =>
    b.op("Mul", [one, typeof other === "number" ? number(other) : other]);
  const shifted = b.op("Sub", [mul(x, 2), number(1)]);
  // (1 - y) (1 + y) with y = 2 x - 1.
  const product = mul(mul(x, 4), b.op("Sub", [number(1), x]));
  const log = b.op("Log", [product]);
  const v = b.op("Add", [mul(log, 0.5), number(2 / (Math.PI * 0.147))]);
  const root = b.op("Sqrt", [b.op("Sub", [mul(v, v), mul(log, 1 / 0.147)])]);
  const magnitude = b.op("Sqrt", [b.op("Sub", [root, v])]);
  const isNegative = b.op("Less", [shifted, number(0)]);
  return mul(b.op("Where", [isNegative, b.op("Neg", [magnitude]), magnitude]), Math.SQRT2);
}

/** Two scores side by side: [N, 1] and [N, 1] as [N, 2]. */
export const pair = (b: GraphBuilder, first: Value, second: Value): Value =>
  b.op("Concat", [first, second], { axis: 1 });

/** -s and s, or 1 - s and s where s is a probability. */
export function opposites(b: GraphBuilder, s: Value, isProbability: boolean): Value {
  const other = isProbability ? b.op("Sub", [b.scalar(s.dtype, 1), s]) : b.op("Neg", [s]);
  return pair(b, other, s);
}

/** Integer labels of classes; those of strings are refused. */
export function labelsOf(
  integers: readonly number[] | undefined,
  strings: readonly string[] | undefined,
  { fail }: Fail,
): readonly number[] {
  if (strings !== undefined && strings.length > 0) {
    const hint = "export the model with integer labels, and look the strings up by them";
    return fail("labels of strings are not supported", "E_UNSUPPORTED", hint);
  }
  if (integers === undefined || integers.length === 0) return fail("has no class labels");
  return integers;
}

/** For each row the label of the largest of its scores, the first of several. */
export function topLabels(b: GraphBuilder, scores: Value, labels: readonly number[]): Value {
  const places = b.op("ArgMax", [scores], { axis: 1, keepdims: 0 });
  return labels.every((label, i) => label === i)
    ? places
    : b.op("Gather", [b.ints(labels), places], { axis: 0 });
}

/** For each row one label where its only score is above a threshold, else another. */
export function labelsAbove(
  b: GraphBuilder,
  score: Value,
  threshold: number,
  [below, above]: readonly [number, number],
): Value {
  const isAbove = b.op("Greater", [b.op("Squeeze", [score, b.ints([1])]), b.scalar(score.dtype, threshold)]);
  const label = (value: number) => b.scalar("int64", value);
  return b.op("Where", [isAbove, label(above), label(below)]);
}
