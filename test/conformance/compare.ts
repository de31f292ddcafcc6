/** Results are compared as ONNX's own runner does: type, shape, and values within a tolerance. */

import { dtypes } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";

const relative = 1e-3;
const absolute = 1e-7;

/** Cases whose expected values are drawn from a generator in a state that the model does not tell. */
export const randomCases = /^test_bernoulli/;

/** What is wrong with the type and shape of the result, or null. */
export function typeDifference(actual: TensorData, expected: TensorData): string | null {
  const type = ({ dtype, dims }: TensorData) => `${dtype}[${dims}]`;
  return type(actual) === type(expected) ? null : `is ${type(actual)}, not ${type(expected)}`;
}

/** What is wrong with the result, or null. Floats are within the tolerance, NaN is NaN, all else is exact. */
export function difference(actual: TensorData, expected: TensorData): string | null {
  const wrongType = typeDifference(actual, expected);
  if (wrongType !== null) return wrongType;
  const isFloat = dtypes[expected.dtype].kind.endsWith("float");
  const [a, b] = isFloat
    ? [decodeElements(actual), decodeElements(expected)]
    : [actual.data as ArrayLike<number | bigint>, expected.data as ArrayLike<number | bigint>];
  for (let i = 0; i < b.length; i++) {
    if (isFloat ? !isClose(Number(a[i]), Number(b[i])) : a[i] !== b[i]) {
      return `element ${i} is ${a[i]}, not ${b[i]}`;
    }
  }
  return null;
}

function isClose(actual: number, expected: number): boolean {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return true;
  return Math.abs(actual - expected) <= absolute + relative * Math.abs(expected);
}
