/** Elementary functions, element by element. */

import type { DType } from "../ir/dtype.js";
import * as math from "../kernels/math.js";
import * as hyperbolic from "../kernels/math-hyperbolic.js";
import * as trigonometric from "../kernels/math-trigonometric.js";
import { constant, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { convertElement } from "./cast-emit.js";
import { isFloat, isUnsigned } from "./integer.js";
import { attribute, type NodeView, type Operator } from "./operator.js";
import { booleanElement, float8s, floats, numeric, pointwise } from "./pointwise.js";

interface MathFunction {
  readonly name: string;
  readonly summary: string;
  readonly versions: readonly number[];
  readonly types?: readonly DType[];
  readonly emit: (x: Expr) => Expr;
  readonly evaluate: (x: number) => number;
}

const mathFunction = ({ types = floats, emit, evaluate, ...rest }: MathFunction): Operator =>
  pointwise({
    ...rest,
    types,
    inputs: ["input"],
    attributes: {},
    emit: ([x]) => emit(x!),
    evaluate: ([x]) => evaluate(x!),
  });

const Exp = mathFunction({
  name: "Exp",
  summary: "e^x.",
  versions: [1, 6, 13],
  emit: math.exp,
  evaluate: Math.exp,
});

const Log = mathFunction({
  name: "Log",
  summary: "Natural logarithm.",
  versions: [1, 6, 13],
  emit: math.log,
  evaluate: Math.log,
});

/** From this integer on, the error function is 1 and not something below it that is truncated. */
const WHOLE_ERF = 6;

const Erf = pointwise({
  name: "Erf",
  summary: "Error function; that of integers is truncated.",
  inputs: ["input"],
  attributes: {},
  versions: [9, 13],
  types: numeric,
  emit: ([x], context) => {
    const { dtype } = context.input(0);
    if (isFloat(dtype)) return math.erf(x!);
    const [one, zero] = [constant(x!.type, 1), constant(x!.type, 0)];
    if (isUnsigned(dtype)) return select(op("ge_u", x!, WHOLE_ERF), one, zero);
    return select(
      op("ge_s", x!, WHOLE_ERF),
      one,
      select(op("le_s", x!, -WHOLE_ERF), constant(x!.type, -1), zero),
    );
  },
  evaluate: ([x], { dtypes: [dtype] }) => (isFloat(dtype!) ? erf(x!) : Math.trunc(erf(x!))),
});

/** 2 / sqrt(pi) - 1. */
const SERIES_START = 0.1283791670955126;

/**
 * The error function in float64: its series up to 1, and beyond it the continued fraction of erfc, each to
 * the last few bits.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(a)) return a;
  if (a > 6) return Math.sign(x);
  if (a < 1) {
    // From the smallest term on, so that only the last sums are rounded where it counts.
    let factor = 0;
    for (let n = 20; n > 0; n--) factor = (-x * x * (1 / (2 * n + 1) + factor)) / n;
    return x + x * (SERIES_START + (1 + SERIES_START) * factor);
  }
  let fraction = a;
  for (let k = 200; k > 0; k--) fraction = a + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction);
}

const trigonometricFunction = (
  name: string,
  summary: string,
  since: number,
  emit: (x: Expr) => Expr,
  evaluate: (x: number) => number,
): Operator => mathFunction({ name, summary, versions: [since, 22], emit, evaluate });

const Sin = trigonometricFunction("Sin", "Sine.", 7, trigonometric.sin, Math.sin);
const Cos = trigonometricFunction("Cos", "Cosine.", 7, trigonometric.cos, Math.cos);
const Tan = trigonometricFunction("Tan", "Tangent.", 7, trigonometric.tan, Math.tan);
const Asin = trigonometricFunction("Asin", "Arcsine.", 7, trigonometric.asin, Math.asin);
const Acos = trigonometricFunction("Acos", "Arccosine.", 7, trigonometric.acos, Math.acos);
const Atan = trigonometricFunction("Atan", "Arctangent.", 7, trigonometric.atan, Math.atan);

const hyperbolicFunction = (
  name: string,
  summary: string,
  emit: (x: Expr) => Expr,
  evaluate: (x: number) => number,
): Operator => mathFunction({ name, summary, versions: [9, 22], emit, evaluate });

const Sinh = hyperbolicFunction("Sinh", "Hyperbolic sine.", hyperbolic.sinh, Math.sinh);
const Cosh = hyperbolicFunction("Cosh", "Hyperbolic cosine.", hyperbolic.cosh, Math.cosh);
const Asinh = hyperbolicFunction("Asinh", "Inverse hyperbolic sine.", hyperbolic.asinh, Math.asinh);
const Acosh = hyperbolicFunction("Acosh", "Inverse hyperbolic cosine.", hyperbolic.acosh, Math.acosh);
const Atanh = hyperbolicFunction("Atanh", "Inverse hyperbolic tangent.", hyperbolic.atanh, Math.atanh);

const Tanh = mathFunction({
  name: "Tanh",
  summary: "Hyperbolic tangent.",
  versions: [1, 6, 13],
  emit: math.tanh,
  evaluate: Math.tanh,
});

const smallFloats: readonly DType[] = [...float8s, "float8e8m0"];

/** Floats of 8 bits as float32. */
function widened(x: Expr, context: NodeView): Expr {
  const { dtype } = context.input(0);
  return isFloat(dtype) ? x : convertElement(x, dtype, "float32");
}

const IsNaN = pointwise({
  name: "IsNaN",
  summary: "Whether the element is NaN.",
  inputs: ["X"],
  attributes: {},
  versions: [9, 13, 20],
  types: [...floats, ...smallFloats],
  result: () => "bool",
  emit: ([given], context) => {
    const x = widened(given!, context);
    return booleanElement(op("ne", x, x));
  },
  evaluate: ([x]) => (Number.isNaN(x!) ? 1 : 0),
});

const IsInf = pointwise({
  name: "IsInf",
  summary: "Whether the element is infinite, of a sign that counts.",
  inputs: ["X"],
  attributes: { detect_negative: attribute.int(1), detect_positive: attribute.int(1) },
  versions: [10, 20],
  types: [...floats, ...smallFloats],
  result: () => "bool",
  emit: ([given], context) => {
    const { detect_negative, detect_positive } = context.attributes;
    const x = widened(given!, context);
    if (detect_negative !== 0 && detect_positive !== 0) {
      return booleanElement(op("eq", op("abs", x), Infinity));
    }
    if (detect_negative !== 0) return booleanElement(op("eq", x, -Infinity));
    // An element is never both NaN and equal to itself, so that this is false without asking for the lanes.
    return booleanElement(detect_positive !== 0 ? op("eq", x, Infinity) : op("lt", x, -Infinity));
  },
  evaluate: ([x], { attributes: { detect_negative, detect_positive } }) =>
    (x === Infinity && detect_positive !== 0) || (x === -Infinity && detect_negative !== 0) ? 1 : 0,
});

export const mathOperators: readonly Operator[] = [
  Exp,
  Log,
  Erf,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  IsNaN,
  IsInf,
];
