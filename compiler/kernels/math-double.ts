/** Exponential, logarithm and error function in float64. Methods as in `math.ts`, with longer polynomials. */

import { constant, type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";

export const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients
    .slice(0, -1)
    .reduceRight<Operand>((sum, c) => op("fma", x, sum, c), coefficients.at(-1)!) as Expr;

const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const ROUNDING = 6755399441055744; // 1.5 * 2^52
const ROUNDING_BITS = 0x4338000000000000n;

/** A 64-bit integer as an operand beside `like`. */
const wide = (like: Expr, value: bigint): Expr => constant({ scalar: "i64", lanes: like.type.lanes }, value);

/** Taylor's, whose remainder is below half an ulp for |r| <= ln 2 / 2. */
const factorials = [2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800, 479001600, 6227020800];

/** e^x = 2^n (1 + q); `bits` is n + ROUNDING_BITS. */
function expParts(x: Expr): { bits: Expr; q: Expr } {
  const shifted = op("fma", x, Math.LOG2E, ROUNDING);
  const n = op("sub", shifted, ROUNDING);
  const r = op("fma", n, -LN2_LOW, op("fma", n, -LN2_HIGH, x));
  const tail = polynomial(
    r,
    factorials.map((f) => 1 / f),
  );
  return { bits: op("f64_bits", shifted), q: op("fma", op("mul", r, r), tail, r) };
}

const powerOfTwo = (bits: Expr, bias: number): Expr =>
  op("bits_f64", op("shl", op("add", bits, wide(bits, BigInt(1023 + bias))), wide(bits, 52n)));

/** e^x 2^bias. */
export function exp(x: Expr, bias: number): Expr {
  const { bits, q } = expParts(op("pmax", op("pmin", x, 710 - bias), -746));
  const half = op("shr_s", op("sub", bits, wide(bits, ROUNDING_BITS)), wide(bits, 1n));
  const other = op("sub", bits, half);
  return op("mul", op("mul", op("add", q, 1), powerOfTwo(half, bias)), powerOfTwo(other, 0));
}

/** e^x - 1 for x up to 709. */
export function expm1(x: Expr): Expr {
  const { bits, q } = expParts(op("pmax", x, -64));
  const power = powerOfTwo(bits, 0);
  return op("fma", power, q, op("sub", power, 1));
}

const SQRT_HALF_BITS = 0x3fe6a09e667f3bcdn;

/** ln x = e ln 2 + ln m, with ln m = 2 artanh(s), s = f / (2 + f), f = m - 1, as fdlibm has it. */
export function log(x: Expr): Expr {
  const isDenormal = op("lt", x, 2 ** -1022);
  const bits = op("f64_bits", select(isDenormal, op("mul", x, 2 ** 54), x));
  const exponent = op("shr_s", op("sub", bits, wide(bits, SQRT_HALF_BITS)), wide(bits, 52n));
  const m = op("bits_f64", op("sub", bits, op("shl", exponent, wide(bits, 52n))));
  const zero = constant(x.type, 0);
  const e = op("sub", op("i64_to_f64_s", exponent), select(isDenormal, constant(x.type, 54), zero));
  const f = op("sub", m, 1);
  const s = op("div", f, op("add", f, 2));
  const z = op("mul", s, s);
  const series = op("mul", z, polynomial(z, artanhCoefficients));
  const half = op("mul", op("mul", f, f), 0.5);
  const inner = op("fma", s, op("add", half, series), op("mul", e, LN2_LOW));
  const result = op("fma", e, LN2_HIGH, op("sub", f, op("sub", half, inner)));
  const special = select(op("eq", x, 0), -Infinity, select(op("lt", x, 0), Number.NaN, x));
  return select(op("and", op("gt", x, 0), op("lt", x, Infinity)), result, special);
}

const artanhCoefficients = [
  0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784, 0.1818357216161805,
  0.15313837699209373, 0.14798198605116586,
];

/**
 * Error function: x + x p(x^2) up to 1, and 1 - e^(-x^2) q((x - 5/2) / (x + 5/2)) beyond, with polynomials that interpolate
 * between Chebyshev's nodes.
 */
export function erf(x: Expr): Expr {
  const magnitude = op("abs", x);
  const near = op("pmin", magnitude, 1);
  const small = op("fma", near, polynomial(op("mul", near, near), erfCoefficients), near);
  // From 6 on the result is 1; NaN is not the smaller one.
  const far = op("pmin", magnitude, 6);
  const t = op("div", op("sub", far, 2.5), op("add", far, 2.5));
  const rest = op("mul", exp(op("neg", op("mul", far, far)), 0), polynomial(t, scaledErfcCoefficients));
  return op("copysign", select(op("lt", magnitude, 1), small, op("sub", 1, rest)), x);
}

const erfCoefficients = [
  0.1283791670955126, -0.3761263890318375, 0.11283791670954879, -0.026866170645076792, 0.0052239776248180145,
  -0.000854832698083379, 0.0001205533111164271, -1.4925595266831182e-5, 1.6461000484121368e-6,
  -1.6350312701054695e-7, 1.4659775274047436e-8, -1.1372848856791674e-9, 5.957176147748911e-11,
];

const scaledErfcCoefficients = [
  0.2108063640611436, -0.37173673394897294, 0.2517131932174488, -0.12503305237891782, 0.03992253907546523,
  -0.003993701160123029, -0.0026423659518134547, 0.0008759152875774328, 0.0002283799633257643,
  -0.00012887483134837842, -3.4175718896856294e-5, 1.8596747731144528e-5, 7.499735050763299e-6,
  -2.2328516517555215e-6, -1.587633893127344e-6,
];
