/** The values between the nodes of a model, and the model with all of them as outputs. */

import protobuf from "protobufjs/minimal.js";
import { KilnError } from "../diagnostics.js";
import type { Limits } from "../limits.js";
import { type GraphProto, modelProto, type NodeProto } from "../onnx/schema.js";
import { readMessage } from "../onnx/schema-reader.js";

export interface Intermediate {
  readonly value: string;
  /** Name of the node that computes it, or its own where that has none. */
  readonly node: string;
  readonly operator: string;
}

/** Fields of ModelProto, GraphProto and ValueInfoProto. */
const GRAPH = 7;
const OUTPUT = 12;
const NAME = 1;
const LENGTH = 2;

/** Nodes whose results are no tensors. */
const isOfTensors = ({ opType = "" }: NodeProto): boolean =>
  !/^(Sequence|SplitToSequence|Optional)/.test(opType);

/**
 * What the nodes of the model compute, in their order, as far as anything reads it. What lies inside functions and
 * regions is not counted.
 */
export function intermediates(model: Uint8Array, limits: Limits): Intermediate[] {
  const { graph } = readMessage(model, modelProto, limits);
  if (graph === undefined) return [];
  const read = new Set(graph.output.map(({ name }) => name));
  collectRead(graph, read);
  return graph.node
    .filter(isOfTensors)
    .flatMap((node) =>
      node.output
        .filter((value) => value !== "" && read.has(value))
        .map((value) => ({ value, node: node.name || value, operator: node.opType ?? "" })),
    );
}

/** The names that nodes read, and those that regions take from around them. */
function collectRead({ node }: GraphProto, into: Set<string | undefined>): void {
  for (const { input, attribute } of node) {
    for (const name of input) into.add(name);
    for (const { g, graphs } of attribute) {
      for (const region of g === undefined ? graphs : [g, ...graphs]) {
        for (const { name } of region.output) into.add(name);
        collectRead(region, into);
      }
    }
  }
}

/** The bytes of the model with these values as further outputs; those that it has already are left out. */
export function withOutputs(model: Uint8Array, values: readonly string[], limits: Limits): Uint8Array {
  const { graph } = readMessage(model, modelProto, limits);
  const known = new Set(graph?.output.map(({ name }) => name));
  const outputs = new protobuf.Writer();
  for (const value of new Set(values)) {
    if (known.has(value)) continue;
    outputs.uint32((OUTPUT << 3) | LENGTH).fork();
    outputs.uint32((NAME << 3) | LENGTH).string(value);
    outputs.ldelim();
  }
  return withGraph(model, (bytes) => concat(bytes, outputs.finish()));
}

/** The message with another graph; its other fields stay the bytes they are. */
function withGraph(model: Uint8Array, change: (graph: Uint8Array) => Uint8Array): Uint8Array {
  const reader = protobuf.Reader.create(model);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag !== ((GRAPH << 3) | LENGTH)) {
      reader.skipType(tag & 7);
      continue;
    }
    const graph = change(reader.bytes());
    const header = new protobuf.Writer().uint32(tag).uint32(graph.length).finish();
    return concat(model.subarray(0, start), header, graph, model.subarray(reader.pos));
  }
  throw new KilnError("E_DECODE", "the model has no graph");
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
