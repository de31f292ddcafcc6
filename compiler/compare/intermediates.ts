/**
 * The values between the nodes of a model, those inside its functions and loops too, and the model with all of them as
 * outputs.
 */

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
  /** Nodes inside of If, and of loops that are not opened, and of functions called there: they are not compared. */
  readonly unseen: number;
  /** Whether values of loops are among them. */
  readonly hasLoops: boolean;
  /** The bytes of the model with all of the values as outputs. */
  readonly extended: Uint8Array;
}

/** Fields of ModelProto, GraphProto, FunctionProto, NodeProto and ValueInfoProto. */
const field = {
  model: { graph: 7, functions: 25 },
  graph: { node: 1, output: 12 },
  attribute: { graph: 6 },
  fn: { output: 5, node: 7 },
  node: { output: 2, attribute: 5 },
  value: { name: 1 },
} as const;

/** Nodes whose results are no tensors. */
const isOfTensors = ({ opType = "" }: NodeProto): boolean =>
  !/^(Sequence|SplitToSequence|Optional)/.test(opType);

/**
 * What the nodes of the model compute, as far as anything reads it. A function that is called in the graph gets what it
 * computes as further outputs, and so do its calls; where it is called from a region, it stays as it is. Loops of the graph
 * gather what their passes compute, if they are opened: an engine refuses that where its size differs from pass to pass.
 */
export function intermediates(model: Uint8Array, limits: Limits, opensLoops: boolean): Intermediates {
  const { graph, functions } = readMessage(model, modelProto, limits);
  if (graph === undefined) throw new KilnError("E_DECODE", "the model has no graph");
  const seen = new Functions(functions, graph, opensLoops);
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
  return { values, unseen: seen.unseen, hasLoops: seen.loops.size > 0, extended };
}

/** The functions and opened loops of a model, and what those functions compute that are called from the graph or from each other only. */
class Functions {
  private readonly byKey = new Map<string, FunctionProto>();
  private readonly inner = new Map<FunctionProto, readonly Intermediate[]>();
  private readonly inRegions = new Set<FunctionProto>();
  /** Loops that are opened, with the values of their bodies that are no outputs of theirs already. */
  readonly loops = new Map<NodeProto, readonly Intermediate[]>();
  readonly unseen: number;

  constructor(functions: readonly FunctionProto[], graph: GraphProto, opensLoops: boolean) {
    for (const fn of functions) this.byKey.set(keyOf(fn.domain, fn.name, fn.overload), fn);
    let unseen = 0;
    for (const node of [...graph.node, ...functions.flatMap((fn) => fn.node)]) {
      for (const region of regionsOf(node)) unseen += this.enter(region.node);
    }
    if (opensLoops) {
      for (const node of graph.node.filter(isLoop)) unseen -= this.open(node);
    }
    this.unseen = unseen;
  }

  /** Opens a loop; the number of nodes of its body that are seen. */
  private open(loop: NodeProto): number {
    const [body] = regionsOf(loop);
    if (body === undefined) return 0;
    const outputs = new Set(body.output.map(({ name }) => name));
    // All calls in it are of functions that are not seen.
    const values = valuesOf(body.node, outputs, this).filter(({ value }) => !outputs.has(value));
    if (values.length > 0) this.loops.set(loop, values);
    return body.node.length;
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
    const inner = (fn === undefined ? (seen.loops.get(node) ?? []) : seen.valuesIn(fn)).map((one) => ({
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

/** A call with what its function computes, or a loop with what its body does, as further outputs; others as they are. */
function withInner(bytes: Uint8Array, node: NodeProto, index: number, seen: Functions): Uint8Array {
  const fn = seen.called(node);
  const loop = seen.loops.get(node)?.map(({ value }) => value);
  const added = fn === undefined ? (loop ?? []) : seen.added(fn);
  if (added.length === 0) return bytes;
  // Outputs that the node leaves out keep their places.
  const outputs = fn?.output.length ?? regionsOf(node)[0]!.output.length - (node.opType === "Loop" ? 1 : 0);
  const missing = new Array<string>(outputs - node.output.length).fill("");
  const inner = added.map((value) => `${callName(node, index)}/${value}`);
  const extended = appendStrings(bytes, field.node.output, [...missing, ...inner]);
  if (loop === undefined) return extended;
  return mapField(extended, field.node.attribute, (attribute) =>
    mapField(attribute, field.attribute.graph, (body) =>
      appendNamed(body, field.graph.output, field.value.name, loop),
    ),
  );
}

/** Of a Scan only where all of its results are stacked alike. */
const isLoop = ({ opType, domain = "", attribute }: NodeProto): boolean =>
  (domain === "" || domain === "ai.onnx") &&
  (opType === "Loop" ||
    (opType === "Scan" && !attribute.some(({ name }) => name?.startsWith("scan_output"))));

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
