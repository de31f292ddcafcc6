/**
 * What every operation of Loop IR does to one lane, exactly as WebAssembly does it. The interpreter and the constant
 * folder both read this table.
 *
 * A lane is a number for i32 (signed), f32 (rounded), f64 and bool (0 or 1), and a signed bigint for i64. A NaN
 * that is computed is the positive quiet one.
 */

import { KilnError } from "../diagnostics.js";
import { fusedMultiplyAdd32, fusedMultiplyAdd64 } from "./evaluate-fused.js";
import type { OpName, ScalarType } from "./ir.js";

export type Lane = number | bigint;

export type LaneFunction = (a: Lane, b?: Lane, c?: Lane) => Lane;

export interface EvaluationOptions {
  /** Whether fma rounds once, as relaxed SIMD on most hosts, or twice. */
  readonly fused?: boolean;
  /** Told how many passes a loop is about to make; it may raise an error to stop. */
  readonly onLoop?: ((passes: number) => void) | undefined;
}

/** A division that WebAssembly would trap on. */
export class Trap extends KilnError {
  constructor(message: string) {
    super("E_INTERNAL", `trap: ${message}`);
    this.name = "Trap";
  }
}

type NumberOps = { readonly [O in OpName]?: (a: number, b: number, c: number) => Lane };
type BigIntOps = { readonly [O in OpName]?: (a: bigint, b: bigint, c: bigint) => Lane };

const word = new DataView(new ArrayBuffer(8));

function divisor<T extends Lane>(value: T): T {
  if (!value) throw new Trap("integer divide by zero");
  return value;
}

function checkOverflow(overflows: boolean): void {
  if (overflows) throw new Trap("integer overflow");
}

/** WebAssembly's pmin: the first operand where they are equal, zeros of both signs, or not ordered. */
function lesser<T extends Lane>(a: T, b: T): T {
  if (b < a) return b;
  return a;
}

function greater<T extends Lane>(a: T, b: T): T {
  if (a < b) return b;
  return a;
}

const INT32_MIN = -(2 ** 31);
const INT64_MIN = -(2n ** 63n);

const int32: NumberOps = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  dot_i16: (a, b) => (Math.imul((a << 16) >> 16, (b << 16) >> 16) + Math.imul(a >> 16, b >> 16)) | 0,
  div_s: (a, b) => {
    checkOverflow(a === INT32_MIN && b === -1);
    return (a / divisor(b)) | 0;
  },
  div_u: (a, b) => ((a >>> 0) / (divisor(b) >>> 0)) | 0,
  rem_s: (a, b) => (a % divisor(b)) | 0,
  rem_u: (a, b) => ((a >>> 0) % (divisor(b) >>> 0)) | 0,
  min_s: lesser,
  max_s: greater,
  min_u: (a, b) => (a >>> 0 < b >>> 0 ? a : b),
  max_u: (a, b) => (a >>> 0 > b >>> 0 ? a : b),
  neg: (a) => -a | 0,
  abs: (a) => Math.abs(a) | 0,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr_s: (a, b) => a >> b,
  shr_u: (a, b) => (a >>> b) | 0,
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt_s: (a, b) => Number(a < b),
  le_s: (a, b) => Number(a <= b),
  gt_s: (a, b) => Number(a > b),
  ge_s: (a, b) => Number(a >= b),
  lt_u: (a, b) => Number(a >>> 0 < b >>> 0),
  le_u: (a, b) => Number(a >>> 0 <= b >>> 0),
  gt_u: (a, b) => Number(a >>> 0 > b >>> 0),
  ge_u: (a, b) => Number(a >>> 0 >= b >>> 0),
  i32_to_f32_s: Math.fround,
  i32_to_f32_u: (a) => Math.fround(a >>> 0),
  i32_to_f64_s: (a) => a,
  i32_to_f64_u: (a) => a >>> 0,
  i32_to_i64_s: (a) => BigInt(a),
  i32_to_i64_u: (a) => BigInt(a >>> 0),
  bits_f32: (a) => {
    word.setInt32(0, a);
    return word.getFloat32(0);
  },
};

const signed = (value: bigint): bigint => BigInt.asIntN(64, value);
const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

const int64: BigIntOps = {
  add: (a, b) => signed(a + b),
  sub: (a, b) => signed(a - b),
  mul: (a, b) => signed(a * b),
  div_s: (a, b) => {
    checkOverflow(a === INT64_MIN && b === -1n);
    return a / divisor(b);
  },
  div_u: (a, b) => signed(unsigned(a) / unsigned(divisor(b))),
  rem_s: (a, b) => a % divisor(b),
  rem_u: (a, b) => signed(unsigned(a) % unsigned(divisor(b))),
  min_s: lesser,
  max_s: greater,
  min_u: (a, b) => (unsigned(a) < unsigned(b) ? a : b),
  max_u: (a, b) => (unsigned(a) > unsigned(b) ? a : b),
  neg: (a) => signed(-a),
  abs: (a) => (a < 0n ? signed(-a) : a),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => signed(a << (b & 63n)),
  shr_s: (a, b) => a >> (b & 63n),
  shr_u: (a, b) => signed(unsigned(a) >> (b & 63n)),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt_s: (a, b) => Number(a < b),
  le_s: (a, b) => Number(a <= b),
  gt_s: (a, b) => Number(a > b),
  ge_s: (a, b) => Number(a >= b),
  lt_u: (a, b) => Number(unsigned(a) < unsigned(b)),
  le_u: (a, b) => Number(unsigned(a) <= unsigned(b)),
  gt_u: (a, b) => Number(unsigned(a) > unsigned(b)),
  ge_u: (a, b) => Number(unsigned(a) >= unsigned(b)),
  i64_to_f32_s: (a) => roundToSingle(a),
  i64_to_f32_u: (a) => roundToSingle(unsigned(a)),
  i64_to_f64_s: Number,
  i64_to_f64_u: (a) => Number(unsigned(a)),
  i64_to_i32: (a) => Number(BigInt.asIntN(32, a)),
  bits_f64: (a) => {
    word.setBigInt64(0, a);
    return word.getFloat64(0);
  },
};

/** Rounds once: bits that f64 would drop are gathered in one sticky bit, which is enough for the 24 bits of f32. */
function roundToSingle(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 2n ** 53n) return Math.fround(Number(value));
  const sticky = (magnitude & 0x7ffn) === 0n ? 0n : 1n;
  const single = Math.fround(Number((magnitude >> 11n) | sticky) * 2048);
  return value < 0n ? -single : single;
}

/** Operations whose results WebAssembly rounds to the type: `round` is Math.fround for f32, nothing for f64. */
function rounding(toType: (value: number) => number): NumberOps {
  const round = (value: number): number => oneNaN(toType(value));
  return {
    add: (a, b) => round(a + b),
    sub: (a, b) => round(a - b),
    mul: (a, b) => round(a * b),
    div: (a, b) => round(a / b),
    sqrt: (a) => round(Math.sqrt(a)),
    fma: (a, b, c) => round(round(a * b) + c),
  };
}

/**
 * V8 gives a NaN that it computes other bits once it has compiled the function, and memory shows them: runs must give
 * the same.
 */
function oneNaN(value: number): number {
  return Number.isNaN(value) ? Number.NaN : value;
}

/** Operations that are the same for f32 and f64. */
const floating: NumberOps = {
  min: (a, b) => oneNaN(Math.min(a, b)),
  max: (a, b) => oneNaN(Math.max(a, b)),
  pmin: lesser,
  pmax: greater,
  neg: (a) => oneNaN(-a),
  abs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  nearest: nearestEven,
  copysign: (a, b) => oneNaN(b < 0 || Object.is(b, -0) ? -Math.abs(a) : Math.abs(a)),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
};

function nearestEven(value: number): number {
  if (Math.abs(value) >= 2 ** 52 || value === 0) return value;
  // Adding and taking away 2^52 leaves no fraction bits, and rounds to even.
  const magnitude = Math.abs(value) + 2 ** 52 - 2 ** 52;
  return value < 0 ? -magnitude : magnitude;
}

const clampToInt32 = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(high, Math.trunc(value))) | 0;

function clampToInt64(value: number, low: bigint, high: bigint): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value <= Number(low)) return low;
  // The highest value itself rounds up to the first f64 that is too large.
  return value >= Number(high) ? signed(high) : signed(BigInt(Math.trunc(value)));
}

const toInt32Signed = (a: number): Lane => clampToInt32(a, INT32_MIN, 2 ** 31 - 1);
const toInt32Unsigned = (a: number): Lane => clampToInt32(a, 0, 2 ** 32 - 1);
const toInt64Signed = (a: number): Lane => clampToInt64(a, INT64_MIN, 2n ** 63n - 1n);
const toInt64Unsigned = (a: number): Lane => clampToInt64(a, 0n, 2n ** 64n - 1n);

const float32: NumberOps = {
  ...floating,
  ...rounding(Math.fround),
  f32_to_i32_s: toInt32Signed,
  f32_to_i32_u: toInt32Unsigned,
  f32_to_i64_s: toInt64Signed,
  f32_to_i64_u: toInt64Unsigned,
  f32_to_f64: (a) => a,
  f32_bits: (a) => {
    word.setFloat32(0, a);
    return word.getInt32(0);
  },
};

const float64: NumberOps = {
  ...floating,
  ...rounding((a) => a),
  f64_to_i32_s: toInt32Signed,
  f64_to_i32_u: toInt32Unsigned,
  f64_to_i64_s: toInt64Signed,
  f64_to_i64_u: toInt64Unsigned,
  f64_to_f32: Math.fround,
  f64_bits: (a) => {
    word.setFloat64(0, a);
    return word.getBigInt64(0);
  },
};

const booleans: NumberOps = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => a ^ 1,
};

const table: { readonly [S in ScalarType]: NumberOps | BigIntOps } = {
  i32: int32,
  i64: int64,
  f32: float32,
  f64: float64,
  bool: booleans,
};

const fusedOps: { readonly [S in ScalarType]?: NumberOps } = {
  f32: { fma: (a, b, c) => oneNaN(fusedMultiplyAdd32(a, b, c)) },
  f64: { fma: (a, b, c) => oneNaN(fusedMultiplyAdd64(a, b, c)) },
};

/** The function of one lane, or undefined for operations that move lanes (splat, extract, replace, shuffle). */
export function laneFunction(
  op: OpName,
  operands: ScalarType,
  { fused = false }: EvaluationOptions = {},
): LaneFunction | undefined {
  if (op === "select") return (condition, a, b) => (condition ? a! : b!);
  const once = fused ? fusedOps[operands]?.[op] : undefined;
  return (once ?? table[operands][op]) as LaneFunction | undefined;
}

/**
 * The result of an operation on lanes. `operands` is the scalar type of its operands (of the values, for select).
 * Throws Trap where WebAssembly traps, E_INTERNAL where the operation does not exist on that type.
 */
export function evaluateOp(
  op: OpName,
  operands: ScalarType,
  args: readonly Lane[],
  options?: EvaluationOptions,
): Lane {
  const apply = laneFunction(op, operands, options);
  if (apply === undefined) throw new KilnError("E_INTERNAL", `${op} on ${operands} is no operation of lanes`);
  return apply(args[0]!, args[1], args[2]);
}
