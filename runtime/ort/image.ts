/** Pictures as tensors and back, by the browser's canvas: what onnxruntime-common makes of the same options. */

import type { ImageFormat, TensorFromUrlOptions, TensorToImageOptions } from "./image-types.js";

type Image = ImageData | HTMLImageElement | ImageBitmap | string;

interface Picture {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** Offsets of red, green, blue and alpha among the channels; -1 where there is no alpha. */
const channels: Readonly<Record<ImageFormat, readonly number[]>> = {
  RGB: [0, 1, 2, -1],
  RGBA: [0, 1, 2, 3],
  BGR: [2, 1, 0, -1],
  RBG: [0, 2, 1, -1],
};

/** Elements and shape [1, channels, height, width] of a picture. */
export async function imageTensor(
  image: Image,
  options: TensorFromUrlOptions = {},
): Promise<{ data: Float32Array; dims: readonly number[] }> {
  if (options.tensorLayout === "NHWC") throw new Error("NHWC Tensor layout is not supported yet");
  const { data, width, height } = await pixelsOf(image, options);
  const order = orderOf(options.tensorFormat ?? (isTag(image, "HTMLImageElement") ? "RGBA" : "RGB"));
  const mean = perChannel(options.norm?.mean, 255);
  const bias = perChannel(options.norm?.bias, 0);
  const plane = width * height;
  const count = order.includes(3) ? 4 : 3;
  const elements = new Float32Array(count * plane);
  for (const [channel, at] of order.entries()) {
    for (let i = 0; at >= 0 && i < plane; i++) {
      elements[at * plane + i] = (data[4 * i + channel]! + bias[channel]!) / mean[channel]!;
    }
  }
  return { data: elements, dims: [1, count, height, width] };
}

interface TensorLike {
  readonly data: ArrayLike<unknown>;
  readonly dims: readonly number[];
}

export function tensorToImageData({ data, dims }: TensorLike, options: TensorToImageOptions = {}): ImageData {
  const [, count = 0, height = 0, width = 0] = dims;
  if (options.tensorLayout === "NHWC") throw new Error("NHWC Tensor layout is not supported yet");
  if (dims.length !== 4 || dims[0] !== 1 || (count !== 3 && count !== 4)) {
    throw new Error(`a picture is a tensor of shape [1, 3 or 4, height, width], not [${dims}]`);
  }
  const order = orderOf(options.format ?? "RGB");
  const mean = perChannel(options.norm?.mean, 255);
  const bias = perChannel(options.norm?.bias, 0);
  const plane = width * height;
  const image = new ImageData(width, height);
  for (const [channel, at] of order.entries()) {
    for (let i = 0; i < plane; i++) {
      const element = Number(data[at * plane + i]);
      image.data[4 * i + channel] = at < 0 ? 255 : (element - bias[channel]!) * mean[channel]!;
    }
  }
  return image;
}

export function tensorToDataUrl(tensor: TensorLike, options?: TensorToImageOptions): string {
  const image = tensorToImageData(tensor, options);
  if (typeof document === "undefined") throw new Error("toDataURL is not supported: there is no document");
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/** The pixels in RGBA; of the given size where it is resized, which cuts as onnxruntime's does. */
async function pixelsOf(image: Image, options: TensorFromUrlOptions): Promise<Picture> {
  if (typeof image === "string") return drawn(await fetched(image), {});
  if (isTag(image, "HTMLImageElement")) return drawn(image as HTMLImageElement, options);
  if (isTag(image, "ImageBitmap")) return drawn(image as ImageBitmap, {});
  if (!isTag(image, "ImageData")) {
    throw new Error(
      "Input data provided is not supported: expected ImageData, an image, an ImageBitmap or a URL",
    );
  }
  const { resizedWidth, resizedHeight } = options;
  const isCut = resizedWidth !== undefined && resizedHeight !== undefined;
  const { width, height, data } = image as ImageData;
  if (!isCut || (resizedWidth === width && resizedHeight === height)) {
    return { data: data as Uint8ClampedArray, width, height };
  }
  const context = canvasOf(width, height);
  context.putImageData(image as ImageData, 0, 0);
  return context.getImageData(0, 0, resizedWidth, resizedHeight);
}

function drawn(
  image: HTMLImageElement | ImageBitmap,
  { resizedWidth, resizedHeight }: TensorFromUrlOptions,
): Picture {
  const { width, height } = image;
  const context = canvasOf(width, height);
  context.drawImage(image, 0, 0);
  const isCut = resizedWidth !== undefined && resizedHeight !== undefined;
  return context.getImageData(0, 0, isCut ? resizedWidth : width, isCut ? resizedHeight : height);
}

async function fetched(url: string): Promise<ImageBitmap> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
  return createImageBitmap(await response.blob());
}

function canvasOf(width: number, height: number): OffscreenCanvasRenderingContext2D {
  if (typeof OffscreenCanvas === "undefined") {
    throw new Error("Canvas is not supported here: decode the picture, and make a Tensor of its elements");
  }
  return new OffscreenCanvas(width, height).getContext("2d")!;
}

function orderOf(format: ImageFormat): readonly number[] {
  if (!Object.hasOwn(channels, format)) throw new Error(`unknown format of a picture: ${format}`);
  return channels[format];
}

function perChannel(value: number | readonly number[] | undefined, usual: number): readonly number[] {
  return [0, 1, 2, 3].map((i) => (typeof value === "object" ? (value[i] ?? usual) : (value ?? usual)));
}

/** By its tag: an image of another realm is no instance of ours. */
const isTag = (value: unknown, tag: string): boolean =>
  (value as { [Symbol.toStringTag]?: string } | null)?.[Symbol.toStringTag] === tag;
