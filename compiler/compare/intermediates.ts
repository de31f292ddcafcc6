/**
 * The values between the nodes of a model, those inside its functions, loops and branches too, and the model with all of
 * them as outputs.
 */

import { KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import { type GraphProto, modelProto, type NodeProto } from "../onnx/schema.js";
import { readMessage } from "../onnx/schema-reader.js";
import { callName, type Intermediate, isBranch, type OpenedNode, Outline } from "./outline.js";
import { probe } from "./probe.js";
import { appendNamed, appendStrings, elementsOf, mapField } from "./wire.js";

interface Intermediates {
  /** In the order in which they are computed. */
  readonly values: readonly Intermediate[];
  /** Names of nodes inside of If, Loop and Scan that are not opened, and of functions called there. */
  readonly unseen: readonly string[];
  readonly opened: readonly OpenedNode[];
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

/**
 * What the nodes of the model compute, as far as anything reads it. A function gets what it computes as further outputs,
 * and so do its calls; where a body calls it, it stays as it is. Loops gather what their passes compute: engines refuse
 * that where its size differs from pass to pass. Each branch of an `If` is computed once more in a loop of at most one
 * pass, which gathers what is in it.
 *
 * @param closed paths of nodes and branches that are left as they are
 */
export function intermediates(model: Uint8Array, limits: Limits, closed: ReadonlySet<string>): Intermediates {
  const { graph, functions } = readMessage(model, modelProto, limits);
  if (graph === undefined) throw new KilnError("E_DECODE", "the model has no graph");
  const outline = new Outline(functions, graph, closed);
  const known = new Set(graph.output.map(({ name }) => name));
  const values = outline.valuesOf(graph.node, known);
  const names = values.map(({ value }) => value).filter((value) => !known.has(value));
  let extended = mapField(model, field.model.graph, (bytes) =>
    extendGraph(bytes, graph, [...new Set(names)], outline),
  );
  extended = mapField(extended, field.model.functions, (bytes, at) => {
    const fn = functions[at]!;
    const nodes = extendNodes(bytes, field.fn.node, fn.node, outline);
    return appendStrings(nodes, field.fn.output, outline.added(fn));
  });
  const { unseen, opened } = outline;
  return { values, unseen, opened, extended };
}

/** A graph with further outputs. */
function extendGraph(
  bytes: Uint8Array,
  graph: GraphProto,
  outputs: readonly string[],
  outline: Outline,
): Uint8Array {
  const nodes = extendNodes(bytes, field.graph.node, graph.node, outline);
  return appendNamed(nodes, field.graph.output, field.value.name, outputs);
}

/** The nodes that a field of a message holds, and before each `If` the loops that gather what is in its branches. */
const extendNodes = (
  message: Uint8Array,
  nodeField: number,
  nodes: readonly NodeProto[],
  outline: Outline,
): Uint8Array =>
  mapField(message, nodeField, (bytes, i) => {
    const node = nodes[i]!;
    if (!isBranch(node)) return extendNode(bytes, node, i, outline);
    const probes = probesOf(bytes, node, callName(node, i), outline);
    return probes.length === 0 ? bytes : [...probes, bytes];
  });

/** A call with what its function computes, or a loop with what its body does, as further outputs; others as they are. */
function extendNode(bytes: Uint8Array, node: NodeProto, index: number, outline: Outline): Uint8Array {
  const fn = outline.called(node);
  const [body] = outline.bodiesOf(node);
  const inside = fn === undefined ? (body?.values ?? []).map(({ value }) => value) : outline.added(fn);
  if (inside.length === 0) return bytes;
  // Outputs that the node leaves out keep their places.
  const outputs = fn?.output.length ?? body!.graph.output.length - (node.opType === "Loop" ? 1 : 0);
  const missing = new Array<string>(outputs - node.output.length).fill("");
  const names = inside.map((value) => `${callName(node, index)}/${value}`);
  const extended = appendStrings(bytes, field.node.output, [...missing, ...names]);
  if (body === undefined) return extended;
  return mapField(extended, field.node.attribute, (attribute) =>
    mapField(attribute, field.attribute.graph, (graph) => extendGraph(graph, body.graph, inside, outline)),
  );
}

function probesOf(bytes: Uint8Array, node: NodeProto, call: string, outline: Outline): Uint8Array[] {
  const attributes = elementsOf(bytes, field.node.attribute);
  return outline.bodiesOf(node).flatMap(({ attribute, graph, values }) => {
    const names = values.map(({ value }) => value);
    if (names.length === 0) return [];
    const at = node.attribute.findIndex(({ name }) => name === attribute);
    const [branch] = elementsOf(attributes[at]!, field.attribute.graph);
    return probe({
      name: `${call}/${attribute}`,
      condition: node.input[0]!,
      isElse: attribute === "else_branch",
      branch: extendNodes(branch!, field.graph.node, graph.node, outline),
      values: names,
    });
  });
}
