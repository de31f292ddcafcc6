/** Putting values in place of others. */

import { createNode, type Graph, type Node, replaceAllUses, type Value } from "../../compiler/ir/graph.js";
import { GraphBuilder } from "../../compiler/operators/builder.js";
import { findOperator } from "../../compiler/operators/index.js";

/**
 * Puts each replacement in place of its value everywhere. Results of the graph keep their names, by which callers
 * know them: the new value takes over the name, or stands behind an Identity where it must keep its own, because it
 * is an input, a constant or another result.
 */
export function replaceValues(graph: Graph, replacements: ReadonlyMap<Value, Value>): void {
  const before = graph.outputs;
  replaceAllUses(graph, replacements);
  const kept = new Set(graph.outputs.filter((value, i) => value === before[i]));
  graph.outputs = graph.outputs.map((value, i) => {
    const { name } = before[i]!;
    if (value === before[i]) return value;
    if (value.producer !== null && value.constant === null && !kept.has(value)) {
      kept.add(value);
      value.name = name;
      return value;
    }
    const identity = createNode({
      operator: "Identity",
      inputs: [value],
      types: [value.type],
      names: [name],
      source: before[i]!.producer?.source ?? [],
    });
    graph.nodes.push(identity);
    return identity.outputs[0]!;
  });
}

/** Nodes that are not in the graph yet, and what they compute; their values are named after the origin and the suffix. */
export function buildNodes(
  graph: Graph,
  origin: { readonly name: string; readonly source: string[] },
  suffix: string,
  build: (b: GraphBuilder) => Value,
): { nodes: Node[]; result: Value } {
  const before = graph.nodes;
  graph.nodes = [];
  let counter = 0;
  const b = new GraphBuilder(graph, findOperator, origin, (hint) => `${hint}.${suffix}${counter++}`);
  const result = build(b);
  const { nodes } = graph;
  graph.nodes = before;
  return { nodes, result };
}
