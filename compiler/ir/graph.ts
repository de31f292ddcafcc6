/**
 * Graph IR: tensors in static single assignment form.
 *
 * A graph is a list of nodes in topological order. A node applies an operator of the registry to values and defines
 * new ones; some operators hold regions (graphs of their own whose inputs are bound by the operator). A value is a
 * graph input, a constant, or the output of exactly one node. Nodes remember the names of the ONNX nodes they came
 * from through every pass.
 */

import { invariant } from "../diagnostics.js";
import {
  ceilDivDims,
  type Dim,
  equalShapes,
  isStatic,
  multiplyDims,
  printDim,
  productOfDims,
} from "./dim.js";
import { type DType, dtypes, isPacked } from "./dtype.js";
import type { TensorData } from "./tensor.js";

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  /**
   * Order of the dims in memory, outermost first: [0, 2, 3, 1] keeps an NCHW tensor channels-last. Absent means
   * row-major. The shape itself never changes with the layout.
   */
  readonly layout?: readonly number[];
}

export class Value {
  /** The node that defines this value; null for graph inputs and constants. */
  producer: Node | null = null;
  /** The elements, where they are known at compile time. */
  constant: TensorData | null = null;
  /** Elements of a small integer tensor as dims, where they are known as expressions (shape arithmetic). */
  elements: readonly Dim[] | null = null;

  constructor(
    public name: string,
    public type: TensorType,
  ) {}

  get dtype(): DType {
    return this.type.dtype;
  }

  get shape(): readonly Dim[] {
    return this.type.shape;
  }

  get rank(): number {
    return this.type.shape.length;
  }
}

export type AttributeValue = number | boolean | string | readonly number[] | readonly string[] | TensorData;
export const isTensorAttribute = (value: AttributeValue): value is TensorData =>
  typeof value === "object" && !Array.isArray(value);

export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface Node {
  operator: string;
  inputs: (Value | null)[];
  outputs: Value[];
  attributes: Attributes;
  regions: Graph[];
  /** Names of the ONNX nodes that this node computes. */
  source: string[];
}

export class Graph {
  inputs: Value[] = [];
  outputs: Value[] = [];
  nodes: Node[] = [];
  /**
   * How many of the inputs, counted from the last, are states: tensors that live across runs. The same number of last
   * outputs are their next values, in the same order and of the same types.
   */
  states = 0;

  constructor(public name: string) {}

  /** Appends a node and makes its outputs, named after the hints and typed by the caller. */
  append(node: {
    operator: string;
    inputs: (Value | null)[];
    types: readonly TensorType[];
    names: readonly string[];
    attributes?: Attributes;
    regions?: Graph[];
    source?: string[];
  }): Node {
    const made = createNode(node);
    this.nodes.push(made);
    return made;
  }
}

export function createNode(node: {
  operator: string;
  inputs: (Value | null)[];
  types: readonly TensorType[];
  names: readonly string[];
  attributes?: Attributes;
  regions?: Graph[];
  source?: string[];
}): Node {
  const made: Node = {
    operator: node.operator,
    inputs: node.inputs,
    outputs: node.types.map((type, i) => new Value(node.names[i] ?? `${node.names[0]}_${i}`, type)),
    attributes: node.attributes ?? {},
    regions: node.regions ?? [],
    source: node.source ?? [],
  };
  for (const output of made.outputs) output.producer = made;
  return made;
}

export function constantValue(name: string, data: TensorData): Value {
  const value = new Value(name, { dtype: data.dtype, shape: data.dims });
  value.constant = data;
  return value;
}

/** A graph's inputs, or its outputs, in two parts: what a run is given or gives, and the states or their next values. */
export function splitStates<T>({ states }: Graph, all: readonly T[]): [rest: T[], states: T[]] {
  const at = all.length - states;
  return [all.slice(0, at), all.slice(at)];
}

/** Users of every value: nodes of this graph (regions capture nothing: all they use is passed in). */
export function usersOf(graph: Graph): Map<Value, Node[]> {
  const users = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      if (input === null) continue;
      const list = users.get(input);
      if (list === undefined) users.set(input, [node]);
      else list.push(node);
    }
  }
  return users;
}

/** Puts `replacement` in place of `value` in all inputs of nodes and in the graph outputs. */
export function replaceAllUses(graph: Graph, replacements: ReadonlyMap<Value, Value>): void {
  if (replacements.size === 0) return;
  const resolve = (value: Value): Value => {
    let current = value;
    for (let next = replacements.get(current); next !== undefined; next = replacements.get(current))
      current = next;
    return current;
  };
  for (const node of graph.nodes) {
    for (let i = 0; i < node.inputs.length; i++) {
      const input = node.inputs[i];
      if (input !== null && input !== undefined) node.inputs[i] = resolve(input);
    }
  }
  graph.outputs = graph.outputs.map(resolve);
}

/** All constants that the graph's nodes and outputs refer to, in order of first use. */
export function constantsOf(graph: Graph): Value[] {
  const found = new Set<Value>();
  const visit = (value: Value | null) => {
    if (value?.constant) found.add(value);
  };
  for (const node of graph.nodes) {
    for (const input of node.inputs) visit(input);
    for (const region of node.regions) for (const constant of constantsOf(region)) found.add(constant);
  }
  graph.outputs.forEach(visit);
  return [...found];
}

export const isRowMajor = (type: TensorType): boolean =>
  type.layout === undefined || type.layout.every((dim, i) => dim === i);

export function equalTypes(a: TensorType, b: TensorType): boolean {
  const order = (type: TensorType) => (isRowMajor(type) ? "" : type.layout!.join());
  return a.dtype === b.dtype && equalShapes(a.shape, b.shape) && order(a) === order(b);
}

/** Bytes that a tensor of this type takes, or E_INTERNAL where its shape is not static. */
export function byteLength(type: TensorType): number {
  const bytes = byteLengthOf(type);
  invariant(isStatic(bytes), `size of ${printType(type)} is not static`);
  return bytes;
}

/** Bytes that a tensor of this type takes, whether or not its shape is static. */
export const byteLengthOf = ({ dtype, shape }: TensorType): Dim => {
  const { bits, bytes } = dtypes[dtype];
  const count = productOfDims(shape);
  return isPacked(dtype) ? ceilDivDims(count, 8 / bits) : multiplyDims(count, bytes);
};

/** `f32[1,64,56,56]{0,2,3,1}`: dtype, shape, and the layout where it is not row-major. */
export function printType(type: TensorType): string {
  const layout = isRowMajor(type) ? "" : `{${type.layout!.join()}}`;
  return `${dtypes[type.dtype].short}[${type.shape.map(printDim).join(", ")}]${layout}`;
}
