/** Loads and stores of every dtype: how elements in memory become registers, and back. */

import { KilnError } from "../diagnostics.js";
import { dtypes, type MemoryType } from "../ir/dtype.js";
import { type ExprType, printExprType } from "../loop/ir.js";
import type { LoadInstruction, StoreInstruction } from "./builder.js";

/** Extension and encoding that turn what is in memory into the register type. */
export interface Transfer<I> {
  readonly instruction: I;
  /** Promised alignment in bytes: that of the element. */
  readonly align: number;
}

export interface LoadTransfer extends Transfer<LoadInstruction> {
  /** What is done to the loaded register, in this order. */
  readonly extend: readonly ("i16x8.extend_low_i8x16_s" | "i16x8.extend_low_i8x16_u" | Extend16)[];
  /** The loaded scalar is copied to all lanes. */
  readonly splat: boolean;
}

type Extend16 = "i32x4.extend_low_i16x8_s" | "i32x4.extend_low_i16x8_u";

export interface StoreTransfer extends Transfer<StoreInstruction> {
  /** Selectors of a shuffle that brings the low bytes of the lanes together. */
  readonly pack: readonly number[] | undefined;
}

/** 16-bit floats are loaded and stored as their bits, in i32 registers. */
export const isHalf = (dtype: MemoryType): dtype is "float16" | "bfloat16" =>
  dtype === "float16" || dtype === "bfloat16";

const scalarLoads: { readonly [D in MemoryType]: LoadInstruction } = {
  float32: "f32.load",
  float64: "f64.load",
  float16: "i32.load16_u",
  bfloat16: "i32.load16_u",
  int8: "i32.load8_s",
  int16: "i32.load16_s",
  int32: "i32.load",
  int64: "i64.load",
  uint8: "i32.load8_u",
  uint16: "i32.load16_u",
  uint32: "i32.load",
  uint64: "i64.load",
  bool: "i32.load8_u",
};

const scalarStores: { readonly [D in MemoryType]: StoreInstruction } = {
  float32: "f32.store",
  float64: "f64.store",
  float16: "i32.store16",
  bfloat16: "i32.store16",
  int8: "i32.store8",
  int16: "i32.store16",
  int32: "i32.store",
  int64: "i64.store",
  uint8: "i32.store8",
  uint16: "i32.store16",
  uint32: "i32.store",
  uint64: "i64.store",
  bool: "i32.store8",
};

export function loadTransfer(dtype: MemoryType, { lanes }: ExprType, splat: boolean): LoadTransfer {
  const align = dtypes[dtype].bytes;
  const plain = { align, extend: [], splat: false };
  if (lanes === 1) return { ...plain, instruction: scalarLoads[dtype] };
  if (splat) {
    if (align === 4) return { ...plain, instruction: "v128.load32_splat" };
    if (align === 8) return { ...plain, instruction: "v128.load64_splat" };
    return { ...plain, instruction: scalarLoads[dtype], splat: true };
  }
  checkLanes(dtype, lanes);
  if (align * lanes === 16) return { ...plain, instruction: "v128.load" };
  const sign = dtypes[dtype].kind === "int" ? "s" : "u";
  if (align === 2) return { ...plain, instruction: `v128.load16x4_${sign}` };
  const extend = [`i16x8.extend_low_i8x16_${sign}`, `i32x4.extend_low_i16x8_${sign}`] as const;
  return { ...plain, instruction: "v128.load32_zero", extend };
}

export function storeTransfer(dtype: MemoryType, { lanes }: ExprType): StoreTransfer {
  const align = dtypes[dtype].bytes;
  if (lanes === 1) return { instruction: scalarStores[dtype], align, pack: undefined };
  checkLanes(dtype, lanes);
  if (align * lanes === 16) return { instruction: "v128.store", align, pack: undefined };
  const instruction = align === 2 ? "v128.store64_lane" : "v128.store32_lane";
  return { instruction, align, pack: packing(align) };
}

/** Selects the low bytes of four lanes; the bytes behind them do not matter. */
function packing(bytes: number): number[] {
  const low = Array.from({ length: 4 * bytes }, (_, i) => Math.floor(i / bytes) * 4 + (i % bytes));
  return Array.from({ length: 16 }, (_, i) => low[i % low.length]!);
}

/** A vector holds as many elements as its register type has lanes of 32 or 64 bits. */
function checkLanes(dtype: MemoryType, lanes: number): void {
  if (lanes === (dtypes[dtype].bytes === 8 ? 2 : 4)) return;
  const type = printExprType({ scalar: "i32", lanes: lanes as ExprType["lanes"] });
  throw new KilnError("E_INTERNAL", `no instruction moves ${dtype} to lanes of ${type}`);
}
