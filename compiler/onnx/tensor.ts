/**
 * TensorProto -> TensorData. Elements stored as bytes (raw_data, external data) become a view of those bytes where
 * alignment allows, and one copy where it does not; ONNX and every host of WebAssembly that we know are little endian.
 */

import { KilnError } from "../diagnostics.js";
import { type DType, dtypeFromOnnx, dtypes, isPacked, storedBytes, type TypedArray } from "../ir/dtype.js";
import { elementsOfBytes, type TensorData, tensor, tensorOf } from "../ir/tensor.js";
import { defaultLimits, type Limits } from "../limits.js";
import { type ExternalFiles, externalBytes, isExternal } from "./external-data.js";
import { getAttribute, type OnnxNode, type OnnxTensor, type StringTensor } from "./model.js";
import { dataTypeName, dataTypes, type SparseTensorProto, type TensorProto, tensorProto } from "./schema.js";
import { readMessage } from "./schema-reader.js";

export interface TensorContext {
  readonly limits: Limits;
  readonly files: ExternalFiles;
  /** Bytes made so far by making sparse tensors dense; limits.foldedBytes bounds them. */
  denseBytes: number;
}

/**
 * Decodes a serialized TensorProto, such as the `.pb` files of ONNX's test data.
 * @throws KilnError E_DECODE, E_MODEL (contradicts itself), E_UNSUPPORTED (strings, complex numbers), E_LIMIT,
 * E_EXTERNAL_DATA (its elements are elsewhere)
 */
export function decodeTensorProto(bytes: Uint8Array, limits: Limits = defaultLimits): TensorData {
  const proto = readMessage(bytes, tensorProto, limits);
  // An empty SequenceProto or OptionalProto reads as a tensor whose dims are the letters of its name.
  if (
    proto.rawData === undefined &&
    typedLength(proto) === 0 &&
    !isExternal(proto) &&
    !proto.dims.includes(0n)
  ) {
    throw unsupported(proto, "it has no elements; is it a sequence or optional?");
  }
  return numeric(decodeTensor(proto, { limits, files: new Map(), denseBytes: 0 }), `tensor "${proto.name}"`);
}

/**
 * The tensor where it holds numbers.
 * @throws KilnError E_UNSUPPORTED where it holds strings; `what` names it
 */
export function numeric(value: OnnxTensor, what: string): TensorData {
  if (value.dtype === "string") throw new KilnError("E_UNSUPPORTED", `${what} holds strings`);
  return value;
}

/**
 * The value of a Constant node, whichever attribute holds it; sparse ones are dense.
 * @throws KilnError E_MODEL where it has none, several or one of a wrong kind
 */
export function constantValue(node: OnnxNode): OnnxTensor {
  const place = { node: node.name, operator: node.opType };
  const forms = [...node.attributes.keys()].filter(
    (name) => name === "sparse_value" || /^value(_|$)/.test(name),
  );
  if (forms.length !== 1) {
    throw new KilnError("E_MODEL", `a constant has one value, not ${forms.length}`, place);
  }
  const form = forms[0]!;
  switch (form) {
    case "value":
      return getAttribute(node, form, "tensor")!;
    case "sparse_value":
      return getAttribute(node, form, "sparse_tensor")!;
    case "value_float":
      return tensorOf("float32", [], [getAttribute(node, form, "float")!]);
    case "value_floats": {
      const values = getAttribute(node, form, "floats")!;
      return tensorOf("float32", [values.length], values);
    }
    case "value_int":
      return tensor("int64", [], BigInt64Array.of(getAttribute(node, form, "int")!));
    case "value_ints": {
      const values = getAttribute(node, form, "ints")!;
      return tensor("int64", [values.length], BigInt64Array.from(values));
    }
    case "value_string":
      return { dtype: "string", dims: [], strings: [getAttribute(node, form, "string")!] };
    case "value_strings": {
      const strings = getAttribute(node, form, "strings")!;
      return { dtype: "string", dims: [strings.length], strings };
    }
    default:
      throw new KilnError("E_MODEL", `a constant has no attribute ${form}`, place);
  }
}

/**
 * Decodes one TensorProto.
 * @throws KilnError E_MODEL, E_UNSUPPORTED, E_LIMIT or E_EXTERNAL_DATA, naming the tensor
 */
export function decodeTensor(proto: TensorProto, context: TensorContext): OnnxTensor {
  const code = proto.dataType ?? dataTypes.UNDEFINED;
  if (proto.segment !== undefined) throw unsupported(proto, "it is segmented, or a sequence or optional");
  const dims = decodeDims(proto, proto.dims, context.limits);
  const count = checkedCount(proto, dims, context.limits);
  if (code === dataTypes.STRING) return decodeStrings(proto, dims, count);
  const dtype = dtypeFromOnnx(code);
  if (dtype === undefined) {
    if (code === dataTypes.UNDEFINED) throw contradicts(proto, "it has no element type");
    throw unsupported(proto, `its element type is ${dataTypeName(code)}`);
  }
  const bytes = givenBytes(proto, context, storedBytes(dtype, count));
  const data =
    bytes === undefined ? fromTypedField(proto, dtype, count) : elementsOfBytes(dtype, count, bytes);
  return tensor(dtype, dims, dtype === "bool" ? normalBools(data as Uint8Array) : data);
}

/**
 * Decodes a SparseTensorProto into the dense tensor that it stands for.
 * @throws KilnError E_MODEL, E_UNSUPPORTED, E_LIMIT or E_EXTERNAL_DATA, naming the tensor
 */
export function decodeSparseTensor(sparse: SparseTensorProto, context: TensorContext): TensorData {
  const { values: valuesProto, indices: indicesProto } = sparse;
  if (valuesProto === undefined || indicesProto === undefined) {
    throw new KilnError("E_MODEL", "a sparse tensor needs values and indices");
  }
  const values = numeric(decodeTensor(valuesProto, context), `sparse tensor "${valuesProto.name ?? ""}"`);
  const indices = decodeTensor(indicesProto, context);
  const dims = decodeDims(valuesProto, sparse.dims, context.limits);
  const count = checkedCount(valuesProto, dims, context.limits);
  context.denseBytes += storedBytes(values.dtype, count);
  if (context.denseBytes > context.limits.foldedBytes) {
    throw new KilnError("E_LIMIT", `sparse tensors would take ${context.denseBytes} bytes when dense`);
  }
  const data = new dtypes[values.dtype].array(count);
  const positions = densePositions(valuesProto, indices, dims, values.data.length, count);
  for (let i = 0; i < positions.length; i++) data[positions[i]!] = values.data[i]!;
  return tensor(values.dtype, dims, data);
}

/** Row-major position of each value. Indices are linear, or one row of coordinates a value; ascending either way. */
function densePositions(
  proto: TensorProto,
  indices: OnnxTensor,
  dims: readonly number[],
  values: number,
  count: number,
): Float64Array {
  const linear = indices.dims.length === 1;
  const width = linear ? 1 : dims.length;
  if (indices.dtype !== "int64" || indices.dims.length > 2 || indices.data.length !== values * width) {
    throw contradicts(proto, `the indices of its ${values} values do not fit`);
  }
  const positions = new Float64Array(values);
  let previous = -1;
  for (let i = 0; i < values; i++) {
    let position = 0;
    for (let axis = 0; axis < width; axis++) {
      const size = linear ? count : dims[axis]!;
      const index = Number(indices.data[i * width + axis]!);
      if (index < 0 || index >= size)
        throw contradicts(proto, `index ${index} is outside its dimension ${size}`);
      position = position * size + index;
    }
    if (position <= previous) throw contradicts(proto, "its indices are not ascending");
    positions[i] = previous = position;
  }
  return positions;
}

function decodeDims(proto: TensorProto, dims: BigInt64Array, limits: Limits): number[] {
  if (dims.length > limits.rank) {
    const what = `tensor "${proto.name ?? ""}" has ${dims.length} dims`;
    throw new KilnError("E_LIMIT", `${what}, more than the limit of ${limits.rank}`);
  }
  return Array.from(dims, (dim) => {
    if (dim < 0n) throw contradicts(proto, `it has the dimension ${dim}`);
    if (dim > BigInt(limits.tensorElements)) throw tooLarge(proto, limits);
    return Number(dim);
  });
}

function checkedCount(proto: TensorProto, dims: readonly number[], limits: Limits): number {
  if (dims.includes(0)) return 0;
  let count = 1;
  for (const dim of dims) {
    count *= dim;
    if (count > limits.tensorElements) throw tooLarge(proto, limits);
  }
  return count;
}

/** The tensor's elements as bytes, or undefined where a typed field holds them. */
function givenBytes(proto: TensorProto, context: TensorContext, byteLength: number): Uint8Array | undefined {
  if (isExternal(proto)) return externalBytes(proto, context.files, byteLength);
  const { rawData } = proto;
  if (rawData === undefined || (rawData.length === 0 && typedLength(proto) > 0)) return undefined;
  if (typedLength(proto) > 0) throw contradicts(proto, "it has elements in two fields");
  if (rawData.length !== byteLength) {
    throw contradicts(proto, `${shape(proto)} needs ${byteLength} bytes, it has ${rawData.length}`);
  }
  return rawData;
}

function typedLength(proto: TensorProto): number {
  const { floatData, int32Data, int64Data, doubleData, uint64Data, stringData } = proto;
  return (
    floatData.length +
    int32Data.length +
    int64Data.length +
    doubleData.length +
    uint64Data.length +
    stringData.length
  );
}

/** The field that holds elements of this type: int32_data carries all narrow types, and floats as their bits. */
function typedField(proto: TensorProto, dtype: DType): TypedArray {
  switch (dtype) {
    case "float32":
      return proto.floatData;
    case "float64":
      return proto.doubleData;
    case "int64":
      return proto.int64Data;
    case "uint32":
    case "uint64":
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

function fromTypedField(proto: TensorProto, dtype: DType, count: number): TypedArray {
  const source = typedField(proto, dtype);
  if (source.length !== typedLength(proto)) throw contradicts(proto, `a field not for ${dtype} has elements`);
  const { array } = dtypes[dtype];
  // Packed types have a byte of elements in each entry.
  const entries = isPacked(dtype) ? storedBytes(dtype, count) : count;
  if (source.length !== entries) {
    const unit = isPacked(dtype) ? "bytes" : "elements";
    throw contradicts(proto, `${shape(proto)} needs ${entries} ${unit}, it has ${source.length}`);
  }
  if (isPacked(dtype)) return elementsOfBytes(dtype, count, bytesOf(proto, source as Int32Array));
  if (source instanceof array) return source;
  const data = new array(count);
  for (let i = 0; i < count; i++) {
    const value = Number(source[i]!);
    data[i] = dtype === "bool" ? Number(value !== 0) : value;
    if (dtype !== "bool" && data[i] !== value) throw contradicts(proto, `${source[i]} is no ${dtype}`);
  }
  return data;
}

function bytesOf(proto: TensorProto, entries: Int32Array): Uint8Array {
  const wide = entries.find((entry) => entry < -128 || entry > 255);
  if (wide !== undefined) throw contradicts(proto, `${wide} is no byte`);
  return Uint8Array.from(entries);
}

/** Kernels count on 0 and 1: any other byte means true, as it does in C. */
function normalBools(data: Uint8Array): Uint8Array {
  return data.some((value) => value > 1) ? data.map((value) => Number(value !== 0)) : data;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function decodeStrings(proto: TensorProto, dims: readonly number[], count: number): StringTensor {
  if (isExternal(proto) || proto.rawData !== undefined)
    throw contradicts(proto, "strings cannot be raw data");
  if (proto.stringData.length !== count) {
    throw contradicts(proto, `${shape(proto)} needs ${count} strings, it has ${proto.stringData.length}`);
  }
  return { dtype: "string", dims, strings: proto.stringData.map((bytes) => utf8.decode(bytes)) };
}

function contradicts(proto: TensorProto, what: string): KilnError {
  return new KilnError("E_MODEL", `tensor "${proto.name ?? ""}" contradicts itself: ${what}`);
}

function unsupported(proto: TensorProto, why: string): KilnError {
  return new KilnError("E_UNSUPPORTED", `tensor "${proto.name ?? ""}" cannot be used: ${why}`);
}

function tooLarge(proto: TensorProto, limits: Limits): KilnError {
  const what = `tensor "${proto.name ?? ""}" ${shape(proto)}`;
  return new KilnError("E_LIMIT", `${what} has more than ${limits.tensorElements} elements`);
}

function shape({ dims }: TensorProto): string {
  return `[${dims.slice(0, 8).join(",")}${dims.length > 8 ? ",..." : ""}]`;
}
