/**
 * Checks of elements that only the run knows: a kernel of its own looks at all of them before the node that relies on
 * them runs, and writes the number of an error where one is out of range.
 */

import { type Dim, isStatic, printDim } from "../ir/dim.js";
import type { Node, Value } from "../ir/graph.js";
import { constant, i32Constant, op, read, select } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import { type ElementCheck, viewNode } from "../operators/operator.js";
import { readFrom } from "./elementwise.js";
import { GroupEvaluator } from "./group.js";
import { loopsOver } from "./loops.js";
import { type Lowering, operatorOf } from "./lower.js";
import { KernelScope, type Placement } from "./scope.js";
import { dense } from "./strided.js";

/** @param external values that the node's group reads from memory, for a node inside a fusion */
export function lowerChecks(
  lowering: Lowering,
  node: Node,
  external: ReadonlyMap<Value, Placement>,
  source: readonly string[],
): void {
  const operator = operatorOf(node);
  if (operator.checks === undefined) return;
  for (const check of operator.checks(viewNode(operator, node))) {
    const value = node.inputs[check.input];
    // What is constant has been checked when its types were inferred.
    if (value === null || value === undefined || value.constant !== null) continue;
    lowerCheck(lowering, value, check, external, source);
  }
}

function lowerCheck(
  lowering: Lowering,
  value: Value,
  { what, ranges, message }: ElementCheck,
  external: ReadonlyMap<Value, Placement>,
  source: readonly string[],
): void {
  const scope = new KernelScope(`check_${what}`);
  const outside = scope.variable("outside", i32Constant(0));
  const evaluator = new GroupEvaluator(scope, operatorOf, readFrom(scope, external, lowering));
  const test = (indices: readonly Expr[], range: ElementCheck["ranges"][number]): void => {
    const element = evaluator.element(value, indices);
    const below = op(isUnsigned(value) ? "lt_u" : "lt_s", element, bound(scope, value, range.least));
    const above = op(isUnsigned(value) ? "ge_u" : "ge_s", element, bound(scope, value, range.end));
    scope.assign(outside, select(op("or", below, above), i32Constant(1), read(outside)));
  };
  const several = ranges.length > 1;
  const shape = several ? value.shape.slice(0, -1) : value.shape;
  const order = shape.map((_, axis) => axis);
  loopsOver(
    scope,
    shape,
    order,
    (indices) => {
      if (!several) test(indices, ranges[0]!);
      else for (const [i, range] of ranges.entries()) test([...indices, i32Constant(i)], range);
    },
    "serial",
  );
  const outOfRange = `an ${what} lies outside of ${ranges.map(printRange).join(", ")}`;
  const number = lowering.errorNumber({ source, message: message ?? outOfRange });
  const error = scope.view("error", { buffer: lowering.errorBuffer(), strided: dense([1]) }, "readwrite");
  const at = [i32Constant(0)];
  const isNew = op("and", op("ne", read(outside), 0), op("eq", error.load(at), 0));
  scope.if(isNew, () => error.store(at, i32Constant(number)));
  lowering.steps.push({ kind: "call", ...scope.finishCall(), source, flops: 0, inPlace: [] });
}

const isUnsigned = ({ dtype }: Value): boolean => dtype.startsWith("uint");

/** A dim in the register type of the elements. */
function bound(scope: KernelScope, value: Value, dim: Dim): Expr {
  const scalar = registerTypes[value.dtype];
  if (isStatic(dim)) return constant({ scalar, lanes: 1 }, dim);
  return scalar === "i64" ? op("i32_to_i64_s", scope.dim(dim)) : scope.dim(dim);
}

const printRange = ({ least, end }: ElementCheck["ranges"][number]): string =>
  `[${printDim(least)}, ${printDim(end)})`;
