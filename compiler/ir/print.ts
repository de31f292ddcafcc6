/**
 * The text form of Graph IR: one node a line, regions as indented graphs below the node that holds them.
 *
 *     graph @main(%x: f32[N, 3, 8, 8]) -> (%y: f32[N, 4, 8, 8]) {
 *       %w: f32[4, 3, 1, 1] = constant resource "w"
 *       %y: f32[N, 4, 8, 8]{0,2,3,1} = Conv(%x, %w, _) {pads=[0, 0, 0, 0], group=1} from ["conv1"]
 *       return %y
 *     }
 *
 * `parseGraph` reads it back, and printing what it read gives the same text. A constant stands before its first
 * use: small ones with their elements, large ones as a reference to a resource, so that the text grows with the
 * number of nodes and not with the weights.
 *
 * Printing does not ask for a valid graph: values that are used before their definition, or have none, print as
 * what they are, because text is how a broken graph is looked at.
 */

import { printDim } from "./dim.js";
import {
  type AttributeValue,
  type Graph,
  isTensorAttribute,
  type Node,
  printType,
  type Value,
} from "./graph.js";
import { printElements, printNumber } from "./print-elements.js";
import type { TensorData } from "./tensor.js";

export interface PrintOptions {
  /** Tensors of more elements than this are printed as references to resources; 8 where absent. */
  readonly elideLargerThan?: number;
}

/** The graph as text, without a final line break. */
export function printGraph(graph: Graph, options: PrintOptions = {}): string {
  const printer = new GraphPrinter(options.elideLargerThan ?? 8);
  printer.graph(graph, "");
  return printer.lines.join("\n");
}

/** The tensors that the text of this graph, printed with the same options, refers to by name. */
export function graphResources(graph: Graph, options: PrintOptions = {}): Map<string, TensorData> {
  const printer = new GraphPrinter(options.elideLargerThan ?? 8);
  printer.graph(graph, "");
  return printer.resources;
}

class GraphPrinter {
  readonly lines: string[] = [];
  readonly resources = new Map<string, TensorData>();
  private readonly resourceNames = new UniqueNames();

  constructor(private readonly elideLargerThan: number) {}

  graph(graph: Graph, indent: string): void {
    const names = new ValueNames();
    const inputs = graph.inputs.map((input) => declaration(input, names));
    // The header names the outputs, but values are named in the order of their definitions: it is filled in last.
    const header = this.lines.push("") - 1;
    this.body(graph, names, `${indent}  `);
    const outputs = graph.outputs.map((output) => `${names.of(output)}: ${printType(output.type)}`);
    const states = graph.states > 0 ? ` states ${graph.states}` : "";
    this.lines[header] =
      `${indent}graph @${printPlain(graph.name, plainName)}(${inputs.join(", ")}) -> (${outputs.join(", ")})${states} {`;
    this.lines.push(`${indent}}`);
  }

  private body(graph: Graph, names: ValueNames, indent: string): void {
    const defined = new Set<Value>(graph.inputs);
    const constant = (value: Value | null): void => {
      if (value === null || value.constant === null || value.producer !== null || defined.has(value)) return;
      defined.add(value);
      const left = declaration(value, names);
      this.lines.push(`${indent}${left} = constant ${this.tensor(value.constant, names.plain(value))}`);
    };
    for (const node of graph.nodes) {
      node.inputs.forEach(constant);
      this.lines.push(`${indent}${this.node(node, names)}`);
      for (const region of node.regions) this.graph(region, `${indent}  `);
    }
    graph.outputs.forEach(constant);
    this.lines.push(
      `${indent}return ${graph.outputs.map((output) => names.of(output)).join(", ")}`.trimEnd(),
    );
  }

  private node(node: Node, names: ValueNames): string {
    const inputs = node.inputs.map((input) => (input === null ? "_" : names.of(input)));
    const outputs = node.outputs.map((output) => declaration(output, names));
    const left = outputs.length === 0 ? "" : `${outputs.join(", ")} = `;
    const source = node.source.length === 0 ? "" : ` from ${printStrings(node.source)}`;
    return `${left}${printWord(node.operator)}(${inputs.join(", ")})${this.attributes(node, names)}${source}`;
  }

  private attributes(node: Node, names: ValueNames): string {
    const entries = Object.entries(node.attributes);
    if (entries.length === 0) return "";
    const owner = node.outputs[0] === undefined ? node.operator : names.plain(node.outputs[0]);
    const parts = entries.map(
      ([name, value]) => `${printPlain(name, plainName)}=${this.attribute(value, `${owner}.${name}`)}`,
    );
    return ` {${parts.join(", ")}}`;
  }

  private attribute(value: AttributeValue, resource: string): string {
    if (typeof value === "number") return printNumber(value);
    if (typeof value === "string") return JSON.stringify(value);
    if (typeof value === "boolean") return String(value);
    if (isTensorAttribute(value)) {
      const type = printType({ dtype: value.dtype, shape: value.dims });
      return `${type} ${this.tensor(value, resource)}`;
    }
    return `[${value.map((item) => (typeof item === "number" ? printNumber(item) : JSON.stringify(item))).join(", ")}]`;
  }

  private tensor(value: TensorData, resource: string): string {
    if (value.data.length <= this.elideLargerThan) return `dense [${printElements(value).join(", ")}]`;
    const name = this.resourceNames.make(resource);
    this.resources.set(name, value);
    return `resource ${JSON.stringify(name)}`;
  }
}

/** `%s: i64[2] elements [N, 4*H + 2]`: a value where it is defined. */
function declaration(value: Value, names: ValueNames): string {
  const elements = value.elements === null ? "" : ` elements [${value.elements.map(printDim).join(", ")}]`;
  return `${names.of(value)}: ${printType(value.type)}${elements}`;
}

/** Gives every value of one graph its own name: its own where no value before it has that name. */
class ValueNames {
  private readonly names = new Map<Value, string>();
  private readonly unique = new UniqueNames();

  plain(value: Value): string {
    let name = this.names.get(value);
    if (name === undefined) {
      name = this.unique.make(value.name);
      this.names.set(value, name);
    }
    return name;
  }

  of(value: Value): string {
    return `%${printPlain(this.plain(value), plainValueName)}`;
  }
}

/**
 * Names handed out once each, the later ones of a clash numbered. Names that do not clash come back unchanged, so
 * naming what was named here before changes nothing: that is why a printed graph prints the same after parsing.
 */
class UniqueNames {
  private readonly taken = new Set<string>();
  private readonly next = new Map<string, number>();

  make(wanted: string): string {
    let name = wanted;
    if (this.taken.has(name)) {
      let number = this.next.get(wanted) ?? 1;
      while (this.taken.has(`${wanted}_${number}`)) number++;
      this.next.set(wanted, number + 1);
      name = `${wanted}_${number}`;
    }
    this.taken.add(name);
    return name;
  }
}

const plainName = /^[A-Za-z_][A-Za-z0-9_.]*$/;
const plainValueName = /^[A-Za-z0-9_.]+$/;
/** Words that start something else where an operator may stand. */
const reserved = new Set(["constant", "graph", "return"]);

const printPlain = (name: string, plain: RegExp): string => (plain.test(name) ? name : JSON.stringify(name));
const printWord = (name: string): string =>
  reserved.has(name) ? JSON.stringify(name) : printPlain(name, plainName);
const printStrings = (strings: readonly string[]): string =>
  `[${strings.map((text) => JSON.stringify(text)).join(", ")}]`;
