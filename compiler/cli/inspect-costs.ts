/** What the operators of a model cost, by the names that the model gives them. */

import { isStatic } from "../ir/dim.js";
import { byteLength, type Graph, type Node } from "../ir/graph.js";
import { type OnnxGraph, type OnnxNode, type OnnxTensor, subgraphs } from "../onnx/model.js";
import { findOperator } from "../operators/index.js";
import { viewNode } from "../operators/operator.js";

export interface OperatorCost {
  readonly operator: string;
  count: number;
  parameters: number;
  weightBytes: number;
  /** Multiply-adds count two; null where the shapes are not known. */
  flops: number | null;
  /** Bytes of the results; null where the shapes are not known. */
  outputBytes: number | null;
}

/** One row for each operator, the costliest first. */
export function operatorCosts(source: OnnxGraph, graph: Graph | undefined): OperatorCost[] {
  const costs = new Map<string, OperatorCost>();
  const operatorOf = new Map<string, OperatorCost>();
  const unknown = graph === undefined ? null : 0;
  for (const node of allNodes(source)) {
    const operator = node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
    const zero = { operator, count: 0, parameters: 0, weightBytes: 0, flops: unknown, outputBytes: unknown };
    const cost = costs.get(operator) ?? zero;
    costs.set(operator, cost);
    cost.count++;
    operatorOf.set(node.name, cost);
  }
  countWeights(source, (node) => operatorOf.get(node.name)!);
  for (const node of graph?.nodes ?? []) {
    const cost = operatorOf.get(node.source[0] ?? "");
    if (cost === undefined) continue;
    cost.flops = plus(cost.flops, flopsOf(node));
    cost.outputBytes = plus(cost.outputBytes, resultBytes(node));
  }
  const order = (cost: OperatorCost): number => cost.flops ?? 0;
  return [...costs.values()].sort(
    (a, b) => order(b) - order(a) || b.parameters - a.parameters || b.count - a.count,
  );
}

/** Counts every constant once, for the first node that reads it. */
function countWeights(source: OnnxGraph, costOf: (node: OnnxNode) => OperatorCost): void {
  const tensors = new Map<string, OnnxTensor>();
  collectTensors(source, tensors);
  for (const node of allNodes(source)) {
    for (const input of node.inputs) {
      const tensor = tensors.get(input);
      if (tensor === undefined || tensor.dtype === "string") continue;
      const cost = costOf(node);
      cost.parameters += tensor.data.length;
      cost.weightBytes += tensor.data.byteLength;
      tensors.delete(input);
    }
  }
}

/** Initializers, and the results of Constant nodes: some exporters put their weights there. */
function collectTensors(graph: OnnxGraph, into: Map<string, OnnxTensor>): void {
  for (const [name, tensor] of graph.initializers) into.set(name, tensor);
  for (const node of graph.nodes) {
    const value = node.attributes.get("value");
    if (node.opType === "Constant" && value?.kind === "tensor") into.set(node.outputs[0]!, value.value);
    for (const [, inner] of subgraphs(node)) collectTensors(inner, into);
  }
}

function* allNodes(graph: OnnxGraph): Generator<OnnxNode> {
  for (const node of graph.nodes) {
    yield node;
    for (const [, inner] of subgraphs(node)) yield* allNodes(inner);
  }
}

function flopsOf(node: Node): number | null {
  const operator = findOperator(node.operator);
  const values = [...node.inputs, ...node.outputs];
  if (operator?.flops === undefined) return 0;
  if (!values.every((value) => value === null || value.shape.every(isStatic))) return null;
  return operator.flops(viewNode(operator, node));
}

function resultBytes(node: Node): number | null {
  if (!node.outputs.every(({ shape }) => shape.every(isStatic))) return null;
  return node.outputs.reduce((sum, { type }) => sum + byteLength(type), 0);
}

const plus = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

export function totalOf(costs: readonly OperatorCost[]): OperatorCost {
  const total: OperatorCost = {
    operator: "total",
    count: 0,
    parameters: 0,
    weightBytes: 0,
    flops: 0,
    outputBytes: 0,
  };
  for (const cost of costs) {
    total.count += cost.count;
    total.parameters += cost.parameters;
    total.weightBytes += cost.weightBytes;
    total.flops = plus(total.flops, cost.flops);
    total.outputBytes = plus(total.outputBytes, cost.outputBytes);
  }
  return total;
}
