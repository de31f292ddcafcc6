/** Types of the functions that make tensors of other things than elements, and pictures of tensors. */

import type { Tensor, TypedTensor } from "./tensor.js";

export type ImageFormat = "RGB" | "RGBA" | "BGR" | "RBG";
export type ImageTensorLayout = "NHWC" | "NCHW";

/** One number for all channels, or one for each. */
type PerChannel = number | [number, number, number] | [number, number, number, number];

export interface OptionsFormat {
  /** Channels of the picture. */
  format?: ImageFormat;
}
export interface OptionsTensorFormat {
  /** Channels of the tensor. Default "RGB". */
  tensorFormat?: ImageFormat;
}
export interface OptionsTensorDataType {
  dataType?: "float32" | "uint8";
}
export interface OptionsTensorLayout {
  tensorLayout?: ImageTensorLayout;
}
export interface OptionsDimensions {
  height?: number;
  width?: number;
}
export interface OptionResizedDimensions {
  resizedHeight?: number;
  resizedWidth?: number;
}
export interface OptionsNormalizationParameters {
  /** What is added to each value, and what the sum is divided by. Default 0 and 255. */
  norm?: { bias?: PerChannel; mean?: PerChannel };
}

export interface TensorFromImageDataOptions
  extends OptionResizedDimensions,
    OptionsTensorFormat,
    OptionsTensorLayout,
    OptionsTensorDataType,
    OptionsNormalizationParameters {}
export interface TensorFromImageElementOptions extends TensorFromImageDataOptions {}
export interface TensorFromImageBitmapOptions extends TensorFromImageDataOptions {}
export interface TensorFromUrlOptions extends OptionsDimensions, TensorFromImageDataOptions {}

export interface TensorToImageOptions
  extends OptionsTensorLayout,
    OptionsFormat,
    OptionsNormalizationParameters {}
export interface TensorToDataUrlOptions extends TensorToImageOptions {}
export interface TensorToImageDataOptions extends TensorToImageOptions {}

interface GpuOptions<T extends Tensor.Type> {
  download?(): Promise<Tensor.DataTypeMap[T]>;
  dispose?(): void;
}
export interface TensorFromTextureOptions<T extends Tensor.TextureDataTypes>
  extends Required<OptionsDimensions>,
    OptionsFormat,
    GpuOptions<T> {}
export interface TensorFromGpuBufferOptions<T extends Tensor.GpuBufferDataTypes> extends GpuOptions<T> {
  readonly dims: readonly number[];
  dataType?: T;
}
export interface TensorFromMLTensorOptions<T extends Tensor.MLTensorDataTypes> extends GpuOptions<T> {
  readonly dims: readonly number[];
  dataType?: T;
}

type ImageTensor = TypedTensor<"float32"> | TypedTensor<"uint8">;

export interface TensorFactory {
  fromImage(image: ImageData, options?: TensorFromImageDataOptions): Promise<ImageTensor>;
  fromImage(image: HTMLImageElement, options?: TensorFromImageElementOptions): Promise<ImageTensor>;
  fromImage(url: string, options?: TensorFromUrlOptions): Promise<ImageTensor>;
  fromImage(image: ImageBitmap, options: TensorFromImageBitmapOptions): Promise<ImageTensor>;
  /** Rejects what it is given, as the two below: Kiln computes on the CPU. */
  fromTexture<T extends Tensor.TextureDataTypes = "float32">(
    texture: Tensor.TextureType,
    options: TensorFromTextureOptions<T>,
  ): TypedTensor<"float32">;
  fromGpuBuffer<T extends Tensor.GpuBufferDataTypes>(
    buffer: Tensor.GpuBufferType,
    options: TensorFromGpuBufferOptions<T>,
  ): TypedTensor<T>;
  fromMLTensor<T extends Tensor.MLTensorDataTypes>(
    tensor: Tensor.MLTensorType,
    options: TensorFromMLTensorOptions<T>,
  ): TypedTensor<T>;
  fromPinnedBuffer<T extends Tensor.CpuPinnedDataTypes>(
    type: T,
    buffer: Tensor.DataTypeMap[T],
    dims?: readonly number[],
  ): TypedTensor<T>;
}
