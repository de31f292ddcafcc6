/** How the interpreter reads and writes elements of buffers, little-endian, and how vectors lie in their 16 bytes. */

import type { MemoryType } from "../ir/dtype.js";
import type { Lane } from "./evaluate.js";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "./half.js";
import type { ExprType } from "./ir.js";

/** Conversion between a stored element and a lane of its register type. */
export interface ElementAccess {
  read(memory: DataView, address: number): Lane;
  write(memory: DataView, address: number, lane: Lane): void;
}

/** Stores to 8 and 16 bits keep the low bits: DataView wraps as WebAssembly does. */
const int8: ElementAccess = {
  read: (memory, address) => memory.getInt8(address),
  write: (memory, address, lane) => memory.setInt8(address, lane as number),
};
const uint8: ElementAccess = { ...int8, read: (memory, address) => memory.getUint8(address) };
const int16: ElementAccess = {
  read: (memory, address) => memory.getInt16(address, true),
  write: (memory, address, lane) => memory.setInt16(address, lane as number, true),
};
const uint16: ElementAccess = { ...int16, read: (memory, address) => memory.getUint16(address, true) };
const int32: ElementAccess = {
  read: (memory, address) => memory.getInt32(address, true),
  write: (memory, address, lane) => memory.setInt32(address, lane as number, true),
};
const int64: ElementAccess = {
  read: (memory, address) => memory.getBigInt64(address, true),
  write: (memory, address, lane) => memory.setBigInt64(address, lane as bigint, true),
};
const float32: ElementAccess = {
  read: (memory, address) => memory.getFloat32(address, true),
  write: (memory, address, lane) => memory.setFloat32(address, lane as number, true),
};
const float64: ElementAccess = {
  read: (memory, address) => memory.getFloat64(address, true),
  write: (memory, address, lane) => memory.setFloat64(address, lane as number, true),
};
const float16: ElementAccess = {
  read: (memory, address) => decodeFloat16(memory.getUint16(address, true)),
  write: (memory, address, lane) => memory.setUint16(address, encodeFloat16(lane as number), true),
};
const bfloat16: ElementAccess = {
  read: (memory, address) => decodeBfloat16(memory.getUint16(address, true)),
  write: (memory, address, lane) => memory.setUint16(address, encodeBfloat16(lane as number), true),
};

/** Registers hold 32 and 64 bit integers as signed numbers, whether or not their dtype is. */
export const elementAccess: { readonly [D in MemoryType]: ElementAccess } = {
  float32,
  float64,
  float16,
  bfloat16,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32: int32,
  uint64: int64,
  bool: uint8,
};

/** Lanes of masks are all ones or all zeros. */
const maskOf = (lane: ElementAccess, ones: Lane, zeros: Lane): ElementAccess => ({
  read: (memory, address) => (lane.read(memory, address) === zeros ? 0 : 1),
  write: (memory, address, value) => lane.write(memory, address, value ? ones : zeros),
});
const mask32 = maskOf(int32, -1, 0);
const mask64 = maskOf(int64, -1n, 0n);

function laneAccess({ scalar, lanes }: ExprType): ElementAccess {
  if (scalar === "bool") return lanes === 2 ? mask64 : mask32;
  return { i32: int32, i64: int64, f32: float32, f64: float64 }[scalar];
}

/** The function that picks 16 of the 32 bytes of two vectors. */
export function shuffler(
  type: ExprType,
  selectors: readonly number[],
): (a: readonly Lane[], b: readonly Lane[]) => Lane[] {
  const access = laneAccess(type);
  const width = 16 / type.lanes;
  const from = new DataView(new ArrayBuffer(32));
  const to = new DataView(new ArrayBuffer(16));
  return (a, b) => {
    for (const [i, lane] of [...a, ...b].entries()) access.write(from, i * width, lane);
    for (const [i, selector] of selectors.entries()) to.setUint8(i, from.getUint8(selector));
    return a.map((_, i) => access.read(to, i * width));
  };
}
