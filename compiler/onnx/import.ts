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
import { findOperator, qualifiedName } from "../operators/index.js";
import type { Operator, OperatorVersion } from "../operators/operator.js";
import { convertAttributes } from "./import-attributes.js";
import { ImportBuilder, NameTable } from "./import-builder.js";
import { type Body, importBranch, importLoop, importScan, type RegionImporter } from "./import-control.js";
import { type InputSizes, inputTypes } from "./import-inputs.js";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "./model.js";
import { constantValue, numeric } from "./tensor.js";

export interface ImportOptions extends InputSizes {
  readonly limits: Limits;
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

/**
 * Stands for a value that cannot be had. Where a reason is given, the first node that uses the value is reported with
 * it; else the cause is reported already.
 */
class Unknown {
  constructor(readonly reason?: string) {}
}

const reported = new Unknown();

/** Values by name, those of outer graphs included. */
class Scope {
  private readonly values = new Map<string, Value | Unknown>();

  constructor(private readonly outer?: Scope) {}

  get(name: string): Value | Unknown | undefined {
    return this.values.get(name) ?? this.outer?.get(name);
  }

  set(name: string, value: Value | Unknown): void {
    this.values.set(name, value);
  }
}

class Importer {
  readonly unsupported: UnsupportedNode[] = [];
  readonly names: NameTable;
  /** Of the graph or region at hand. */
  builder: ImportBuilder;
  private readonly graph: Graph;

  constructor(
    private readonly model: OnnxModel,
    private readonly options: ImportOptions,
  ) {
    this.graph = new Graph(model.graph.name || "model");
    this.names = new NameTable(namesOf(model.graph));
    this.builder = new ImportBuilder(this.graph, this.names, options.limits);
  }

  run(): Graph {
    const { graph: source } = this.model;
    const scope = new Scope();
    this.importInputs(scope);
    this.importNodes(source, scope);
    for (const { name } of source.outputs) {
      const value = scope.get(name);
      if (value instanceof Value) this.graph.outputs.push(this.output(value, name));
      else if (value?.reason !== undefined) this.report(name, "graph output", value.reason);
    }
    return this.graph;
  }

  private importInputs(scope: Scope): void {
    const { inputs } = this.model.graph;
    const types = inputTypes(inputs, this.options);
    inputs.forEach(({ name }, i) => {
      const input = types[i]!;
      if ("reason" in input) {
        this.report(name, "graph input", input.reason);
        scope.set(name, reported);
        return;
      }
      const value = new Value(this.names.claim(name), input.type);
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
    try {
      const results = this.convert(node, scope);
      node.outputs.forEach((name, i) => {
        if (name !== "") scope.set(name, results === reported ? reported : (results as Value[])[i]!);
      });
    } catch (error) {
      if (!(error instanceof KilnError) || error.code !== "E_UNSUPPORTED") throw error;
      this.reportNode(node, reasonOf(error));
      for (const name of node.outputs) if (name !== "") scope.set(name, reported);
    }
  }

  /** The values of the node's outputs, or `reported` where an input is missing for a reason already reported. */
  private convert(node: OnnxNode, scope: Scope): Value[] | Unknown {
    if (node.domain === "" && node.opType === "Constant") {
      const value = this.constant(node.outputs[0]!, constantValue(node));
      return value instanceof Value ? [value] : unsupported(value.reason!);
    }
    const isControl = node.domain === "" && ["If", "Loop", "Scan"].includes(node.opType);
    const found = isControl ? null : findVersion(node);
    const inputs: (Value | null)[] = [];
    for (const name of node.inputs) {
      const value = name === "" ? null : scope.get(name);
      if (value === undefined) throw modelError(node, `input "${name}" is not defined`);
      if (value === reported) return reported;
      if (value instanceof Unknown) unsupported(value.reason!);
      inputs.push(value);
    }
    if (found === null) return this.control(node, inputs, scope);
    checkInputs(node, inputs, found);
    return this.append(node, inputs, found);
  }

  private append(node: OnnxNode, inputs: (Value | null)[], { operator, version }: Found): Value[] {
    const attributes = convertAttributes(node, operator, version);
    const name = qualifiedName(node.domain, node.opType);
    const outputs = node.outputs.findLastIndex((output) => output !== "") + 1;
    const { builder } = this;
    builder.begin(node.name, node.outputs.find((output) => output !== "") ?? node.name);
    let results: Value[];
    if (version.upgrade === undefined) results = builder.ops(name, inputs, attributes, outputs);
    else {
      const schema = { attributes: version.attributes ?? operator.attributes };
      results = version.upgrade(builder, inputs, builder.describe(schema, name, attributes, outputs));
    }
    return this.adopt(node, results);
  }

  private control(node: OnnxNode, inputs: (Value | null)[], scope: Scope): Value[] | Unknown {
    this.builder.begin(node.name, node.outputs.find((output) => output !== "") ?? node.name);
    const regions = new Regions(this, scope);
    if (node.opType === "Loop") return this.adopt(node, importLoop(regions, node, inputs));
    if (node.opType === "Scan") return this.adopt(node, importScan(regions, node, inputs));
    const condition = inputs[0] ?? unsupported("its condition is missing");
    const known = condition.constant?.data[0];
    if (known !== undefined) return this.inlineBranch(node, Boolean(known), scope);
    const single =
      condition.rank === 0 ? condition : this.builder.op("Reshape", [condition, this.builder.ints([])]);
    return this.adopt(node, importBranch(regions, node, single));
  }

  private adopt(node: OnnxNode, results: Value[]): Value[] {
    if (results.length < node.outputs.length) throw modelError(node, `has no output ${results.length}`);
    node.outputs.forEach((output, i) => {
      if (output !== "") this.builder.adopt(results[i]!, output);
    });
    return results;
  }

  /** An `If` whose condition is known: the nodes of the branch taken, in its place. */
  private inlineBranch(node: OnnxNode, condition: boolean, scope: Scope): Value[] | Unknown {
    const name = condition ? "then_branch" : "else_branch";
    const branch = node.attributes.get(name);
    if (branch?.kind !== "graph") throw modelError(node, `attribute ${name} is not a graph`);
    const inner = new Scope(scope);
    this.importNodes(branch.value, inner);
    const results = branch.value.outputs.map((output) => inner.get(output.name));
    if (results.length < node.outputs.length) throw modelError(node, `${name} has too few outputs`);
    const strings = results.find((result) => result instanceof Unknown && result.reason !== undefined);
    if (strings !== undefined) unsupported((strings as Unknown).reason!);
    return results.every((result) => result instanceof Value) ? (results as Value[]) : reported;
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

/** The names around a region: what the region uses of them becomes one of its inputs. */
class RegionScope extends Scope {
  readonly captured = new Map<Value, Value>();

  constructor(
    private readonly around: Scope,
    private readonly names: NameTable,
  ) {
    super();
  }

  override get(name: string): Value | Unknown | undefined {
    const own = super.get(name);
    if (own !== undefined) return own;
    const value = this.around.get(name);
    return value instanceof Value ? this.capture(value) : value;
  }

  capture(value: Value): Value {
    if (value.constant !== null) return value;
    let inner = this.captured.get(value);
    if (inner === undefined) {
      inner = new Value(this.names.derive(value.name), value.type);
      inner.elements = value.elements;
      this.captured.set(value, inner);
    }
    return inner;
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

  name(hint: string): string {
    return this.importer.names.derive(hint);
  }

  region(
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
    return unsupported(
      value?.reason ??
        (isReported ? "nodes inside it cannot be compiled" : `"${name}" is not defined inside it`),
    );
  }
}

interface Found {
  readonly operator: Operator;
  readonly version: OperatorVersion;
}

/** The operator of a node in the version that its opset means, or E_UNSUPPORTED. */
function findVersion(node: OnnxNode): Found {
  const operator = findOperator(qualifiedName(node.domain, node.opType));
  if (operator === undefined) {
    const domain = node.domain === "" ? "" : ` of domain ${node.domain}`;
    return unsupported(`the operator${domain} is not supported`);
  }
  let version: OperatorVersion | undefined;
  for (const candidate of operator.versions) {
    if (candidate.since <= node.opset && candidate.since >= (version?.since ?? 0)) version = candidate;
  }
  if (version === undefined) {
    const first = Math.min(...operator.versions.map(({ since }) => since));
    return unsupported(`the operator is supported from opset ${first} on`);
  }
  return { operator, version };
}

/** All that are not optional must be there: the code of operators relies on it. */
function checkInputs(node: OnnxNode, inputs: readonly (Value | null)[], { operator, version }: Found): void {
  const names = version.inputs ?? operator.inputs;
  const missing = names.findIndex((name, i) => !name.endsWith("?") && (inputs[i] ?? null) === null);
  if (missing >= 0)
    throw modelError(node, `input ${missing} (${names[missing]!.replace("...", "")}) is missing`);
  const isVariadic = names.at(-1)?.endsWith("...") ?? false;
  if (isVariadic && inputs.includes(null))
    throw modelError(node, `input ${inputs.indexOf(null)} is left out`);
  const most = Math.max(names.length, operator.inputs.length);
  if (!isVariadic && inputs.length > most) throw modelError(node, `has ${inputs.length} inputs, not ${most}`);
}

/** Names of the main graph, which are those that users know. */
function namesOf(graph: OnnxGraph): Set<string> {
  const given = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()];
  return new Set([...given, ...graph.nodes.flatMap(({ outputs }) => outputs)]);
}

/** What the error says, without the place: the report names the node itself. */
function reasonOf({ code, message, place }: KilnError): string {
  const { hint, ...where } = place;
  const prefix = new KilnError(code, "", where).message;
  const [reason] = message.slice(prefix.length).split("\n  hint: ") as [string];
  return hint === undefined ? reason : `${reason} (${hint})`;
}

const modelError = (node: OnnxNode, reason: string): KilnError =>
  new KilnError("E_MODEL", reason, { node: node.name, operator: node.opType });

function unsupported(reason: string): never {
  throw new KilnError("E_UNSUPPORTED", reason);
}
