/** Building graphs from operators by name, types inferred as nodes are added. */

import { KilnError } from "../diagnostics.js";
import { isStatic, printDim, productOfDims } from "../ir/dim.js";
import { type DType, dtypes } from "../ir/dtype.js";
import {
  type Attributes,
  constantValue,
  createNode,
  type Graph,
  type Node,
  type TensorType,
  type Value,
} from "../ir/graph.js";
import { type TensorData, tensorOf } from "../ir/tensor.js";
import { encodeElements } from "./numbers.js";
import {
  checkType,
  completeAttributes,
  type ImportedNode,
  type Operator,
  UnknownElementsError,
  viewNode,
} from "./operator.js";

export type OperatorLookup = (name: string) => Operator | undefined;

/** Infers output types and known elements of a node and sets them on its outputs. */
export function inferNode(operator: Operator, node: Node): void {
  const view = viewNode(operator, node);
  checkType(operator, node.inputs[0], view.fail);
  const types = operator.infer(view);
  node.outputs.forEach((output, i) => {
    const type = types[i] ?? view.fail(`has no output ${i}`);
    const isShape = type.shape.every((dim) => !isStatic(dim) || (Number.isInteger(dim) && dim >= 0));
    if (!isShape)
      view.fail(`its result would have the shape [${type.shape.map(printDim).join(", ")}]`, "E_SHAPE");
    output.type = output.type.layout === undefined ? type : { ...type, layout: output.type.layout };
  });
  const first = node.outputs[0];
  if (operator.elements !== undefined && first !== undefined) first.elements = operator.elements(view);
}

/** Shapes, axes and amounts are short lists of integers. */
const mostSymbols = 64;

function canBeSymbols({ type, shape, constant }: Value): boolean {
  const count = productOfDims(shape);
  return (
    constant === null &&
    (type.dtype === "int32" || type.dtype === "int64") &&
    shape.length <= 1 &&
    isStatic(count) &&
    count <= mostSymbols
  );
}

export class GraphBuilder {
  private counter = 0;
  private readonly withSymbols = new Map<Value, Value>();
  /** Elements that shapes depend on may become symbols. */
  protected readonly makesSymbols: boolean = false;

  constructor(
    readonly graph: Graph,
    protected readonly lookup: OperatorLookup,
    /** Names and sources of the nodes made from here on. */
    public origin: { name: string; source: string[] } = { name: "value", source: [] },
    protected readonly uniqueName: (hint: string) => string = (hint) => `${hint}.${this.counter++}`,
  ) {}

  /** Adds a node and gives its first output. Operators that only exist as others are put in their terms. */
  op(name: string, inputs: (Value | null)[], attributes: Attributes = {}): Value {
    return this.ops(name, inputs, attributes, 1)[0]!;
  }

  ops(name: string, inputs: (Value | null)[], attributes: Attributes, outputs: number): Value[] {
    const operator = this.lookup(name);
    if (operator === undefined) throw new KilnError("E_INTERNAL", `operator ${name} is not declared`);
    const present = inputs.slice(0, inputs.findLastIndex((input) => input !== null) + 1);
    if (operator.expand !== undefined) {
      const view = this.importedNode(operator, name, attributes, outputs);
      checkType(operator, present[0], view.fail);
      return operator.expand(this, present, view);
    }
    const placeholder: TensorType = { dtype: "float32", shape: [] };
    const node = createNode({
      operator: name,
      inputs: present,
      types: new Array(outputs).fill(placeholder),
      names: Array.from({ length: outputs }, () => this.uniqueName(this.origin.name)),
      attributes,
      source: [...this.origin.source],
    });
    this.infer(operator, node);
    return this.add(operator, node);
  }

  /** Infers the node's types, once elements that they depend on have become symbols. */
  private infer(operator: Operator, node: Node): void {
    for (;;) {
      try {
        inferNode(operator, node);
        return;
      } catch (error) {
        if (!(error instanceof UnknownElementsError)) throw error;
        const value = node.inputs[error.input]!;
        if (!this.makesSymbols || !canBeSymbols(value)) throw error;
        node.inputs[error.input] = this.symbols(value);
      }
    }
  }

  /**
   * The value, its elements known as symbols that get their values at run time: dims where `natural` says that none of
   * them is negative, else any integers.
   */
  symbols(value: Value, natural = false): Value {
    const known = this.withSymbols.get(value);
    if (known !== undefined) return known;
    const count = productOfDims(value.shape);
    const name = this.uniqueName(`${value.name}.elements`);
    const names = Array.from({ length: Number(count) }, (_, i) => `@${name}.${i}`);
    const made = this.op("kiln.Elements", [value], { symbols: names, natural: natural ? 1 : 0 });
    this.withSymbols.set(value, made);
    return made;
  }

  /** Takes up a node whose types are inferred, and gives the values that stand for its outputs. */
  protected add(_operator: Operator, node: Node): Value[] {
    this.graph.nodes.push(node);
    return node.outputs;
  }

  /** What `expand` and `upgrade` are told of the node; errors name the ONNX node that it comes from. */
  protected importedNode(
    operator: Pick<Operator, "attributes">,
    name: string,
    attributes: Attributes,
    outputCount: number,
  ): ImportedNode {
    const node = this.origin.source[0] ?? this.origin.name;
    const fail: ImportedNode["fail"] = (reason, code = "E_MODEL", hint) => {
      throw new KilnError(code, reason, { node, operator: name, ...(hint !== undefined && { hint }) });
    };
    const complete = completeAttributes(operator.attributes, attributes, fail);
    return {
      attributes: complete as ImportedNode["attributes"],
      name: node,
      outputCount,
      bodies: new Map(),
      fail,
    };
  }

  constant(data: TensorData): Value {
    return constantValue(this.uniqueName("constant"), data);
  }

  scalar(dtype: DType, value: number): Value {
    if (!/float/.test(dtypes[dtype].kind) && !Number.isInteger(value)) {
      const [node] = this.origin.source;
      throw new KilnError("E_MODEL", `${value} is no ${dtype}`, node === undefined ? {} : { node });
    }
    return this.constant(encodeElements(dtype, [], [value]));
  }

  /** The value in another element type; the same value where it has that type. */
  cast(x: Value, dtype: DType): Value {
    return x.dtype === dtype ? x : this.op("Cast", [x], { to: dtypes[dtype].onnx });
  }

  /** A one-dimensional int64 constant: shapes, axes, pads. */
  ints(values: readonly number[]): Value {
    return this.constant(tensorOf("int64", [values.length], values));
  }
}

/** The attributes that a node has, given or by default, as those of another node. */
export function presentAttributes({ attributes }: Pick<ImportedNode, "attributes">): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).filter(([, value]) => value !== undefined),
  ) as Attributes;
}
