/** The summary of a model as it was given: its inputs and outputs, and what its operators cost. */

import { KilnError } from "../diagnostics.js";
import { isStatic } from "../ir/dim.js";
import { dtypeFromOnnx } from "../ir/dtype.js";
import { byteLength, type Graph, type Node } from "../ir/graph.js";
import { importModel } from "../onnx/import.js";
import {
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxType,
  type OnnxValueInfo,
  subgraphs,
} from "../onnx/model.js";
import { dataTypeName } from "../onnx/schema.js";
import { findOperator } from "../operators/index.js";
import { viewNode } from "../operators/operator.js";
import { decodeFile, importOptions, openDims } from "./decode.js";
import type { InspectFlags, View } from "./inspect.js";
import type { ModelFile } from "./model-file.js";
import { formatFacts, formatTable, left, right } from "./table.js";
import type { Colors, Terminal } from "./terminal.js";
import { formatBytes, formatCount } from "./units.js";

interface OperatorCost {
  readonly operator: string;
  count: number;
  parameters: number;
  weightBytes: number;
  /** Multiply-adds count two; null where the shapes are not known. */
  flops: number | null;
  /** Bytes of the results; null where the shapes are not known. */
  outputBytes: number | null;
}

export async function summarizeModel(
  file: ModelFile,
  flags: InspectFlags,
  terminal: Terminal,
): Promise<View> {
  const model = await decodeFile(file, flags);
  const { graph, reason } = tryImport(model, flags);
  if (reason !== undefined) terminal.note(`note: FLOPs and sizes of results are not known: ${reason}`);
  const costs = operatorCosts(model.graph, graph);
  const total = totalOf(costs);
  const facts = factsOf(file, model, total);
  const json = {
    name: model.graph.name,
    producer: producerOf(model),
    opsets: Object.fromEntries(
      [...model.opsetImports].map(([domain, version]) => [domain || "ai.onnx", version]),
    ),
    inputs: model.graph.inputs.map(valueJson),
    outputs: model.graph.outputs.map(valueJson),
    total,
    operators: costs,
  };
  return {
    json,
    text: () => `${formatFacts(facts, terminal.colors)}\n\n${costTable(costs, total, terminal.colors)}`,
  };
}

/** The graph with its shapes, or the reason why there is none: a summary is wanted all the same. */
function tryImport(model: OnnxModel, flags: InspectFlags): { graph?: Graph; reason?: string } {
  try {
    const options = importOptions(flags);
    const graph = importModel(model, options);
    const open = openDims(model, options);
    if (open.length === 0) return { graph };
    return { graph, reason: `give ${open.map((name) => `--dim "${name}=N"`).join(" ")}` };
  } catch (error) {
    // A flag that does not fit the model is the user's to mend, not a property of the model.
    if (!(error instanceof KilnError) || error.code === "E_INPUT") throw error;
    return { reason: error.message.split("\n")[0]!.replace(/:$/, "; `kiln check` lists them") };
  }
}

/** One row for each operator, the costliest first. */
function operatorCosts(source: OnnxGraph, graph: Graph | undefined): OperatorCost[] {
  const costs = new Map<string, OperatorCost>();
  const operatorOf = new Map<string, OperatorCost>();
  const unknown = graph === undefined ? null : 0;
  for (const node of allNodes(source)) {
    const operator = node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
    const zero = { operator, count: 0, parameters: 0, weightBytes: 0, flops: unknown, outputBytes: unknown };
    const cost = costs.get(operator) ?? zero;
    costs.set(operator, cost);
    cost.count++;
    operatorOf.set(node.name, cost);
  }
  countWeights(source, (node) => operatorOf.get(node.name)!);
  for (const node of graph?.nodes ?? []) {
    const cost = operatorOf.get(node.source[0] ?? "");
    if (cost === undefined) continue;
    cost.flops = plus(cost.flops, flopsOf(node));
    cost.outputBytes = plus(cost.outputBytes, resultBytes(node));
  }
  const order = (cost: OperatorCost): number => cost.flops ?? 0;
  return [...costs.values()].sort(
    (a, b) => order(b) - order(a) || b.parameters - a.parameters || b.count - a.count,
  );
}

/** Counts every constant once, for the first node that reads it. */
function countWeights(source: OnnxGraph, costOf: (node: OnnxNode) => OperatorCost): void {
  const tensors = new Map<string, OnnxTensor>();
  collectTensors(source, tensors);
  for (const node of allNodes(source)) {
    for (const input of node.inputs) {
      const tensor = tensors.get(input);
      if (tensor === undefined || tensor.dtype === "string") continue;
      const cost = costOf(node);
      cost.parameters += tensor.data.length;
      cost.weightBytes += tensor.data.byteLength;
      tensors.delete(input);
    }
  }
}

/** Initializers, and the results of Constant nodes: some exporters put their weights there. */
function collectTensors(graph: OnnxGraph, into: Map<string, OnnxTensor>): void {
  for (const [name, tensor] of graph.initializers) into.set(name, tensor);
  for (const node of graph.nodes) {
    const value = node.attributes.get("value");
    if (node.opType === "Constant" && value?.kind === "tensor") into.set(node.outputs[0]!, value.value);
    for (const [, inner] of subgraphs(node)) collectTensors(inner, into);
  }
}

function* allNodes(graph: OnnxGraph): Generator<OnnxNode> {
  for (const node of graph.nodes) {
    yield node;
    for (const [, inner] of subgraphs(node)) yield* allNodes(inner);
  }
}

function flopsOf(node: Node): number | null {
  const operator = findOperator(node.operator);
  const values = [...node.inputs, ...node.outputs];
  if (operator?.flops === undefined) return 0;
  if (!values.every((value) => value === null || value.shape.every(isStatic))) return null;
  return operator.flops(viewNode(operator, node));
}

function resultBytes(node: Node): number | null {
  if (!node.outputs.every(({ shape }) => shape.every(isStatic))) return null;
  return node.outputs.reduce((sum, { type }) => sum + byteLength(type), 0);
}

const plus = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

function totalOf(costs: readonly OperatorCost[]): OperatorCost {
  const total: OperatorCost = {
    operator: "total",
    count: 0,
    parameters: 0,
    weightBytes: 0,
    flops: 0,
    outputBytes: 0,
  };
  for (const cost of costs) {
    total.count += cost.count;
    total.parameters += cost.parameters;
    total.weightBytes += cost.weightBytes;
    total.flops = plus(total.flops, cost.flops);
    total.outputBytes = plus(total.outputBytes, cost.outputBytes);
  }
  return total;
}

function costTable(costs: readonly OperatorCost[], total: OperatorCost, colors: Colors): string {
  const columns = [
    left("operator"),
    right("count"),
    right("parameters"),
    right("weights"),
    right("FLOPs"),
    right("results"),
  ];
  const rows = [...costs, total].map(({ operator, count, parameters, weightBytes, flops, outputBytes }) => [
    operator,
    count,
    formatCount(parameters),
    formatBytes(weightBytes),
    flops === null ? "-" : formatCount(flops),
    outputBytes === null ? "-" : formatBytes(outputBytes),
  ]);
  return formatTable(columns, rows, colors);
}

function factsOf(file: ModelFile, model: OnnxModel, total: OperatorCost): [string, string][] {
  const { graph, opsetImports } = model;
  const opsets = [...opsetImports].map(([domain, version]) => `${domain || "ai.onnx"} ${version}`);
  return [
    ["model", `${graph.name} (${formatBytes(file.bytes.length)})`],
    ["producer", producerOf(model) || "unknown"],
    ["opset", opsets.join(", ")],
    ...graph.inputs.map((input): [string, string] => ["input", describeValue(input)]),
    ...graph.outputs.map((output): [string, string] => ["output", describeValue(output)]),
    ["nodes", String(total.count)],
    ["parameters", `${formatCount(total.parameters)} (${formatBytes(total.weightBytes)})`],
    ["FLOPs", total.flops === null ? "not known" : formatCount(total.flops)],
  ];
}

const producerOf = ({ producerName, producerVersion }: OnnxModel): string =>
  `${producerName} ${producerVersion}`.trim();

const describeValue = ({ name, type }: OnnxValueInfo): string => `${name}: ${describeType(type)}`;

function describeType(type: OnnxType | undefined): string {
  if (type === undefined) return "not declared";
  if (type.kind !== "tensor" && type.kind !== "sparse_tensor") return type.kind;
  const dims = type.dims === null ? "..." : type.dims.map((dim) => dim ?? "?").join(", ");
  return `${elementType(type.elemType)}[${dims}]`;
}

/** As the rest of Kiln spells it, or as ONNX does where Kiln has no such type. */
const elementType = (code: number): string => dtypeFromOnnx(code) ?? dataTypeName(code);

const valueJson = ({ name, type }: OnnxValueInfo): Record<string, unknown> => ({
  name,
  ...(type?.kind === "tensor"
    ? { type: elementType(type.elemType), dims: type.dims }
    : { type: type?.kind ?? null }),
});
