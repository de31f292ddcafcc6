/**
 * Accuracy of the elementary functions, by interpreting their formulas on samples of all exponents and on every kind of
 * special value. The bounds are those that compiler/kernels/math*.ts state.
 */

import { describe, expect, test } from "vitest";
import * as math from "../../compiler/kernels/math.js";
import * as hyperbolic from "../../compiler/kernels/math-hyperbolic.js";
import { pow } from "../../compiler/kernels/math-power.js";
import * as trigonometric from "../../compiler/kernels/math-trigonometric.js";
import { KernelBuilder } from "../../compiler/loop/builder.js";
import { interpretKernel } from "../../compiler/loop/interpret.js";
import type { Expr } from "../../compiler/loop/ir.js";
import { verifyKernel } from "../../compiler/loop/verify.js";
import { erf } from "../../compiler/operators/math.js";

type Float = "float32" | "float64";
const arrays = { float32: Float32Array, float64: Float64Array };

/** Applies a formula to numbers, four (or two) at a time. */
function apply(
  formula: (...args: Expr[]) => Expr,
  dtype: Float,
  operands: readonly (readonly number[])[],
  { fused = false, vector = true } = {},
): number[] {
  const lanes = dtype === "float32" ? 4 : 2;
  const count = Math.ceil(operands[0]!.length / lanes) * lanes;
  const builder = new KernelBuilder("f");
  const inputs = operands.map((_, i) => builder.buffer(`x${i}`, dtype, "read", count));
  const output = builder.buffer("y", dtype, "write", count);
  builder.for(
    "i",
    0,
    count,
    (i) => {
      const args = inputs.map((input) => builder.load(input, i, vector ? lanes : 1));
      builder.store(output, i, formula(...args));
    },
    { step: vector ? lanes : 1 },
  );
  const kernel = builder.finish();
  verifyKernel(kernel);
  const bytes = count * arrays[dtype].BYTES_PER_ELEMENT;
  const memory = new ArrayBuffer(bytes * (operands.length + 1));
  operands.forEach((values, i) => {
    new arrays[dtype](memory, i * bytes, count).set(values);
  });
  const addresses = [...operands, null].map((_, i) => i * bytes);
  interpretKernel(kernel, { memory, addresses }, { fused });
  const results = new arrays[dtype](memory, operands.length * bytes, count);
  return Array.from(results.subarray(0, operands[0]!.length));
}

/** Distance of neighbouring floats at a number. */
function ulp(x: number, dtype: Float): number {
  const [digits, lowest] = dtype === "float32" ? [23, -126] : [52, -1022];
  if (Math.abs(x) < 2 ** lowest) return 2 ** (lowest - digits);
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  const exact = 2 ** exponent > Math.abs(x) ? exponent - 1 : exponent;
  return 2 ** (exact - digits);
}

const largest = { float32: 3.4028234663852886e38, float64: Number.MAX_VALUE };

/** Error of a result in ulp; Infinity where it is of another kind than the exact one. */
function errorOf(actual: number, exact: number, dtype: Float): number {
  const rounded = dtype === "float32" ? Math.fround(exact) : exact;
  if (Number.isNaN(actual) || Number.isNaN(rounded)) return Object.is(actual, rounded) ? 0 : Infinity;
  if (exact === 0) return Object.is(actual, exact) ? 0 : Infinity;
  if (!Number.isFinite(rounded) || !Number.isFinite(actual)) {
    // Just below the largest float, rounding decides.
    const beyond = Math.abs(exact) > largest[dtype] * (1 - 2 ** -22);
    return actual === rounded || (beyond && Math.sign(actual) === Math.sign(exact)) ? 0 : Infinity;
  }
  return Math.abs(actual - exact) / ulp(exact, dtype);
}

function worst(
  actual: readonly number[],
  exact: readonly number[],
  dtype: Float,
): { error: number; at: number } {
  let result = { error: 0, at: -1 };
  actual.forEach((value, i) => {
    const error = errorOf(value, exact[i]!, dtype);
    if (error > result.error) result = { error, at: i };
  });
  return result;
}

const special = [0, -0, 1, -1, 0.5, -0.5, 2, -2, Infinity, -Infinity, Number.NaN];

/** Floats of all exponents, evenly among their bit patterns, and those where something may go wrong. */
function float32Samples(count: number): number[] {
  const bits = Uint32Array.from(
    { length: count },
    (_, i) => i * Math.floor(2 ** 32 / count) + ((i * 40503) % 8191),
  );
  const edges = [1e-45, -1e-45, 1.1754943508222875e-38, 3.4028234663852886e38, -3.4028234663852886e38];
  const limits = [
    88.72283, 88.722839, -87.33655, -103.97208, -103.9721, -104, 89.4159, 89.416, 0.41421357, 2.4142137,
  ];
  return [...special, ...[...edges, ...limits].map(Math.fround), ...new Float32Array(bits.buffer)];
}

function float64Samples(count: number): number[] {
  const spread = (i: number) => {
    const fraction = (i * 0.6180339887498949) % 1;
    const ranges = [4, 60, 1500];
    if (i % 4 < 3) return (fraction - 0.5) * ranges[i % 4]!;
    return (i % 8 < 4 ? 1 : -1) * Math.exp((fraction - 0.5) * 1400);
  };
  const edges = [5e-324, -5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, 709.78, 709.79, -745.1, -746];
  return [...special, ...edges, ...Array.from({ length: count }, (_, i) => spread(i))];
}

interface Accuracy {
  readonly formula: (x: Expr) => Expr;
  readonly exact: (x: number) => number;
  /** Largest error in ulp for float32, and for float64 where the function takes it. */
  readonly bound: readonly [number, number?];
  /** The arguments for which the function is meant. */
  readonly domain?: (x: number, dtype: Float) => boolean;
}

const functions: Record<string, Accuracy> = {
  exp: { formula: math.exp, exact: Math.exp, bound: [1, 1] },
  halfExp: {
    formula: math.halfExp,
    exact: (x) => (x < 709 ? Math.exp(x) / 2 : Math.exp(x / 2) * (Math.exp(x / 2) / 2)),
    bound: [1, 2],
    domain: (x, dtype) => dtype === "float32" || !(Math.abs(x) > 709 && Math.abs(x) < 760),
  },
  expNonPositive: {
    formula: math.expNonPositive,
    exact: Math.exp,
    bound: [1, 1],
    domain: (x) => !(x > 43),
  },
  expOfShare: {
    formula: math.expOfShare,
    exact: Math.exp,
    bound: [1, 1],
    domain: (x, dtype) => !(x > 43) && (dtype === "float64" || !(x > -104 && x < -87.33)),
  },
  expm1: {
    formula: math.expm1,
    exact: Math.expm1,
    bound: [1.4, 2],
    domain: (x, dtype) => !Object.is(x, -0) && !(x > (dtype === "float32" ? 88 : 709)),
  },
  sigmoid: {
    formula: math.sigmoid,
    exact: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
    bound: [2.3, 2],
  },
  tanh: { formula: math.tanh, exact: Math.tanh, bound: [2.6, 3] },
  erf: { formula: math.erf, exact: erf, bound: [4.3, 2] },
  log: { formula: math.log, exact: Math.log, bound: [0.8, 1] },
  log1p: { formula: math.log1p, exact: Math.log1p, bound: [2.4, 2] },
  softplus: {
    formula: math.softplus,
    exact: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    bound: [2.4, 2],
  },
  sinh: { formula: hyperbolic.sinh, exact: Math.sinh, bound: [2.2, 2] },
  cosh: { formula: hyperbolic.cosh, exact: Math.cosh, bound: [1.4, 2] },
  asinh: { formula: hyperbolic.asinh, exact: Math.asinh, bound: [2.7, 2] },
  acosh: { formula: hyperbolic.acosh, exact: Math.acosh, bound: [2.8, 2] },
  atanh: { formula: hyperbolic.atanh, exact: Math.atanh, bound: [2.9, 3] },
  sin: { formula: trigonometric.sin, exact: Math.sin, bound: [2.7, 1] },
  cos: { formula: trigonometric.cos, exact: Math.cos, bound: [2.7, 1] },
  tan: { formula: trigonometric.tan, exact: Math.tan, bound: [4.4, 2] },
  asin: { formula: trigonometric.asin, exact: Math.asin, bound: [2.3, 1] },
  acos: { formula: trigonometric.acos, exact: Math.acos, bound: [1.4, 1] },
  atan: { formula: trigonometric.atan, exact: Math.atan, bound: [2.9, 1] },
};

describe("functions of one number", () => {
  for (const [name, { formula, exact, bound, domain = () => true }] of Object.entries(functions)) {
    for (const dtype of ["float32", "float64"] as const) {
      const limit = bound[dtype === "float32" ? 0 : 1];
      if (limit === undefined) continue;
      test(`${name} of ${dtype} stays within ${limit} ulp`, () => {
        for (const fused of [false, true]) {
          // Products that are rounded once take the interpreter long.
          const samples =
            dtype === "float32" ? float32Samples(fused ? 2 ** 12 : 2 ** 16) : float64Samples(4000);
          const xs = samples.filter((x) => domain(x, dtype));
          const { error, at } = worst(apply(formula, dtype, [xs], { fused }), xs.map(exact), dtype);
          expect(error, `at ${xs[at]}`).toBeLessThanOrEqual(limit);
        }
      });
    }
  }

  test("scalars and vectors give the same", () => {
    const xs = float32Samples(512);
    for (const { formula } of Object.values(functions)) {
      expect(apply(formula, "float32", [xs], { vector: false })).toEqual(apply(formula, "float32", [xs]));
    }
  });

  test("shares that would be denormal are 0", () => {
    const xs = Array.from({ length: 1000 }, (_, i) => Math.fround(-87.7 - i * 0.0167));
    expect(new Set(apply(math.expOfShare, "float32", [xs]))).toEqual(new Set([0]));
    // Around 2^-126 a share is what it is, or 0.
    const around = Array.from({ length: 400 }, (_, i) => Math.fround(-87.33 - i * 0.001));
    apply(math.expOfShare, "float32", [around]).forEach((share, i) => {
      expect(share === 0 || Math.abs(share / Math.exp(around[i]!) - 1) < 1e-6, `${around[i]}`).toBe(true);
    });
  });

  test("angles next to multiples of a quarter turn keep their digits", () => {
    // The float32 that is nearest to such a multiple, others known to be hard, and the ends of the range.
    const xs = [
      16367173 * 2 ** 72,
      5.340708 * 2 ** 100,
      Math.fround(Math.PI),
      Math.fround(Math.PI / 2),
      1e22,
      3.4e38,
    ];
    const angles = xs.flatMap((x) => [Math.fround(x), -Math.fround(x)]);
    const { error } = worst(apply(trigonometric.sin, "float32", [angles]), angles.map(Math.sin), "float32");
    expect(error).toBeLessThanOrEqual(2.7);
    const cosine = worst(apply(trigonometric.cos, "float32", [angles]), angles.map(Math.cos), "float32");
    expect(cosine.error).toBeLessThanOrEqual(2.7);
  });
});

test("doubles next to multiples of a quarter turn keep their digits", () => {
  // Of all float64, 6381956970095103 * 2^797 is the nearest to such a multiple.
  const xs = [
    6381956970095103 * 2 ** 797,
    Math.PI,
    Math.PI / 2,
    1e22,
    1e300,
    Number.MAX_VALUE,
    2 ** 53 + 2,
    710,
  ];
  const angles = xs.flatMap((x) => [x, -x]);
  for (const [formula, exact, bound] of [
    [trigonometric.sin, Math.sin, 1],
    [trigonometric.cos, Math.cos, 1],
    [trigonometric.tan, Math.tan, 2],
  ] as const) {
    for (const vector of [false, true]) {
      const results = apply(formula, "float64", [angles], { vector });
      const { error, at } = worst(results, angles.map(exact), "float64");
      expect(error, `${formula.name} at ${angles[at]}`).toBeLessThanOrEqual(bound);
    }
  }
});

describe("powers", () => {
  /** As IEEE 754 has it, where JavaScript gives NaN. */
  const exact = (x: number, y: number) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y);

  test.each(["float32", "float64"] as const)("all pairs of special values of %s", (dtype) => {
    const values = [
      ...special,
      3,
      -3,
      2.5,
      -2.5,
      1e-45,
      -1e-45,
      3e38,
      -3e38,
      1e10,
      16777216,
      16777217,
      8388607.5,
    ];
    const pairs = values.flatMap((x) =>
      values.map((y): [number, number] => (dtype === "float64" ? [x, y] : [Math.fround(x), Math.fround(y)])),
    );
    const [xs, ys] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
    const results = apply(pow, dtype, [xs, ys]);
    const { error, at } = worst(
      results,
      pairs.map(([x, y]) => exact(x, y)),
      dtype,
    );
    expect(error, `${pairs[at]} gives ${results[at]}`).toBeLessThanOrEqual(1);
  });

  test("samples of the whole range", () => {
    const fraction = (i: number, step: number) => (i * step) % 1;
    const pairs = Array.from({ length: 10_000 }, (_, i): [number, number] => {
      const [a, b] = [fraction(i, 0.6180339887498949), fraction(i, 0.7548776662466927)];
      if (i % 3 === 0) return [Math.exp((a - 0.5) * 170), (b - 0.5) * 20];
      return i % 3 === 1 ? [1 + (a - 0.5) * 1e-3, (b - 0.5) * 1e5] : [-a * 50, Math.floor(b * 40 - 20)];
    }).map(([x, y]): [number, number] => [Math.fround(x), Math.fround(y)]);
    const [xs, ys] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
    for (const fused of [false, true]) {
      const { error, at } = worst(
        apply(pow, "float32", [xs, ys], { fused }),
        pairs.map(([x, y]) => exact(x, y)),
        "float32",
      );
      expect(error, `${pairs[at]}`).toBeLessThanOrEqual(1);
    }
  });

  test("samples of the whole range of float64", () => {
    const fraction = (i: number, step: number) => (i * step) % 1;
    const pairs = Array.from({ length: 10_000 }, (_, i): [number, number] => {
      const [a, b] = [fraction(i, 0.6180339887498949), fraction(i, 0.7548776662466927)];
      if (i % 4 === 0) return [Math.exp((a - 0.5) * 1400), (b - 0.5) * 20];
      if (i % 4 === 1) return [1 + (a - 0.5) * 1e-8, (b - 0.5) * 1e11];
      return i % 4 === 2 ? [-a * 50, Math.floor(b * 400 - 200)] : [5e-324 * 2 ** Math.floor(a * 40), b - 0.5];
    });
    const [xs, ys] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
    const results = apply(pow, "float64", [xs, ys]);
    const { error, at } = worst(
      results,
      pairs.map(([x, y]) => exact(x, y)),
      "float64",
    );
    expect(error, `${pairs[at]}`).toBeLessThanOrEqual(1);
  });
});
