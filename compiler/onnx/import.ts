/**
 * A decoded ONNX model -> Graph IR.
 *
 * Every node is looked up in the registry of operators, brought to the operator's current form (`upgrade`, `expand`)
 * and appended with inferred types. What is known while that happens is used at once: initializers and `Constant` nodes
 * are constants, shape arithmetic is folded, and of an `If` whose condition is known the branch taken is put in its
 * place. Nodes that cannot be compiled are collected and raised together.
 */

import { KilnError, UnsupportedModelError, type UnsupportedNode } from "../diagnostics.js";
import { constantValue as constantFrom, Graph, Value } from "../ir/graph.js";
import type { Limits } from "../limits.js";
import { FoldingBudget } from "../operators/folding-budget.js";
import { qualifiedName } from "../operators/index.js";
import { convertAttributes } from "./import-attributes.js";
import { bodiesOf } from "./import-bodies.js";
import { ImportBuilder, NameTable } from "./import-builder.js";
import { type Choice, Choices } from "./import-choices.js";
import {
  type Body,
  graphAttribute,
  importBranch,
  importLoop,
  type RegionImporter,
  requireSingle,
} from "./import-control.js";
import { checkSymbols, type InputSizes, inputTypes } from "./import-inputs.js";
import { isControlOperator } from "./import-operators.js";
import { importScan } from "./import-scan.js";
import { EitherRank, type Known, RegionScope, reported, Scope, Sequence, Unknown } from "./import-scope.js";
import { importSequence, isSequenceOperator, nonTensorReason } from "./import-sequences.js";
import { makeStates, type StatePairs } from "./import-states.js";
import {
  broadcastsAway,
  checkInputs,
  type Found,
  findVersion,
  modelError,
  unsupported,
} from "./import-versions.js";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "./model.js";
import { constantValue, numeric } from "./tensor.js";

export interface ImportOptions extends InputSizes {
  readonly limits: Limits;
  readonly states?: StatePairs | undefined;
  /** What folding may do while the model is imported; all that the limits allow where absent. */
  readonly folding?: FoldingBudget;
}

/**
 * The model as a graph, its dims bound as far as sizes are given.
 * @throws KilnError
 *  - E_UNSUPPORTED (UnsupportedModelError): nodes that Kiln cannot compile, all of them
 *  - E_MODEL, E_SHAPE: the model contradicts the specification, or its shapes do not fit
 *  - E_INPUT: the sizes given do not fit the model
 *  - E_LIMIT: a tensor is too large
 */
export function importModel(model: OnnxModel, options: ImportOptions): Graph {
  const importer = new Importer(model, options);
  const graph = importer.run();
  if (importer.unsupported.length > 0) throw new UnsupportedModelError(importer.unsupported);
  return graph;
}

/** The nodes that `importModel` would refuse; other errors are raised as there. */
export function checkModel(model: OnnxModel, options: ImportOptions): UnsupportedNode[] {
  const importer = new Importer(model, options);
  importer.run();
  return importer.unsupported;
}

class Importer {
  readonly unsupported: UnsupportedNode[] = [];
  readonly names: NameTable;
  /** Of the graph or region at hand. */
  builder: ImportBuilder;
  private readonly graph: Graph;
  /** Nodes imported so far: bodies that are imported once for each item, in one another, multiply. */
  private count = 0;
  readonly choices = new Choices(this);

  constructor(
    private readonly model: OnnxModel,
    private readonly options: ImportOptions,
  ) {
    this.graph = new Graph(model.graph.name || "model");
    this.names = new NameTable(namesOf(model.graph));
    const { limits, folding = new FoldingBudget(limits) } = options;
    this.builder = new ImportBuilder(this.graph, this.names, limits, folding);
  }

  run(): Graph {
    return this.choices.region(() => this.mainGraph());
  }

  /** See `ChoiceHost`. */
  mark(): () => void {
    const [forgetNames, count, reports] = [this.names.mark(), this.count, this.unsupported.length];
    return () => {
      forgetNames();
      this.count = count;
      this.unsupported.length = reports;
    };
  }

  private mainGraph(): Graph {
    const { graph: source } = this.model;
    Object.assign(this.graph, { inputs: [], outputs: [], nodes: [] });
    this.builder = this.builder.forRegion(this.graph);
    const scope = new Scope();
    this.importInputs(scope);
    this.importNodes(source, scope);
    for (const { name } of source.outputs) {
      const value = scope.get(name);
      if (value instanceof Value) this.graph.outputs.push(this.output(value, name));
      else if (value !== undefined && value !== reported)
        this.report(name, "graph output", reasonAgainst(value));
    }
    if (this.unsupported.length === 0) makeStates(this.graph, this.builder, this.options.states ?? {});
    return this.graph;
  }

  private importInputs(scope: Scope): void {
    const { inputs } = this.model.graph;
    const types = inputTypes(inputs, this.options);
    checkSymbols(types, this.options.limits);
    inputs.forEach(({ name }, i) => {
      const input = types[i]!;
      if ("reason" in input) {
        this.report(name, "graph input", input.reason);
        scope.set(name, reported);
        return;
      }
      const value = new Value(this.names.claim(name), input.type);
      this.builder.checkSize(value);
      this.graph.inputs.push(value);
      scope.set(name, value);
    });
  }

  importNodes(source: OnnxGraph, scope: Scope): void {
    for (const [name, tensor] of source.initializers) scope.set(name, this.constant(name, tensor));
    for (const node of source.nodes) this.importNode(node, scope);
  }

  private constant(name: string, tensor: OnnxTensor): Value | Unknown {
    if (tensor.dtype === "string") return new Unknown("tensors of strings are not supported");
    return constantFrom(this.names.claim(name), numeric(tensor, name));
  }

  private importNode(node: OnnxNode, scope: Scope): void {
    const { nodes } = this.options.limits;
    if (++this.count > nodes) {
      const reason = `the model has more than ${nodes} nodes, those of bodies counted as often as they are repeated`;
      throw new KilnError("E_LIMIT", reason);
    }
    try {
      const results = this.convert(node, scope);
      node.outputs.forEach((name, i) => {
        if (name !== "") scope.set(name, results === reported ? reported : (results as Known[])[i]!);
      });
    } catch (error) {
      if (!(error instanceof KilnError) || error.code !== "E_UNSUPPORTED") throw error;
      this.reportNode(node, reasonOf(error));
      for (const name of node.outputs) if (name !== "") scope.set(name, reported);
    }
  }

  /** The values of the node's outputs, or `reported` where an input is missing for a reason already reported. */
  private convert(node: OnnxNode, scope: Scope): Known[] | Unknown {
    if (node.domain === "" && node.opType === "Constant") {
      const value = this.constant(node.outputs[0]!, constantValue(node));
      return value instanceof Value ? [value] : unsupported(value.reason!);
    }
    const isControl = isControlOperator(node);
    const isSequence = isSequenceOperator(node);
    const found = isControl || isSequence ? null : findVersion(node);
    const given: (Known | null)[] = [];
    for (const name of node.inputs) {
      const value = name === "" ? null : scope.get(name);
      if (value === undefined) throw modelError(node, `input "${name}" is not defined`);
      if (value === reported) return reported;
      if (value instanceof Unknown) unsupported(value.reason!);
      given.push(value);
    }
    if (isSequence) return this.sequence(node, given, scope);
    // Identity takes every type.
    if (node.domain === "" && node.opType === "Identity" && given[0] instanceof Sequence) return [given[0]];
    if (given.some((value) => value instanceof EitherRank)) {
      if (node.domain === "" && node.opType === "Identity") return [given[0]!];
      if (found !== null && broadcastsAway(given, found)) {
        const values = given.map((value) => (value instanceof EitherRank ? value.value : value));
        return this.append(node, values as (Value | null)[], found, scope);
      }
    }
    const reason = nonTensorReason(given);
    if (reason !== null) unsupported(reason);
    const inputs = given as (Value | null)[];
    if (found === null) return this.control(node, inputs, scope);
    checkInputs(node, inputs, found);
    return this.append(node, inputs, found, scope);
  }

  private append(
    node: OnnxNode,
    inputs: (Value | null)[],
    { operator, version }: Found,
    scope: Scope,
  ): Value[] {
    const attributes = convertAttributes(node, operator, version);
    const name = qualifiedName(node.domain, node.opType);
    const outputs = node.outputs.findLastIndex((output) => output !== "") + 1;
    const { builder } = this;
    const begin = () => builder.begin(node.name, node.outputs.find((output) => output !== "") ?? node.name);
    begin();
    let results: Value[];
    if (operator.graphs !== undefined) {
      const bodies = bodiesOf(node, operator.graphs, (source, names) => {
        const values = this.inline(source, new Scope(scope), names);
        begin();
        return values;
      });
      const view = { ...builder.describe(operator, name, attributes, outputs), bodies };
      results = operator.expand!(builder, inputs, view);
    } else if (version.upgrade === undefined) results = builder.ops(name, inputs, attributes, outputs);
    else {
      const schema = { attributes: version.attributes ?? operator.attributes };
      results = version.upgrade(builder, inputs, builder.describe(schema, name, attributes, outputs));
    }
    return this.adopt(node, results);
  }

  private sequence(node: OnnxNode, inputs: (Known | null)[], scope: Scope): Known[] | Unknown {
    this.builder.begin(node.name, node.outputs.find((output) => output !== "") ?? node.name);
    const results = importSequence(
      { builder: this.builder, inline: (source, names) => this.inline(source, new Scope(scope), names) },
      node,
      inputs,
    );
    return Array.isArray(results) ? this.adopt(node, results) : results;
  }

  private control(node: OnnxNode, inputs: (Value | null)[], scope: Scope): Known[] | Unknown {
    this.builder.begin(node.name, node.outputs.find((output) => output !== "") ?? node.name);
    const regions = new Regions(this, scope);
    if (node.opType === "Loop") return this.adopt(node, importLoop(regions, node, inputs));
    if (node.opType === "Scan") return this.adopt(node, importScan(regions, node, inputs));
    const condition = inputs[0] ?? unsupported("its condition is missing");
    requireSingle(node, condition, "bool", "its condition");
    const known = condition.constant?.data[0];
    if (known !== undefined) return this.inlineBranch(node, Boolean(known), scope);
    const single =
      condition.rank === 0 ? condition : this.builder.op("Reshape", [condition, this.builder.ints([])]);
    const { occurrence, choice } = this.choices.next();
    if (choice === undefined || choice.arm === "either")
      return this.adopt(node, importBranch(regions, node, single, occurrence, choice !== undefined));
    return this.assumedBranch(node, single, choice, scope);
  }

  /** The only arm of an `If` that fits, in its place; the run checks that it is the one wanted. */
  private assumedBranch(
    node: OnnxNode,
    condition: Value,
    { arm, because }: Extract<Choice, { because: string }>,
    scope: Scope,
  ): Known[] | Unknown {
    const results = this.inlineBranch(node, arm === "then", scope);
    if (results instanceof Unknown) return results;
    this.builder.begin(node.name, node.outputs.find((output) => output !== "") ?? node.name);
    const expected = arm === "then" ? 1 : 0;
    const message = `its condition is ${expected === 0}, and in that case shapes do not fit: ${because}`;
    const checked = (value: Known): Known =>
      value instanceof Value
        ? this.builder.op("kiln.Assert", [value, condition], { expected, message })
        : value;
    return this.adopt(node, results.map(checked));
  }

  private adopt<T extends Known>(node: OnnxNode, results: T[]): T[] {
    if (results.length < node.outputs.length) throw modelError(node, `has no output ${results.length}`);
    node.outputs.forEach((output, i) => {
      const result = results[i];
      if (output !== "" && result instanceof Value) this.builder.adopt(result, output);
    });
    return results;
  }

  /** An `If` whose condition is known: the nodes of the branch taken, in its place. */
  private inlineBranch(node: OnnxNode, condition: boolean, scope: Scope): Known[] | Unknown {
    const name = condition ? "then_branch" : "else_branch";
    const branch = graphAttribute(node, name);
    if (branch.outputs.length < node.outputs.length) throw modelError(node, `${name} has too few outputs`);
    return this.inline(branch, new Scope(scope), new Map());
  }

  /** Imports a graph's nodes among those at hand; gives what its outputs stand for. */
  private inline(source: OnnxGraph, scope: Scope, names: ReadonlyMap<string, Known>): Known[] | Unknown {
    for (const [name, value] of names) scope.set(name, value);
    this.importNodes(source, scope);
    const results = source.outputs.map(({ name }) => scope.get(name) ?? reported);
    for (const result of results)
      if (result instanceof Unknown && result !== reported) unsupported(result.reason!);
    return results.some((result) => result instanceof Unknown) ? reported : (results as Known[]);
  }

  /** Outputs keep the names they have in the model, even where another name already stands for the same value. */
  private output(value: Value, name: string): Value {
    if (value.name === name) return value;
    const { outputs } = this.graph.append({
      operator: "Identity",
      inputs: [value],
      types: [value.type],
      names: [this.names.claim(name)],
      source: value.producer?.source ?? [],
    });
    return outputs[0]!;
  }

  private report(node: string, operator: string, reason: string): void {
    const opset = this.model.opsetImports.get("") ?? 0;
    this.unsupported.push({ node, operator, domain: "", opset, reason });
  }

  private reportNode(node: OnnxNode, reason: string): void {
    const { name, opType, domain, opset } = node;
    this.unsupported.push({ node: name, operator: opType, domain, opset, reason });
  }
}

/** Imports regions for nodes of control flow in a scope. */
class Regions implements RegionImporter {
  constructor(
    private readonly importer: Importer,
    private readonly scope: Scope,
  ) {}

  get builder(): ImportBuilder {
    return this.importer.builder;
  }

  get choices(): Choices {
    return this.importer.choices;
  }

  name(hint: string): string {
    return this.importer.names.derive(hint);
  }

  region(name: string, source: OnnxGraph, parts: Parameters<RegionImporter["region"]>[2]): Body {
    return this.importer.choices.region(() => this.body(name, source, parts));
  }

  private body(
    name: string,
    source: OnnxGraph,
    { inputs, bind, finish }: Parameters<RegionImporter["region"]>[2],
  ): Body {
    const { importer } = this;
    const { builder: outer, unsupported: reports } = importer;
    const graph = new Graph(name);
    const builder = outer.forRegion(graph);
    const scope = new RegionScope(this.scope, importer.names);
    const before = reports.length;
    importer.builder = builder;
    try {
      for (const [known, value] of bind((value) => scope.capture(value), builder)) scope.set(known, value);
      importer.importNodes(source, scope);
      graph.outputs = finish((wanted) => this.result(scope, wanted, reports.length > before), builder);
    } finally {
      importer.builder = outer;
    }
    graph.inputs = [...inputs, ...scope.captured.values()];
    return { graph, captured: [...scope.captured.keys()] };
  }

  private result(scope: Scope, name: string, isReported: boolean): Value {
    const value = scope.get(name);
    if (value instanceof Value) return value;
    if (value !== undefined && value !== reported)
      return unsupported(`its result "${name}": ${reasonAgainst(value)}`);
    return unsupported(
      isReported ? "nodes inside it cannot be compiled" : `"${name}" is not defined inside it`,
    );
  }
}

/** Names of the main graph, which are those that users know. */
function namesOf(graph: OnnxGraph): Set<string> {
  const given = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()];
  return new Set([...given, ...graph.nodes.flatMap(({ outputs }) => outputs)]);
}

/** Why something that is no tensor cannot leave the graph. */
function reasonAgainst(value: Known | Unknown): string {
  if (value instanceof Unknown && value.reason !== undefined) return value.reason;
  if (value instanceof EitherRank) return "its rank is known only at run time";
  return value instanceof Sequence ? "a sequence is not supported" : "an optional is not supported";
}

/** What the error says, without the place: the report names the node itself. */
function reasonOf({ code, message, place }: KilnError): string {
  const { hint, ...where } = place;
  const prefix = new KilnError(code, "", where).message;
  const [reason] = message.slice(prefix.length).split("\n  hint: ") as [string];
  return hint === undefined ? reason : `${reason} (${hint})`;
}
