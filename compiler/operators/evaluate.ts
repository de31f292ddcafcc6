/** Evaluation of single nodes on known tensors: what the importer and constant folding have in common. */

import { invariant } from "../diagnostics.js";
import { isStatic } from "../ir/dim.js";
import { storedBytes } from "../ir/dtype.js";
import { isRowMajor, type Node, type TensorType } from "../ir/graph.js";
import { elementCount, type TensorData } from "../ir/tensor.js";
import { type EvaluationContext, type Operator, viewNode } from "./operator.js";

/**
 * The results of a node whose inputs are all constants, or null where they cannot be had: an input is not known, the
 * operator has no evaluation, a result's shape is not static, or the results take more than `maxBytes`. The node's
 * output types must have been inferred.
 */
export function evaluateNode(operator: Operator, node: Node, maxBytes: number): TensorData[] | null {
  if (operator.evaluate === undefined || node.regions.length > 0) return null;
  const inputs = node.inputs.map((input) => (input === null ? null : input.constant));
  if (node.inputs.some((input) => input !== null && input.constant === null)) return null;
  const outputs = node.outputs.map((output) => staticType(output.type));
  if (!outputs.every((output) => output !== null)) return null;
  if (outputs.reduce((sum, output) => sum + byteLength(output), 0) > maxBytes) return null;

  const view = viewNode(operator, node);
  const context: EvaluationContext = {
    attributes: view.attributes,
    node,
    view,
    inputs,
    input: (i) => inputs[i] ?? view.fail(`input ${i} (${operator.inputs[i] ?? ""}) is missing`),
    outputs,
  };
  const results = operator.evaluate(context);
  if (results === null) return null;
  results.forEach((result, i) => {
    const wanted = outputs[i];
    if (wanted === undefined) return;
    const fits = result.dtype === wanted.dtype && result.dims.join() === wanted.dims.join();
    invariant(fits, `${node.operator} evaluates to ${result.dtype}[${result.dims}], not [${wanted.dims}]`);
  });
  return results;
}

type StaticType = EvaluationContext["outputs"][number];

function staticType(type: TensorType): StaticType | null {
  const { dtype, shape } = type;
  return shape.every(isStatic) && isRowMajor(type) ? { dtype, dims: shape } : null;
}

const byteLength = ({ dtype, dims }: StaticType): number => storedBytes(dtype, elementCount(dims));
