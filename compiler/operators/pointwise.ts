/** How pointwise operators are declared: by a formula on one element, and the same formula on numbers for folding. */

import type { DType } from "../ir/dtype.js";
import { dtypes } from "../ir/dtype.js";
import { elementCount, type TensorData, tensor } from "../ir/tensor.js";
import { broadcastShapes } from "./broadcast.js";
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

interface PointwiseDeclaration<S extends AttributeSchema>
  extends Pick<OperatorFacets<S>, "name" | "domain" | "summary" | "inputs" | "attributes" | "elements"> {
  readonly versions: readonly (number | OperatorVersion)[];
  /** Element types of the first input that are taken. */
  readonly types: readonly DType[];
  /** Dtype of the result; that of the first input where absent. */
  readonly result?: (context: NodeView<S>) => DType;
  readonly emit: PointwiseFacet<S>["emit"];
  readonly evaluate: PointwiseFacet<S>["evaluate"];
}

export function pointwise<const S extends AttributeSchema>(declaration: PointwiseDeclaration<S>): Operator {
  const { versions, types, result, emit, evaluate, ...rest } = declaration;
  return defineOperator<S>({
    ...rest,
    versions: versions.map((version) => (typeof version === "number" ? { since: version } : version)),
    infer: (context) => {
      const inputs = context.node.inputs.map((_, i) => context.input(i));
      const first = inputs[0]!.dtype;
      if (!types.includes(first)) context.fail(`does not take ${first}`, "E_UNSUPPORTED");
      const shape = broadcastShapes(
        inputs.map((input) => input.shape),
        context,
      );
      return [{ dtype: result === undefined ? first : result(context), shape }];
    },
    pointwise: { emit, evaluate },
    evaluate: (context) => [evaluateElements(context, evaluate)],
  });
}

/** Applies a formula on numbers to broadcast tensors. */
function evaluateElements<S extends AttributeSchema>(
  context: EvaluationContext<S>,
  formula: PointwiseFacet<S>["evaluate"],
): TensorData {
  const { dtype, dims } = context.outputs[0]!;
  const data = new dtypes[dtype].array(elementCount(dims));
  const operands = context.inputs.map((input) => ({
    data: input!.data,
    strides: broadcastStrides(input!.dims, dims),
  }));
  const scope = { attributes: context.attributes, dtypes: context.inputs.map((input) => input!.dtype) };
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const indices = new Array<number>(dims.length).fill(0);
  const args = new Array<number>(operands.length);
  for (let i = 0; i < data.length; i++) {
    for (let j = 0; j < operands.length; j++) {
      const { data: elements, strides } = operands[j]!;
      args[j] = Number(elements[indices.reduce((sum, index, axis) => sum + index * strides[axis]!, 0)]);
    }
    const value = formula(args, scope);
    data[i] = big ? BigInt(value) : value;
    advance(indices, dims);
  }
  return tensor(dtype, dims, data);
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

/** Steps row-major indices to the next element. */
export function advance(indices: number[], dims: readonly number[]): void {
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    indices[axis] = indices[axis]! + 1;
    if (indices[axis]! < dims[axis]!) return;
    indices[axis] = 0;
  }
}
