/** The tensor of onnxruntime-common as a type and a constructor: same names, same overloads. */

import { CpuTensor } from "./cpu-tensor.js";
import type { TensorFactory, TensorToImageOptions } from "./image-types.js";

/** The type of that name where the user's TypeScript `lib` declares it. */
type GlobalType<Name extends string, Fallback> = typeof globalThis extends {
  [name in Name]: { prototype: infer T };
}
  ? T
  : Fallback;

export declare namespace Tensor {
  /** The array that holds the elements of each type. */
  interface DataTypeMap {
    float32: Float32Array;
    uint8: Uint8Array;
    int8: Int8Array;
    uint16: Uint16Array;
    int16: Int16Array;
    int32: Int32Array;
    int64: BigInt64Array;
    string: string[];
    bool: Uint8Array;
    float16: Uint16Array;
    float64: Float64Array;
    uint32: Uint32Array;
    uint64: BigUint64Array;
    uint4: Uint8Array;
    int4: Int8Array;
  }
  interface ElementTypeMap {
    float32: number;
    uint8: number;
    int8: number;
    uint16: number;
    int16: number;
    int32: number;
    int64: bigint;
    string: string;
    bool: boolean;
    float16: number;
    float64: number;
    uint32: number;
    uint64: bigint;
    uint4: number;
    int4: number;
  }
  type Type = keyof DataTypeMap;
  type DataType = DataTypeMap[Type];
  type ElementType = ElementTypeMap[Type];
  type DataLocation = "none" | "cpu" | "cpu-pinned" | "texture" | "gpu-buffer" | "ml-tensor";
  type CpuPinnedDataTypes = Exclude<Type, "string">;
  type TextureType = WebGLTexture;
  type TextureDataTypes = "float32";
  type GpuBufferType = GlobalType<"GPUBuffer", { size: number; mapState: "unmapped" | "pending" | "mapped" }>;
  type GpuBufferDataTypes = "float32" | "float16" | "int32" | "int64" | "uint32" | "uint8" | "bool";
  type MLTensorType = GlobalType<"MLTensor", { destroy(): void }>;
  type MLTensorDataTypes = GpuBufferDataTypes | "int8" | "uint64" | "uint4" | "int4";
}

/** A tensor whose element type is known to TypeScript. */
export interface TypedTensor<T extends Tensor.Type> {
  readonly dims: readonly number[];
  readonly type: T;
  /** Number of elements. */
  readonly size: number;
  /** Throws once the tensor is disposed. */
  readonly data: Tensor.DataTypeMap[T];
  /** "cpu", or "none" once it is disposed. */
  readonly location: Tensor.DataLocation;
  /** Throws: Kiln's tensors are in the memory of the CPU, as are the two below. */
  readonly texture: Tensor.TextureType;
  readonly gpuBuffer: Tensor.GpuBufferType;
  readonly mlTensor: Tensor.MLTensorType;
  getData(releaseData?: boolean): Promise<Tensor.DataTypeMap[T]>;
  /** Lets go of the elements. */
  dispose(): void;
  /** The same elements under another shape of the same size. */
  reshape(dims: readonly number[]): TypedTensor<T>;
  toDataURL(options?: TensorToImageOptions): string;
  toImageData(options?: TensorToImageOptions): ImageData;
}

/** A tensor of any element type. */
export interface Tensor extends TypedTensor<Tensor.Type> {}

export interface CpuPinnedConstructorParameters<
  T extends Tensor.CpuPinnedDataTypes = Tensor.CpuPinnedDataTypes,
> {
  readonly location: "cpu-pinned";
  readonly type: T;
  readonly data: Tensor.DataTypeMap[T];
  readonly dims: readonly number[];
}

type Dims = readonly number[];

export interface TensorConstructor extends TensorFactory {
  new (type: "string", data: readonly string[], dims?: Dims): TypedTensor<"string">;
  new (type: "bool", data: Uint8Array | readonly boolean[], dims?: Dims): TypedTensor<"bool">;
  new (type: "uint8", data: Uint8ClampedArray, dims?: Dims): TypedTensor<"uint8">;
  new <T extends "uint64" | "int64">(
    type: T,
    data: Tensor.DataTypeMap[T] | readonly bigint[] | readonly number[],
    dims?: Dims,
  ): TypedTensor<T>;
  new <T extends Exclude<Tensor.Type, "string" | "bool" | "uint64" | "int64">>(
    type: T,
    data: Tensor.DataTypeMap[T] | readonly number[],
    dims?: Dims,
  ): TypedTensor<T>;
  new (data: Float32Array, dims?: Dims): TypedTensor<"float32">;
  new (data: Int8Array, dims?: Dims): TypedTensor<"int8">;
  new (data: Uint8Array, dims?: Dims): TypedTensor<"uint8">;
  new (data: Uint8ClampedArray, dims?: Dims): TypedTensor<"uint8">;
  new (data: Uint16Array, dims?: Dims): TypedTensor<"uint16">;
  new (data: Int16Array, dims?: Dims): TypedTensor<"int16">;
  new (data: Int32Array, dims?: Dims): TypedTensor<"int32">;
  new (data: BigInt64Array, dims?: Dims): TypedTensor<"int64">;
  new (data: readonly string[], dims?: Dims): TypedTensor<"string">;
  new (data: readonly boolean[], dims?: Dims): TypedTensor<"bool">;
  new (data: Float64Array, dims?: Dims): TypedTensor<"float64">;
  new (data: Uint32Array, dims?: Dims): TypedTensor<"uint32">;
  new (data: BigUint64Array, dims?: Dims): TypedTensor<"uint64">;
  new (
    type: Tensor.Type,
    data: Tensor.DataType | readonly (string | number | bigint | boolean)[],
    dims?: Dims,
  ): Tensor;
  new (data: Tensor.DataType, dims?: Dims): Tensor;
}

export const Tensor = CpuTensor as unknown as TensorConstructor;
