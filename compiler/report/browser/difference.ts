/** What differs between the graphs after two stages, as one graph: that of the later, with what is gone beside it. */

import type { GraphData, NodeData } from "../data.js";

export interface Difference {
  readonly kind: "added" | "removed" | "changed";
  /** What it was made of before; empty where nothing was. */
  readonly was: readonly string[];
}

export interface ComparedGraph {
  readonly graph: GraphData;
  /** By place of the node; those that are the same have none. */
  readonly differences: ReadonlyMap<number, Difference>;
}

/**
 * A node is the same as one before if it has the same operators and comes from the same nodes of the model; it has
 * changed if its type or its weights did, or if it comes from some of the same nodes only, as a fused group does.
 */
export function compareGraphs(before: GraphData, after: GraphData): ComparedGraph {
  const waiting = new Map<string, number[]>();
  before.nodes.forEach((node, i) => {
    const key = keyOf(node);
    waiting.set(key, [...(waiting.get(key) ?? []), i]);
  });
  /** Places after, by place before. */
  const places = new Map<number, number>();
  const differences = new Map<number, Difference>();
  const unmatched: number[] = [];
  after.nodes.forEach((node, i) => {
    const old = waiting.get(keyOf(node))?.shift();
    if (old === undefined) unmatched.push(i);
    else {
      places.set(old, i);
      const one = before.nodes[old]!;
      if (factsOf(one) !== factsOf(node)) differences.set(i, { kind: "changed", was: [describe(one)] });
    }
  });
  const left = [...waiting.values()].flat();
  const bySource = new Map<string, number[]>();
  for (const i of left) {
    for (const name of before.nodes[i]!.source) bySource.set(name, [...(bySource.get(name) ?? []), i]);
  }
  for (const i of unmatched) {
    const olds = [...new Set(after.nodes[i]!.source.flatMap((name) => bySource.get(name) ?? []))];
    for (const old of olds) if (!places.has(old)) places.set(old, i);
    const was = olds.sort((a, b) => a - b).map((old) => describe(before.nodes[old]!));
    differences.set(i, { kind: olds.length === 0 ? "added" : "changed", was });
  }
  return withRemoved(before, after, places, differences);
}

/** The graph after with the nodes before that have no place in it, and the edges that they had. */
function withRemoved(
  before: GraphData,
  after: GraphData,
  places: ReadonlyMap<number, number>,
  differences: ReadonlyMap<number, Difference>,
): ComparedGraph {
  const removed = before.nodes.flatMap((_, i) => (places.has(i) ? [] : [i]));
  const all = [...after.nodes, ...removed.map((i) => ({ ...before.nodes[i]!, calls: [] }))];
  const placeOf = new Map([...places, ...removed.map((old, i) => [old, after.nodes.length + i] as const)]);
  const isNew = (place: number): boolean => place >= after.nodes.length;
  const own = new Set(after.edges.map(([from, to]) => `${from} ${to}`));
  const edges = [...after.edges];
  for (const [from, to, type] of before.edges) {
    const [start, end] = [placeOf.get(from)!, placeOf.get(to)!];
    if ((isNew(start) || isNew(end)) && start !== end && !own.has(`${start} ${end}`)) {
      own.add(`${start} ${end}`);
      edges.push([start, end, type]);
    }
  }
  const order = topological(all.length, edges);
  const rank = new Map(order.map((place, i) => [place, i]));
  const marks = new Map([...differences].map(([place, difference]) => [rank.get(place)!, difference]));
  removed.forEach((_, i) => {
    marks.set(rank.get(after.nodes.length + i)!, { kind: "removed", was: [] });
  });
  return {
    graph: {
      nodes: order.map((place) => all[place]!),
      // Where nodes have changed places, edges of the two graphs can make a circle: what would lead back is left out.
      edges: edges.flatMap(([from, to, type]) => {
        const [start, end] = [rank.get(from)!, rank.get(to)!];
        return start < end ? [[start, end, type] as const] : [];
      }),
    },
    differences: marks,
  };
}

/** All places, each behind those that lead to it, as far as there is no circle. */
function topological(nodes: number, edges: readonly (readonly [number, number, string])[]): number[] {
  const incoming = Array.from({ length: nodes }, () => [] as number[]);
  for (const [from, to] of edges) incoming[to]!.push(from);
  const order: number[] = [];
  const state = new Uint8Array(nodes);
  for (let root = 0; root < nodes; root++) {
    // No recursion: graphs are thousands of nodes deep.
    const stack = [root];
    while (stack.length > 0) {
      const place = stack.at(-1)!;
      const open = state[place] === 0 ? incoming[place]!.filter((from) => state[from] === 0) : [];
      if (state[place] === 0) state[place] = 1;
      if (open.length > 0) stack.push(...open);
      else {
        stack.pop();
        if (state[place] === 1) order.push(place);
        state[place] = 2;
      }
    }
  }
  return order;
}

const operatorsOf = ({ operator, inner }: NodeData): string =>
  inner.length === 0 ? operator : inner.map((one) => one.operator).join(" + ");

const keyOf = (node: NodeData): string =>
  JSON.stringify([node.kind, operatorsOf(node), [...node.source].sort()]);

const factsOf = ({ types, constants }: NodeData): string => JSON.stringify([types, constants]);

const describe = (node: NodeData): string =>
  `${operatorsOf(node)} (${[...node.source, ...node.types].join(", ")})`;
