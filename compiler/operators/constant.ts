/** Tensors made of a shape and a few numbers. `Constant` itself is the importer's. */

import { type Dim, isStatic, productOfDims } from "../ir/dim.js";
import { type DType, dtypeFromOnnx, dtypes } from "../ir/dtype.js";
import { printType, type Value } from "../ir/graph.js";
import { elementCount, type TensorData, tensor, tensorOf } from "../ir/tensor.js";
import { add, constant, op, select } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { normaliseAxes } from "./axes.js";
import type { GraphBuilder } from "./builder.js";
import { limitedIndex } from "./indices.js";
import { injective } from "./injective.js";
import { decodeElement } from "./numbers.js";
import {
  attribute,
  type ElementContext,
  type ImportedNode,
  type NodeView,
  type Operator,
} from "./operator.js";

const fillAttributes = { value: attribute.optional("tensor") } as const;

function fillValue(context: NodeView<typeof fillAttributes>): TensorData {
  const { value = tensorOf("float32", [1], [0]) } = context.attributes;
  if (value.data.length !== 1) context.fail(`value has ${value.data.length} elements, not one`);
  return value;
}

/** A stored element as a constant in its register. */
function elementConstant(dtype: DType, stored: number | bigint): Expr {
  const value = typeof stored === "bigint" ? stored : decodeElement(dtype, stored);
  return constant({ scalar: registerTypes[dtype], lanes: 1 }, value);
}

const ConstantOfShape = injective({
  name: "ConstantOfShape",
  summary: "A tensor of the given shape, all its elements the same.",
  inputs: ["input"],
  attributes: fillAttributes,
  versions: [9, 20, 21, 23, 24, 25],
  infer: (context) => [{ dtype: fillValue(context).dtype, shape: context.requireIntegers(0) }],
  elements: (context) => {
    const { dtype, data } = fillValue(context);
    const { shape } = context.node.outputs[0]!;
    if ((dtype !== "int32" && dtype !== "int64") || shape.length > 1) return null;
    const [count = 1] = shape;
    return isStatic(count) && count <= 4096 ? new Array<number>(count).fill(Number(data[0])) : null;
  },
  injective: (context) => {
    const { dtype, data } = fillValue(context);
    return elementConstant(dtype, data[0]!);
  },
  evaluate: ({ view, outputs }) => {
    const { dtype, data: value } = fillValue(view);
    const { dims } = outputs[0]!;
    const data = new dtypes[dtype].array(elementCount(dims));
    (data as Uint8Array).fill(value[0] as number); // the element and the array are of the same dtype
    return [tensor(dtype, dims, data)];
  },
});

const eyeAttributes = { dtype: attribute.optional("int"), k: attribute.int(0) } as const;

const EyeLike = injective({
  name: "EyeLike",
  summary: "A matrix of the input's shape, with ones on a diagonal and zeros elsewhere.",
  inputs: ["input"],
  attributes: eyeAttributes,
  versions: [9, 22],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    if (rank !== 2) context.fail(`takes 2 dims, not ${rank}`, "E_SHAPE");
    const { dtype: code } = context.attributes;
    const wanted = code === undefined ? dtype : dtypeFromOnnx(code);
    if (wanted === undefined) return context.fail(`element type ${code} is not supported`, "E_UNSUPPORTED");
    return [{ dtype: wanted, shape }];
  },
  injective: (context, [row, column]) => {
    const { dtype } = context.node.outputs[0]!;
    // No matrix has diagonals as far away as the limit.
    const k = Math.max(-(2 ** 30), Math.min(2 ** 30, context.attributes.k));
    const isDiagonal = op("eq", add(row!, k), column!);
    return select(isDiagonal, numberConstant(dtype, 1), numberConstant(dtype, 0));
  },
});

const numberConstant = (dtype: DType, value: number): Expr =>
  constant({ scalar: registerTypes[dtype], lanes: 1 }, value);

const Trilu = injective({
  name: "Trilu",
  summary: "The part of matrices on and above a diagonal, or on and below it, and zeros elsewhere.",
  inputs: ["input", "k?"],
  attributes: { upper: attribute.int(1) },
  versions: [14],
  infer: (context) => {
    const { dtype, shape, rank } = context.input(0);
    if (rank < 2) context.fail(`takes 2 dims or more, not ${rank}`, "E_SHAPE");
    const k = context.optional(1);
    if (k !== null && (k.dtype !== "int64" || productOfDims(k.shape) !== 1)) {
      context.fail(`k is ${printType(k.type)}, not one int64`);
    }
    return [{ dtype, shape }];
  },
  injective: (context, indices) => {
    const [row, column] = indices.slice(-2) as [Expr, Expr];
    const diagonal = add(row, diagonalOf(context));
    const isKept = op(context.attributes.upper !== 0 ? "ge_s" : "le_s", column, diagonal);
    return select(isKept, context.load(0, indices), numberConstant(context.input(0).dtype, 0));
  },
});

function diagonalOf(context: ElementContext<{ upper: { kind: "int"; optional: false } }>): Expr | number {
  const k = context.optional(1);
  if (k === null) return 0;
  const at = k.shape.map(() => context.dim(0));
  return limitedIndex(context.load(1, at), "int64");
}

const oneHotAttributes = { axis: attribute.int(-1) } as const;

const oneHotAxis = (context: NodeView<typeof oneHotAttributes>): number =>
  normaliseAxes([context.attributes.axis], context.input(0).rank + 1, context)[0]!;

/** Depths of other types than int64 are cast to it, as the specification has it. */
const integerDepth = (b: GraphBuilder, [indices, depth, values]: (Value | null)[], view: ImportedNode) => {
  const whole = depth!.dtype === "int64" ? depth! : b.op("Cast", [depth!], { to: dtypes.int64.onnx });
  return [b.op("OneHot", [indices!, whole, values!], { axis: view.attributes.axis as number })];
};

function depthOf(context: NodeView<typeof oneHotAttributes>): Dim {
  const elements = context.requireIntegers(1);
  const [depth] = elements;
  if (depth === undefined || elements.length > 1) {
    return context.fail(`depth has ${elements.length} elements, not one`, "E_SHAPE");
  }
  return depth;
}

const OneHot = injective({
  name: "OneHot",
  summary: "Along a new axis, the second of two values at the given index, and the first one elsewhere.",
  inputs: ["indices", "depth", "values"],
  attributes: oneHotAttributes,
  versions: [9, 11].map((since) => ({ since, upgrade: integerDepth })),
  infer: (context) => {
    const { type, dtype } = context.input(2);
    if (type.shape.length !== 1) context.fail(`values are ${printType(type)}, not a pair`, "E_SHAPE");
    context.requireEqual(type.shape[0]!, 2, `values are ${printType(type)}, not a pair`);
    const shape: Dim[] = [...context.input(0).shape];
    shape.splice(oneHotAxis(context), 0, depthOf(context));
    return [{ dtype, shape }];
  },
  injective: (context, indices) => {
    const axis = oneHotAxis(context);
    const index = limitedIndex(context.load(0, indices.toSpliced(axis, 1)), context.input(0).dtype);
    const depth = context.dim(context.node.outputs[0]!.shape[axis]!);
    const wrapped = select(op("lt_s", index, 0), op("add", index, depth), index);
    const [off, on] = [0, 1].map((i) => context.load(2, [context.dim(i)])) as [Expr, Expr];
    return select(op("eq", wrapped, indices[axis]!), on, off);
  },
});

export const constantOperators: readonly Operator[] = [ConstantOfShape, EyeLike, Trilu, OneHot];
