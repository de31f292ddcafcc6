/** Operators that only move elements. */

import { invariant } from "../diagnostics.js";
import { dtypes } from "../ir/dtype.js";
import { elementCount, type TensorData, tensor } from "../ir/tensor.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";

function permutation(context: NodeView<{ perm: { kind: "ints"; optional: true } }>): readonly number[] {
  const { rank } = context.input(0);
  const perm = context.attributes.perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const valid = perm.length === rank && [...perm].sort((a, b) => a - b).every((axis, i) => axis === i);
  if (!valid) context.fail(`perm [${perm}] is not a permutation of the ${rank} dims`);
  return perm;
}

const Transpose = defineOperator({
  name: "Transpose",
  summary: "Permutes the dims.",
  inputs: ["data"],
  attributes: { perm: attribute.optional("ints") },
  versions: [{ since: 1 }, { since: 13 }, { since: 21 }],
  infer: (context) => {
    const { dtype, shape } = context.input(0);
    return [{ dtype, shape: permutation(context).map((axis) => shape[axis]!) }];
  },
  view: (context, input) => {
    const perm = permutation(context);
    return {
      shape: perm.map((axis) => input.shape[axis]!),
      offset: input.offset,
      strides: perm.map((axis) => input.strides[axis]!),
    };
  },
  injective: (context, indices) => {
    const perm = permutation(context);
    return context.load(
      0,
      perm.map((_, axis) => indices[perm.indexOf(axis)]!),
    );
  },
  evaluate: ({ input, attributes, outputs }) => {
    const x = input(0);
    const perm = attributes.perm ?? x.dims.map((_, i) => x.dims.length - 1 - i);
    return [transpose(x, perm, outputs[0]!.dims)];
  },
});

/** Row-major transposition: element i of the result lies at the permuted index of the source. */
function transpose(x: TensorData, perm: readonly number[], dims: readonly number[]): TensorData {
  const strides = x.dims.map((_, axis) => elementCount(x.dims.slice(axis + 1)));
  const data = new dtypes[x.dtype].array(x.data.length);
  invariant(elementCount(dims) === data.length, "a transposition keeps the number of elements");
  let place = 0;
  const walk = (axis: number, from: number): void => {
    if (axis === dims.length) {
      data[place++] = x.data[from]!;
      return;
    }
    const stride = strides[perm[axis]!]!;
    for (let i = 0; i < dims[axis]!; i++) walk(axis + 1, from + i * stride);
  };
  walk(0, 0);
  return tensor(x.dtype, dims, data);
}

export const movementOperators: readonly Operator[] = [Transpose];
