/** Tensors made of nothing but a shape. `Constant` itself is the importer's. */

import { staticDim } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import { elementCount, type TensorData, tensor, tensorOf } from "../ir/tensor.js";
import { constant } from "../loop/builder.js";
import { registerTypes } from "../loop/ir.js";
import { decodeElement } from "./numbers.js";
import { attribute, defineOperator, type NodeView, type Operator } from "./operator.js";

const fillAttributes = { value: attribute.optional("tensor") } as const;

function fillValue(context: NodeView<typeof fillAttributes>): TensorData {
  const { value = tensorOf("float32", [1], [0]) } = context.attributes;
  if (value.data.length !== 1) context.fail(`value has ${value.data.length} elements, not one`);
  return value;
}

const ConstantOfShape = defineOperator({
  name: "ConstantOfShape",
  summary: "A tensor of the given shape, all its elements the same.",
  inputs: ["input"],
  attributes: fillAttributes,
  versions: [9, 20, 21, 23, 24, 25].map((since) => ({ since })),
  infer: (context) => [{ dtype: fillValue(context).dtype, shape: context.requireElements(0) }],
  elements: (context) => {
    const { dtype, data } = fillValue(context);
    const { shape } = context.node.outputs[0]!;
    if ((dtype !== "int32" && dtype !== "int64") || shape.length > 1) return null;
    const count = staticDim(shape[0] ?? 1, "the size of a shape");
    return new Array<number>(count).fill(Number(data[0]));
  },
  injective: (context) => {
    const { dtype, data } = fillValue(context);
    const stored = data[0]!;
    const value = typeof stored === "bigint" ? stored : decodeElement(dtype, stored);
    return constant({ scalar: registerTypes[dtype], lanes: 1 }, value);
  },
  evaluate: ({ view, outputs }) => {
    const { dtype, data: value } = fillValue(view);
    const { dims } = outputs[0]!;
    const data = new dtypes[dtype].array(elementCount(dims));
    (data as Uint8Array).fill(value[0] as number);
    return [tensor(dtype, dims, data)];
  },
});

export const constantOperators: readonly Operator[] = [ConstantOfShape];
