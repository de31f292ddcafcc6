/**
 * Reads the text form of Graph IR (see `print.ts`). The parser checks that every name is defined before it is used,
 * because it could build nothing else; what remains is the verifier's business. Blanks and line breaks mean
 * nothing, `//` starts a comment, and the outputs in the header of a graph may be left out.
 */

import { readDim } from "./dim-parse.js";
import { dtypeFromShortName } from "./dtype.js";
import {
  type Attributes,
  type AttributeValue,
  createNode,
  Graph,
  printType,
  type TensorType,
  Value,
} from "./graph.js";
import { Lexer } from "./lexer.js";
import { readNumber, readTensor } from "./parse-elements.js";
import type { TensorData } from "./tensor.js";

/** The graph that the text describes; `resources` holds the tensors that it refers to by name. */
export function parseGraph(text: string, resources: ReadonlyMap<string, TensorData> = new Map()): Graph {
  const parser = new GraphParser(new Lexer(text), resources);
  return parser.wholeText();
}

type Scope = Map<string, Value>;

class GraphParser {
  constructor(
    private readonly lexer: Lexer,
    private readonly resources: ReadonlyMap<string, TensorData>,
  ) {}

  wholeText(): Graph {
    const graph = this.graph();
    if (this.lexer.peek().kind !== "end") this.lexer.fail("expected the end of the text");
    return graph;
  }

  private graph(): Graph {
    const { lexer } = this;
    lexer.expect("graph");
    const graph = new Graph(lexer.expectKind("@name", "graphName"));
    const scope: Scope = new Map();
    graph.inputs = lexer.list("(", ")", () => this.declaration(scope));
    const start = lexer.peek();
    const declared = lexer.accept("->") ? lexer.list("(", ")", () => this.headerOutput()) : undefined;
    if (lexer.accept("states")) graph.states = readNumber(lexer);
    lexer.expect("{");
    while (!lexer.at("return")) this.statement(graph, scope);
    lexer.expect("return");
    if (!lexer.at("}")) {
      do graph.outputs.push(this.use(scope));
      while (lexer.accept(","));
    }
    const outputs = graph.outputs.map((output) => headerText(output.name, output.type));
    if (declared !== undefined && declared.join() !== outputs.join()) {
      lexer.fail(`the header says (${declared.join(", ")}), but returned is (${outputs.join(", ")})`, start);
    }
    lexer.expect("}");
    return graph;
  }

  private headerOutput(): string {
    const name = this.lexer.expectKind("%name", "value");
    this.lexer.expect(":");
    return headerText(name, this.type());
  }

  /** A constant or a node with its regions. */
  private statement(graph: Graph, scope: Scope): void {
    const { lexer } = this;
    const outputs: Value[] = [];
    // An output is not in scope before the node is complete: a node cannot read what it defines.
    const defined: Scope = new Map();
    if (lexer.peek().kind === "value") {
      do outputs.push(this.declaration(defined, scope));
      while (lexer.accept(","));
      lexer.expect("=");
    }
    const start = lexer.peek();
    if (lexer.accept("constant")) {
      if (outputs.length !== 1) lexer.fail("a constant defines one value", start);
      outputs[0]!.constant = readTensor(lexer, outputs[0]!.type, this.resources);
    } else this.node(graph, scope, outputs);
    for (const output of outputs) scope.set(output.name, output);
  }

  private node(graph: Graph, scope: Scope, outputs: Value[]): void {
    const { lexer } = this;
    const node = createNode({
      operator: lexer.expectKind("an operator", "word", "string"),
      inputs: lexer.list("(", ")", () => (lexer.accept("_") ? null : this.use(scope))),
      types: [],
      names: [],
    });
    if (lexer.at("{")) node.attributes = this.attributes();
    if (lexer.accept("from")) node.source = lexer.list("[", "]", () => lexer.expectKind("a name", "string"));
    while (lexer.at("graph")) node.regions.push(this.graph());
    node.outputs = outputs;
    for (const output of outputs) output.producer = node;
    graph.nodes.push(node);
  }

  /** `%name: type elements [...]`, entered in the scope; the name must be new to it and to the one around it. */
  private declaration(scope: Scope, around?: Scope): Value {
    const { lexer } = this;
    const token = lexer.peek();
    const name = lexer.expectKind("%name", "value");
    if (scope.has(name) || around?.has(name)) lexer.fail(`%${name} is defined twice`, token);
    lexer.expect(":");
    const value = new Value(name, this.type());
    if (lexer.accept("elements")) value.elements = lexer.list("[", "]", () => readDim(lexer));
    scope.set(name, value);
    return value;
  }

  private use(scope: Scope): Value {
    const token = this.lexer.peek();
    const name = this.lexer.expectKind("%name", "value");
    return scope.get(name) ?? this.lexer.fail(`%${name} is not defined here`, token);
  }

  private type(): TensorType {
    const { lexer } = this;
    const token = lexer.peek();
    const dtype = dtypeFromShortName(lexer.expectKind("a type", "word"));
    if (dtype === undefined) return lexer.fail(`${token.text} is no element type`, token);
    const shape = lexer.list("[", "]", () => readDim(lexer));
    if (!lexer.at("{")) return { dtype, shape };
    return { dtype, shape, layout: lexer.list("{", "}", () => readNumber(lexer)) };
  }

  private attributes(): Attributes {
    const { lexer } = this;
    const names = new Set<string>();
    const entries = lexer.list("{", "}", (): [string, AttributeValue] => {
      const token = lexer.peek();
      const name = lexer.expectKind("the name of an attribute", "word", "string");
      if (names.has(name)) lexer.fail(`attribute ${name} is given twice`, token);
      names.add(name);
      lexer.expect("=");
      return [name, this.attribute()];
    });
    return Object.fromEntries(entries);
  }

  private attribute(): AttributeValue {
    const { lexer } = this;
    const { kind, text } = lexer.peek();
    if (kind === "string") return lexer.next().text;
    if (lexer.at("[")) return this.array();
    if (lexer.accept("true")) return true;
    if (lexer.accept("false")) return false;
    if (kind === "word" && dtypeFromShortName(text) !== undefined) {
      return readTensor(lexer, this.type(), this.resources);
    }
    return readNumber(lexer);
  }

  /** `[1, 2]` or `["a", "b"]`: the first item decides. */
  private array(): number[] | string[] {
    const { lexer } = this;
    let strings: boolean | undefined;
    const items = lexer.list("[", "]", () => {
      strings ??= lexer.peek().kind === "string";
      return strings ? lexer.expectKind("a string", "string") : readNumber(lexer);
    });
    return items as number[] | string[];
  }
}

const headerText = (name: string, type: TensorType): string => `%${name}: ${printType(type)}`;
