/**
 * Checks the names of a model and puts its nodes in order. Afterwards these hold in every graph:
 *  1. no two inputs, initializers or node outputs have the same name (a subgraph may hide a name of an outer graph);
 *  2. every node input is "", defined by an earlier node of the graph, or visible in an outer graph;
 *  3. every graph output is defined; those of the model are distinct;
 *  4. every node has a name and an operator set version, and no attribute refers to that of a function.
 */

import { type ErrorPlace, KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import { NO_OPSET } from "./decode-graph.js";
import { mapGraphs, type OnnxGraph, type OnnxModel, type OnnxNode, subgraphs } from "./model.js";

/** The graphs around the one that is checked, inside out. */
interface Scope {
  readonly defined: ReadonlyMap<string, number>;
  readonly outer: Scope | undefined;
}

interface Checked {
  readonly graph: OnnxGraph;
  /** Values of outer graphs that it uses. */
  readonly captured: ReadonlySet<string>;
}

/** Producer of a value that no node produces: an input or an initializer. */
const GIVEN = -1;

/**
 * The same model with its nodes named and in topological order; nodes keep their order where that is one already.
 * @throws KilnError E_MODEL where a name is missing or defined twice, or nodes form a cycle; E_LIMIT for too many nodes
 */
export function checkModel(model: OnnxModel, limits: Limits): OnnxModel {
  const { outputs } = model.graph;
  const distinct = new Set(outputs.map(({ name }) => name));
  if (distinct.size !== outputs.length) throw new KilnError("E_MODEL", "two outputs have the same name");
  const { graph } = new Checker(model.graph, limits).check(model.graph, undefined, 0);
  return { ...model, graph };
}

class Checker {
  private readonly nodeNames = new Set<string>();
  private nodes = 0;

  constructor(
    graph: OnnxGraph,
    private readonly limits: Limits,
  ) {
    this.collectNames(graph);
  }

  check(graph: OnnxGraph, outer: Scope | undefined, depth: number): Checked {
    if (depth > this.limits.nesting) {
      throw new KilnError("E_LIMIT", `graphs nested deeper than ${this.limits.nesting}`);
    }
    const defined = definitions(graph);
    const scope: Scope = { defined, outer };
    const captured = new Set<string>();
    /** The node of this graph that defines the value, undefined where it is given or comes from outside. */
    const producerOf = (name: string, user: string, place: ErrorPlace): number | undefined => {
      const producer = defined.get(name);
      if (producer !== undefined) return producer === GIVEN ? undefined : producer;
      if (!isVisible(outer, name)) {
        throw new KilnError("E_MODEL", `${user} "${name}", which nothing defines`, place);
      }
      captured.add(name);
      return undefined;
    };
    const nodes: OnnxNode[] = [];
    const needs: number[][] = [];
    for (const original of graph.nodes) {
      const { node, uses } = this.checkNode(original, nodes.length, scope, depth);
      const producers = Array.from(uses, (name) => producerOf(name, "it uses", placeOf(node)));
      nodes.push(node);
      needs.push(producers.filter((producer) => producer !== undefined));
    }
    for (const { name } of graph.outputs) producerOf(name, `graph "${graph.name}" has the output`, {});
    const inOrder = needs.every((producers, index) => producers.every((producer) => producer < index));
    return { graph: { ...graph, nodes: inOrder ? nodes : sort(nodes, needs) }, captured };
  }

  /** The node named and with its subgraphs checked, and the values that it or a subgraph of it uses. */
  private checkNode(
    original: OnnxNode,
    index: number,
    scope: Scope,
    depth: number,
  ): { node: OnnxNode; uses: ReadonlySet<string> } {
    if (++this.nodes > this.limits.nodes) {
      throw new KilnError("E_LIMIT", `the model has more than ${this.limits.nodes} nodes`);
    }
    const name = original.name !== "" ? original.name : this.freshName(`${original.opType}_${index}`);
    const node = { ...original, name };
    if (node.opset === NO_OPSET) {
      throw new KilnError("E_MODEL", `no operator set of its domain "${node.domain}" is imported`, {
        ...placeOf(node),
        hint: `add an opset_import for ${node.domain === "" ? "the default domain" : `"${node.domain}"`}`,
      });
    }
    for (const [attribute, { kind }] of node.attributes) {
      if (kind === "ref") {
        throw new KilnError("E_MODEL", `its attribute ${attribute} refers to a function's`, placeOf(node));
      }
    }
    const uses = new Set(node.inputs.filter((input) => input !== ""));
    const inner = (graph: OnnxGraph): OnnxGraph => {
      const result = this.check(graph, scope, depth + 1);
      for (const captured of result.captured) uses.add(captured);
      return result.graph;
    };
    return { node: mapGraphs(node, inner), uses };
  }

  private collectNames(graph: OnnxGraph): void {
    for (const node of graph.nodes) {
      if (node.name !== "") this.nodeNames.add(node.name);
      for (const [, inner] of subgraphs(node)) this.collectNames(inner);
    }
  }

  private freshName(stem: string): string {
    let name = stem;
    for (let i = 1; this.nodeNames.has(name); i++) name = `${stem}_${i}`;
    this.nodeNames.add(name);
    return name;
  }
}

function placeOf(node: OnnxNode): ErrorPlace {
  return { node: node.name, operator: node.opType };
}

/** Every value that the graph defines, with the index of the node that does. */
function definitions(graph: OnnxGraph): Map<string, number> {
  const defined = new Map<string, number>();
  const define = (name: string, producer: number) => {
    if (defined.has(name)) {
      const by = [defined.get(name)!, producer].map((index) =>
        index === GIVEN ? "an input or initializer" : `node "${labelOf(graph.nodes[index]!)}"`,
      );
      throw new KilnError("E_MODEL", `the value "${name}" is defined twice: by ${by.join(" and by ")}`);
    }
    defined.set(name, producer);
  };
  for (const { name } of graph.inputs) {
    if (name === "") throw new KilnError("E_MODEL", `graph "${graph.name}" has an input without a name`);
    define(name, GIVEN);
  }
  for (const name of graph.initializers.keys()) define(name, GIVEN);
  for (const [index, node] of graph.nodes.entries()) {
    for (const name of node.outputs) if (name !== "") define(name, index);
  }
  return defined;
}

function isVisible(scope: Scope | undefined, name: string): boolean {
  for (let at = scope; at !== undefined; at = at.outer) if (at.defined.has(name)) return true;
  return false;
}

function labelOf(node: OnnxNode): string {
  return node.name !== "" ? node.name : (node.outputs.find((name) => name !== "") ?? node.opType);
}

/** Topological order that moves a node only in front of one that needs it. Iterative: chains may be long. */
function sort(nodes: readonly OnnxNode[], needs: readonly (readonly number[])[]): OnnxNode[] {
  const order: OnnxNode[] = [];
  const state = new Uint8Array(nodes.length); // 0 not seen, 1 on the path, 2 placed
  for (let root = 0; root < nodes.length; root++) {
    const path = state[root] === 0 ? [{ index: root, next: 0 }] : [];
    while (path.length > 0) {
      const top = path[path.length - 1]!;
      state[top.index] = 1;
      const need = needs[top.index]![top.next++];
      if (need === undefined) {
        state[top.index] = 2;
        order.push(nodes[top.index]!);
        path.pop();
      } else if (state[need] === 1) {
        const cycle = path.slice(path.findIndex(({ index }) => index === need));
        throw cycleError(cycle.map(({ index }) => nodes[index]!));
      } else if (state[need] === 0) {
        path.push({ index: need, next: 0 });
      }
    }
  }
  return order;
}

function cycleError(nodes: readonly OnnxNode[]): KilnError {
  const names = nodes.slice(0, 10).map((node) => `"${node.name}"`);
  if (nodes.length > 10) names.push(`... and ${nodes.length - 10} more`);
  return new KilnError("E_MODEL", `these nodes form a cycle, each needs the next: ${names.join(", ")}`);
}
