/** The summary of a model as it was given: its inputs and outputs, and what its operators cost. */

import { KilnError } from "../diagnostics.js";
import { dtypeFromOnnx } from "../ir/dtype.js";
import type { Graph } from "../ir/graph.js";
import { importModel } from "../onnx/import.js";
import type { OnnxModel, OnnxType, OnnxValueInfo } from "../onnx/model.js";
import { dataTypeName } from "../onnx/schema.js";
import { decodeFile, importOptions, openDims } from "./decode.js";
import type { InspectFlags, View } from "./inspect.js";
import { type OperatorCost, operatorCosts, totalOf } from "./inspect-costs.js";
import type { ModelFile } from "./model-file.js";
import { formatFacts, formatTable, left, right } from "./table.js";
import type { Colors, Terminal } from "./terminal.js";
import { formatBytes, formatCount } from "./units.js";

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
