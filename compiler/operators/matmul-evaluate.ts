/** Matrix products of known tensors. */

import { type DType, dtypes, isBigInt } from "../ir/dtype.js";
import { elementCount, forEachPlace, type TensorData, tensor } from "../ir/tensor.js";
import { decodeElements, encodeElement } from "./numbers.js";
import { broadcastStrides } from "./pointwise.js";

/** Elements of both operands, and how the product of a row and a column is summed up to a stored element. */
interface Arithmetic {
  /** The stored sum over k of left[leftAt + k] * right[rightAt + k * step]. */
  dot(leftAt: number, rightAt: number, step: number, depth: number): number | bigint;
}

function arithmeticOf(x: TensorData, y: TensorData): Arithmetic {
  if (isBigInt(x.dtype)) return bigArithmetic(x.data as BigInt64Array, y.data as BigInt64Array);
  return numberArithmetic(decodeElements(x), decodeElements(y), x.dtype);
}

/** Sums of integers wrap, as they do where the code runs. */
function numberArithmetic(left: ArrayLike<number>, right: ArrayLike<number>, dtype: DType): Arithmetic {
  const isFloat = dtypes[dtype].kind === "float";
  return {
    dot: (leftAt, rightAt, step, depth) => {
      let sum = 0;
      for (let k = 0; k < depth; k++) {
        const [a, b] = [left[leftAt + k]!, right[rightAt + k * step]!];
        sum = isFloat ? sum + a * b : (sum + Math.imul(a, b)) | 0;
      }
      return encodeElement(dtype, sum);
    },
  };
}

/** Arrays of bigints wrap what is stored in them. */
const bigArithmetic = (left: BigInt64Array, right: BigInt64Array): Arithmetic => ({
  dot: (leftAt, rightAt, step, depth) => {
    let sum = 0n;
    for (let k = 0; k < depth; k++) sum += left[leftAt + k]! * right[rightAt + k * step]!;
    return sum;
  },
});

/**
 * The product of [...batch, rows, depth] and [...batch, depth, columns], whose batch dims broadcast to `batch`.
 * @param dims the shape of the result, which need not have the dims of vectors
 */
export function multiplyMatrices(
  x: TensorData,
  y: TensorData,
  batch: readonly number[],
  dims: readonly number[],
): TensorData {
  const [rows, depth, columns] = [x.dims.at(-2)!, x.dims.at(-1)!, y.dims.at(-1)!];
  const data = new dtypes[x.dtype].array(elementCount(dims));
  const { dot } = arithmeticOf(x, y);
  const strides = [x, y].map((operand) => broadcastStrides(operand.dims.slice(0, -2), batch));
  forEachPlace(batch, strides, (at, places) => {
    for (let i = 0; i < rows; i++) {
      const row = (places[0]! * rows + i) * depth;
      for (let j = 0; j < columns; j++) {
        data[(at * rows + i) * columns + j] = dot(row, places[1]! * depth * columns + j, columns, depth);
      }
    }
  });
  return tensor(x.dtype, dims, data);
}
