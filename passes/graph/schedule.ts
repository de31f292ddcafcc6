/**
 * The order of nodes, so that little is live at once: two branches that both pass through a large value are computed one
 * after the other, however the model lists them.
 *
 * Finding the best order is NP-hard (Sethi 1975); two that are good are tried against the model's own. One goes forward
 * and takes, of the nodes that are ready, the one that leaves least alive. The other goes back from the results, depth
 * first, and computes the operand whose way needs most memory first (Sethi and Ullman 1970). What is estimated to be
 * better is lowered and planned, and kept where the plan says so too.
 */

import { isStatic } from "../../compiler/ir/dim.js";
import { byteLengthOf, type Graph, type Node, type Value } from "../../compiler/ir/graph.js";
import { findOperator } from "../../compiler/operators/index.js";
import type { GraphPass } from "./pass.js";

/** Larger graphs stay as they are: the search takes the square of their nodes. */
const mostNodes = 4000;

/** The estimate must be lower by this share, for a plan to be made. */
const leastGain = 0.02;

export const schedule: GraphPass = {
  name: "schedule",
  summary: "an order of nodes in which less is live at once",
  run: (graph, { measureArena }) => {
    if (measureArena === undefined || !isReorderable(graph)) return;
    const liveness = new Liveness(graph);
    const given = graph.nodes;
    const peak = liveness.peakOf(given);
    const best = [forward(liveness), backward(liveness)]
      .map((order) => ({ order, peak: liveness.peakOf(order) }))
      .reduce((a, b) => (a.peak <= b.peak ? a : b));
    if (best.peak > peak * (1 - leastGain)) return;
    const before = measureArena(graph);
    graph.nodes = best.order;
    const after = measureArena(graph);
    if (before === null || after === null || after.bytes >= before.bytes) graph.nodes = given;
  },
};

/** Open dims and elements that shapes depend on are known only behind a node that no edge of the graph leads to. */
const isReorderable = ({ nodes, inputs }: Graph): boolean =>
  nodes.length <= mostNodes &&
  nodes.every(({ regions, operator }) => regions.length === 0 || operator === "kiln.Fusion") &&
  nodes.every(({ operator }) => operator !== "kiln.Elements") &&
  [...inputs, ...nodes.flatMap((node) => node.outputs)].every(({ shape }) => shape.every(isStatic));

/** Who reads what, and how many bytes that keeps alive. */
class Liveness {
  /** The value whose memory a value is a view of, or the value itself. */
  private readonly roots = new Map<Value, Value>();
  private readonly kept: ReadonlySet<Value>;
  /** Nodes that read the value or a view of it. */
  private readonly readers = new Map<Value, Set<Node>>();

  constructor(readonly graph: Graph) {
    for (const node of graph.nodes) {
      const [input] = node.inputs;
      const isView = input != null && findOperator(node.operator)?.view !== undefined;
      for (const output of node.outputs) this.roots.set(output, isView ? this.rootOf(input) : output);
      for (const root of this.operandsOf(node)) {
        const readers = this.readers.get(root) ?? new Set();
        this.readers.set(root, readers.add(node));
      }
    }
    this.kept = new Set(graph.outputs.map((value) => this.rootOf(value)));
  }

  /** What the node reads of memory that nodes have written. */
  operandsOf(node: Node): Set<Value> {
    const read = node.inputs.filter((value) => value !== null && this.roots.has(value));
    return new Set(read.map((value) => this.rootOf(value!)));
  }

  /** Memory that the node writes for the first time. */
  resultsOf(node: Node): Value[] {
    return node.outputs.filter((output) => this.rootOf(output) === output);
  }

  bytesOf(values: Iterable<Value>): number {
    let sum = 0;
    for (const { type } of values) sum += Number(byteLengthOf(type));
    return sum;
  }

  /** True where nobody but these nodes reads the value. */
  endsWith(value: Value, done: ReadonlySet<Node>): boolean {
    if (this.kept.has(value)) return false;
    for (const reader of this.readers.get(value) ?? []) if (!done.has(reader)) return false;
    return true;
  }

  peakOf(order: readonly Node[]): number {
    const done = new Set<Node>();
    let [live, peak] = [0, 0];
    for (const node of order) {
      live += this.bytesOf(this.resultsOf(node));
      peak = Math.max(peak, live);
      done.add(node);
      live -= this.freedBy(node, done);
    }
    return peak;
  }

  /** Bytes that are not needed any more when the node, the last of these, has run. */
  freedBy(node: Node, done: ReadonlySet<Node>): number {
    const touched = new Set([...this.operandsOf(node), ...this.resultsOf(node)]);
    return this.bytesOf([...touched].filter((value) => this.endsWith(value, done)));
  }

  /** Nodes whose results the node reads. */
  before(node: Node): Node[] {
    return node.inputs.flatMap((value) => value?.producer ?? []);
  }

  private rootOf(value: Value): Value {
    return this.roots.get(value) ?? value;
  }
}

function forward(liveness: Liveness): Node[] {
  const { nodes } = liveness.graph;
  const done = new Set<Node>();
  const order: Node[] = [];
  const waiting = new Map(nodes.map((node) => [node, new Set(liveness.before(node)).size]));
  const after = new Map<Node, Node[]>();
  for (const node of nodes) {
    for (const earlier of new Set(liveness.before(node)))
      after.set(earlier, [...(after.get(earlier) ?? []), node]);
  }
  const ready = new Set(nodes.filter((node) => waiting.get(node) === 0));
  while (ready.size > 0) {
    let best: { node: Node; growth: number } | undefined;
    for (const node of ready) {
      done.add(node);
      const growth = liveness.bytesOf(liveness.resultsOf(node)) - liveness.freedBy(node, done);
      done.delete(node);
      if (best === undefined || growth < best.growth) best = { node, growth };
    }
    const { node } = best!;
    ready.delete(node);
    done.add(node);
    order.push(node);
    for (const next of after.get(node) ?? []) {
      waiting.set(next, waiting.get(next)! - 1);
      if (waiting.get(next) === 0) ready.add(next);
    }
  }
  return order;
}

function backward(liveness: Liveness): Node[] {
  const { nodes } = liveness.graph;
  const needs = memoryNeeds(liveness);
  const order: Node[] = [];
  const placed = new Set<Node>();
  // The nodes on the way, each with the operands that are still to be looked at: graphs are too deep to recurse.
  const visit = (last: Node): void => {
    const way = [{ node: last, next: operandsByNeed(last, liveness, needs) }];
    placed.add(last);
    while (way.length > 0) {
      const { node, next } = way.at(-1)!;
      const operand = next.shift();
      if (operand === undefined) {
        order.push(node);
        way.pop();
      } else if (!placed.has(operand)) {
        placed.add(operand);
        way.push({ node: operand, next: operandsByNeed(operand, liveness, needs) });
      }
    }
  };
  const results = liveness.graph.outputs.flatMap(({ producer }) => producer ?? []);
  for (const node of [...results, ...nodes]) if (!placed.has(node)) visit(node);
  return order;
}

/** Most bytes that computing each node alone takes, as if all that it is made of were a tree. */
function memoryNeeds(liveness: Liveness): Map<Node, number> {
  const needs = new Map<Node, number>();
  for (const node of liveness.graph.nodes) {
    const own = liveness.bytesOf(liveness.resultsOf(node));
    let [held, most] = [0, own];
    for (const operand of operandsByNeed(node, liveness, needs)) {
      most = Math.max(most, held + needs.get(operand)!);
      held += liveness.bytesOf(liveness.resultsOf(operand));
    }
    needs.set(node, Math.max(most, held + own));
  }
  return needs;
}

/** What a way needs beyond what it leaves is needed best while nothing else is there. */
function operandsByNeed(node: Node, liveness: Liveness, needs: ReadonlyMap<Node, number>): Node[] {
  const excess = (operand: Node): number =>
    needs.get(operand)! - liveness.bytesOf(liveness.resultsOf(operand));
  return [...new Set(liveness.before(node))].sort((a, b) => excess(b) - excess(a));
}
