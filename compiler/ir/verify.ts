/**
 * The verifier of Graph IR. Passes may rely on these invariants, and must leave them standing:
 *
 *  1. Every value has a name that is not empty.
 *  2. Graph inputs are distinct, in name too, and have neither a producer nor a constant.
 *  3. A value has one definition: it is an input of one graph, or a constant, or one output of the node that its
 *     `producer` names. Constants belong to no graph: they are defined wherever they are used.
 *  4. Every input of a node is defined before it: by an earlier node, as a graph input, or as a constant.
 *  5. Every output of a graph is defined in it.
 *  6. A layout is a permutation of the dims of its tensor.
 *  7. Dims that are numbers are non-negative integers, and the element type is one of Kiln's.
 *  8. A constant has the element type and the shape (all static) of its value, and as many elements as that shape.
 *  9. Known `elements` belong to an int32 or int64 tensor of rank 0 or 1 whose size is static, one for each element.
 * 10. No node and no graph appears twice, at any depth.
 * 11. An attribute is a number, a boolean, a string, an array of numbers or of strings, or a tensor in good order.
 * 12. An operator has a name, one that the registry knows where a registry is given.
 * 13. Regions capture nothing: they use their own inputs, constants and nodes only.
 * 14. The last inputs that are states have next values among the last outputs, of the same types.
 */

import { type ErrorPlace, KilnError } from "../diagnostics.js";
import { isStatic } from "./dim.js";
import { dtypes } from "./dtype.js";
import { equalTypes, type Graph, type Node, printType, type Value } from "./graph.js";
import { elementCount, type TensorData } from "./tensor.js";

export interface VerifyContext {
  /** The pass that has just run, for the error. */
  readonly pass?: string;
  /** Finds a registered operator; undefined where there is none of that name. */
  readonly operators?: (name: string) => unknown;
}

/** Raises E_INTERNAL at the first broken invariant, naming its number, the pass and the node. */
export function verifyGraph(graph: Graph, context: VerifyContext = {}): void {
  new Verifier(context).graph(graph);
}

class Verifier {
  private readonly graphs = new Set<Graph>();
  private readonly nodes = new Set<Node>();
  /** Graph inputs and node outputs of all depths, with the graph that defines them. */
  private readonly definedIn = new Map<Value, Graph>();
  /** The node that errors name: the one at hand, or the one that holds the region at hand. */
  private node: Node | null = null;

  constructor(private readonly context: VerifyContext) {}

  graph(graph: Graph): void {
    this.require(10, !this.graphs.has(graph), () => `graph @${graph.name} appears twice`);
    this.graphs.add(graph);
    const holder = this.node;
    this.graphInputs(graph);
    for (const node of graph.nodes) {
      this.node = node;
      this.oneNode(node, graph);
      for (const region of node.regions) this.graph(region);
      for (const output of node.outputs) this.nodeOutput(output, node, graph);
    }
    this.node = holder;
    for (const output of graph.outputs) {
      this.use(output, graph, 5, `output %${output.name} of graph @${graph.name}`);
    }
    this.states(graph);
  }

  private states({ inputs, outputs, states, name }: Graph): void {
    const isCount = Number.isInteger(states) && states >= 0;
    const fits = isCount && states <= Math.min(inputs.length, outputs.length);
    this.require(14, fits, () => `graph @${name} cannot have ${states} states`);
    for (let i = 1; i <= states; i++) {
      const [state, next] = [inputs.at(-i)!, outputs.at(-i)!];
      const isNext = equalTypes(state.type, next.type);
      this.require(
        14,
        isNext,
        () => `state %${state.name} is ${printType(state.type)}, then ${printType(next.type)}`,
      );
    }
  }

  private graphInputs(graph: Graph): void {
    const names = new Set<string>();
    for (const input of graph.inputs) {
      const what = `input %${input.name} of graph @${graph.name}`;
      this.value(input);
      this.require(2, !names.has(input.name), () => `${what} shares its name with another input`);
      this.require(2, input.producer === null, () => `${what} has a producer, ${input.producer?.operator}`);
      this.require(2, input.constant === null, () => `${what} has a constant`);
      names.add(input.name);
      this.define(input, graph);
    }
  }

  private oneNode(node: Node, graph: Graph): void {
    this.require(10, !this.nodes.has(node), () => `the node appears twice`);
    this.nodes.add(node);
    this.require(12, node.operator !== "", () => "the operator has no name");
    if (this.context.operators !== undefined) {
      const known = this.context.operators(node.operator) !== undefined;
      this.require(12, known, () => `operator ${node.operator} is not registered`);
    }
    node.inputs.forEach((input, i) => {
      if (input !== null) this.use(input, graph, 4, `input ${i}, %${input?.name},`);
    });
    for (const [name, value] of Object.entries(node.attributes)) this.attribute(name, value);
  }

  private nodeOutput(output: Value, node: Node, graph: Graph): void {
    this.value(output);
    const producer = output.producer;
    this.require(3, producer === node, () =>
      producer === null
        ? `output %${output.name} names no producer`
        : `output %${output.name} names another producer, ${producer.operator}`,
    );
    this.require(3, output.constant === null, () => `output %${output.name} is a constant as well`);
    this.define(output, graph);
  }

  private define(value: Value, graph: Graph): void {
    this.require(3, !this.definedIn.has(value), () => `%${value.name} is defined twice`);
    this.definedIn.set(value, graph);
  }

  /** A use of a value in a graph: constants are checked here, because nothing else lists them. */
  private use(value: Value, graph: Graph, number: number, what: string): void {
    const home = this.definedIn.get(value);
    if (home === graph) return;
    this.require(13, home === undefined, () => `${what} is captured from graph @${home?.name}`);
    this.require(number, value.constant !== null, () => `${what} is not defined before it is used`);
    this.require(3, value.producer === null, () => `constant %${value.name} has a producer as well`);
    this.value(value);
  }

  private value(value: Value): void {
    const { type, constant, elements } = value;
    this.require(1, value.name !== "", () => `a value of type ${printType(type)} has no name`);
    this.require(7, dtypes[type.dtype] !== undefined, () => `%${value.name} has element type ${type.dtype}`);
    for (const dim of type.shape) {
      const legal = !isStatic(dim) || (Number.isInteger(dim) && dim >= 0);
      this.require(7, legal, () => `%${value.name} has dim ${dim} in ${printType(type)}`);
    }
    if (type.layout !== undefined) {
      const sorted = [...type.layout].sort((a, b) => a - b);
      const legal = sorted.length === value.rank && sorted.every((dim, i) => dim === i);
      this.require(6, legal, () => `%${value.name} has layout {${type.layout}} at rank ${value.rank}`);
    }
    if (constant !== null) this.constant(value, constant);
    if (elements !== null) this.elements(value, elements.length);
  }

  private constant(value: Value, constant: TensorData): void {
    const { dtype, shape } = value.type;
    const sameType =
      constant.dtype === dtype &&
      constant.dims.length === shape.length &&
      constant.dims.every((dim, i) => dim === shape[i]);
    this.require(
      8,
      sameType,
      () =>
        `constant %${value.name} of ${constant.dtype}[${constant.dims}] is typed ${printType(value.type)}`,
    );
    this.require(8, isWellFormed(constant), () => `constant %${value.name} ${describeData(constant)}`);
  }

  private elements(value: Value, length: number): void {
    const { dtype, shape } = value.type;
    const legal = (dtype === "int32" || dtype === "int64") && shape.length <= 1 && shape.every(isStatic);
    this.require(9, legal, () => `%${value.name} of ${printType(value.type)} has elements that are dims`);
    const count = elementCount(shape.filter(isStatic));
    this.require(9, length === count, () => `%${value.name} has ${length} known elements out of ${count}`);
  }

  private attribute(name: string, value: unknown): void {
    this.require(11, name !== "", () => "an attribute has no name");
    this.require(11, isAttributeValue(value), () => `attribute ${name} has a value of no legal kind`);
  }

  private require(number: number, condition: boolean, message: () => string): asserts condition {
    if (condition) return;
    const place: ErrorPlace = {};
    if (this.context.pass !== undefined) place.pass = this.context.pass;
    if (this.node !== null) {
      place.operator = this.node.operator;
      // Where the pass forgot the source, the name of the first output is the next best.
      const name = this.node.source.length > 0 ? this.node.source.join('", "') : this.node.outputs[0]?.name;
      if (name !== undefined) place.node = name;
    }
    throw new KilnError("E_INTERNAL", `graph invariant ${number}: ${message()}`, place);
  }
}

function isAttributeValue(value: unknown): boolean {
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "string") return true;
  if (Array.isArray(value)) {
    const kind = typeof value[0];
    return (
      value.length === 0 ||
      ((kind === "number" || kind === "string") && value.every((x) => typeof x === kind))
    );
  }
  return typeof value === "object" && value !== null && "data" in value && isWellFormed(value as TensorData);
}

/** True where the elements are held in the array type of the dtype, as many as the dims say. */
function isWellFormed({ dtype, dims, data }: TensorData): boolean {
  if (dtypes[dtype] === undefined || !Array.isArray(dims)) return false;
  const legal = dims.every((dim) => Number.isInteger(dim) && dim >= 0);
  return legal && data instanceof dtypes[dtype].array && data.length === elementCount(dims);
}

const describeData = (value: TensorData): string =>
  `needs ${elementCount(value.dims)} elements of ${value.dtype}, has ${value.data.constructor.name}(${value.data.length})`;
