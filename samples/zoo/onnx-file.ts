/** ONNX files, written with onnx-proto's encoder. */

import onnxProto, { type onnx } from "onnx-proto";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { type TensorData, tensorBytes } from "../../compiler/ir/tensor.js";

const { onnx: proto } = onnxProto;

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly initializers: ReadonlyMap<string, TensorData>;
  readonly nodes: readonly OnnxNode[];
}

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** Whole numbers are ints, and arrays of them; floats say so. */
export type Attributes = Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;

/** The first version that has all operators as PyTorch's exporter writes them today. */
const OPSET = 18;

export function encodeModel({ name, inputs, outputs, initializers, nodes }: OnnxGraph): Uint8Array {
  const writer = proto.ModelProto.encode({
    irVersion: 8,
    producerName: "kiln zoo",
    opsetImport: [{ domain: "", version: OPSET }],
    graph: {
      name,
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
      initializer: [...initializers].map(([tensorName, tensor]) => tensorProto(tensorName, tensor)),
      node: nodes.map(nodeProto),
    },
  });
  return writer.finish();
}

const valueInfo = ({ name, dtype, dims }: TensorInfo): onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: dtypes[dtype].onnx,
      shape: { dim: dims.map((dimValue) => ({ dimValue })) },
    },
  },
});

const tensorProto = (name: string, tensor: TensorData): onnx.ITensorProto => ({
  name,
  dims: [...tensor.dims],
  dataType: dtypes[tensor.dtype].onnx,
  rawData: tensorBytes(tensor),
});

const nodeProto = ({ op, inputs, outputs, attributes }: OnnxNode): onnx.INodeProto => ({
  opType: op,
  name: outputs[0]!,
  input: [...inputs],
  output: [...outputs],
  attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
});

function attributeProto(name: string, value: Attributes[string]): onnx.IAttributeProto {
  const { INT, INTS, FLOAT } = proto.AttributeProto.AttributeType;
  if (typeof value === "number") return { name, type: INT, i: value };
  if ("float" in value) return { name, type: FLOAT, f: value.float };
  return { name, type: INTS, ints: [...value] };
}
