/** A graph as the report draws it: nodes, the edges between them, and what fusions are made of. */

import { type Graph, type Node, printType, type Value } from "../ir/graph.js";
import type { GraphData, NodeData } from "./data.js";

export function graphData(graph: Graph): GraphData {
  const nodes: NodeData[] = [];
  const edges: [number, number, string][] = [];
  const origins = new Map<Value, number>();
  const none = { source: [], constants: [], inner: [], calls: [] };
  for (const input of graph.inputs) {
    origins.set(input, nodes.length);
    nodes.push({ ...none, kind: "input", operator: input.name, types: [printType(input.type)] });
  }
  for (const node of graph.nodes) {
    const place = nodes.length;
    nodes.push(nodeData(node));
    for (const value of new Set([...node.inputs, ...captured(node)])) {
      const origin = value === null ? undefined : origins.get(value);
      if (origin !== undefined) edges.push([origin, place, printType(value!.type)]);
    }
    for (const output of node.outputs) origins.set(output, place);
  }
  for (const output of graph.outputs) {
    const origin = origins.get(output);
    if (origin !== undefined) edges.push([origin, nodes.length, printType(output.type)]);
    nodes.push({ ...none, kind: "output", operator: output.name, types: [printType(output.type)] });
  }
  return { nodes, edges };
}

function nodeData({ operator, source, outputs, inputs, regions }: Node): NodeData {
  const inside = regions.flatMap((region) => region.nodes);
  return {
    kind: "node",
    operator,
    source: [...source],
    types: outputs.map(({ type }) => printType(type)),
    constants: inputs.flatMap((value) =>
      value?.constant ? [`${value.name}: ${printType(value.type)}`] : [],
    ),
    inner: inside.map((node) => ({ operator: node.operator, source: [...node.source] })),
    calls: [],
  };
}

/** Values of outside that regions read. */
const captured = ({ regions }: Node): (Value | null)[] =>
  regions.flatMap((region) => region.nodes.flatMap((node) => node.inputs));
