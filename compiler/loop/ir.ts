/**
 * Loop IR: the only language the backend reads.
 *
 * A kernel is a function over buffers (addresses of typed arrays in linear memory) and sizes (run-time i32 values),
 * made of structured loops, locals, loads and stores. Expressions are pure, typed with a scalar type or a 128-bit
 * vector of it, and form a DAG: an expression used twice is computed once within its statement.
 *
 * Indices count elements of the buffer's dtype. Loads convert from the stored dtype to the register type (float16 to
 * f32, int8 to i32, ...), stores convert back by truncation. Floats of 8 bits are bytes here, computed in i32 as their
 * bits; types of less than a byte are bytes that hold several elements (`lowering/packed.ts`).
 */

import type { DType, MemoryType } from "../ir/dtype.js";

export type ScalarType = "i32" | "i64" | "f32" | "f64" | "bool";

/** Lanes are 1 for scalars. `bool` vectors are masks whose lanes are as wide as those of the compared vectors. */
export interface ExprType {
  readonly scalar: ScalarType;
  readonly lanes: 1 | 2 | 4 | 8 | 16;
}

export interface Buffer {
  readonly kind: "buffer";
  readonly name: string;
  readonly dtype: MemoryType;
  /** What is in `scratch` memory means nothing before and after a pass of any loop that stores results. */
  readonly access: "read" | "write" | "readwrite" | "scratch";
  /** Elements that may be touched, counted from the address passed in; null where it depends on sizes. */
  readonly elements: number | null;
}

export interface Variable {
  readonly kind: "variable";
  readonly name: string;
  readonly type: ExprType;
  /** Variables that Assign writes; loop variables and lets are not mutable. */
  readonly mutable: boolean;
}

export type Expr =
  | { readonly kind: "constant"; readonly type: ExprType; readonly value: number | bigint }
  | { readonly kind: "variable"; readonly type: ExprType; readonly variable: Variable }
  | {
      readonly kind: "op";
      readonly type: ExprType;
      readonly op: OpName;
      readonly args: readonly Expr[];
      /** Lane number of extract and replace, byte selectors of shuffle. */
      readonly immediates?: readonly number[];
    }
  /** Byte address of the buffer's element 0, from which the addressing pass computes pointers. */
  | { readonly kind: "address"; readonly type: ExprType; readonly buffer: Buffer }
  | Load;

export interface Load extends Access {
  readonly kind: "load";
  readonly type: ExprType;
  /** Loads one element and copies it to all lanes. */
  readonly splat: boolean;
}

/**
 * Where a load or store touches memory: element `index` of the buffer, plus `offset` elements. After the addressing
 * pass `pointer` holds a byte address inside the buffer that replaces the buffer's own address.
 */
export interface Access {
  readonly buffer: Buffer;
  readonly index: Expr;
  readonly offset: number;
  readonly pointer?: Variable;
}

export type LoopMode = "serial" | "vectorize" | "unroll" | "parallel";

export interface For {
  readonly kind: "for";
  readonly variable: Variable;
  readonly start: Expr;
  /** First value that the variable does not take. */
  readonly end: Expr;
  readonly step: number;
  readonly mode: LoopMode;
  readonly body: readonly Statement[];
}

export type Statement =
  | For
  | { readonly kind: "let"; readonly variable: Variable; readonly value: Expr }
  | { readonly kind: "assign"; readonly variable: Variable; readonly value: Expr }
  | Store
  | {
      readonly kind: "if";
      readonly condition: Expr;
      readonly whenTrue: readonly Statement[];
      readonly whenFalse: readonly Statement[];
    }
  | Invoke;

/** Runs another kernel, as a function of its own, on buffers of this one. */
export interface Invoke {
  readonly kind: "invoke";
  readonly kernel: Kernel;
  /** One for each buffer of the kernel. */
  readonly buffers: readonly Buffer[];
  /** One value for each size of the kernel. */
  readonly sizes: readonly Expr[];
}

export interface Store extends Access {
  readonly kind: "store";
  readonly value: Expr;
}

export interface Kernel {
  readonly name: string;
  readonly buffers: readonly Buffer[];
  /**
   * Parameters. Those of a kernel that a program calls are i32, run-time dims; one that is invoked may have others,
   * values of what is around the place where it is.
   */
  readonly sizes: readonly Variable[];
  /** Of a kernel whose work is shared out. */
  readonly share?: Share;
  readonly body: readonly Statement[];
}

export interface Share {
  /** The number of the part to do and how many there are, the kernel's last parameters. */
  readonly part: Variable;
  readonly parts: Variable;
  /** Nanoseconds that the whole work takes about. */
  readonly time: number;
}

/** The parameters of a kernel beside buffers: its sizes, then those that share it out. */
export const parametersOf = ({ sizes, share }: Kernel): readonly Variable[] =>
  share === undefined ? sizes : [...sizes, share.part, share.parts];

/** Parts that a kernel's work is shared out to at most: scratch memory is there once for each. */
export const MAX_PARTS = 64;

/**
 * Operations on register values. The same name serves scalars and vectors; comparisons give bool. Integer
 * operations wrap; `_u` reads its operands as unsigned. `fma` is fused where the target has relaxed SIMD, and a
 * rounded product followed by a sum elsewhere. min and max propagate NaN; pmin(a, b) is b < a ? b : a.
 */
export type OpName = keyof typeof ops;

interface OpInfo {
  readonly arity: number;
  /** What the result type is made of: the operands' type, bool with their lanes, or a named conversion target. */
  readonly result: "same" | "bool" | "select" | "extract" | "splat" | ScalarType;
  /** Scalar types that the operation takes. */
  readonly on: readonly ScalarType[];
}

const floats = ["f32", "f64"] as const;
const ints = ["i32", "i64"] as const;
const numeric = ["i32", "i64", "f32", "f64"] as const;
const any = ["i32", "i64", "f32", "f64", "bool"] as const;

const same = (arity: number, on: readonly ScalarType[]): OpInfo => ({ arity, result: "same", on });
const compare = (on: readonly ScalarType[]): OpInfo => ({ arity: 2, result: "bool", on });
const convert = (from: ScalarType, to: ScalarType): OpInfo => ({ arity: 1, result: to, on: [from] });

export const ops = {
  add: same(2, numeric),
  sub: same(2, numeric),
  mul: same(2, numeric),
  div: same(2, floats),
  div_s: same(2, ints),
  div_u: same(2, ints),
  rem_s: same(2, ints),
  rem_u: same(2, ints),
  min: same(2, floats),
  max: same(2, floats),
  pmin: same(2, floats),
  pmax: same(2, floats),
  min_s: same(2, ints),
  max_s: same(2, ints),
  min_u: same(2, ints),
  max_u: same(2, ints),
  fma: same(3, floats),
  neg: same(1, numeric),
  abs: same(1, numeric),
  sqrt: same(1, floats),
  floor: same(1, floats),
  ceil: same(1, floats),
  trunc: same(1, floats),
  nearest: same(1, floats),
  copysign: same(2, floats),
  and: same(2, [...ints, "bool"]),
  or: same(2, [...ints, "bool"]),
  xor: same(2, [...ints, "bool"]),
  not: same(1, ["bool"]),
  /** Both operands as pairs of int16: the product of the low ones plus that of the high ones. */
  dot_i16: same(2, ["i32"]),
  shl: same(2, ints),
  shr_s: same(2, ints),
  shr_u: same(2, ints),
  eq: compare(numeric),
  ne: compare(numeric),
  lt: compare(floats),
  le: compare(floats),
  gt: compare(floats),
  ge: compare(floats),
  lt_s: compare(ints),
  le_s: compare(ints),
  gt_s: compare(ints),
  ge_s: compare(ints),
  lt_u: compare(ints),
  le_u: compare(ints),
  gt_u: compare(ints),
  ge_u: compare(ints),
  /** select(condition, a, b); both are computed. */
  select: { arity: 3, result: "select", on: any },
  i32_to_f32_s: convert("i32", "f32"),
  i32_to_f32_u: convert("i32", "f32"),
  i32_to_f64_s: convert("i32", "f64"),
  i32_to_f64_u: convert("i32", "f64"),
  i64_to_f32_s: convert("i64", "f32"),
  i64_to_f32_u: convert("i64", "f32"),
  i64_to_f64_s: convert("i64", "f64"),
  i64_to_f64_u: convert("i64", "f64"),
  /** Saturating truncation; NaN gives 0. */
  f32_to_i32_s: convert("f32", "i32"),
  f32_to_i32_u: convert("f32", "i32"),
  f32_to_i64_s: convert("f32", "i64"),
  f32_to_i64_u: convert("f32", "i64"),
  f64_to_i32_s: convert("f64", "i32"),
  f64_to_i32_u: convert("f64", "i32"),
  f64_to_i64_s: convert("f64", "i64"),
  f64_to_i64_u: convert("f64", "i64"),
  f32_to_f64: convert("f32", "f64"),
  f64_to_f32: convert("f64", "f32"),
  i32_to_i64_s: convert("i32", "i64"),
  i32_to_i64_u: convert("i32", "i64"),
  i64_to_i32: convert("i64", "i32"),
  f32_bits: convert("f32", "i32"),
  bits_f32: convert("i32", "f32"),
  f64_bits: convert("f64", "i64"),
  bits_f64: convert("i64", "f64"),
  splat: { arity: 1, result: "splat", on: any },
  extract: { arity: 1, result: "extract", on: any },
  /** replace(vector, scalar) with the lane as immediate. */
  replace: { arity: 2, result: "same", on: any },
  /** shuffle(a, b) with 16 byte selectors as immediates. */
  shuffle: { arity: 2, result: "same", on: any },
} as const satisfies Record<string, OpInfo>;

export const opInfo = (op: OpName): OpInfo => ops[op];

export const i32: ExprType = { scalar: "i32", lanes: 1 };
export const i64: ExprType = { scalar: "i64", lanes: 1 };
export const f32: ExprType = { scalar: "f32", lanes: 1 };
export const bool: ExprType = { scalar: "bool", lanes: 1 };
export const f32x4: ExprType = { scalar: "f32", lanes: 4 };

export const sameType = (a: ExprType, b: ExprType): boolean => a.scalar === b.scalar && a.lanes === b.lanes;

export const printExprType = (type: ExprType): string =>
  type.lanes === 1 ? type.scalar : `${type.scalar}x${type.lanes}`;

/** Register type in which an element of this dtype is computed. */
export const registerTypes: { readonly [D in DType]: ScalarType } = {
  float32: "f32",
  float64: "f64",
  float16: "f32",
  bfloat16: "f32",
  int8: "i32",
  int16: "i32",
  int32: "i32",
  int64: "i64",
  uint8: "i32",
  uint16: "i32",
  uint32: "i32",
  uint64: "i64",
  bool: "i32",
  float8e4m3fn: "i32",
  float8e4m3fnuz: "i32",
  float8e5m2: "i32",
  float8e5m2fnuz: "i32",
  float8e8m0: "i32",
  float4e2m1: "i32",
  int4: "i32",
  uint4: "i32",
  int2: "i32",
  uint2: "i32",
};
