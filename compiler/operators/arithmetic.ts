/** Arithmetic, element by element. */

import {
  addDims,
  type Dim,
  floorDivDims,
  isStatic,
  maxDims,
  minDims,
  multiplyDims,
  negativityOfDim,
  subtractDims,
} from "../ir/dim.js";
import { dimBounds } from "../ir/dim-bounds.js";
import type { DType } from "../ir/dtype.js";
import { op } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { binaryVersions } from "./arithmetic-versions.js";
import { divideIntegers, isFloat, typedOp, wrapInteger } from "./integer.js";
import { isExact } from "./numbers.js";
import type { NodeView, Operator } from "./operator.js";
import { floats, numeric, pointwise } from "./pointwise.js";

/** Shape arithmetic: the formula on dims, where all operands' elements are known. */
function dimElements(formula: (a: Dim, b: Dim) => Dim | null) {
  return (context: NodeView): Dim[] | null => {
    const operands = context.node.inputs.map((_, i) => context.elements(i));
    if (!knowsElements(context) || !operands.every((operand) => operand !== null)) return null;
    const count = operands.some((operand) => operand.length === 0)
      ? 0
      : Math.max(...operands.map((operand) => operand.length));
    const elements = Array.from({ length: count }, (_, i) => {
      const args = operands.map((operand) => operand[i % operand.length]!);
      return args.slice(1).reduce<Dim | null>((a, b) => (a === null ? null : formula(a, b)), args[0]!);
    });
    return elements.every((element) => element !== null) ? elements : null;
  };
}

/** Elements are kept for tensors of shape arithmetic only: integers in at most one dim. */
function knowsElements(context: NodeView): boolean {
  const { dtype } = context.input(0);
  if (dtype !== "int32" && dtype !== "int64") return false;
  return context.node.inputs.every(
    (input) => input !== null && input.rank <= 1 && (input.constant === null || isExact(input.constant)),
  );
}

/** Quotients are truncated: where the sign is open, that of what is positive less that of what is negative. */
function divideElements(a: Dim, b: Dim): Dim | null {
  if (b === 0) return null;
  if (isStatic(a) && isStatic(b)) return Math.trunc(a / b) + 0;
  if (!isNatural(b)) {
    const size = addDims(maxDims(b, 0), maxDims(multiplyDims(b, -1), 0));
    const sign = subtractDims(1, multiplyDims(negativityOfDim(b), 2));
    return multiplyDims(divideElements(a, size)!, sign);
  }
  if (isNatural(a)) return floorDivDims(a, b);
  const [above, below] = [maxDims(a, 0), maxDims(multiplyDims(a, -1), 0)];
  return subtractDims(floorDivDims(above, b), floorDivDims(below, b));
}

const isNatural = (dim: Dim): boolean => dimBounds(dim, new Map()).min >= 0;

interface Binary {
  readonly name: string;
  readonly summary: string;
  readonly elements: (a: Dim, b: Dim) => Dim | null;
  readonly emit: (a: Expr, b: Expr, dtype: DType) => Expr;
  readonly evaluate: (a: number, b: number, dtype: DType) => number;
}

const binary = ({ name, summary, elements, emit, evaluate }: Binary): Operator =>
  pointwise({
    name,
    summary,
    inputs: ["A", "B"],
    attributes: {},
    versions: [...binaryVersions(name, [1, 6]), 7, 13, 14],
    types: numeric,
    elements: dimElements(elements),
    emit: ([a, b], context) => {
      const { dtype } = context.input(0);
      return wrapInteger(emit(a!, b!, dtype), dtype);
    },
    evaluate: ([a, b], { dtypes }) => evaluate(a!, b!, dtypes[0]!),
  });

const isInt32 = (dtype: DType): boolean => dtype === "int32" || dtype === "uint32";

const Add = binary({
  name: "Add",
  summary: "Sum of two tensors.",
  elements: addDims,
  emit: (a, b) => op("add", a, b),
  evaluate: (a, b) => a + b,
});

const Sub = binary({
  name: "Sub",
  summary: "Difference of two tensors.",
  elements: subtractDims,
  emit: (a, b) => op("sub", a, b),
  evaluate: (a, b) => a - b,
});

const Mul = binary({
  name: "Mul",
  summary: "Product of two tensors.",
  elements: multiplyDims,
  emit: (a, b) => op("mul", a, b),
  evaluate: (a, b, dtype) => (isInt32(dtype) ? Math.imul(a, b) : a * b),
});

const Div = binary({
  name: "Div",
  summary: "Quotient of two tensors; that of integers is truncated, and 0 where the divisor is 0.",
  elements: divideElements,
  emit: (a, b, dtype) => (isFloat(dtype) ? op("div", a, b) : divideIntegers(a, b, dtype)),
  evaluate: (a, b, dtype) => (isFloat(dtype) ? a / b : b === 0 ? 0 : Math.trunc(a / b)),
});

interface Variadic extends Omit<Binary, "evaluate" | "elements"> {
  readonly versions: readonly number[];
  readonly types: readonly DType[];
  readonly elements?: Binary["elements"];
  readonly finish?: (value: Expr, count: number) => Expr;
  readonly evaluate: (args: readonly number[]) => number;
}

/** Any number of inputs, combined two by two from the left. */
const variadic = ({ elements, emit, finish = (value) => value, evaluate, ...rest }: Variadic): Operator =>
  pointwise({
    ...rest,
    inputs: ["data..."],
    attributes: {},
    ...(elements !== undefined && { elements: dimElements(elements) }),
    emit: (args, context) => {
      const { dtype } = context.input(0);
      return finish(
        args.reduce((a, b) => emit(a, b, dtype)),
        args.length,
      );
    },
    evaluate: (args) => evaluate(args),
  });

const Sum = variadic({
  name: "Sum",
  summary: "Sum of any number of tensors.",
  versions: [1, 6, 8, 13],
  types: floats,
  emit: (a, b) => op("add", a, b),
  evaluate: (args) => args.reduce((a, b) => a + b),
});

const Mean = variadic({
  name: "Mean",
  summary: "Mean of any number of tensors.",
  versions: [1, 6, 8, 13],
  types: floats,
  emit: (a, b) => op("add", a, b),
  finish: (value, count) => (count === 1 ? value : op("div", value, count)),
  evaluate: (args) => args.reduce((a, b) => a + b) / args.length,
});

const Min = variadic({
  name: "Min",
  summary: "Smallest of the elements of any number of tensors; NaN where one is.",
  versions: [1, 6, 8, 12, 13],
  types: numeric,
  elements: minDims,
  emit: (a, b, dtype) => op(typedOp("min", dtype), a, b),
  evaluate: (args) => Math.min(...args),
});

const Max = variadic({
  name: "Max",
  summary: "Largest of the elements of any number of tensors; NaN where one is.",
  versions: [1, 6, 8, 12, 13],
  types: numeric,
  elements: maxDims,
  emit: (a, b, dtype) => op(typedOp("max", dtype), a, b),
  evaluate: (args) => Math.max(...args),
});

export const arithmeticOperators: readonly Operator[] = [Add, Sub, Mul, Div, Sum, Mean, Min, Max];
