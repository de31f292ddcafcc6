/** Drops nodes whose results nobody reads. */

import type { Node, Value } from "../../compiler/ir/graph.js";
import type { GraphPass } from "./pass.js";

export const eliminateDeadCode: GraphPass = {
  name: "eliminate-dead-code",
  summary: "drop nodes whose results nobody reads",
  run: (graph) => {
    const live = new Set<Value>(graph.outputs);
    const kept: Node[] = [];
    for (const node of [...graph.nodes].reverse()) {
      if (!node.outputs.some((output) => live.has(output))) continue;
      for (const input of node.inputs) if (input !== null) live.add(input);
      kept.push(node);
    }
    graph.nodes = kept.reverse();
  },
};
