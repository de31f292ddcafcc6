/** Graphs that nodes have as attributes, as the expansions of their operators see them. */

import { KilnError } from "../diagnostics.js";
import { Value } from "../ir/graph.js";
import type { GraphBody } from "../operators/operator.js";
import { graphAttribute } from "./import-control.js";
import type { Known, Unknown } from "./import-scope.js";
import type { OnnxGraph, OnnxNode } from "./model.js";

/** Imports a graph's nodes in place, with these names known; gives its outputs. */
type Inline = (source: OnnxGraph, names: ReadonlyMap<string, Known>) => Known[] | Unknown;

export function bodiesOf(node: OnnxNode, graphs: readonly string[], inline: Inline): Map<string, GraphBody> {
  const given = graphs.filter((name) => node.attributes.has(name));
  return new Map(given.map((name) => [name, bodyOf(node, name, inline)]));
}

function bodyOf(node: OnnxNode, name: string, inline: Inline): GraphBody {
  const source = graphAttribute(node, name);
  return {
    inputCount: source.inputs.length,
    inline: (inputs) => {
      const names = source.inputs.map((input, i) => [input.name, inputs[i]!] as const);
      const results = inline(source, new Map(names));
      if (!Array.isArray(results)) return refuse(`nodes in its ${name} cannot be compiled`);
      return results.map((result) =>
        result instanceof Value ? result : refuse(`its ${name} gives what is no tensor`),
      );
    },
  };
}

function refuse(reason: string): never {
  throw new KilnError("E_UNSUPPORTED", reason);
}
