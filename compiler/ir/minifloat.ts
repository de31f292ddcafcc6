/** Floats of 8 bits and fewer: what their bits mean, and conversions to and from numbers, rounded to nearest even. */

import type { DType } from "./dtype.js";

/** A format with a sign, some bits of exponent and `mantissa` bits of fraction; subnormals where the exponent is 0. */
export interface Minifloat {
  readonly mantissa: number;
  readonly bias: number;
  /** Bit of the sign. */
  readonly sign: number;
  /** Bits of the largest finite number. */
  readonly largest: number;
  /** Bits of infinity, where there is one. */
  readonly infinity?: number;
  /** Bits that NaN becomes. */
  readonly nan: number;
  /** Zero has no sign: its bits with one are NaN. */
  readonly unsignedZero: boolean;
  /** All bits are finite numbers, so that numbers beyond the largest always become that one. */
  readonly finite?: true;
}

export type MinifloatType = Exclude<Extract<DType, `float8${string}` | "float4e2m1">, "float8e8m0">;

export const minifloats: { readonly [D in MinifloatType]: Minifloat } = {
  float8e4m3fn: { mantissa: 3, bias: 7, sign: 0x80, largest: 0x7e, nan: 0x7f, unsignedZero: false },
  float8e4m3fnuz: { mantissa: 3, bias: 8, sign: 0x80, largest: 0x7f, nan: 0x80, unsignedZero: true },
  float8e5m2: {
    mantissa: 2,
    bias: 15,
    sign: 0x80,
    largest: 0x7b,
    infinity: 0x7c,
    nan: 0x7e,
    unsignedZero: false,
  },
  float8e5m2fnuz: { mantissa: 2, bias: 16, sign: 0x80, largest: 0x7f, nan: 0x80, unsignedZero: true },
  // ONNX's documentation has 6 for NaN; its reference implementation and its tests have -0.
  float4e2m1: { mantissa: 1, bias: 1, sign: 8, largest: 7, nan: 8, unsignedZero: false, finite: true },
};

/** How numbers become powers of two (float8e8m0): the next larger, the next smaller, or the nearest, ties up. */
export type RoundMode = "up" | "down" | "nearest";

export const roundModes: readonly string[] = ["up", "down", "nearest"] satisfies RoundMode[];

const E8M0_BIAS = 127;
const E8M0_NAN = 255;

/** The number that these bits stand for. */
export function decodeMinifloat(dtype: DType, bits: number): number {
  if (dtype === "float8e8m0") return bits === E8M0_NAN ? Number.NaN : 2 ** (bits - E8M0_BIAS);
  const { mantissa, bias, sign, largest, infinity, unsignedZero } = minifloats[dtype as MinifloatType];
  if (unsignedZero && bits === sign) return Number.NaN;
  const magnitude = bits & (sign - 1);
  const direction = bits & sign ? -1 : 1;
  if (magnitude > largest) return magnitude === infinity ? direction * Infinity : Number.NaN;
  const exponent = magnitude >> mantissa;
  const fraction = magnitude & (2 ** mantissa - 1);
  if (exponent === 0) return direction * fraction * 2 ** (1 - bias - mantissa);
  return direction * (2 ** mantissa + fraction) * 2 ** (exponent - bias - mantissa);
}

export interface MinifloatRounding {
  /** Numbers beyond the largest become that one, else infinity or NaN. */
  readonly saturate: boolean;
  /** Of float8e8m0 only. */
  readonly roundMode: RoundMode;
}

const byDefault: MinifloatRounding = { saturate: true, roundMode: "up" };

/** The bits nearest to a number, rounded once. */
export function encodeMinifloat(
  dtype: DType,
  value: number,
  { saturate, roundMode }: MinifloatRounding = byDefault,
): number {
  if (dtype === "float8e8m0") return encodePower(value, saturate, roundMode);
  const format = minifloats[dtype as MinifloatType];
  const sign = value < 0 || Object.is(value, -0) ? format.sign : 0;
  if (Number.isNaN(value)) return format.nan;
  const magnitude = roundMagnitude(Math.abs(value), format);
  if (magnitude > format.largest) {
    if (saturate || format.finite) return sign | format.largest;
    return sign | (format.infinity ?? format.nan);
  }
  return format.unsignedZero && magnitude === 0 ? 0 : sign | magnitude;
}

/** Bits without the sign, as if exponents had no end. */
function roundMagnitude(value: number, { mantissa, bias }: Minifloat): number {
  if (value === Infinity) return Infinity;
  const exponent = Math.max(exponentOf(value), 1 - bias);
  const steps = roundHalfEven(value / 2 ** (exponent - mantissa));
  return steps + (exponent - 1 + bias) * 2 ** mantissa;
}

function encodePower(value: number, saturate: boolean, roundMode: RoundMode): number {
  if (Number.isNaN(value)) return E8M0_NAN;
  const magnitude = Math.abs(value);
  if (magnitude < 2 ** -E8M0_BIAS) return saturate ? 0 : E8M0_NAN;
  const exponent = magnitude === Infinity ? E8M0_NAN : exponentOf(magnitude);
  const fraction = magnitude / 2 ** exponent;
  const raised = roundMode === "up" ? fraction > 1 : roundMode === "nearest" && fraction >= 1.5;
  const bits = exponent + Number(raised) + E8M0_BIAS;
  return bits < E8M0_NAN ? bits : saturate ? E8M0_NAN - 1 : E8M0_NAN;
}

const word = new DataView(new ArrayBuffer(8));

/** The exponent of the power of two at or below a positive normal number. */
function exponentOf(value: number): number {
  word.setFloat64(0, value);
  return ((word.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function roundHalfEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52;
}
