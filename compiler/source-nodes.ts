/** The calls of a program as reports show them: by the nodes of the model that they compute. */

import type { ProfiledCall } from "../runtime/metadata.js";
import { isStatic } from "./ir/dim.js";
import { type Graph, type Node, printType } from "./ir/graph.js";
import type { Call } from "./loop/program.js";
import type { EmittedCall } from "./wasm/module.js";

/** What a node of the model is made of in Graph IR, as it was imported. */
interface SourceNode {
  /** Its place in the model. */
  readonly order: number;
  readonly operators: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

type SourceNodes = ReadonlyMap<string, SourceNode>;

/** The nodes of an imported graph and of its regions, by their names in the model. Taken before passes change it. */
export function sourceNodes(graph: Graph): SourceNodes {
  const nodes = new Map<string, SourceNode>();
  const visit = (node: Node): void => {
    const name = node.source[0];
    if (name !== undefined) {
      const known = nodes.get(name);
      nodes.set(name, {
        order: known?.order ?? nodes.size,
        operators: [...(known?.operators ?? []), node.operator],
        inputs:
          known?.inputs ?? node.inputs.flatMap((value) => (value === null ? [] : [printType(value.type)])),
        outputs: node.outputs.map(({ type }) => printType(type)),
      });
    }
    for (const region of node.regions) region.nodes.forEach(visit);
  };
  graph.nodes.forEach(visit);
  return nodes;
}

export const describeCalls = (calls: readonly EmittedCall[], sources: SourceNodes): ProfiledCall[] =>
  calls.map(({ kernel, call }) => {
    const known = call.source.flatMap((name) => sources.get(name) ?? []).sort((a, b) => a.order - b.order);
    return {
      kernel,
      nodes: call.source,
      operators: known.flatMap(({ operators }) => operators),
      inputs: known[0]?.inputs ?? [],
      outputs: known.at(-1)?.outputs ?? [],
      flops: call.flops,
      bytes: bytesOf(call),
    };
  });

/** Bytes of the buffers that a call takes, each once; those whose length only the run knows do not count. */
const bytesOf = ({ args }: Call): number =>
  [...new Set(args.map(({ buffer }) => buffer))].reduce(
    (sum, { byteLength }) => sum + (isStatic(byteLength) ? byteLength : 0),
    0,
  );
