/**
 * An ONNX model as plain data: what is left of the protobuf messages once they are decoded and checked. Names are
 * still names here, scopes are still ONNX's; the importer (import.ts) makes the graph IR of it.
 */

import { KilnError } from "../diagnostics.js";
import type { TensorData } from "../ir/tensor.js";

export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  /** Operator set version by domain; the default domain is "". */
  readonly opsetImports: ReadonlyMap<string, number>;
  readonly graph: OnnxGraph;
  /** Model-local functions; none are left once they are inlined, as in every model that `decodeModel` returns. */
  readonly functions: readonly OnnxFunction[];
  readonly metadata: ReadonlyMap<string, string>;
}

export interface OnnxGraph {
  readonly name: string;
  /** In topological order, once checked. */
  readonly nodes: readonly OnnxNode[];
  /** Without those that an initializer gives a value to. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly valueInfo: readonly OnnxValueInfo[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
}

export interface OnnxFunction {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes without a default: absent from the body where a call does not give them. */
  readonly attributeNames: readonly string[];
  readonly attributeDefaults: ReadonlyMap<string, OnnxAttribute>;
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxNode {
  /** Never empty in a decoded model: a node without a name gets one like `Conv_12`. */
  readonly name: string;
  readonly opType: string;
  /** "" is the default domain (`ai.onnx`). */
  readonly domain: string;
  readonly overload: string;
  /** Version of the node's domain that applies: the model's, or its function's where it comes from one. */
  readonly opset: number;
  /** Value names; "" stands for an optional input or output that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** Integers are bigints, so that INT64_MAX (the usual "to the end") survives; see `getInt` for numbers. */
export type OnnxAttribute =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "tensor"; readonly value: OnnxTensor }
  | { readonly kind: "graph"; readonly value: OnnxGraph }
  | { readonly kind: "type_proto"; readonly value: OnnxType }
  /** Made dense. */
  | { readonly kind: "sparse_tensor"; readonly value: OnnxTensor }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly bigint[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensors"; readonly value: readonly OnnxTensor[] }
  | { readonly kind: "graphs"; readonly value: readonly OnnxGraph[] }
  | { readonly kind: "type_protos"; readonly value: readonly OnnxType[] }
  | { readonly kind: "sparse_tensors"; readonly value: readonly OnnxTensor[] }
  /** The attribute `value` of the function around it; only inside function bodies. */
  | { readonly kind: "ref"; readonly value: string; readonly of: AttributeKind };

export type AttributeKind = Exclude<OnnxAttribute["kind"], "ref">;
type AttributeValue<K extends AttributeKind> = Extract<OnnxAttribute, { kind: K }>["value"];

/** A tensor of the model: of numbers, or of strings (`dtype` tells which). */
export type OnnxTensor = TensorData | StringTensor;

export interface StringTensor {
  readonly dtype: "string";
  readonly dims: readonly number[];
  readonly strings: readonly string[];
}

export interface OnnxValueInfo {
  readonly name: string;
  /** Undefined where the model does not say. */
  readonly type: OnnxType | undefined;
}

/** A size, the name of a size, or null where it is unknown. */
export type OnnxDim = number | string | null;

/** `elemType` and `keyType` are TensorProto.DataType codes (0: not given); `dims` is null where the rank is unknown. */
export type OnnxType =
  | {
      readonly kind: "tensor" | "sparse_tensor";
      readonly elemType: number;
      readonly dims: readonly OnnxDim[] | null;
    }
  | { readonly kind: "sequence" | "optional"; readonly elem: OnnxType }
  | { readonly kind: "map"; readonly keyType: number; readonly value: OnnxType }
  | { readonly kind: "opaque" };

/**
 * The value of an attribute, or undefined where the node does not have it.
 * @throws KilnError E_MODEL where it is of another kind.
 */
export function getAttribute<K extends AttributeKind>(
  node: OnnxNode,
  name: string,
  kind: K,
): AttributeValue<K> | undefined {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return undefined;
  if (attribute.kind !== kind) {
    throw new KilnError("E_MODEL", `attribute ${name} is of kind ${attribute.kind}, not ${kind}`, {
      node: node.name,
      operator: node.opType,
    });
  }
  return attribute.value as AttributeValue<K> | undefined;
}

/**
 * An int attribute as a number. Beyond 2^53 it saturates: INT64_MAX becomes Number.MAX_SAFE_INTEGER, which is past the
 * end of every tensor just as well.
 * @throws KilnError E_MODEL where the attribute is of another kind.
 */
export function getInt(node: OnnxNode, name: string): number | undefined {
  const value = getAttribute(node, name, "int");
  return value === undefined ? undefined : saturate(value);
}

/**
 * An ints attribute as numbers, each saturated as `getInt` does.
 * @throws KilnError E_MODEL where the attribute is of another kind.
 */
export function getInts(node: OnnxNode, name: string): number[] | undefined {
  return getAttribute(node, name, "ints")?.map(saturate);
}

/** The nearest safe integer. */
export function saturate(value: bigint): number {
  return Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

/** The graphs among a node's attributes, with the attribute's name. */
export function* subgraphs(node: OnnxNode): Generator<[string, OnnxGraph]> {
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind === "graph") yield [name, attribute.value];
    else if (attribute.kind === "graphs") for (const graph of attribute.value) yield [name, graph];
  }
}

/** The node with each graph among its attributes replaced; the same node where it has none. */
export function mapGraphs(node: OnnxNode, map: (graph: OnnxGraph) => OnnxGraph): OnnxNode {
  let attributes: Map<string, OnnxAttribute> | undefined;
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind !== "graph" && attribute.kind !== "graphs") continue;
    attributes ??= new Map(node.attributes);
    attributes.set(
      name,
      attribute.kind === "graph"
        ? { kind: "graph", value: map(attribute.value) }
        : { kind: "graphs", value: attribute.value.map(map) },
    );
  }
  return attributes === undefined ? node : { ...node, attributes };
}

/** The domain's usual spelling: the default one is "". */
export function normalDomain(domain: string | undefined): string {
  return domain === undefined || domain === "ai.onnx" ? "" : domain;
}
