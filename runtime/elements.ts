/** Element types of tensors, spelled as in onnxruntime-common, and the typed array that holds each. */

// Types only: resolves to Float16Array where the user's TypeScript `lib` declares it, to nothing elsewhere.
type EngineFloat16 = typeof globalThis extends { Float16Array: { prototype: infer F } } ? F : never;

/** Typed array of each element type; float16 and bfloat16 held in a Uint16Array are bit patterns. */
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
}
export type TensorType = keyof TensorDataMap;
export type TypedArray = TensorDataMap[TensorType];

export interface ArrayType {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TypedArray;
  from(values: Iterable<number | bigint>): TypedArray;
}

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
  }) as [TensorType, ArrayType][],
);

/** Product of the dims: 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** True for a dimension: a whole number, not negative. */
export const isDim = (dim: unknown): dim is number => Number.isSafeInteger(dim) && (dim as number) >= 0;
