/** How pointwise operators are declared: by a formula on one element, and the same formula on numbers for folding. */

import { type DType, dtypes, isBigInt } from "../ir/dtype.js";
import { elementCount, forEachPlace, type TensorData, tensor } from "../ir/tensor.js";
import { i32Constant, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { broadcastShapes } from "./broadcast.js";
import { decodeElements, encodeElement, isExact } from "./numbers.js";
import {
  type AttributeSchema,
  defineOperator,
  type EvaluationContext,
  type NodeView,
  type Operator,
  type OperatorFacets,
  type OperatorVersion,
  type PointwiseFacet,
} from "./operator.js";

export const floats: readonly DType[] = ["float32", "float64", "float16", "bfloat16"];
export const signedIntegers: readonly DType[] = ["int8", "int16", "int32", "int64"];
export const unsignedIntegers: readonly DType[] = ["uint8", "uint16", "uint32", "uint64"];
export const integers: readonly DType[] = [...signedIntegers, ...unsignedIntegers];
export const numeric: readonly DType[] = [...floats, ...integers];
export const float8s: readonly DType[] = ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"];
/** Types that can be calculated with, compared or at least told apart: all but minifloats and packed ones. */
export const allTypes: readonly DType[] = [...numeric, "bool"];

export interface PointwiseDeclaration<S extends AttributeSchema>
  extends Pick<OperatorFacets<S>, "name" | "domain" | "summary" | "inputs" | "attributes" | "elements"> {
  readonly versions: readonly (number | OperatorVersion)[];
  /** Element types of the first input that are taken. */
  readonly types: readonly DType[];
  /** Checks the types of the other inputs; where absent, they must be that of the first. */
  readonly operands?: (context: NodeView<S>) => void;
  /** Dtype of the result; that of the first input where absent. */
  readonly result?: (context: NodeView<S>) => DType;
  readonly emit: PointwiseFacet<S>["emit"];
  readonly evaluate: PointwiseFacet<S>["evaluate"];
}

export function pointwise<const S extends AttributeSchema>(declaration: PointwiseDeclaration<S>): Operator {
  const { versions, operands = sameTypes, result, emit, evaluate, ...rest } = declaration;
  return defineOperator<S>({
    ...rest,
    versions: versions.map((version) => (typeof version === "number" ? { since: version } : version)),
    infer: (context) => {
      const inputs = Array.from({ length: context.inputCount }, (_, i) => context.input(i));
      const first = context.input(0).dtype;
      operands(context);
      const shape = broadcastShapes(
        inputs.map((input) => input.shape),
        context,
      );
      return [{ dtype: result === undefined ? first : result(context), shape }];
    },
    pointwise: { emit, evaluate },
    evaluate: (context) => {
      const data = evaluateElements(context, evaluate);
      return data === null ? null : [data];
    },
  });
}

function sameTypes(context: NodeView): void {
  const first = context.input(0).dtype;
  for (let i = 1; i < context.inputCount; i++) {
    const { dtype } = context.input(i);
    if (dtype !== first) context.fail(`combines ${first} and ${dtype}`);
  }
}

/** A condition as the element of a bool tensor: 1 or 0. */
export const booleanElement = (condition: Expr): Expr => select(condition, i32Constant(1), i32Constant(0));

/** Applies a formula on numbers to broadcast tensors; null where integers do not fit numbers. */
export function evaluateElements<S extends AttributeSchema>(
  context: EvaluationContext<S>,
  formula: PointwiseFacet<S>["evaluate"],
  encode: (value: number) => number | bigint = (value) => encodeElement(context.outputs[0]!.dtype, value),
): TensorData | null {
  const { dtype, dims } = context.outputs[0]!;
  const data = new dtypes[dtype].array(elementCount(dims));
  const tensors = context.inputs.map((_, i) => context.input(i));
  if (!tensors.every(isExact)) return null;
  const operands = tensors.map((input) => ({
    elements: decodeElements(input),
    strides: broadcastStrides(input.dims, dims),
  }));
  const scope = { attributes: context.attributes, dtypes: tensors.map((input) => input.dtype) };
  const big = isBigInt(dtype);
  const args = new Array<number>(operands.length);
  let exact = true;
  const places = operands.map(({ strides }) => strides);
  forEachPlace(dims, places, (at, offsets) => {
    for (let j = 0; j < operands.length; j++) args[j] = operands[j]!.elements[offsets[j]!]!;
    const value = formula(args, scope);
    if (big && !Number.isSafeInteger(value)) exact = false;
    else data[at] = encode(value);
  });
  return exact ? tensor(dtype, dims, data) : null;
}

/** Strides with which a row-major tensor is read as if it had the broadcast shape. */
export function broadcastStrides(dims: readonly number[], result: readonly number[]): number[] {
  const strides = new Array<number>(result.length).fill(0);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] !== 1) strides[axis + result.length - dims.length] = stride;
    stride *= dims[axis]!;
  }
  return strides;
}
