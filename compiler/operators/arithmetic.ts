/** Arithmetic, element by element. */

import { addDims, type Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { op } from "../loop/builder.js";
import type { NodeView, Operator } from "./operator.js";
import { pointwise } from "./pointwise.js";

const numeric: readonly DType[] = ["float32", "float64", "int32", "int64"];

/** Shape arithmetic: the formula on dims, where both operands' elements are known. */
function dimElements(formula: (a: Dim, b: Dim) => Dim) {
  return (context: NodeView): Dim[] | null => {
    const [a, b] = [context.elements(0), context.elements(1)];
    if (a === null || b === null || !context.input(0).dtype.startsWith("int")) return null;
    const count = Math.max(a.length, b.length);
    return Array.from({ length: count }, (_, i) => formula(a[i % a.length]!, b[i % b.length]!));
  };
}

const Add = pointwise({
  name: "Add",
  summary: "Sum of two tensors.",
  inputs: ["A", "B"],
  attributes: {},
  versions: [7, 13, 14],
  types: numeric,
  elements: dimElements(addDims),
  emit: ([a, b]) => op("add", a!, b!),
  evaluate: ([a, b]) => a! + b!,
});

const Relu = pointwise({
  name: "Relu",
  summary: "max(x, 0).",
  inputs: ["X"],
  attributes: {},
  versions: [6, 13, 14],
  types: ["float32", "float64"],
  emit: ([x]) => op("max", x!, 0),
  evaluate: ([x]) => Math.max(x!, 0),
});

export const arithmeticOperators: readonly Operator[] = [Add, Relu];
