/** The values between the nodes of a model, those inside its functions too, and the model with all of them as outputs. */

import { KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import { type FunctionProto, type GraphProto, modelProto, type NodeProto } from "../onnx/schema.js";
import { readMessage } from "../onnx/schema-reader.js";
import { appendNamed, appendStrings, mapField } from "./wire.js";

export interface Intermediate {
  readonly value: string;
  /** Name of the node that computes it, or its own where that has none; behind those of the calls around it. */
  readonly node: string;
  readonly operator: string;
}

export interface Intermediates {
  /** In the order in which they are computed. */
  readonly values: readonly Intermediate[];
  /** Nodes inside of If, Loop and Scan, and of functions called there: what they compute is not compared. */
  readonly unseen: number;
  /** The bytes of the model with all of the values as outputs. */
  readonly extended: Uint8Array;
}

/** Fields of ModelProto, GraphProto, FunctionProto, NodeProto and ValueInfoProto. */
const field = {
  model: { graph: 7, functions: 25 },
  graph: { node: 1, output: 12 },
  fn: { output: 5, node: 7 },
  node: { output: 2 },
  value: { name: 1 },
} as const;

/** Nodes whose results are no tensors. */
const isOfTensors = ({ opType = "" }: NodeProto): boolean =>
  !/^(Sequence|SplitToSequence|Optional)/.test(opType);

/**
 * What the nodes of the model compute, as far as anything reads it. A function that is called in the graph gets what it
 * computes as further outputs, and so do its calls; where it is called from a region, it stays as it is.
 */
export function intermediates(model: Uint8Array, limits: Limits): Intermediates {
  const { graph, functions } = readMessage(model, modelProto, limits);
  if (graph === undefined) throw new KilnError("E_DECODE", "the model has no graph");
  const seen = new Functions(functions, graph);
  const values = valuesOf(graph.node, new Set(graph.output.map(({ name }) => name)), seen);
  const known = new Set(graph.output.map(({ name }) => name));
  const names = values.map(({ value }) => value).filter((value) => !known.has(value));
  let extended = mapField(model, field.model.graph, (bytes) => {
    const nodes = mapField(bytes, field.graph.node, (node, i) => withInner(node, graph.node[i]!, i, seen));
    return appendNamed(nodes, field.graph.output, field.value.name, [...new Set(names)]);
  });
  extended = mapField(extended, field.model.functions, (bytes, at) => {
    const fn = functions[at]!;
    const nodes = mapField(bytes, field.fn.node, (node, i) => withInner(node, fn.node[i]!, i, seen));
    return appendStrings(nodes, field.fn.output, seen.added(fn));
  });
  return { values, unseen: seen.unseen, extended };
}

/** The functions of a model, and what those compute that are called from the graph or from each other only. */
class Functions {
  private readonly byKey = new Map<string, FunctionProto>();
  private readonly inner = new Map<FunctionProto, readonly Intermediate[]>();
  private readonly inRegions = new Set<FunctionProto>();
  readonly unseen: number;

  constructor(functions: readonly FunctionProto[], graph: GraphProto) {
    for (const fn of functions) this.byKey.set(keyOf(fn.domain, fn.name, fn.overload), fn);
    let unseen = 0;
    for (const node of [...graph.node, ...functions.flatMap((fn) => fn.node)]) {
      for (const region of regionsOf(node)) unseen += this.enter(region.node);
    }
    this.unseen = unseen;
  }

  /** The function that a node calls, where what it computes can be seen. */
  called({ domain, opType, overload }: NodeProto): FunctionProto | undefined {
    const fn = this.byKey.get(keyOf(domain, opType, overload));
    return fn === undefined || this.inRegions.has(fn) ? undefined : fn;
  }

  /** What the function computes beside its outputs. */
  added(fn: FunctionProto): string[] {
    return this.inRegions.has(fn) ? [] : this.valuesIn(fn).map(({ value }) => value);
  }

  /** The same with nodes. Recursion ends: a model whose functions call themselves has not been compiled before. */
  valuesIn(fn: FunctionProto): readonly Intermediate[] {
    let values = this.inner.get(fn);
    if (values === undefined) {
      values = valuesOf(fn.node, new Set(fn.output), this).filter(({ value }) => !fn.output.includes(value));
      this.inner.set(fn, values);
    }
    return values;
  }

  /** Notes what these nodes of a region call, and counts all that is inside. */
  private enter(nodes: readonly NodeProto[]): number {
    let count = nodes.length;
    for (const node of nodes) {
      for (const region of regionsOf(node)) count += this.enter(region.node);
      const fn = this.byKey.get(keyOf(node.domain, node.opType, node.overload));
      if (fn === undefined || this.inRegions.has(fn)) continue;
      this.inRegions.add(fn);
      count += this.enter(fn.node);
    }
    return count;
  }
}

/** What the nodes compute, and what functions that they call compute, by the names that `withInner` gives it. */
function valuesOf(
  nodes: readonly NodeProto[],
  outputs: Set<string | undefined>,
  seen: Functions,
): Intermediate[] {
  const read = new Set(outputs);
  collectRead(nodes, read);
  return nodes.flatMap((node, i) => {
    const fn = seen.called(node);
    const call = callName(node, i);
    const inner = (fn === undefined ? [] : seen.valuesIn(fn)).map((one) => ({
      ...one,
      value: `${call}/${one.value}`,
      node: `${call}/${one.node}`,
    }));
    const own = (isOfTensors(node) ? node.output : [])
      .filter((value) => value !== "" && read.has(value))
      .map((value) => ({ value, node: node.name || value, operator: node.opType ?? "" }));
    return [...inner, ...own];
  });
}

/** A call with what its function computes as further outputs; other nodes as they are. */
function withInner(bytes: Uint8Array, node: NodeProto, index: number, seen: Functions): Uint8Array {
  const fn = seen.called(node);
  if (fn === undefined) return bytes;
  // Outputs that the call leaves out keep their places.
  const missing = new Array<string>(fn.output.length - node.output.length).fill("");
  const inner = seen.added(fn).map((value) => `${callName(node, index)}/${value}`);
  return inner.length === 0 ? bytes : appendStrings(bytes, field.node.output, [...missing, ...inner]);
}

/** As inlining calls it. */
const callName = (node: NodeProto, index: number): string => node.name || `${node.opType}_${index}`;

const keyOf = (domain = "", name = "", overload = ""): string =>
  JSON.stringify([domain === "ai.onnx" ? "" : domain, name, overload]);

const regionsOf = ({ attribute }: NodeProto): GraphProto[] =>
  attribute.flatMap(({ g, graphs }) => (g === undefined ? [...graphs] : [g, ...graphs]));

/** The names that nodes read, and those that regions take from around them. */
function collectRead(nodes: readonly NodeProto[], into: Set<string | undefined>): void {
  for (const node of nodes) {
    for (const name of node.input) into.add(name);
    for (const region of regionsOf(node)) {
      for (const { name } of region.output) into.add(name);
      collectRead(region.node, into);
    }
  }
}
