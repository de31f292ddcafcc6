/** Comparisons. */

import type { DType } from "../ir/dtype.js";
import { op } from "../loop/builder.js";
import { binaryVersions } from "./arithmetic-versions.js";
import { typedOp } from "./integer.js";
import type { Operator } from "./operator.js";
import { allTypes, booleanElement, numeric, pointwise } from "./pointwise.js";

interface Comparison {
  readonly name: string;
  readonly summary: string;
  readonly versions: Parameters<typeof pointwise>[0]["versions"];
  readonly types: readonly DType[];
  readonly operation: "eq" | "lt" | "le" | "gt" | "ge";
  readonly evaluate: (a: number, b: number) => boolean;
}

const comparison = ({ operation, evaluate, ...rest }: Comparison): Operator =>
  pointwise({
    ...rest,
    inputs: ["A", "B"],
    attributes: {},
    result: () => "bool",
    emit: ([a, b], context) => {
      const name = operation === "eq" ? operation : typedOp(operation, context.input(0).dtype);
      return booleanElement(op(name, a!, b!));
    },
    evaluate: ([a, b]) => (evaluate(a!, b!) ? 1 : 0),
  });

const Equal = comparison({
  name: "Equal",
  summary: "Whether the elements are equal.",
  versions: [...binaryVersions("Equal", [1]), 7, 11, 13, 19],
  types: allTypes,
  operation: "eq",
  evaluate: (a, b) => a === b,
});

const Less = comparison({
  name: "Less",
  summary: "Whether the first element is the smaller one.",
  versions: [...binaryVersions("Less", [1]), 7, 9, 13],
  types: numeric,
  operation: "lt",
  evaluate: (a, b) => a < b,
});

const LessOrEqual = comparison({
  name: "LessOrEqual",
  summary: "Whether the first element is the smaller one, or both are equal.",
  versions: [12, 16],
  types: numeric,
  operation: "le",
  evaluate: (a, b) => a <= b,
});

const Greater = comparison({
  name: "Greater",
  summary: "Whether the first element is the larger one.",
  versions: [...binaryVersions("Greater", [1]), 7, 9, 13],
  types: numeric,
  operation: "gt",
  evaluate: (a, b) => a > b,
});

const GreaterOrEqual = comparison({
  name: "GreaterOrEqual",
  summary: "Whether the first element is the larger one, or both are equal.",
  versions: [12, 16],
  types: numeric,
  operation: "ge",
  evaluate: (a, b) => a >= b,
});

export const compareOperators: readonly Operator[] = [Equal, Less, LessOrEqual, Greater, GreaterOrEqual];
