/**
 * Computes nodes whose inputs are all known, and reads known shape arithmetic as constants. What it may
 * make, and how long that may take, is limited.
 */

import { isStatic } from "../../compiler/ir/dim.js";
import { constantValue, type Node, replaceAllUses, usersOf, type Value } from "../../compiler/ir/graph.js";
import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { evaluateNode } from "../../compiler/operators/evaluate.js";
import { FoldingBudget } from "../../compiler/operators/folding-budget.js";
import { findOperator } from "../../compiler/operators/index.js";
import { staysQuantized } from "./fuse-weights.js";
import type { GraphPass } from "./pass.js";

export const foldConstants: GraphPass = {
  name: "fold-constants",
  summary: "compute nodes whose inputs are all known",
  run: (graph, { limits, folding: budget = new FoldingBudget(limits) }) => {
    const replacements = new Map<Value, Value>();
    const kept: Node[] = [];
    const users = usersOf(graph);
    for (const node of graph.nodes) {
      node.inputs = node.inputs.map((input) => (input === null ? null : (replacements.get(input) ?? input)));
      const results = staysQuantized(node, users) ? null : foldNode(node, budget);
      if (results === null) {
        kept.push(node);
        continue;
      }
      node.outputs.forEach((output, i) => {
        const folded = constantValue(output.name, results[i]!);
        replacements.set(output, folded);
      });
    }
    graph.nodes = kept;
    replaceAllUses(graph, replacements);
  },
};

function foldNode(node: Node, budget: FoldingBudget): TensorData[] | null {
  const known = knownElements(node);
  if (known !== null) return [known];
  const operator = findOperator(node.operator);
  return operator === undefined ? null : evaluateNode(operator, node, budget);
}

/** A shape computation whose result inference knows, though its input (as of Shape) is not a constant. */
function knownElements(node: Node): TensorData | null {
  const [output, second] = node.outputs;
  if (output === undefined || second !== undefined || output.elements === null) return null;
  const { elements, shape, dtype } = output;
  if (!elements.every(isStatic) || !shape.every(isStatic)) return null;
  return tensorOf(dtype, shape, elements);
}
