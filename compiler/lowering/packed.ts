/**
 * Elements of less than a byte in buffers of bytes, the first in the lowest bits. A store reads the byte, puts the
 * element in and writes it back, so that it leaves the elements beside it alone; the rule that vector code never stores
 * what it loads keeps such loops scalar.
 */

import { type DType, dtypes } from "../ir/dtype.js";
import { constantIndex, i32Constant, type KernelBuilder, op } from "../loop/builder.js";
import type { Buffer, Expr } from "../loop/ir.js";

interface BitPlace {
  readonly byte: Expr;
  /** Bits of the byte below the element. */
  readonly shift: Expr;
}

/** Where the element with this number lies. */
function placeOf(at: Expr, bits: number): BitPlace {
  const perByte = 8 / bits;
  const known = constantIndex(at);
  if (known !== undefined) {
    return { byte: i32Constant(Math.floor(known / perByte)), shift: i32Constant((known % perByte) * bits) };
  }
  return {
    byte: op("shr_u", at, Math.log2(perByte)),
    shift: op("shl", op("and", at, perByte - 1), Math.log2(bits)),
  };
}

/** The element in an i32 register, sign-extended where its type is signed. */
export function loadPacked(kernel: KernelBuilder, buffer: Buffer, at: Expr, dtype: DType): Expr {
  const { bits, kind } = dtypes[dtype];
  const { byte, shift } = placeOf(at, bits);
  const loaded = kernel.load(buffer, byte);
  if (kind !== "int") return op("and", op("shr_u", loaded, shift), 2 ** bits - 1);
  return op("shr_s", op("shl", loaded, op("sub", i32Constant(32 - bits), shift)), 32 - bits);
}

/** Stores the lowest bits of an i32 register. */
export function storePacked(
  kernel: KernelBuilder,
  buffer: Buffer,
  at: Expr,
  value: Expr,
  dtype: DType,
): void {
  const { bits } = dtypes[dtype];
  const mask = i32Constant(2 ** bits - 1);
  const { byte, shift } = placeOf(kernel.let("at", at), bits);
  const others = op("and", kernel.load(buffer, byte), op("xor", op("shl", mask, shift), -1));
  kernel.store(buffer, byte, op("or", others, op("shl", op("and", value, mask), shift)));
}
