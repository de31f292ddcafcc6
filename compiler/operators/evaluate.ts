/** Evaluation of single nodes on known tensors: what the importer and constant folding have in common. */

import { invariant } from "../diagnostics.js";
import { isStatic } from "../ir/dim.js";
import { storedBytes } from "../ir/dtype.js";
import { isRowMajor, type Node, type TensorType } from "../ir/graph.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import { BudgetSpent, type FoldingBudget } from "./folding-budget.js";
import { type EvaluationContext, type NodeView, type Operator, viewNode } from "./operator.js";

/**
 * The results of a node whose inputs are all constants, or null where they cannot be had: an input is not known, the
 * operator has no evaluation, a result's shape is not static, or it takes more than the budget has. The node's output
 * types must have been inferred.
 */
export function evaluateNode(operator: Operator, node: Node, budget?: FoldingBudget): TensorData[] | null {
  if (operator.evaluate === undefined || node.regions.length > 0) return null;
  const inputs = node.inputs.map((input) => (input === null ? null : input.constant));
  if (node.inputs.some((input) => input !== null && input.constant === null)) return null;
  const outputs = node.outputs.map((output) => staticType(output.type));
  if (!outputs.every((output) => output !== null)) return null;
  const view = viewNode(operator, node);
  if (budget !== undefined && !affords(budget, operator, view, outputs)) return null;
  const context: EvaluationContext = {
    attributes: view.attributes,
    node,
    view,
    inputs,
    input: (i) => inputs[i] ?? view.fail(`input ${i} (${operator.inputs[i] ?? ""}) is missing`),
    outputs,
    onLoop: budget?.spendPasses,
  };
  const results = withinBudget(() => operator.evaluate!(context));
  if (results === null) return null;
  results.forEach((result, i) => {
    const wanted = outputs[i];
    if (wanted === undefined) return;
    const fits = result.dtype === wanted.dtype && result.dims.join() === wanted.dims.join();
    invariant(fits, `${node.operator} evaluates to ${result.dtype}[${result.dims}], not [${wanted.dims}]`);
  });
  return results;
}

function affords(
  budget: FoldingBudget,
  operator: Operator,
  view: NodeView,
  outputs: readonly StaticType[],
): boolean {
  const inputs = view.node.inputs.flatMap((input) => (input === null ? [] : [input.constant!]));
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  const elements = sum([
    ...inputs.map(({ data }) => data.length),
    ...outputs.map(({ dims }) => elementCount(dims)),
  ]);
  return budget.spend(
    sum(inputs.map(({ data }) => data.byteLength)),
    sum(outputs.map(byteLength)),
    elements + (operator.flops?.(view) ?? 0),
  );
}

/** Null where the evaluation spends all that is left of the budget. */
function withinBudget(evaluate: () => TensorData[] | null): TensorData[] | null {
  try {
    return evaluate();
  } catch (error) {
    if (error instanceof BudgetSpent) return null;
    throw error;
  }
}

type StaticType = EvaluationContext["outputs"][number];

function staticType(type: TensorType): StaticType | null {
  const { dtype, shape } = type;
  return shape.every(isStatic) && isRowMajor(type) ? { dtype, dims: shape } : null;
}

const byteLength = ({ dtype, dims }: StaticType): number => storedBytes(dtype, elementCount(dims));
