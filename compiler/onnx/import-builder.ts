/**
 * The builder that the importer makes nodes with. It computes at once what later nodes' shapes may depend on: nodes of
 * constants, and integers that shape arithmetic knows.
 */

import { KilnError } from "../diagnostics.js";
import { type Dim, isStatic, productOfDims } from "../ir/dim.js";
import { dtypes } from "../ir/dtype.js";
import {
  type Attributes,
  byteLength,
  constantValue,
  type Graph,
  type Node,
  type Value,
} from "../ir/graph.js";
import { type TensorData, tensorOf } from "../ir/tensor.js";
import type { Limits } from "../limits.js";
import { GraphBuilder } from "../operators/builder.js";
import { evaluateNode } from "../operators/evaluate.js";
import type { FoldingBudget } from "../operators/folding-budget.js";
import { findOperator } from "../operators/index.js";
import type { ImportedNode, Operator } from "../operators/operator.js";

/** Floats beyond this many elements are data rather than parameters of shapes: folding them is a pass of its own. */
const SMALL = 4096;

export class ImportBuilder extends GraphBuilder {
  protected override readonly makesSymbols = true;
  private readonly names: NameTable;
  /** Values made since `begin`, which may still be given another name. */
  private fresh = new Set<Value>();

  constructor(
    graph: Graph,
    names: NameTable,
    private readonly limits: Limits,
    private readonly folding: FoldingBudget,
  ) {
    super(graph, findOperator, undefined, (hint) => names.derive(hint));
    this.names = names;
  }

  /** A builder for a region of this graph's nodes: names and limits are shared. */
  forRegion(graph: Graph): ImportBuilder {
    return new ImportBuilder(graph, this.names, this.limits, this.folding);
  }

  /** Nodes made from here on come from this ONNX node. */
  begin(node: string, firstOutput: string): void {
    this.origin = { name: firstOutput, source: [node] };
    this.fresh = new Set();
  }

  /** Gives a value made since `begin` the name that the model has for it. */
  adopt(value: Value, name: string): void {
    if (this.fresh.delete(value)) value.name = this.names.claim(name);
  }

  /** Takes up a node of control flow, which the importer has made with its types. */
  addControl(node: Node): Value[] {
    this.checkSizes(node);
    this.graph.nodes.push(node);
    for (const value of node.outputs) this.fresh.add(value);
    return node.outputs;
  }

  /** See `GraphBuilder.importedNode`; here for the importer's upgrades. */
  describe(
    schema: Pick<Operator, "attributes">,
    name: string,
    given: Attributes,
    outputs: number,
  ): ImportedNode {
    return this.importedNode(schema, name, given, outputs);
  }

  override constant(data: TensorData): Value {
    const value = super.constant(data);
    this.fresh.add(value);
    return value;
  }

  protected override add(operator: Operator, node: Node): Value[] {
    this.checkSizes(node);
    const folded = this.fold(operator, node);
    const values =
      folded?.map((data, i) => constantValue(node.outputs[i]!.name, data)) ?? super.add(operator, node);
    for (const value of values) this.fresh.add(value);
    return values;
  }

  private checkSizes(node: Node): void {
    for (const output of node.outputs) this.checkSize(output, node.operator);
  }

  /** @throws KilnError E_LIMIT where the value has too many dims or elements */
  checkSize({ name, shape }: Value, operator?: string): void {
    const { rank, tensorElements } = this.limits;
    const refuse = (reason: string): never => {
      const [source] = this.origin.source;
      throw new KilnError("E_LIMIT", `"${name}" has ${reason}`, {
        ...(operator !== undefined && { operator }),
        ...(source !== undefined && { node: source }),
      });
    };
    if (shape.length > rank) refuse(`${shape.length} dims, more than the limit of ${rank}`);
    const count = productOfDims(shape);
    if (isStatic(count) && count > tensorElements) {
      refuse(`${count} elements, more than the limit of ${tensorElements}`);
    }
  }

  private fold(operator: Operator, node: Node): TensorData[] | null {
    const known = node.outputs.length === 1 ? knownElements(node.outputs[0]!) : null;
    if (known !== null) return [known];
    if (!node.outputs.every(isShapeLike)) return null;
    return evaluateNode(operator, node, this.folding);
  }
}

/** The value as a constant, where shape arithmetic found all its elements to be numbers. */
function knownElements({ elements, dtype, shape }: Value): TensorData | null {
  if (elements === null || !shape.every(isStatic)) return null;
  // Beyond 2^53 a number may not be the integer that it stands for.
  if (!elements.every((element): element is number => Number.isSafeInteger(element))) return null;
  return tensorOf(dtype, shape, elements);
}

function isShapeLike({ type }: Value): boolean {
  if (!type.shape.every((dim: Dim) => isStatic(dim))) return false;
  const isInteger = dtypes[type.dtype].kind !== "float";
  return isInteger || byteLength(type) <= SMALL * dtypes[type.dtype].bytes;
}

/** Names of values: those of the model are kept, all others are made different from them. */
export class NameTable {
  private readonly taken = new Set<string>();
  /** In the order in which they were taken. */
  private readonly order: string[] = [];
  private readonly counters = new Map<string, number>();

  /** @param reserved names that only the values of the model's main graph may have */
  constructor(private readonly reserved: ReadonlySet<string>) {}

  /** The name itself for the first who asks for it. */
  claim(name: string): string {
    return this.taken.has(name) ? this.derive(name) : this.take(name);
  }

  derive(hint: string): string {
    let count = this.counters.get(hint) ?? 0;
    let name: string;
    do name = `${hint}.${count++}`;
    while (this.taken.has(name) || this.reserved.has(name));
    this.counters.set(hint, count);
    return this.take(name);
  }

  /** A point to go back to: names taken since are free again when the function given is called. */
  mark(): () => void {
    const { length } = this.order;
    return () => {
      for (const name of this.order.splice(length)) this.taken.delete(name);
    };
  }

  private take(name: string): string {
    this.taken.add(name);
    this.order.push(name);
    return name;
  }
}
