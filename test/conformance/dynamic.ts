/**
 * A model with the dims of its inputs left open: every dim gets a name of its own. One-dimensional int64 inputs keep
 * their length, because shapes, axes and amounts are such tensors, and the rank of results depends on how many there
 * are. What the model says of other values' shapes is left out.
 */

import onnxProto, { type onnx } from "onnx-proto";

const { onnx: proto } = onnxProto;

export function leaveDimsOpen(model: Uint8Array): Uint8Array<ArrayBuffer> {
  const decoded = proto.ModelProto.decode(model);
  const graph = decoded.graph as onnx.IGraphProto;
  const initialized = new Set((graph.initializer ?? []).map(({ name }) => name));
  for (const [i, input] of (graph.input ?? []).entries()) {
    const type = input.type?.tensorType;
    const dims = type?.shape?.dim ?? [];
    const isShape = type?.elemType === proto.TensorProto.DataType.INT64 && dims.length === 1;
    if (type == null || isShape || initialized.has(input.name)) continue;
    type.shape = { dim: dims.map((_, axis) => ({ dimParam: `input${i}_dim${axis}` })) };
  }
  graph.valueInfo = [];
  for (const output of graph.output ?? []) delete output.type?.tensorType?.shape;
  return new Uint8Array(proto.ModelProto.encode(decoded).finish());
}
