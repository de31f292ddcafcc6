/** The protobuf messages -> plain model data (model.ts), one to one. Scopes and order are decode-check.ts's business. */

import { KilnError } from "../diagnostics.js";
import {
  type AttributeKind,
  normalDomain,
  type OnnxAttribute,
  type OnnxDim,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxType,
  type OnnxValueInfo,
} from "./model.js";
import {
  type AttributeProto,
  attributeTypes,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  type SparseTensorProto,
  type TensorProto,
  type TensorTypeProto,
  type TypeProto,
  type ValueInfoProto,
} from "./schema.js";
import { decodeSparseTensor, decodeTensor, type TensorContext } from "./tensor.js";

/** Operator set versions by domain: of the model, or of the function that is converted. */
type Opsets = ReadonlyMap<string, number>;

/** `opset` of a node whose domain is not imported; only calls of model-local functions may keep it. */
export const NO_OPSET = 0;

/**
 * Converts a decoded ModelProto. Tensors become TensorData, sparse ones dense.
 * @throws KilnError E_MODEL, E_UNSUPPORTED, E_LIMIT or E_EXTERNAL_DATA
 */
export function convertModel(proto: ModelProto, context: TensorContext): OnnxModel {
  const { irVersion, graph } = proto;
  if (irVersion === undefined || irVersion < 1n) {
    throw new KilnError("E_MODEL", "the model has no IR version", { hint: "is it an ONNX model?" });
  }
  if (graph === undefined) throw new KilnError("E_MODEL", "the model has no graph");
  if (proto.opsetImport.length === 0) {
    throw new KilnError("E_MODEL", "the model imports no operator set", {
      hint: "add an opset_import for the default domain, such as version 17",
    });
  }
  const opsetImports = convertOpsets(proto.opsetImport, "the model");
  return {
    irVersion: Number(irVersion),
    producerName: proto.producerName ?? "",
    producerVersion: proto.producerVersion ?? "",
    opsetImports,
    graph: convertGraph(graph, opsetImports, context),
    functions: proto.functions.map((fn) => convertFunction(fn, context)),
    metadata: new Map(proto.metadataProps.map(({ key, value }) => [key ?? "", value ?? ""])),
  };
}

function convertOpsets(imports: readonly OperatorSetIdProto[], whose: string): Opsets {
  const opsets = new Map<string, number>();
  for (const { domain, version } of imports) {
    const name = normalDomain(domain);
    const number = Number(version ?? 0n);
    if (number < 1 || !Number.isSafeInteger(number)) {
      throw new KilnError("E_MODEL", `${whose} imports version ${number} of operator set "${name}"`);
    }
    if (opsets.has(name) && opsets.get(name) !== number) {
      const versions = `${opsets.get(name)} and ${number}`;
      throw new KilnError("E_MODEL", `${whose} imports versions ${versions} of operator set "${name}"`);
    }
    opsets.set(name, number);
  }
  return opsets;
}

function convertFunction(proto: FunctionProto, context: TensorContext): OnnxFunction {
  const name = proto.name ?? "";
  const opsets = convertOpsets(proto.opsetImport, `function "${name}"`);
  return {
    domain: normalDomain(proto.domain),
    name,
    overload: proto.overload ?? "",
    inputs: proto.input,
    outputs: proto.output,
    attributeNames: proto.attribute,
    attributeDefaults: convertAttributes(proto.attributeProto, opsets, context, `function "${name}"`),
    nodes: proto.node.map((node) => convertNode(node, opsets, context)),
  };
}

function convertGraph(proto: GraphProto, opsets: Opsets, context: TensorContext): OnnxGraph {
  const initializers = new Map<string, OnnxTensor>();
  const add = (name: string | undefined, value: OnnxTensor) => {
    if (name === undefined || name === "") throw new KilnError("E_MODEL", "an initializer has no name");
    if (initializers.has(name)) throw new KilnError("E_MODEL", `two initializers are named "${name}"`);
    initializers.set(name, value);
  };
  for (const initializer of proto.initializer) add(initializer.name, decodeTensor(initializer, context));
  for (const sparse of proto.sparseInitializer) {
    add(sparse.values?.name, decodeSparseTensor(sparse, context));
  }
  return {
    name: proto.name ?? "",
    nodes: proto.node.map((node) => convertNode(node, opsets, context)),
    inputs: proto.input.map(convertValueInfo).filter(({ name }) => !initializers.has(name)),
    outputs: proto.output.map(convertValueInfo),
    valueInfo: proto.valueInfo.map(convertValueInfo),
    initializers,
  };
}

function convertNode(proto: NodeProto, opsets: Opsets, context: TensorContext): OnnxNode {
  const name = proto.name ?? "";
  const opType = proto.opType ?? "";
  const place = `node "${name !== "" ? name : (proto.output[0] ?? "")}" (${opType})`;
  if (opType === "") throw new KilnError("E_MODEL", `${place} has no operator type`);
  const domain = normalDomain(proto.domain);
  return {
    name,
    opType,
    domain,
    overload: proto.overload ?? "",
    opset: opsets.get(domain) ?? NO_OPSET,
    inputs: proto.input,
    outputs: proto.output,
    attributes: convertAttributes(proto.attribute, opsets, context, place),
  };
}

function convertAttributes(
  protos: readonly AttributeProto[],
  opsets: Opsets,
  context: TensorContext,
  place: string,
): ReadonlyMap<string, OnnxAttribute> {
  const attributes = new Map<string, OnnxAttribute>();
  for (const proto of protos) {
    const name = proto.name ?? "";
    if (name === "") throw new KilnError("E_MODEL", `${place}: an attribute has no name`);
    if (attributes.has(name)) throw new KilnError("E_MODEL", `${place}: two attributes are named "${name}"`);
    attributes.set(name, convertAttribute(proto, opsets, context, `${place}: attribute "${name}"`));
  }
  return attributes;
}

const kinds = new Map<number, AttributeKind>(
  Object.entries(attributeTypes)
    .filter(([name]) => name !== "UNDEFINED")
    .map(([name, code]) => [code, name.toLowerCase() as AttributeKind]),
);

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function convertAttribute(
  proto: AttributeProto,
  opsets: Opsets,
  context: TensorContext,
  place: string,
): OnnxAttribute {
  const kind = proto.type ? kinds.get(proto.type) : kindOfField(proto);
  if (kind === undefined) throw new KilnError("E_MODEL", `${place} has no known type (${proto.type ?? 0})`);
  if (proto.refAttrName) return { kind: "ref", value: proto.refAttrName, of: kind };
  const present = <T>(value: T | undefined): T => {
    if (value === undefined) throw new KilnError("E_MODEL", `${place} has no value of its type ${kind}`);
    return value;
  };
  const graph = (value: GraphProto) => convertGraph(value, opsets, context);
  const sparse = (value: SparseTensorProto) => decodeSparseTensor(value, context);
  const tensor = (value: TensorProto) => decodeTensor(value, context);
  switch (kind) {
    // Writers of proto3 leave out zeros and empty strings.
    case "float":
      return { kind, value: proto.f ?? 0 };
    case "int":
      return { kind, value: proto.i ?? 0n };
    case "string":
      return { kind, value: proto.s === undefined ? "" : utf8.decode(proto.s) };
    case "tensor":
      return { kind, value: tensor(present(proto.t)) };
    case "graph":
      return { kind, value: graph(present(proto.g)) };
    case "type_proto":
      return { kind, value: convertType(present(proto.tp)) };
    case "sparse_tensor":
      return { kind, value: sparse(present(proto.sparseTensor)) };
    case "floats":
      return { kind, value: Array.from(proto.floats) };
    case "ints":
      return { kind, value: Array.from(proto.ints) };
    case "strings":
      return { kind, value: proto.strings.map((bytes) => utf8.decode(bytes)) };
    case "tensors":
      return { kind, value: proto.tensors.map(tensor) };
    case "graphs":
      return { kind, value: proto.graphs.map(graph) };
    case "type_protos":
      return { kind, value: proto.typeProtos.map(convertType) };
    case "sparse_tensors":
      return { kind, value: proto.sparseTensors.map(sparse) };
  }
}

/** Models of IR version 1 may leave the type out: the field that is set tells. */
function kindOfField(proto: AttributeProto): AttributeKind | undefined {
  if (proto.f !== undefined) return "float";
  if (proto.i !== undefined) return "int";
  if (proto.s !== undefined) return "string";
  if (proto.t !== undefined) return "tensor";
  if (proto.g !== undefined) return "graph";
  if (proto.floats.length > 0) return "floats";
  if (proto.ints.length > 0) return "ints";
  if (proto.strings.length > 0) return "strings";
  if (proto.tensors.length > 0) return "tensors";
  if (proto.graphs.length > 0) return "graphs";
  return undefined;
}

function convertValueInfo({ name, type }: ValueInfoProto): OnnxValueInfo {
  return { name: name ?? "", type: type === undefined ? undefined : convertType(type) };
}

function convertType(proto: TypeProto): OnnxType {
  const { tensorType, sparseTensorType, sequenceType, optionalType, mapType } = proto;
  const elem = (type: TypeProto | undefined): OnnxType => {
    if (type === undefined) throw new KilnError("E_MODEL", "a sequence, optional or map has no element type");
    return convertType(type);
  };
  if (tensorType !== undefined) return convertTensorType("tensor", tensorType);
  if (sparseTensorType !== undefined) return convertTensorType("sparse_tensor", sparseTensorType);
  if (sequenceType !== undefined) return { kind: "sequence", elem: elem(sequenceType.elemType) };
  if (optionalType !== undefined) return { kind: "optional", elem: elem(optionalType.elemType) };
  if (mapType !== undefined) {
    return { kind: "map", keyType: mapType.keyType ?? 0, value: elem(mapType.valueType) };
  }
  if (proto.opaqueType !== undefined) return { kind: "opaque" };
  // A TypeProto with nothing set says nothing; a tensor of unknown type and rank says the same.
  return { kind: "tensor", elemType: 0, dims: null };
}

function convertTensorType(kind: "tensor" | "sparse_tensor", proto: TensorTypeProto): OnnxType {
  const dims = proto.shape?.dim.map(({ dimValue, dimParam }): OnnxDim => {
    // Some exporters write -1 for "unknown".
    if (dimValue !== undefined) return dimValue < 0n ? null : safeDim(dimValue);
    return dimParam ? dimParam : null;
  });
  return { kind, elemType: proto.elemType ?? 0, dims: dims ?? null };
}

function safeDim(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new KilnError("E_MODEL", `a dimension of size ${value}`);
  return Number(value);
}
