/** The functions that cells of recurrent networks apply to their gates, by the names that ONNX gives them. */

import { type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import * as math from "./math.js";

export interface ActivationFormula {
  /** Defaults of alpha and beta; undefined where the function has no such parameter. */
  readonly alpha?: number;
  readonly beta?: number;
  readonly emit: (x: Expr, alpha: number, beta: number) => Expr;
}

/** alpha x + beta. */
const affine = (x: Expr, alpha: Operand, beta: Operand): Expr => op("add", op("mul", x, alpha), beta);

export const recurrentActivations: Readonly<Record<string, ActivationFormula>> = {
  Affine: { alpha: 1, beta: 0, emit: affine },
  Elu: {
    alpha: 1,
    emit: (x, alpha) => select(op("lt", x, 0), op("mul", math.expm1(op("pmin", x, 0)), alpha), x),
  },
  HardSigmoid: {
    alpha: 0.2,
    beta: 0.5,
    emit: (x, alpha, beta) => math.atLeast(math.atMost(affine(x, alpha, beta), 1), 0),
  },
  LeakyRelu: { alpha: 0.01, emit: (x, alpha) => select(op("lt", x, 0), op("mul", x, alpha), x) },
  Relu: { emit: (x) => math.atLeast(x, 0) },
  ScaledTanh: {
    alpha: 1,
    beta: 1,
    emit: (x, alpha, beta) => op("mul", math.tanh(op("mul", x, beta)), alpha),
  },
  Sigmoid: { emit: math.sigmoid },
  Softplus: { emit: math.softplus },
  Softsign: { emit: (x) => op("div", x, op("add", op("abs", x), 1)) },
  Tanh: { emit: math.tanh },
  ThresholdedRelu: { alpha: 1, emit: (x, alpha) => select(op("ge", x, alpha), x, 0) },
};
