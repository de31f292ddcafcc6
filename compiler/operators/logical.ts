/** Operators on truth values, and the choice between two tensors. Elements of bool tensors are 0 or 1. */

import { op, select } from "../loop/builder.js";
import type { OpName } from "../loop/ir.js";
import { binaryVersions } from "./arithmetic-versions.js";
import type { Operator } from "./operator.js";
import { allTypes, pointwise } from "./pointwise.js";

const logical = (
  name: string,
  summary: string,
  operation: OpName,
  evaluate: (a: number, b: number) => number,
): Operator =>
  pointwise({
    name,
    summary,
    inputs: ["A", "B"],
    attributes: {},
    versions: [...binaryVersions(name, [1]), 7],
    types: ["bool"],
    emit: ([a, b]) => op(operation, a!, b!),
    evaluate: ([a, b]) => evaluate(a!, b!),
  });

const And = logical("And", "Whether both are true.", "and", (a, b) => a & b);
const Or = logical("Or", "Whether one or both are true.", "or", (a, b) => a | b);
const Xor = logical("Xor", "Whether one of them is true, and the other is not.", "xor", (a, b) => a ^ b);

const Not = pointwise({
  name: "Not",
  summary: "Whether it is not true.",
  inputs: ["X"],
  attributes: {},
  versions: [1],
  types: ["bool"],
  emit: ([x]) => op("xor", x!, 1),
  evaluate: ([x]) => x! ^ 1,
});

const Where = pointwise({
  name: "Where",
  summary: "The element of X where the condition is true, else that of Y.",
  inputs: ["condition", "X", "Y"],
  attributes: {},
  versions: [9, 16],
  types: ["bool"],
  operands: (context) => {
    const [x, y] = [context.input(1).dtype, context.input(2).dtype];
    if (x !== y) context.fail(`chooses between ${x} and ${y}`);
    if (!allTypes.includes(x)) context.fail(`does not take ${x}`, "E_UNSUPPORTED");
  },
  result: (context) => context.input(1).dtype,
  emit: ([condition, x, y]) => select(op("ne", condition!, 0), x!, y!),
  evaluate: ([condition, x, y]) => (condition ? x! : y!),
});

export const logicalOperators: readonly Operator[] = [And, Or, Xor, Not, Where];
