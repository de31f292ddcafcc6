/** Element types of tensors, spelled as in onnxruntime-common, and the typed array that holds each. */

// Types only: resolves to Float16Array where the user's TypeScript `lib` declares it, to nothing elsewhere.
type EngineFloat16 = typeof globalThis extends { Float16Array: { prototype: infer F } } ? F : never;

/**
 * Typed array of each element type; float16 and bfloat16 held in a Uint16Array are bit patterns, and so are the floats
 * of 8 bits and fewer. Elements of less than a byte are packed, the first in the lowest bits.
 */
export interface TensorDataMap {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array | EngineFloat16;
  bfloat16: Uint16Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  float8e4m3fn: Uint8Array;
  float8e4m3fnuz: Uint8Array;
  float8e5m2: Uint8Array;
  float8e5m2fnuz: Uint8Array;
  float8e8m0: Uint8Array;
  float4e2m1: Uint8Array;
  int4: Uint8Array;
  uint4: Uint8Array;
  int2: Uint8Array;
  uint2: Uint8Array;
}
export type TensorType = keyof TensorDataMap;
export type TypedArray = TensorDataMap[TensorType];

export interface ArrayType {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TypedArray;
  from(values: Iterable<number | bigint>): TypedArray;
}

/** Types that share the array of unsigned integers: bits, mostly of several elements a byte. */
const bits = ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"];
const nibbles = ["float4e2m1", "int4", "uint4"];
const pairs = ["int2", "uint2"];

const half = (globalThis as { Float16Array?: unknown }).Float16Array ?? Uint16Array;

/** Array type of each element type. A Map, so that a type named "constructor" is not found by inheritance. */
export const arrayTypes = new Map(
  Object.entries({
    float32: Float32Array,
    float64: Float64Array,
    float16: half,
    bfloat16: Uint16Array,
    int8: Int8Array,
    int16: Int16Array,
    int32: Int32Array,
    int64: BigInt64Array,
    uint8: Uint8Array,
    uint16: Uint16Array,
    uint32: Uint32Array,
    uint64: BigUint64Array,
    bool: Uint8Array,
    ...Object.fromEntries([...bits, ...nibbles, ...pairs].map((type) => [type, Uint8Array])),
  }) as [TensorType, ArrayType][],
);

/** Elements in each entry of a tensor's array. */
export const elementsPerEntry = (type: string): number =>
  nibbles.includes(type) ? 2 : pairs.includes(type) ? 4 : 1;

/** Bytes of that many elements. */
export const bytesOf = (type: TensorType, size: number): number =>
  Math.ceil(size / elementsPerEntry(type)) * arrayTypes.get(type)!.BYTES_PER_ELEMENT;

/** Product of the dims: 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** True for a dimension: a whole number, not negative. */
export const isDim = (dim: unknown): dim is number => Number.isSafeInteger(dim) && (dim as number) >= 0;
