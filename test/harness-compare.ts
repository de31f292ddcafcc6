/** Comparison of tensors, with a report that says where they differ and by how much. */

import { isMinifloat } from "../compiler/ir/dtype.js";
import type { TensorData } from "../compiler/ir/tensor.js";
import { decodeElements } from "../compiler/operators/numbers.js";

const isSmallFloat = ({ dtype }: TensorData): boolean =>
  dtype === "float16" || dtype === "bfloat16" || isMinifloat(dtype);

/** Elements as the numbers that they stand for; 64-bit integers stay as they are. */
const valuesOf = (tensor: TensorData): ArrayLike<number | bigint> =>
  isSmallFloat(tensor) ? decodeElements(tensor) : tensor.data;

/** |actual - expected| <= absolute + relative * |expected|; both zero where absent. */
export interface Tolerance {
  readonly absolute?: number;
  readonly relative?: number;
}

export interface Errors {
  readonly absolute: number;
  readonly relative: number;
}

/** Largest absolute and relative error; NaN counts as equal to NaN and as infinitely far from numbers. */
export function largestErrors(actual: TensorData, expected: TensorData): Errors {
  let [absolute, relative] = [0, 0];
  const [a, b] = [valuesOf(actual), valuesOf(expected)];
  for (let i = 0; i < b.length; i++) {
    const error = errorOf(a[i]!, b[i]!);
    absolute = Math.max(absolute, error);
    if (error > 0) relative = Math.max(relative, error / Math.abs(Number(b[i])));
  }
  return { absolute, relative };
}

/** Null where the tensors agree, else what is wrong: type, shape, or the first element out of tolerance. */
export function differenceOf(
  actual: TensorData,
  expected: TensorData,
  tolerance: Tolerance = {},
): string | null {
  const [a, b] = [actual, expected].map(({ dtype, dims }) => `${dtype}[${dims.join(", ")}]`);
  if (a !== b) return `is ${a}, expected ${b}`;
  const { absolute = 0, relative = 0 } = tolerance;
  const wrong: number[] = [];
  const [found, wanted] = [valuesOf(actual), valuesOf(expected)];
  for (let i = 0; i < wanted.length; i++) {
    const error = errorOf(found[i]!, wanted[i]!);
    if (!(error <= absolute + relative * Math.abs(Number(wanted[i]))) && error !== 0) wrong.push(i);
  }
  const first = wrong[0];
  if (first === undefined) return null;
  const largest = largestErrors(actual, expected);
  return [
    `${wrong.length} of ${expected.data.length} elements of ${a} differ`,
    `first at ${first} = [${indicesOf(first, expected.dims).join(", ")}]: ${found[first]}, expected ${wanted[first]}`,
    `largest errors: ${largest.absolute} absolute, ${largest.relative} relative`,
    `from there: [${Array.from(found).slice(first, first + 8)}]`,
    `expected:   [${Array.from(wanted).slice(first, first + 8)}]`,
  ].join("\n  ");
}

function errorOf(a: number | bigint, b: number | bigint): number {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const error = typeof a === "bigint" ? Number(a - BigInt(b)) : Math.abs(a - Number(b)); // not through a Number: i64 keeps all bits
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.abs(error);
}

function indicesOf(at: number, dims: readonly number[]): number[] {
  let rest = at;
  return [...dims]
    .reverse()
    .map((dim) => {
      const index = rest % dim;
      rest = (rest - index) / dim;
      return index;
    })
    .reverse();
}
