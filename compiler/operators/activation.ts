/** Activation functions. */

import * as math from "../kernels/math.js";
import { op } from "../loop/builder.js";
import { typedOp } from "./integer.js";
import { attribute, type Operator } from "./operator.js";
import { floats, pointwise, signedIntegers } from "./pointwise.js";

const Relu = pointwise({
  name: "Relu",
  summary: "max(x, 0).",
  inputs: ["X"],
  attributes: {},
  versions: [1, 6, 13, 14],
  types: [...floats, ...signedIntegers],
  emit: ([x], context) => op(typedOp("max", context.input(0).dtype), x!, 0),
  evaluate: ([x]) => Math.max(x!, 0),
});

const Sigmoid = pointwise({
  name: "Sigmoid",
  summary: "1 / (1 + e^-x).",
  inputs: ["X"],
  attributes: {},
  versions: [1, 6, 13],
  types: ["float32", "float16", "bfloat16"],
  emit: ([x]) => math.sigmoid(x!),
  evaluate: ([x]) => 1 / (1 + Math.exp(-x!)),
});

const HardSigmoid = pointwise({
  name: "HardSigmoid",
  summary: "alpha x + beta, limited to the range from 0 to 1.",
  inputs: ["X"],
  attributes: { alpha: attribute.float(0.2), beta: attribute.float(0.5) },
  versions: [1, 6, 22],
  types: floats,
  emit: ([x], { attributes: { alpha, beta } }) =>
    op("max", op("min", op("add", op("mul", x!, alpha), beta), 1), 0),
  evaluate: ([x], { attributes: { alpha, beta } }) => Math.max(0, Math.min(1, alpha * x! + beta)),
});

export const activationOperators: readonly Operator[] = [Relu, Sigmoid, HardSigmoid];
