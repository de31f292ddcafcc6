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
  | "bool"
  | "float8e4m3fn"
  | "float8e4m3fnuz"
  | "float8e5m2"
  | "float8e5m2fnuz"
  | "float8e8m0"
  | "float4e2m1"
  | "int4"
  | "uint4"
  | "int2"
  | "uint2";

/** Types whose elements Loop IR loads and stores; those of the others are bytes to it. */
export type MemoryType = Exclude<
  DType,
  `float8${string}` | "float4e2m1" | "int4" | "uint4" | "int2" | "uint2"
>;

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
  /** Bits of an element in memory. Elements of less than a byte are packed, the first in the lowest bits. */
  readonly bits: number;
  /** Bytes of an element in its array: `bits` in whole bytes. */
  readonly bytes: number;
  /** Short spelling used in IR text. */
  readonly short: string;
  /** Minifloats are moved as their bits; only conversions read them as numbers. */
  readonly kind: "float" | "minifloat" | "int" | "uint" | "bool";
  /** Array type of the stored form, one entry an element (16-bit floats and minifloats hold their bit patterns). */
  readonly array: TypedArrayConstructor;
}

const info = (
  onnx: number,
  bits: number,
  short: string,
  kind: DTypeInfo["kind"],
  array: TypedArrayConstructor,
): DTypeInfo => ({ onnx, bits, bytes: Math.ceil(bits / 8), short, kind, array });

export const dtypes: { readonly [D in DType]: DTypeInfo } = {
  float32: info(1, 32, "f32", "float", Float32Array),
  uint8: info(2, 8, "u8", "uint", Uint8Array),
  int8: info(3, 8, "i8", "int", Int8Array),
  uint16: info(4, 16, "u16", "uint", Uint16Array),
  int16: info(5, 16, "i16", "int", Int16Array),
  int32: info(6, 32, "i32", "int", Int32Array),
  int64: info(7, 64, "i64", "int", BigInt64Array),
  bool: info(9, 8, "bool", "bool", Uint8Array),
  float16: info(10, 16, "f16", "float", Uint16Array),
  float64: info(11, 64, "f64", "float", Float64Array),
  uint32: info(12, 32, "u32", "uint", Uint32Array),
  uint64: info(13, 64, "u64", "uint", BigUint64Array),
  bfloat16: info(16, 16, "bf16", "float", Uint16Array),
  float8e4m3fn: info(17, 8, "f8e4m3fn", "minifloat", Uint8Array),
  float8e4m3fnuz: info(18, 8, "f8e4m3fnuz", "minifloat", Uint8Array),
  float8e5m2: info(19, 8, "f8e5m2", "minifloat", Uint8Array),
  float8e5m2fnuz: info(20, 8, "f8e5m2fnuz", "minifloat", Uint8Array),
  uint4: info(21, 4, "u4", "uint", Uint8Array),
  int4: info(22, 4, "i4", "int", Int8Array),
  float4e2m1: info(23, 4, "f4e2m1", "minifloat", Uint8Array),
  float8e8m0: info(24, 8, "f8e8m0", "minifloat", Uint8Array),
  uint2: info(25, 2, "u2", "uint", Uint8Array),
  int2: info(26, 2, "i2", "int", Int8Array),
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

/** True for types of less than a byte, several of whose elements share one in memory. */
export const isPacked = (dtype: DType): boolean => dtypes[dtype].bits < 8;

/** Bytes that this many elements take in memory. */
export const storedBytes = (dtype: DType, count: number): number =>
  Math.ceil((count * dtypes[dtype].bits) / 8);

/** True for floats that are moved as their bits. */
export const isMinifloat = (dtype: DType): boolean => dtypes[dtype].kind === "minifloat";

export const isMemoryType = (dtype: DType): dtype is MemoryType => !isPacked(dtype) && !isMinifloat(dtype);

export const memoryTypes: readonly MemoryType[] = names.filter(isMemoryType);

/** The type by which memory of this dtype is read and written: itself, or bytes. */
export const memoryType = (dtype: DType): MemoryType => (isMemoryType(dtype) ? dtype : "uint8");
