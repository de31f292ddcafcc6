/**
 * Builds ONNX model bytes from a compact description, for tests:
 *
 *     buildModel({
 *       inputs: { x: ["float32", [1, 3, "h", "w"]] },
 *       outputs: { y: ["float32"] },
 *       initializers: { w: tensorOf("float32", [8, 3, 3, 3], weights) },
 *       nodes: [{ op: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes: { pads: [1, 1, 1, 1] } }],
 *     })
 *
 * The bytes come from onnx-proto's encoder, which shares nothing with Kiln's decoder; fields newer than ONNX 1.10 are
 * appended to what it writes. Nothing is checked: hostile tests build broken models with it.
 */

import onnxProto, { type onnx } from "onnx-proto";
import { type DType, dtypes } from "../../compiler/ir/dtype.js";
import { type TensorData, tensorBytes } from "../../compiler/ir/tensor.js";

const { onnx: proto } = onnxProto;

export interface ModelSpec extends GraphSpec {
  /** Version of the default domain, or versions by domain. Default: 17. */
  opset?: OpsetSpec;
  /** Default: 8. */
  irVersion?: number;
  functions?: FunctionSpec[];
  metadata?: Record<string, string>;
}

export interface GraphSpec {
  name?: string;
  inputs?: Record<string, ValueSpec>;
  outputs?: Record<string, ValueSpec>;
  valueInfo?: Record<string, ValueSpec>;
  initializers?: Record<string, TensorSpec>;
  nodes: NodeSpec[];
}

type OpsetSpec = number | Record<string, number>;

/** Element type and dims: a size, the name of one, or null for unknown; without dims the rank is unknown. */
export type ValueSpec =
  | readonly [dtype: DType | "string", dims?: readonly (number | string | null)[]]
  | { sequence: ValueSpec }
  | { optional: ValueSpec };

/** A tensor (stored as raw data), strings, a sparse tensor, or any TensorProto as it is (its name is filled in). */
export type TensorSpec =
  | TensorData
  | { strings: string[]; dims?: number[] }
  | SparseSpec
  | { proto: onnx.ITensorProto };

export interface SparseSpec {
  sparse: { values: TensorData; indices: TensorData; dims: number[] };
}

export interface NodeSpec {
  op: string;
  inputs?: string[];
  outputs?: string[];
  attributes?: Record<string, AttributeSpec>;
  name?: string;
  domain?: string;
  overload?: string;
}

/**
 * An attribute, its kind told by its value: a whole number is an int, another a float, an array of whole numbers (or
 * nothing) ints. `{ float: 1 }`, `{ floats: [1, 2] }` and so on say the kind where that would be wrong.
 */
export type AttributeSpec =
  | number
  | bigint
  | string
  | TensorData
  | GraphSpec
  | SparseSpec
  | readonly (number | bigint)[]
  | readonly string[]
  | readonly TensorData[]
  | readonly GraphSpec[]
  | { float: number }
  | { floats: readonly number[] }
  | { strings: readonly string[] }
  | { tensor: TensorSpec }
  | { type: ValueSpec }
  /** Refers to the attribute `ref` of the function around it. */
  | { ref: string; kind: keyof typeof onnx.AttributeProto.AttributeType };

export interface FunctionSpec {
  domain: string;
  name: string;
  overload?: string;
  inputs: string[];
  outputs: string[];
  /** Names of the attributes that have no default. */
  attributes?: string[];
  defaults?: Record<string, AttributeSpec>;
  opset?: OpsetSpec;
  nodes: NodeSpec[];
}

/** The model's bytes, in a buffer of their own. */
export function buildModel(spec: ModelSpec): Uint8Array {
  const writer = proto.ModelProto.encode({
    irVersion: spec.irVersion ?? 8,
    producerName: "kiln-test",
    opsetImport: opsetImports(spec.opset),
    metadataProps: Object.entries(spec.metadata ?? {}).map(([key, value]) => ({ key, value })),
  });
  append(writer, 7, encodeGraph(spec));
  for (const fn of spec.functions ?? []) append(writer, 25, encodeFunction(fn));
  return finish(writer);
}

/** The bytes of a TensorProto, such as a `.pb` file of test data holds. */
export function buildTensor(tensor: Exclude<TensorSpec, SparseSpec>, name = ""): Uint8Array {
  return finish(proto.TensorProto.encode(tensorProto(tensor, name)));
}

type Writer = ReturnType<typeof proto.ModelProto.encode>;

/** Appends an embedded message, string or bytes field. */
function append(writer: Writer, field: number, value: Uint8Array | string): void {
  writer.uint32((field << 3) | 2);
  if (typeof value === "string") writer.string(value);
  else writer.bytes(value);
}

function finish(writer: Writer): Uint8Array {
  return new Uint8Array(writer.finish());
}

/** What protobufjs 6 takes for a 64-bit integer. */
function long(value: number | bigint): number {
  const bits = BigInt.asUintN(64, BigInt(value));
  const parts = { low: Number(bits & 0xffffffffn) | 0, high: Number(bits >> 32n) | 0, unsigned: false };
  return parts as unknown as number;
}

function opsetImports(opset: OpsetSpec = 17): onnx.IOperatorSetIdProto[] {
  const versions = typeof opset === "number" ? { "": opset } : opset;
  return Object.entries(versions).map(([domain, version]) => ({ domain, version }));
}

function encodeGraph(spec: GraphSpec): Uint8Array {
  const initializers = Object.entries(spec.initializers ?? {});
  const dense = initializers.flatMap(([name, value]) =>
    "sparse" in value ? [] : [tensorProto(value, name)],
  );
  const sparse = initializers.flatMap(([name, value]) =>
    "sparse" in value ? [sparseProto(value, name)] : [],
  );
  const writer = proto.GraphProto.encode({
    name: spec.name ?? "graph",
    input: valueInfos(spec.inputs),
    output: valueInfos(spec.outputs),
    valueInfo: valueInfos(spec.valueInfo),
    initializer: dense,
    sparseInitializer: sparse,
  });
  for (const node of spec.nodes) append(writer, 1, encodeNode(node));
  return finish(writer);
}

function encodeFunction(spec: FunctionSpec): Uint8Array {
  const writer = proto.FunctionProto.encode({
    name: spec.name,
    domain: spec.domain,
    input: spec.inputs,
    output: spec.outputs,
    attribute: spec.attributes ?? [],
    opsetImport: opsetImports(spec.opset),
  });
  for (const node of spec.nodes) append(writer, 7, encodeNode(node));
  for (const [name, value] of Object.entries(spec.defaults ?? {})) {
    append(writer, 11, encodeAttribute(name, value));
  }
  if (spec.overload !== undefined) append(writer, 13, spec.overload);
  return finish(writer);
}

function encodeNode(spec: NodeSpec): Uint8Array {
  const writer = proto.NodeProto.encode({
    opType: spec.op,
    input: spec.inputs ?? [],
    output: spec.outputs ?? [],
    ...(spec.name === undefined ? {} : { name: spec.name }),
    ...(spec.domain === undefined ? {} : { domain: spec.domain }),
  });
  for (const [name, value] of Object.entries(spec.attributes ?? {})) {
    append(writer, 5, encodeAttribute(name, value));
  }
  if (spec.overload !== undefined) append(writer, 8, spec.overload);
  return finish(writer);
}

function encodeAttribute(name: string, spec: AttributeSpec): Uint8Array {
  if (isGraph(spec)) {
    const writer = proto.AttributeProto.encode({ name, type: proto.AttributeProto.AttributeType.GRAPH });
    append(writer, 6, encodeGraph(spec));
    return finish(writer);
  }
  if (Array.isArray(spec) && spec.length > 0 && spec.every(isGraph)) {
    const writer = proto.AttributeProto.encode({ name, type: proto.AttributeProto.AttributeType.GRAPHS });
    for (const graph of spec) append(writer, 11, encodeGraph(graph));
    return finish(writer);
  }
  const [kind, value] = simpleAttribute(spec);
  return finish(
    proto.AttributeProto.encode({ name, type: proto.AttributeProto.AttributeType[kind], ...value }),
  );
}

/** Kind and value of an attribute that holds no graph. */
function simpleAttribute(
  spec: Exclude<AttributeSpec, GraphSpec>,
): [keyof typeof onnx.AttributeProto.AttributeType, onnx.IAttributeProto] {
  if (typeof spec === "bigint") return ["INT", { i: long(spec) }];
  if (typeof spec === "number") {
    return Number.isInteger(spec) ? ["INT", { i: long(spec) }] : ["FLOAT", { f: spec }];
  }
  if (typeof spec === "string") return ["STRING", { s: utf8(spec) }];
  if (isArray(spec)) return arrayAttribute(spec);
  if ("dtype" in spec) return ["TENSOR", { t: tensorProto(spec, "") }];
  if ("tensor" in spec) return ["TENSOR", { t: tensorProto(spec.tensor as TensorData, "") }];
  if ("sparse" in spec) return ["SPARSE_TENSOR", { sparseTensor: sparseProto(spec, "") }];
  if ("float" in spec) return ["FLOAT", { f: spec.float }];
  if ("floats" in spec) return ["FLOATS", { floats: [...spec.floats] }];
  if ("strings" in spec) return ["STRINGS", { strings: spec.strings.map(utf8) }];
  if ("type" in spec) return ["TYPE_PROTO", { tp: typeProto(spec.type) }];
  if ("ref" in spec) return [spec.kind, { refAttrName: spec.ref }];
  throw new Error(`no attribute: ${JSON.stringify(spec)}`);
}

function arrayAttribute(
  spec: readonly unknown[],
): [keyof typeof onnx.AttributeProto.AttributeType, onnx.IAttributeProto] {
  if (spec.every((value) => typeof value === "bigint" || Number.isInteger(value))) {
    return ["INTS", { ints: spec.map((value) => long(value as number)) }];
  }
  if (spec.every((value) => typeof value === "number")) return ["FLOATS", { floats: [...spec] }];
  if (spec.every((value) => typeof value === "string")) return ["STRINGS", { strings: spec.map(utf8) }];
  return ["TENSORS", { tensors: spec.map((value) => tensorProto(value as TensorData, "")) }];
}

function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isGraph(value: unknown): value is GraphSpec {
  return typeof value === "object" && value !== null && "nodes" in value;
}

function tensorProto(spec: Exclude<TensorSpec, SparseSpec>, name: string): onnx.ITensorProto {
  if ("proto" in spec) return { name, ...spec.proto };
  if ("strings" in spec) {
    const dims = spec.dims ?? [spec.strings.length];
    return { name, dims, dataType: elementType("string"), stringData: spec.strings.map(utf8) };
  }
  return { name, dims: [...spec.dims], dataType: elementType(spec.dtype), rawData: tensorBytes(spec) };
}

function sparseProto({ sparse }: SparseSpec, name: string): onnx.ISparseTensorProto {
  return {
    values: tensorProto(sparse.values, name),
    indices: tensorProto(sparse.indices, ""),
    dims: sparse.dims,
  };
}

function valueInfos(specs: Record<string, ValueSpec> = {}): onnx.IValueInfoProto[] {
  return Object.entries(specs).map(([name, spec]) => ({ name, type: typeProto(spec) }));
}

function typeProto(spec: ValueSpec): onnx.ITypeProto {
  if ("sequence" in spec) return { sequenceType: { elemType: typeProto(spec.sequence) } };
  if ("optional" in spec) return { optionalType: { elemType: typeProto(spec.optional) } };
  const [dtype, dims] = spec;
  const dim = dims?.map((size) =>
    size === null ? {} : typeof size === "string" ? { dimParam: size } : { dimValue: long(size) },
  );
  return { tensorType: { elemType: elementType(dtype), ...(dim === undefined ? {} : { shape: { dim } }) } };
}

function elementType(dtype: DType | "string"): number {
  return dtype === "string" ? proto.TensorProto.DataType.STRING : dtypes[dtype].onnx;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
