/**
 * Every elementwise operator with every type that the specification allows for it: the compiled module agrees with
 * evaluation on numbers. One model for each type.
 */

import { expect, test } from "vitest";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import {
  floats,
  integers,
  numeric,
  signedIntegers,
  unsignedIntegers,
} from "../../compiler/operators/pointwise.js";
import { expectLevels } from "../harness.js";
import { of } from "./harness.js";

const wide: readonly DType[] = ["int32", "int64", "uint32", "uint64"];

interface Case {
  readonly types: readonly DType[];
  readonly inputs: readonly string[];
  readonly isBool?: boolean;
  readonly attributes?: Record<string, number | string>;
}

const each = (names: string, one: Case): [string, Case][] => names.split(" ").map((name) => [name, one]);

const functions =
  "Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu Log Mish Neg " +
  "Reciprocal Relu Round Selu Sigmoid Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu";
const comparisons = "Equal Greater GreaterOrEqual Less LessOrEqual";

const cases: readonly [string, Case][] = [
  ...each(functions, { types: floats, inputs: ["a"] }),
  ...each("IsNaN IsInf", { types: floats, inputs: ["a"], isBool: true }),
  ...each("Erf", { types: integers, inputs: ["a"] }),
  ...each("Abs Shrink Sign", { types: numeric, inputs: ["a"] }),
  ...each("Neg Relu", { types: signedIntegers, inputs: ["a"] }),
  // Evaluation has no number for what is not set in 0 of 64 bits.
  ...each("BitwiseNot", { types: integers.filter((dtype) => dtype !== "uint64"), inputs: ["a"] }),
  ...each("Add Div Max Min Mul Sub", { types: numeric, inputs: ["a", "b"] }),
  ...each("Mod", { types: numeric, inputs: ["a", "b"], attributes: { fmod: 1 } }),
  ...each("Mod", { types: integers, inputs: ["a", "b"] }),
  ...each(comparisons, { types: numeric, inputs: ["a", "b"], isBool: true }),
  ...each("Mean Sum", { types: floats, inputs: ["a", "b"] }),
  ...each("Pow", { types: [...floats, "int32", "int64"], inputs: ["a", "b"] }),
  ...each("PRelu", { types: [...floats, ...wide], inputs: ["a", "b"] }),
  ...each("BitwiseAnd BitwiseOr BitwiseXor", { types: integers, inputs: ["a", "b"] }),
  ...each("BitShift", { types: unsignedIntegers, inputs: ["a", "b"], attributes: { direction: "LEFT" } }),
  ...each("BitShift", { types: unsignedIntegers, inputs: ["a", "b"], attributes: { direction: "RIGHT" } }),
];

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

function operandsOf(dtype: DType): [number[], number[]] {
  if (floats.includes(dtype)) {
    return [
      [0.3, -0.7, 0, 1, -1, 2.5, -3.25, 7, nan, inf, -inf, 12, 100],
      [1.5, 2, -0.5, 3, 0.25, -2, 1, nan, 2, 3, 1, -4, 0.5],
    ];
  }
  if (unsignedIntegers.includes(dtype)) {
    return [
      [3, 200, 0, 1, 255, 2, 90, 7, 6, 17, 5, 12, 100],
      [2, 3, 5, 1, 0, 4, 2, 1, 7, 2, 3, 9, 2],
    ];
  }
  return [
    [3, -7, 0, 1, -1, 2, -100, 7, 6, -6, 5, 12, 100],
    [2, 3, -2, 1, 0, 4, -3, 1, 7, 2, 3, -5, 2],
  ];
}

/** What formulas and evaluation may differ by: float32 is rounded to the few digits that a type has. */
const tolerances: Partial<Record<DType, number>> = {
  float64: 1e-14,
  float32: 2e-6,
  float16: 1e-3,
  bfloat16: 8e-3,
};

test.each(numeric)("%s", async (dtype) => {
  const [a, b] = operandsOf(dtype).map((values) => of(dtype, [values.length], values));
  const own = cases.filter(([, { types }]) => types.includes(dtype));
  expect(own.length).toBeGreaterThan(dtypes[dtype].kind === "float" ? 50 : 15);
  const relative = tolerances[dtype] ?? 0;
  await expectLevels(
    {
      opset: 24,
      inputs: { a: [dtype, a!.dims], b: [dtype, b!.dims] },
      outputs: Object.fromEntries(
        own.map(([op, { isBool }], i) => [`${op}.${i}`, [isBool ? "bool" : dtype]]),
      ),
      nodes: own.map(([op, { inputs, attributes }], i) => ({
        op,
        inputs: [...inputs],
        outputs: [`${op}.${i}`],
        ...(attributes !== undefined && { attributes }),
      })),
    },
    { a: a!, b: b! },
    {
      reference: "evaluate",
      levels: ["wasm"],
      tolerance: relative === 0 ? {} : { relative, absolute: Math.min(relative, 1e-6) },
    },
  );
});
