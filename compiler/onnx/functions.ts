/**
 * Inlines model-local functions. Each call becomes the function's body, with its values and nodes renamed to
 * `callNodeName/inner` so that the names still tell where they come from. Each node keeps the operator set version of
 * its function, which need not be the model's.
 */

import { type ErrorPlace, KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import {
  mapGraphs,
  type OnnxAttribute,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  subgraphs,
} from "./model.js";

/** What names and other lists may add up to for each node that the limits allow: they multiply as nodes do. */
const CHARACTERS_PER_NODE = 1024;
const OPERANDS_PER_NODE = 64;

/** Identity has done the same since version 1, and takes every type since 16. */
const IDENTITY_OPSET = 16;

/**
 * The same model without functions.
 * @throws KilnError E_MODEL where a function calls itself, is defined twice or is called wrongly; E_LIMIT where the
 * result has too many nodes (calls count too) or functions are nested too deep
 */
export function inlineFunctions(model: OnnxModel, limits: Limits): OnnxModel {
  if (model.functions.length === 0) return model;
  const functions = new Map<string, OnnxFunction>();
  for (const fn of model.functions) {
    const key = keyOf(fn.domain, fn.name, fn.overload);
    if (functions.has(key)) throw new KilnError("E_MODEL", `function ${label(fn)} is defined twice`);
    functions.set(key, fn);
  }
  const inliner = new Inliner(functions, model.graph, limits);
  return { ...model, graph: inliner.expandGraph(model.graph, []), functions: [] };
}

function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([domain, name, overload]);
}

function label({ domain, name, overload }: OnnxFunction): string {
  return `${domain === "" ? "" : `${domain}.`}${name}${overload === "" ? "" : `:${overload}`}`;
}

/** Names in a body -> names in the expanded graph. Subgraphs in the body have scopes of their own. */
class Names {
  private readonly own = new Map<string, string>();

  constructor(
    readonly call: Call,
    private readonly outer?: Names,
  ) {}

  has(name: string): boolean {
    return this.own.has(name);
  }

  set(name: string, renamed: string): void {
    this.own.set(name, renamed);
  }

  /** @throws KilnError E_MODEL where the body has no such name: it sees nothing of its caller's */
  get(name: string): string {
    if (name === "") return "";
    const renamed = this.own.get(name);
    if (renamed !== undefined) return renamed;
    if (this.outer !== undefined) return this.outer.get(name);
    throw new KilnError("E_MODEL", `nothing in the function defines "${name}"`, this.call.place);
  }
}

/** One call under expansion. */
interface Call {
  readonly node: OnnxNode;
  readonly fn: OnnxFunction;
  /** Name of the call node, which the names of all that it becomes begin with. */
  readonly name: string;
  readonly place: ErrorPlace;
}

class Inliner {
  private readonly used = new Set<string>();
  /** Graphs and functions around the nodes that are being expanded. */
  private depth = 0;
  private nodes = 0;
  private operands = 0;
  private characters = 0;

  constructor(
    private readonly functions: ReadonlyMap<string, OnnxFunction>,
    graph: OnnxGraph,
    private readonly limits: Limits,
  ) {
    this.collectNames(graph);
  }

  /** The graph with the calls in it, and in its subgraphs, expanded; `stack` has the functions around it. */
  expandGraph(graph: OnnxGraph, stack: readonly OnnxFunction[]): OnnxGraph {
    const expanded: OnnxNode[] = [];
    this.enter();
    this.expandAll(graph.nodes, stack, expanded);
    this.depth--;
    return { ...graph, nodes: expanded };
  }

  private expandAll(nodes: readonly OnnxNode[], stack: readonly OnnxFunction[], expanded: OnnxNode[]): void {
    for (const [index, original] of nodes.entries()) {
      this.spend(1, original.inputs, original.outputs);
      const node = mapGraphs(original, (inner) => this.expandGraph(inner, stack));
      const fn = this.functions.get(keyOf(node.domain, node.opType, node.overload));
      if (fn === undefined) {
        expanded.push(node);
        continue;
      }
      if (stack.includes(fn)) {
        const chain = [...stack.slice(stack.indexOf(fn)), fn].map(label).join(" calls ");
        throw new KilnError("E_MODEL", `a function calls itself: ${chain}`);
      }
      const name = node.name !== "" ? node.name : `${node.opType}_${index}`;
      const body = this.body({ node, fn, name, place: { node: name, operator: label(fn) } });
      this.enter();
      this.expandAll(body, [...stack, fn], expanded);
      this.depth--;
    }
  }

  /** The function's body in the caller's names. Calls in it are calls still. */
  private body(call: Call): OnnxNode[] {
    const { node, fn, place } = call;
    if (node.inputs.length > fn.inputs.length || node.outputs.length > fn.outputs.length) {
      const counts = `${node.inputs.length} inputs and ${node.outputs.length} outputs`;
      throw new KilnError("E_MODEL", `the call has ${counts}, more than the function`, place);
    }
    this.spend(0, fn.inputs, fn.outputs);
    const names = new Names(call);
    for (const [i, input] of fn.inputs.entries()) {
      if (names.has(input)) throw new KilnError("E_MODEL", `two inputs are named "${input}"`, place);
      names.set(input, node.inputs[i] ?? "");
    }
    const values = new Set(fn.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== "")));
    for (const value of values) {
      if (names.has(value)) throw new KilnError("E_MODEL", `input "${value}" is defined again`, place);
    }
    // An output that is an input too, or is listed twice, has a name already: a node copies it to the caller's.
    const copies: [output: string, actual: string][] = [];
    for (const [i, output] of fn.outputs.entries()) {
      const actual = node.outputs[i] ?? "";
      if (actual === "") continue;
      if (names.has(output) || !values.has(output)) copies.push([output, actual]);
      else names.set(output, actual);
    }
    for (const value of values) if (!names.has(value)) names.set(value, this.unique(call, value));
    return [
      ...fn.nodes.map((inner, index) => this.instantiate(inner, index, names)),
      ...copies.map(([output, actual]) => this.copy(names.get(output), actual, call)),
    ];
  }

  private copy(from: string, to: string, call: Call): OnnxNode {
    if (from === "") {
      throw new KilnError("E_MODEL", `its output "${to}" is an input that the call leaves out`, call.place);
    }
    const name = this.unique(call, "copy");
    const identity = { opType: "Identity", domain: "", overload: "", opset: IDENTITY_OPSET };
    return { ...identity, name, inputs: [from], outputs: [to], attributes: new Map() };
  }

  private instantiate(node: OnnxNode, index: number, names: Names): OnnxNode {
    const { call } = names;
    this.spend(0, { length: node.attributes.size });
    // Graphs of the body are renamed with it; graphs that the call passes in are in the caller's names already.
    const renamed = mapGraphs(node, (graph) => this.instantiateGraph(graph, names));
    return {
      ...renamed,
      name: this.spell(call, node.name !== "" ? node.name : `${node.opType}_${index}`),
      inputs: node.inputs.map((name) => names.get(name)),
      outputs: node.outputs.map((name) => names.get(name)),
      attributes: resolveReferences(renamed, call),
    };
  }

  private instantiateGraph(graph: OnnxGraph, outer: Names): OnnxGraph {
    this.spend(0, graph.outputs, graph.valueInfo);
    const names = new Names(outer.call, outer);
    const values = [
      ...graph.inputs.map(({ name }) => name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap(({ outputs }) => outputs),
    ];
    for (const value of values) {
      if (value !== "" && !names.has(value)) names.set(value, this.unique(outer.call, value));
    }
    const rename = <V extends { name: string }>(info: V): V => ({ ...info, name: names.get(info.name) });
    return {
      name: graph.name,
      nodes: graph.nodes.map((node, index) => this.instantiate(node, index, names)),
      inputs: graph.inputs.map(rename),
      outputs: graph.outputs.map(rename),
      valueInfo: graph.valueInfo.filter(({ name }) => names.has(name)).map(rename),
      initializers: new Map(Array.from(graph.initializers, ([name, value]) => [names.get(name), value])),
    };
  }

  private collectNames(graph: OnnxGraph): void {
    for (const { name } of graph.inputs) this.used.add(name);
    for (const name of graph.initializers.keys()) this.used.add(name);
    for (const node of graph.nodes) {
      for (const name of node.outputs) this.used.add(name);
      for (const [, inner] of subgraphs(node)) this.collectNames(inner);
    }
  }

  private unique(call: Call, inner: string): string {
    let name = this.spell(call, inner);
    for (let i = 1; this.used.has(name); i++) name = this.spell(call, `${inner}_${i}`);
    this.used.add(name);
    return name;
  }

  private spell(call: Call, inner: string): string {
    const name = `${call.name}/${inner}`;
    this.characters += name.length;
    if (this.characters > this.limits.nodes * CHARACTERS_PER_NODE) throw this.tooLarge();
    return name;
  }

  private enter(): void {
    if (++this.depth > this.limits.nesting) {
      throw new KilnError("E_LIMIT", `functions and graphs nested deeper than ${this.limits.nesting}`);
    }
  }

  /** Counts a node, or the lists that an expansion goes through, so that neither can multiply without bound. */
  private spend(nodes: number, ...lists: readonly { readonly length: number }[]): void {
    this.nodes += nodes;
    for (const { length } of lists) this.operands += length;
    const limit = this.limits.nodes;
    if (this.nodes > limit || this.operands > limit * OPERANDS_PER_NODE) throw this.tooLarge();
  }

  private tooLarge(): KilnError {
    return new KilnError(
      "E_LIMIT",
      `with functions inlined, the model has more than ${this.limits.nodes} nodes`,
    );
  }
}

/** The node's attributes, with those of the call, or their defaults, where it refers to them. */
function resolveReferences(node: OnnxNode, { node: caller, fn, place }: Call): OnnxNode["attributes"] {
  const attributes = new Map<string, OnnxAttribute>();
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind !== "ref") {
      attributes.set(name, attribute);
      continue;
    }
    const { value: outer, of: kind } = attribute;
    const actual = caller.attributes.get(outer) ?? fn.attributeDefaults.get(outer);
    if (actual === undefined) {
      if (fn.attributeNames.includes(outer)) continue;
      throw new KilnError("E_MODEL", `the function has no attribute "${outer}"`, place);
    }
    if (actual.kind !== kind) {
      throw new KilnError("E_MODEL", `attribute "${outer}" is of kind ${actual.kind}, not ${kind}`, place);
    }
    attributes.set(name, actual);
  }
  return attributes;
}
