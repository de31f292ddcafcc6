/** Activation functions, element by element. */

import type { Value } from "../ir/graph.js";
import * as math from "../kernels/math.js";
import { op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { GraphBuilder } from "./builder.js";
import { convertElement } from "./cast-emit.js";
import { isFloat, truncatedTo, typedOp, wrapInteger } from "./integer.js";
import { erf } from "./math.js";
import { type AttributeSchema, type AttributesOf, attribute, type Operator, oldVersion } from "./operator.js";
import { floats, integers, numeric, pointwise, signedIntegers } from "./pointwise.js";

type Versions = Parameters<typeof pointwise>[0]["versions"];

interface Activation<S extends AttributeSchema> {
  readonly name: string;
  readonly summary: string;
  readonly attributes: S;
  readonly versions: Versions;
  readonly emit: (x: Expr, attributes: AttributesOf<S>) => Expr;
  readonly evaluate: (x: number, attributes: AttributesOf<S>) => number;
}

/** A function of one float tensor and attributes. */
const activation = <const S extends AttributeSchema>({ emit, evaluate, ...rest }: Activation<S>): Operator =>
  pointwise<S>({
    ...rest,
    inputs: ["X"],
    types: floats,
    emit: ([x], { attributes }) => emit(x!, attributes),
    evaluate: ([x], { attributes }) => evaluate(x!, attributes),
  });

const Relu = pointwise({
  name: "Relu",
  summary: "max(x, 0).",
  inputs: ["X"],
  attributes: {},
  versions: [1, 6, 13, 14],
  types: [...floats, ...signedIntegers],
  emit: ([x], context) => (isFloat(context.input(0).dtype) ? math.atLeast(x!, 0) : op("max_s", x!, 0)),
  evaluate: ([x]) => Math.max(x!, 0),
});

const LeakyRelu = activation({
  name: "LeakyRelu",
  summary: "x, and alpha x where x is negative.",
  attributes: { alpha: attribute.float(0.01) },
  versions: [1, 6, 16],
  emit: (x, { alpha }) => select(op("lt", x, 0), op("mul", x, alpha), x),
  evaluate: (x, { alpha }) => (x < 0 ? alpha * x : x),
});

/** Before opset 7, a slope for each channel was given without the dims behind the channel. */
function alignSlope(b: GraphBuilder, x: Value, slope: Value): Value {
  const behind = x.rank - 2;
  if (slope.rank !== 1 || slope.shape[0] === 1 || behind < 1) return slope;
  return b.op("Unsqueeze", [slope, b.ints(Array.from({ length: behind }, (_, i) => i + 1))]);
}

const PRelu = pointwise({
  name: "PRelu",
  summary: "x, and slope times x where x is negative.",
  inputs: ["X", "slope"],
  attributes: {},
  versions: [
    ...[1, 6].map((since) =>
      oldVersion(since, {}, (b, [x, slope]) => [b.op("PRelu", [x!, alignSlope(b, x!, slope!)])]),
    ),
    ...[7, 9, 16],
  ],
  types: [...floats, ...integers],
  emit: ([x, slope], context) => {
    const { dtype } = context.input(0);
    const scaled = wrapInteger(op("mul", x!, slope!), dtype);
    return select(op(typedOp("lt", dtype), x!, 0), scaled, x!);
  },
  evaluate: ([x, slope], { dtypes }) => {
    if (x! >= 0) return x!;
    return isFloat(dtypes[0]!) ? x! * slope! : Math.imul(x!, slope!);
  },
});

const Elu = activation({
  name: "Elu",
  summary: "x, and alpha (e^x - 1) where x is negative.",
  attributes: { alpha: attribute.float(1) },
  versions: [1, 6, 22],
  emit: (x, { alpha }) => select(op("lt", x, 0), op("mul", math.expm1(op("pmin", x, 0)), alpha), x),
  evaluate: (x, { alpha }) => (x < 0 ? alpha * Math.expm1(x) : x),
});

const Selu = activation({
  name: "Selu",
  summary: "gamma x, and gamma alpha (e^x - 1) where x is not positive.",
  attributes: {
    alpha: attribute.float(1.6732631921768188),
    gamma: attribute.float(1.0507010221481323),
  },
  versions: [1, 6, 22],
  emit: (x, { alpha, gamma }) => {
    const negative = op("mul", math.expm1(op("pmin", x, 0)), alpha);
    return op("mul", select(op("lt", x, 0), negative, x), gamma);
  },
  evaluate: (x, { alpha, gamma }) => gamma * (x < 0 ? alpha * Math.expm1(x) : x),
});

const Celu = activation({
  name: "Celu",
  summary: "x, and alpha (e^(x / alpha) - 1) where x is negative.",
  attributes: { alpha: attribute.float(1) },
  versions: [12],
  emit: (x, { alpha }) => {
    const scaled = alpha === 1 ? x : op("div", x, alpha);
    const e = math.expm1(op("pmin", scaled, 88));
    return op("add", math.atLeast(x, 0), math.atMost(op("mul", e, alpha), 0));
  },
  evaluate: (x, { alpha }) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha)),
});

const ThresholdedRelu = activation({
  name: "ThresholdedRelu",
  summary: "x where it is above alpha, else 0.",
  attributes: { alpha: attribute.float(1) },
  versions: [10, 22],
  emit: (x, { alpha }) => select(op("gt", x, alpha), x, 0),
  evaluate: (x, { alpha }) => (x > alpha ? x : 0),
});

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const Sigmoid = activation({
  name: "Sigmoid",
  summary: "1 / (1 + e^-x).",
  attributes: {},
  versions: [1, 6, 13],
  emit: math.sigmoid,
  evaluate: sigmoid,
});

const HardSigmoid = activation({
  name: "HardSigmoid",
  summary: "alpha x + beta, limited to the range from 0 to 1.",
  attributes: { alpha: attribute.float(0.2), beta: attribute.float(0.5) },
  versions: [1, 6, 22],
  emit: (x, { alpha, beta }) => math.atLeast(math.atMost(op("fma", x, alpha, beta), 1), 0),
  evaluate: (x, { alpha, beta }) => Math.max(0, Math.min(1, alpha * x + beta)),
});

const HardSwish = activation({
  name: "HardSwish",
  summary: "x times x / 6 + 1/2, the latter limited to the range from 0 to 1.",
  attributes: {},
  versions: [14, 22],
  emit: (x) => op("mul", x, math.atLeast(math.atMost(op("fma", x, 1 / 6, 0.5), 1), 0)),
  evaluate: (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
});

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const Softplus = activation({
  name: "Softplus",
  summary: "ln(1 + e^x).",
  attributes: {},
  versions: [1, 22],
  emit: math.softplus,
  evaluate: softplus,
});

const Softsign = activation({
  name: "Softsign",
  summary: "x / (1 + |x|).",
  attributes: {},
  versions: [1, 22],
  emit: (x) => op("div", x, op("add", op("abs", x), 1)),
  evaluate: (x) => x / (1 + Math.abs(x)),
});

const Mish = activation({
  name: "Mish",
  summary: "x tanh(ln(1 + e^x)).",
  attributes: {},
  versions: [18, 22],
  // With n = e^x (e^x + 2), the hyperbolic tangent is n / (n + 2), which is 1 long before n overflows.
  emit: (x) => {
    const e = math.expNonPositive(op("pmin", x, 40));
    const n = op("mul", e, op("add", e, 2));
    return op("mul", x, op("div", n, op("add", n, 2)));
  },
  evaluate: (x) => x * Math.tanh(softplus(x)),
});

const Swish = activation({
  name: "Swish",
  summary: "x / (1 + e^(-alpha x)).",
  attributes: { alpha: attribute.float(1) },
  versions: [24],
  emit: (x, { alpha }) => op("mul", x, math.sigmoid(alpha === 1 ? x : op("mul", x, alpha))),
  evaluate: (x, { alpha }) => x * sigmoid(alpha * x),
});

const Shrink = pointwise({
  name: "Shrink",
  summary: "x, moved towards 0 by bias where |x| is above lambd, and 0 elsewhere.",
  inputs: ["input"],
  attributes: { bias: attribute.float(0), lambd: attribute.float(0.5) },
  versions: [9],
  types: numeric,
  emit: ([x], context) => {
    const { dtype } = context.input(0);
    const { bias, lambd } = context.attributes;
    // Integers are compared and moved as numbers with fractions, and truncated.
    const value = isFloat(dtype) ? x! : convertElement(x!, dtype, "float64");
    const high = select(op("gt", value, lambd), op("sub", value, bias), 0);
    const moved = select(op("lt", value, -lambd), op("add", value, bias), high);
    return isFloat(dtype) ? moved : convertElement(moved, "float64", dtype);
  },
  evaluate: ([x], { attributes: { bias, lambd }, dtypes: [dtype] }) => {
    const moved = x! < -lambd ? x! + bias : x! > lambd ? x! - bias : 0;
    return isFloat(dtype!) ? moved : truncatedTo(dtype!, moved);
  },
});

const gelu = {
  none: {
    emit: (x: Expr) => op("mul", op("mul", x, 0.5), op("add", math.erf(op("mul", x, Math.SQRT1_2)), 1)),
    evaluate: (x: number) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  },
  /** (1 + tanh u) / 2 is the sigmoid of 2 u. */
  tanh: {
    emit: (x: Expr) => {
      const cube = op("mul", op("mul", op("mul", x, x), x), 0.044715);
      return op("mul", x, math.sigmoid(op("mul", op("add", x, cube), 2 * Math.sqrt(2 / Math.PI))));
    },
    evaluate: (x: number) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
  },
} as const;

const Gelu = pointwise({
  name: "Gelu",
  summary: "x times the normal distribution function, or an approximation of it by tanh.",
  inputs: ["X"],
  attributes: { approximate: attribute.string("none") },
  versions: [20],
  types: floats,
  operands: (context) => {
    const { approximate } = context.attributes;
    if (!Object.hasOwn(gelu, approximate)) context.fail(`approximate "${approximate}" is not defined`);
  },
  emit: ([x], { attributes }) => gelu[attributes.approximate as keyof typeof gelu].emit(x!),
  evaluate: ([x], { attributes }) => gelu[attributes.approximate as keyof typeof gelu].evaluate(x!),
});

export const activationOperators: readonly Operator[] = [
  Relu,
  LeakyRelu,
  PRelu,
  Elu,
  Selu,
  Celu,
  ThresholdedRelu,
  Sigmoid,
  HardSigmoid,
  HardSwish,
  Softplus,
  Softsign,
  Mish,
  Swish,
  Shrink,
  Gelu,
];
