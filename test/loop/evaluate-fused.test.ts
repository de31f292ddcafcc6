import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluateOp } from "../../compiler/loop/evaluate.js";

/** A float as an integer count of 2^-2200, which is finer than any product of two f64. */
function exactly(value: number): bigint {
  if (value === 0) return 0n;
  let [significand, exponent] = [value, 0];
  while (!Number.isInteger(significand) || Math.abs(significand) < 2 ** 52) {
    significand *= 2;
    exponent--;
  }
  return BigInt(significand) << BigInt(2200 + exponent);
}

const exactProduct = (a: number, b: number): bigint => (exactly(a) * exactly(b)) >> 2200n;

const single = new DataView(new ArrayBuffer(4));

/** The f32 a step above or below. */
function nextSingle(value: number, step: 1 | -1): number {
  if (value === 0) return step * 2 ** -149;
  single.setFloat32(0, value);
  single.setInt32(0, single.getInt32(0) + (value > 0 ? step : -step));
  return single.getFloat32(0);
}

const double = new DataView(new ArrayBuffer(8));

function nextDouble(value: number, step: 1 | -1): number {
  if (value === 0) return step * 2 ** -1074;
  double.setFloat64(0, value);
  double.setBigInt64(0, double.getBigInt64(0) + BigInt(value > 0 ? step : -step));
  return double.getFloat64(0);
}

/** Distances from the exact a * b + c, in units of 2^-2200. */
function errors(a: number, b: number, c: number, candidates: number[]): bigint[] {
  const exact = exactProduct(a, b) + exactly(c);
  return candidates.map((candidate) => {
    const error = exactly(candidate) - exact;
    return error < 0n ? -error : error;
  });
}

/** True where the last bit of the significand is 0. */
function isEven(type: "f32" | "f64", value: number): boolean {
  double.setFloat64(0, value);
  if (type === "f32") double.setFloat32(4, value);
  return (double.getUint32(4) & 1) === 0;
}

function expectNearest(type: "f32" | "f64", a: number, b: number, c: number): void {
  const found = evaluateOp("fma", type, [a, b, c], { fused: true }) as number;
  if (!Number.isFinite(found)) return;
  const next = type === "f32" ? nextSingle : nextDouble;
  const neighbours = [next(found, 1), next(found, -1)].filter(Number.isFinite);
  const [own, ...others] = errors(a, b, c, [found, ...neighbours]);
  for (const other of others) {
    expect(own! < other || (own === other && isEven(type, found))).toBe(true);
  }
}

const f32 = fc.float({ noNaN: true, noDefaultInfinity: true });
const f64 = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });

describe("fused multiply-add", () => {
  test("f32 gives the value nearest to the exact result, ties to even", () => {
    fc.assert(
      fc.property(f32, f32, f32, (a, b, c) => expectNearest("f32", a, b, c)),
      { numRuns: 1500 },
    );
  });

  test("f32 near cancellation and ties", () => {
    const significand = fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 });
    fc.assert(
      fc.property(
        significand,
        significand,
        fc.integer({ min: -60, max: 60 }),
        fc.boolean(),
        (m, n, shift, sign) => {
          const c = Math.fround(m * n) * 2 ** shift;
          expectNearest("f32", m, n, sign ? c : -c);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("f64 gives the value nearest to the exact result, ties to even", () => {
    fc.assert(
      fc.property(f64, f64, f64, (a, b, c) => expectNearest("f64", a, b, c)),
      { numRuns: 500 },
    );
  });

  const fma = (type: "f32" | "f64", fused: boolean, ...args: number[]) =>
    evaluateOp("fma", type, args, { fused });

  test("a product that is not representable survives only fused", () => {
    const a = 1 + 2 ** -12;
    expect(fma("f32", true, a, a, -(1 + 2 ** -11))).toBe(2 ** -24);
    expect(fma("f32", false, a, a, -(1 + 2 ** -11))).toBe(0);
    const b = 1 + 2 ** -30;
    expect(fma("f64", true, b, b, -(1 + 2 ** -29))).toBe(2 ** -60);
    expect(fma("f64", false, b, b, -(1 + 2 ** -29))).toBe(0);
  });

  test("rounding first to f64 would give the wrong neighbour", () => {
    // 1 + 2^-24 lies between two f32; the tiny addend decides, though it is lost in f64.
    expect(fma("f32", true, 2 ** 12 + 2 ** -12, 2 ** -12, 2 ** -100)).toBe(1 + 2 ** -23);
    expect(fma("f32", true, 2 ** 12 + 2 ** -12, 2 ** -12, -(2 ** -100))).toBe(1);
    expect(fma("f32", true, 2 ** 12 + 2 ** -12, 2 ** -12, 0)).toBe(1);
  });

  test("signs of zero, infinities and NaN", () => {
    for (const type of ["f32", "f64"] as const) {
      expect(fma(type, true, 0, -1, 0)).toBe(0);
      expect(fma(type, true, 0, -1, -0)).toBe(-0);
      expect(fma(type, true, 2, 3, -6)).toBe(0);
      expect(fma(type, true, 1e30, 1e30, -Infinity)).toBe(-Infinity);
      expect(fma(type, true, Infinity, 0, 1)).toBeNaN();
      expect(fma(type, true, Infinity, 1, -Infinity)).toBeNaN();
      expect(fma(type, true, 1, 1, Number.NaN)).toBeNaN();
    }
    expect(fma("f32", true, -(2 ** -149), 2 ** -149, 0)).toBe(-0);
    expect(fma("f64", true, -5e-324, 5e-324, 0)).toBe(-0);
    expect(fma("f64", true, 1e200, 1e200, -1e300)).toBe(Infinity);
    expect(fma("f64", true, 2 ** 600, 2 ** 500, -(2 ** 1023))).toBe(Infinity);
    expect(fma("f64", true, 2 ** -600, 2 ** -474, 0)).toBe(2 ** -1074);
  });
});
