/**
 * NumPy's .npy files, versions 1 to 3: a magic number, a header that is the text of a Python dict, and the elements.
 * Big-endian and Fortran-order files are read as well; files are written little-endian, in C order, version 1.
 */

import { type DType, dtypes, isMemoryType, memoryTypes } from "../ir/dtype.js";
import { elementCount, forEachIndex, type TensorData, tensor } from "../ir/tensor.js";
import { CommandError } from "./failure.js";
import { isFile } from "./magic.js";

/**
 * Type codes as NumPy spells them. It has no bfloat16: the ml_dtypes package stores those as two opaque bytes. Other
 * types that NumPy lacks are written as the small integers that hold their elements, one a byte: the values of int4 and
 * its like, the bits of minifloats.
 */
const codes: { readonly [D in DType]: string } = {
  float32: "f4",
  float64: "f8",
  float16: "f2",
  bfloat16: "V2",
  int8: "i1",
  int16: "i2",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  uint16: "u2",
  uint32: "u4",
  uint64: "u8",
  bool: "b1",
  float8e4m3fn: "u1",
  float8e4m3fnuz: "u1",
  float8e5m2: "u1",
  float8e5m2fnuz: "u1",
  float8e8m0: "u1",
  float4e2m1: "u1",
  int4: "i1",
  uint4: "u1",
  int2: "i1",
  uint2: "u1",
};
const byCode = new Map(memoryTypes.map((dtype) => [codes[dtype], dtype]));

const magic = "\x93NUMPY";
const ascii = new TextDecoder("latin1");

/** The same elements as those of a type that NumPy lacks, where they are stored as that type's would be. */
export function readAs(dtype: DType, value: TensorData): TensorData {
  return !isMemoryType(dtype) && codes[dtype] === codes[value.dtype] ? { ...value, dtype } : value;
}

/** The tensor in an .npy file; raises CommandError saying what is wrong with it. */
export function readNpy(bytes: Uint8Array, path: string): TensorData {
  const fail = (reason: string): never => {
    throw new CommandError(`cannot read ${path}: ${reason}`);
  };
  if (!isFile("npy", bytes)) return fail("not an .npy file");
  const { text, end } = readHeader(bytes, fail);
  const { dtype, isBigEndian, isFortran, dims } = parseHeader(text, fail);
  const { array, bytes: size } = dtypes[dtype];
  const length = elementCount(dims) * size;
  if (bytes.length - end < length) {
    return fail(`it ends after ${bytes.length - end} of the ${length} bytes of its elements`);
  }
  // Copied, because elements must be aligned and the file's may not be.
  const content = bytes.slice(end, end + length);
  if (isBigEndian) swapBytes(content, size);
  const read = tensor(dtype, dims, new array(content.buffer));
  return isFortran ? toRowMajor(read) : read;
}

type Fail = (reason: string) => never;

function readHeader(bytes: Uint8Array, fail: Fail): { text: string; end: number } {
  const [major = 0] = bytes.subarray(6);
  if (major < 1 || major > 3) return fail(`.npy version ${major} is not known`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) return fail("it ends within its header");
  const end = start + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (bytes.length < end) return fail("it ends within its header");
  const encoding = major === 3 ? new TextDecoder() : ascii;
  return { text: encoding.decode(bytes.subarray(start, end)), end };
}

interface Header {
  readonly dtype: DType;
  readonly isBigEndian: boolean;
  readonly isFortran: boolean;
  readonly dims: readonly number[];
}

/** Reads the three keys that the format defines, in any order. */
function parseHeader(text: string, fail: Fail): Header {
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === undefined && /'descr'\s*:\s*\[/.test(text)) return fail("records are not supported");
  if (descr === undefined || fortran === undefined || shape === undefined)
    return fail("its header is damaged");
  const [, order = "", code = ""] = /^([<>|=]?)(.*)$/.exec(descr)!;
  const dtype = byCode.get(code) ?? fail(`the element type ${JSON.stringify(descr)} is not supported`);
  const dims = shape.match(/\d+/g)?.map(Number) ?? [];
  if (!Number.isSafeInteger(elementCount(dims))) return fail("its header is damaged");
  return { dtype, isBigEndian: order === ">", isFortran: fortran === "True", dims };
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** Elements whose first index varies fastest, put in the order in which the last one does. */
function toRowMajor({ dtype, dims, data }: TensorData): TensorData {
  const ordered = new dtypes[dtype].array(data.length);
  const strides = dims.map((_, axis) => elementCount(dims.slice(0, axis)));
  forEachIndex(dims, (indices, at) => {
    ordered[at] = data[indices.reduce((sum, index, axis) => sum + index * strides[axis]!, 0)]!;
  });
  return tensor(dtype, dims, ordered);
}

const alignment = 64;

/** The bytes of an .npy file. */
export function writeNpy(value: TensorData): Uint8Array {
  const { dtype, dims } = value;
  const order = dtypes[dtype].bytes === 1 ? "|" : "<";
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(", ")})`;
  const dict = `{'descr': '${order}${codes[dtype]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const length = Math.ceil((10 + dict.length + 1) / alignment) * alignment;
  const header = `${dict.padEnd(length - 10 - 1)}\n`;
  const { buffer, byteOffset, byteLength } = value.data;
  const bytes = new Uint8Array(length + byteLength);
  bytes.set(Uint8Array.from(magic, (c) => c.charCodeAt(0)));
  bytes.set([1, 0, header.length & 255, header.length >> 8], 6);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength), length);
  return bytes;
}
