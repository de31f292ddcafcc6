/**
 * The ONNX protobuf schema: every message a compiler needs, with its field numbers, up to ONNX 1.20. Documentation
 * strings, training information and device configurations are left out, and are skipped when read.
 *
 * Absent singular fields are undefined (ONNX is proto2: absent and zero differ); absent repeated ones are empty.
 */

import {
  byteStrings,
  bytes,
  doubles,
  float,
  floats,
  int32,
  int32s,
  int64,
  int64s,
  Message,
  message,
  messages,
  string,
  strings,
  uint64s,
} from "./schema-reader.js";

export { attributeTypes, dataTypeName, dataTypes, EXTERNAL } from "./schema-enums.js";

export interface ModelProto {
  irVersion: bigint | undefined;
  producerName: string | undefined;
  producerVersion: string | undefined;
  graph: GraphProto | undefined;
  opsetImport: readonly OperatorSetIdProto[];
  metadataProps: readonly StringStringEntryProto[];
  functions: readonly FunctionProto[];
}
export interface OperatorSetIdProto {
  domain: string | undefined;
  version: bigint | undefined;
}
export interface StringStringEntryProto {
  key: string | undefined;
  value: string | undefined;
}
export interface GraphProto {
  node: readonly NodeProto[];
  name: string | undefined;
  initializer: readonly TensorProto[];
  input: readonly ValueInfoProto[];
  output: readonly ValueInfoProto[];
  valueInfo: readonly ValueInfoProto[];
  sparseInitializer: readonly SparseTensorProto[];
}
export interface FunctionProto {
  name: string | undefined;
  input: readonly string[];
  output: readonly string[];
  attribute: readonly string[];
  node: readonly NodeProto[];
  opsetImport: readonly OperatorSetIdProto[];
  domain: string | undefined;
  attributeProto: readonly AttributeProto[];
  overload: string | undefined;
}
export interface NodeProto {
  input: readonly string[];
  output: readonly string[];
  name: string | undefined;
  opType: string | undefined;
  attribute: readonly AttributeProto[];
  domain: string | undefined;
  overload: string | undefined;
}
export interface AttributeProto {
  name: string | undefined;
  f: number | undefined;
  i: bigint | undefined;
  s: Uint8Array | undefined;
  t: TensorProto | undefined;
  g: GraphProto | undefined;
  floats: Float32Array;
  ints: BigInt64Array;
  strings: readonly Uint8Array[];
  tensors: readonly TensorProto[];
  graphs: readonly GraphProto[];
  tp: TypeProto | undefined;
  typeProtos: readonly TypeProto[];
  type: number | undefined;
  refAttrName: string | undefined;
  sparseTensor: SparseTensorProto | undefined;
  sparseTensors: readonly SparseTensorProto[];
}
export interface TensorProto {
  dims: BigInt64Array;
  dataType: number | undefined;
  /** A TensorProto.Segment; undecoded, since nothing ever wrote one. */
  segment: Uint8Array | undefined;
  floatData: Float32Array;
  int32Data: Int32Array;
  stringData: readonly Uint8Array[];
  int64Data: BigInt64Array;
  name: string | undefined;
  rawData: Uint8Array | undefined;
  doubleData: Float64Array;
  uint64Data: BigUint64Array;
  externalData: readonly StringStringEntryProto[];
  dataLocation: number | undefined;
}
export interface SparseTensorProto {
  values: TensorProto | undefined;
  indices: TensorProto | undefined;
  dims: BigInt64Array;
}
export interface ValueInfoProto {
  name: string | undefined;
  type: TypeProto | undefined;
}
export interface TypeProto {
  tensorType: TensorTypeProto | undefined;
  sequenceType: ElementTypeProto | undefined;
  mapType: MapTypeProto | undefined;
  opaqueType: Uint8Array | undefined;
  sparseTensorType: TensorTypeProto | undefined;
  optionalType: ElementTypeProto | undefined;
}
export interface TensorTypeProto {
  elemType: number | undefined;
  shape: TensorShapeProto | undefined;
}
interface ElementTypeProto {
  elemType: TypeProto | undefined;
}
interface MapTypeProto {
  keyType: number | undefined;
  valueType: TypeProto | undefined;
}
interface TensorShapeProto {
  dim: readonly DimensionProto[];
}
interface DimensionProto {
  dimValue: bigint | undefined;
  dimParam: string | undefined;
}

export const modelProto: Message<ModelProto> = new Message("ModelProto", () => ({
  irVersion: int64(1),
  producerName: string(2),
  producerVersion: string(3),
  graph: message(7, graphProto),
  opsetImport: messages(8, operatorSetIdProto),
  metadataProps: messages(14, stringStringEntryProto),
  functions: messages(25, functionProto),
}));

const operatorSetIdProto: Message<OperatorSetIdProto> = new Message("OperatorSetIdProto", () => ({
  domain: string(1),
  version: int64(2),
}));

const stringStringEntryProto: Message<StringStringEntryProto> = new Message("StringStringEntryProto", () => ({
  key: string(1),
  value: string(2),
}));

const graphProto: Message<GraphProto> = new Message("GraphProto", () => ({
  node: messages(1, nodeProto),
  name: string(2),
  initializer: messages(5, tensorProto),
  input: messages(11, valueInfoProto),
  output: messages(12, valueInfoProto),
  valueInfo: messages(13, valueInfoProto),
  sparseInitializer: messages(15, sparseTensorProto),
}));

const functionProto: Message<FunctionProto> = new Message("FunctionProto", () => ({
  name: string(1),
  input: strings(4),
  output: strings(5),
  attribute: strings(6),
  node: messages(7, nodeProto),
  opsetImport: messages(9, operatorSetIdProto),
  domain: string(10),
  attributeProto: messages(11, attributeProto),
  overload: string(13),
}));

const nodeProto: Message<NodeProto> = new Message("NodeProto", () => ({
  input: strings(1),
  output: strings(2),
  name: string(3),
  opType: string(4),
  attribute: messages(5, attributeProto),
  domain: string(7),
  overload: string(8),
}));

const attributeProto: Message<AttributeProto> = new Message("AttributeProto", () => ({
  name: string(1),
  f: float(2),
  i: int64(3),
  s: bytes(4),
  t: message(5, tensorProto),
  g: message(6, graphProto),
  floats: floats(7),
  ints: int64s(8),
  strings: byteStrings(9),
  tensors: messages(10, tensorProto),
  graphs: messages(11, graphProto),
  tp: message(14, typeProto),
  typeProtos: messages(15, typeProto),
  type: int32(20),
  refAttrName: string(21),
  sparseTensor: message(22, sparseTensorProto),
  sparseTensors: messages(23, sparseTensorProto),
}));

export const tensorProto: Message<TensorProto> = new Message("TensorProto", () => ({
  dims: int64s(1),
  dataType: int32(2),
  segment: bytes(3),
  floatData: floats(4),
  int32Data: int32s(5),
  stringData: byteStrings(6),
  int64Data: int64s(7),
  name: string(8),
  rawData: bytes(9),
  doubleData: doubles(10),
  uint64Data: uint64s(11),
  externalData: messages(13, stringStringEntryProto),
  dataLocation: int32(14),
}));

const sparseTensorProto: Message<SparseTensorProto> = new Message("SparseTensorProto", () => ({
  values: message(1, tensorProto),
  indices: message(2, tensorProto),
  dims: int64s(3),
}));

const valueInfoProto: Message<ValueInfoProto> = new Message("ValueInfoProto", () => ({
  name: string(1),
  type: message(2, typeProto),
}));

const typeProto: Message<TypeProto> = new Message("TypeProto", () => ({
  tensorType: message(1, tensorTypeProto),
  sequenceType: message(4, elementTypeProto),
  mapType: message(5, mapTypeProto),
  opaqueType: bytes(7),
  sparseTensorType: message(8, tensorTypeProto),
  optionalType: message(9, elementTypeProto),
}));

/** TypeProto.Tensor and TypeProto.SparseTensor. */
const tensorTypeProto: Message<TensorTypeProto> = new Message("TypeProto.Tensor", () => ({
  elemType: int32(1),
  shape: message(2, tensorShapeProto),
}));

/** TypeProto.Sequence and TypeProto.Optional. */
const elementTypeProto: Message<ElementTypeProto> = new Message("TypeProto.Sequence", () => ({
  elemType: message(1, typeProto),
}));

const mapTypeProto: Message<MapTypeProto> = new Message("TypeProto.Map", () => ({
  keyType: int32(1),
  valueType: message(2, typeProto),
}));

const tensorShapeProto: Message<TensorShapeProto> = new Message("TensorShapeProto", () => ({
  dim: messages(1, dimensionProto),
}));

const dimensionProto: Message<DimensionProto> = new Message("TensorShapeProto.Dimension", () => ({
  dimValue: int64(1),
  dimParam: string(2),
}));
