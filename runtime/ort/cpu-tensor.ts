/** The class behind `Tensor`: elements in the memory of the CPU. Refuses what onnxruntime-common refuses. */

import { type ArrayType, arrayTypes, elementsPerEntry, type TensorType } from "../elements.js";
import { arrayName } from "../tensor.js";
import { imageTensor, tensorToDataUrl, tensorToImageData } from "./image.js";
import type { TensorToImageOptions } from "./image-types.js";
import type { CpuPinnedConstructorParameters, Tensor } from "./tensor.js";

type Elements = Tensor.DataType;
/** What a constructor is given, before it is looked at. */
type Given = { readonly length: number; readonly [index: number]: unknown };

export class CpuTensor {
  readonly type: Tensor.Type;
  readonly dims: readonly number[];
  readonly size: number;
  private elements: Elements | undefined;
  private place: Tensor.DataLocation = "cpu";

  constructor(type: Tensor.Type, data: Given, dims?: readonly number[]);
  constructor(data: Given, dims?: readonly number[]);
  constructor(pinned: CpuPinnedConstructorParameters);
  constructor(first: Tensor.Type | Given | CpuPinnedConstructorParameters, ...rest: unknown[]) {
    let dims: unknown;
    if (typeof first === "string") {
      this.type = first as Tensor.Type;
      this.elements = elementsOf(this.type, rest[0]);
      dims = rest[1];
    } else if ("location" in first) {
      refuseGpu(first.location);
      this.type = first.type;
      this.place = first.location;
      this.elements = elementsOf(first.type, first.data);
      dims = first.dims;
    } else {
      this.type = typeOf(first);
      this.elements = elementsOf(this.type, first);
      dims = rest[0];
    }
    const { length } = this.elements;
    if (dims !== undefined && !Array.isArray(dims)) {
      throw new TypeError("A tensor's dims must be a number array");
    }
    this.dims = (dims as readonly number[]) ?? [length];
    this.size = sizeOf(this.dims);
    if (this.size !== length && Math.ceil(this.size / elementsPerEntry(this.type)) !== length) {
      throw new Error(`Tensor's size(${this.size}) does not match data length(${length}).`);
    }
  }

  get data(): Elements {
    if (this.elements === undefined) throw new Error("The tensor is disposed.");
    return this.elements;
  }

  get location(): Tensor.DataLocation {
    return this.place;
  }

  get texture(): never {
    return this.notOn("a WebGL texture");
  }

  get gpuBuffer(): never {
    return this.notOn("a WebGPU buffer");
  }

  get mlTensor(): never {
    return this.notOn("a WebNN MLTensor");
  }

  private notOn(place: string): never {
    throw new Error(this.data && `The data is not stored as ${place}: Kiln computes on the CPU.`);
  }

  async getData(): Promise<Elements> {
    return this.data;
  }

  dispose(): void {
    this.elements = undefined;
    this.place = "none";
  }

  reshape(dims: readonly number[]): CpuTensor {
    const { type, data, place } = this;
    return place === "cpu"
      ? new CpuTensor(type, data, dims)
      : new CpuTensor({ location: place, type, data, dims } as CpuPinnedConstructorParameters);
  }

  toDataURL(options?: TensorToImageOptions): string {
    return tensorToDataUrl(this, options);
  }

  toImageData(options?: TensorToImageOptions): ImageData {
    return tensorToImageData(this, options);
  }

  static async fromImage(...[image, options]: Parameters<typeof imageTensor>): Promise<CpuTensor> {
    const { data, dims } = await imageTensor(image, options);
    return new CpuTensor("float32", data, dims);
  }

  static fromPinnedBuffer(type: Tensor.CpuPinnedDataTypes, data: Elements, dims?: readonly number[]) {
    return new CpuTensor({
      location: "cpu-pinned",
      type,
      data,
      dims: dims ?? [data.length],
    } as CpuPinnedConstructorParameters);
  }

  static fromTexture(): never {
    return refuseGpu("texture");
  }

  static fromGpuBuffer(): never {
    return refuseGpu("gpu-buffer");
  }

  static fromMLTensor(): never {
    return refuseGpu("ml-tensor");
  }
}

function refuseGpu(location: string): never;
function refuseGpu(location: "cpu-pinned"): void;
function refuseGpu(location: string): void {
  if (location === "cpu-pinned") return;
  throw new Error(
    `Tensor constructor: unsupported location '${location}': Kiln computes on the CPU. Read the elements back ` +
      "(`await tensor.getData()` of the engine that has them) and make the tensor of these",
  );
}

function elementsOf(type: Tensor.Type, data: unknown): Elements {
  if (type === "string") {
    if (!Array.isArray(data)) throw new TypeError("A string tensor's data must be a string array.");
    return data;
  }
  const array = arrayTypes.get(type as TensorType);
  if (array === undefined) throw new TypeError(`Unsupported tensor type: ${type}.`);
  return (Array.isArray(data) ? converted(type, array, data) : checked(type, array, data)) as Elements;
}

/** Elements made of an array of numbers, bigints or booleans. */
function converted(type: string, array: ArrayType, values: readonly (number | bigint)[]) {
  // The entries of these are bits, for which numbers would be taken.
  const isBits =
    elementsPerEntry(type) > 1 || /^bf|8e/.test(type) || `${type}${array.name}` === "float16Uint16Array";
  if (isBits) {
    throw new TypeError(
      `Creating a ${type} tensor from number array is not supported. Please use ${array.name} as data.`,
    );
  }
  const isBig = array.name.startsWith("Big");
  return array.from(isBig ? values.map(BigInt) : values);
}

/** The typed array, where it can hold elements of the type. Compared by name: an array may be of another realm. */
function checked(type: string, array: ArrayType, data: unknown) {
  const given = arrayName(data);
  if (given === array.name) return data;
  if (type === "uint8" && given === "Uint8ClampedArray") return Uint8Array.from(data as Uint8ClampedArray);
  if (type === "float16" && given === "Uint16Array") {
    const { buffer, byteOffset, length } = data as Uint16Array;
    return new (array as unknown as Uint16ArrayConstructor)(buffer, byteOffset, length);
  }
  throw new TypeError(`A ${type} tensor's data must be type of ${array.name}, not ${given || typeof data}`);
}

/** The element type that an array stands for where none is given. */
function typeOf(data: Given): Tensor.Type {
  if (Array.isArray(data)) {
    if (data.length === 0) throw new TypeError("Tensor type cannot be inferred from an empty array.");
    const kind = typeof data[0];
    if (kind === "string") return "string";
    if (kind === "boolean") return "bool";
    throw new TypeError(`Invalid element type of data array: ${kind}.`);
  }
  const given = arrayName(data).replace("Clamped", "");
  const type = given.replace("Array", "").replace("Big", "").toLowerCase();
  if (arrayTypes.get(type as TensorType)?.name !== given) {
    throw new TypeError(`Unsupported type for tensor data: ${given || typeof data}.`);
  }
  return type as Tensor.Type;
}

function sizeOf(dims: readonly unknown[]): number {
  let size = 1;
  for (const [i, dim] of dims.entries()) {
    if (!Number.isSafeInteger(dim)) throw new TypeError(`dims[${i}] must be an integer, got: ${dim}`);
    if ((dim as number) < 0) throw new RangeError(`dims[${i}] must be a non-negative integer, got: ${dim}`);
    size *= dim as number;
  }
  return size;
}
