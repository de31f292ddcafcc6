/**
 * Element types, as ONNX's TensorProto.DataType names them. One record says everything the rest of the compiler
 * needs of a type: its bits, its ONNX code, and the typed array that holds it in JavaScript.
 */

export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool";

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

type TypedArrayConstructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
};

export interface DTypeInfo {
  /** ONNX TensorProto.DataType code. */
  readonly onnx: number;
  readonly bytes: number;
  /** Short spelling used in IR text. */
  readonly short: string;
  readonly kind: "float" | "int" | "uint" | "bool";
  /** Array type of the stored form (float16 and bfloat16 hold their bit patterns). */
  readonly array: TypedArrayConstructor;
}

export const dtypes: { readonly [D in DType]: DTypeInfo } = {
  float32: { onnx: 1, bytes: 4, short: "f32", kind: "float", array: Float32Array },
  uint8: { onnx: 2, bytes: 1, short: "u8", kind: "uint", array: Uint8Array },
  int8: { onnx: 3, bytes: 1, short: "i8", kind: "int", array: Int8Array },
  uint16: { onnx: 4, bytes: 2, short: "u16", kind: "uint", array: Uint16Array },
  int16: { onnx: 5, bytes: 2, short: "i16", kind: "int", array: Int16Array },
  int32: { onnx: 6, bytes: 4, short: "i32", kind: "int", array: Int32Array },
  int64: { onnx: 7, bytes: 8, short: "i64", kind: "int", array: BigInt64Array },
  bool: { onnx: 9, bytes: 1, short: "bool", kind: "bool", array: Uint8Array },
  float16: { onnx: 10, bytes: 2, short: "f16", kind: "float", array: Uint16Array },
  float64: { onnx: 11, bytes: 8, short: "f64", kind: "float", array: Float64Array },
  uint32: { onnx: 12, bytes: 4, short: "u32", kind: "uint", array: Uint32Array },
  uint64: { onnx: 13, bytes: 8, short: "u64", kind: "uint", array: BigUint64Array },
  bfloat16: { onnx: 16, bytes: 2, short: "bf16", kind: "float", array: Uint16Array },
};

const names = Object.keys(dtypes) as DType[];
const byOnnxCode = new Map(names.map((name) => [dtypes[name].onnx, name]));
const byShortName = new Map(names.map((name) => [dtypes[name].short, name]));

/** The element type with this TensorProto.DataType code, or undefined where Kiln has none. */
export function dtypeFromOnnx(code: number): DType | undefined {
  return byOnnxCode.get(code);
}

/** The element type that IR text spells this way (`f32`, `i64`, ...). */
export function dtypeFromShortName(short: string): DType | undefined {
  return byShortName.get(short);
}

/** True for types whose JavaScript array holds bigints. */
export function isBigInt(dtype: DType): boolean {
  return dtype === "int64" || dtype === "uint64";
}
