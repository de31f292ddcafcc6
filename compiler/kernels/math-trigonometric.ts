/** Trigonometric functions and their inverses, those of float64 by `math-double-trigonometric.ts`; see `math.ts` for what the errors mean. */

import { constant, type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { polynomial } from "./math.js";
import * as double from "./math-double-trigonometric.js";

const isDouble = (x: Expr): boolean => x.type.scalar === "f64";

/**
 * The bits of 1 / (2 pi) in words, the first of which has 24 zeros before the binary point. Argument reduction multiplies
 * a significand by the 96 of them that matter for its exponent.
 */
const INVERSE_TURN = [
  0x00000028, 0xbe60db93, 0x91054a7f, 0x09d5f47d, 0x4d377036, 0xd8a5664f, 0x10e4107f, 0x9458eaf7,
];

interface Reduced {
  /** The angle less the nearest multiple of pi / 2. */
  readonly r: Expr;
  /** That multiple, modulo 4. */
  readonly quadrant: Expr;
}

/**
 * Argument reduction after Payne and Hanek, exact for every float32: x in turns is significand * 2^exponent / (2 pi), of
 * which whole turns do not matter. So a window of 96 bits of 1 / (2 pi), which starts where the product's bits fall below
 * one turn, is multiplied with the significand modulo 2^64; the two upper bits of the product are the quadrant.
 */
function reduce(x: Expr): Reduced {
  const bits = op("f32_bits", op("abs", x));
  const significand = op("or", op("and", bits, 0x7fffff), 0x800000);
  // From 1/2 on, each exponent moves the window by one bit; what is smaller is not reduced.
  const place = op("max_s", op("sub", op("shr_u", bits, 23), 126), 0);
  const words = window(op("shr_u", place, 5), op("and", place, 31));
  const { high, low } = multiply(significand, words);
  const nearest = op("shr_u", op("add", high, 1 << 29), 30);
  const rest = op("sub", high, op("shl", nearest, 30));
  const turns = op("fma", op("i32_to_f32_u", low), 2 ** -32, op("i32_to_f32_s", rest));
  const magnitude = op("mul", turns, 2 * Math.PI * 2 ** -32);
  const isSmall = op("lt", op("abs", x), Math.PI / 4);
  const isNegative = op("lt", x, 0);
  return {
    // Infinity minus itself is NaN, as is NaN.
    r: select(isSmall, x, op("add", select(isNegative, op("neg", magnitude), magnitude), op("sub", x, x))),
    quadrant: select(isSmall, i32Like(bits, 0), select(isNegative, op("sub", 0, nearest), nearest)),
  };
}

const i32Like = (like: Expr, value: number): Expr => constant(like.type, value);

/** Three words of `INVERSE_TURN` from a bit on. */
function window(word: Expr, shift: Expr): Expr[] {
  const words = [0, 1, 2, 3].map((i) => pickWord(word, i));
  const rest = op("sub", 31, shift);
  return [0, 1, 2].map((i) => {
    // Shifted twice, since a shift by 32 would be one by 0.
    const following = op("shr_u", op("shr_u", words[i + 1]!, 1), rest);
    return op("or", op("shl", words[i]!, shift), following);
  });
}

/** Word number `index` + offset, for an index from 0 to 4. */
function pickWord(index: Expr, offset: number): Expr {
  return [3, 2, 1, 0].reduce<Expr>(
    (picked, i) => select(op("eq", index, i), INVERSE_TURN[i + offset]! | 0, picked),
    i32Like(index, INVERSE_TURN[4 + offset]! | 0),
  );
}

/** The upper 64 of the lower 96 bits of a number of 24 bits times one of 96; the last bits are not exact. */
function multiply(a: Expr, [first, second, third]: readonly Expr[]): { high: Expr; low: Expr } {
  const product = op("mul", a, second!);
  const carried = op("shr_u", op("mul", op("shr_u", a, 8), op("shr_u", third!, 16)), 8);
  const low = op("add", product, carried);
  const carry = select(op("lt_u", low, product), i32Like(a, 1), i32Like(a, 0));
  const high = op("add", op("add", op("mul", a, first!), upperProduct(a, second!)), carry);
  return { high, low };
}

/** Bits 32 and up of the product of 24 bits with 32, from products of 12 with 16. */
function upperProduct(a: Expr, b: Expr): Expr {
  const [a1, a0] = [op("shr_u", a, 12), op("and", a, 0xfff)];
  const [b1, b0] = [op("shr_u", b, 16), op("and", b, 0xffff)];
  const from12 = op("add", op("shr_u", op("mul", a0, b0), 12), op("mul", a1, b0));
  const from16 = op("add", op("shr_u", from12, 4), op("mul", a0, b1));
  return op("shr_u", op("add", op("shr_u", from16, 12), op("mul", a1, b1)), 4);
}

/** sin r for |r| <= pi / 4. */
function sinPolynomial(r: Expr): Expr {
  const z = op("mul", r, r);
  const tail = polynomial(z, [-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4]);
  // The sum of two zeros is +0, where the sign should be that of r.
  return op("copysign", op("fma", op("mul", z, r), tail, r), r);
}

/** cos r for |r| <= pi / 4. */
function cosPolynomial(r: Expr): Expr {
  const z = op("mul", r, r);
  const tail = polynomial(z, [4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5]);
  return op("fma", op("mul", z, z), tail, op("fma", z, -0.5, 1));
}

/** sin of an angle that is `quarters` quarter turns further on. */
function sinOf({ r, quadrant }: Reduced, quarters: 0 | 1): Expr {
  const q = quarters === 0 ? quadrant : op("add", quadrant, quarters);
  const isCosine = op("ne", op("and", q, 1), 0);
  const value = select(isCosine, cosPolynomial(r), sinPolynomial(r));
  return select(op("ne", op("and", q, 2), 0), op("neg", value), value);
}

/** Sine. Error 2.7 ulp; 1. */
export const sin = (x: Expr): Expr => (isDouble(x) ? double.sin(x) : sinOf(reduce(x), 0));

/** Cosine. Error 2.7 ulp; 1. */
export const cos = (x: Expr): Expr => (isDouble(x) ? double.cos(x) : sinOf(reduce(x), 1));

/** Tangent, as the quotient of sine and cosine. Error 4.4 ulp; 2. */
export function tan(x: Expr): Expr {
  if (isDouble(x)) return double.tan(x);
  const { r, quadrant } = reduce(x);
  const [sine, cosine] = [sinPolynomial(r), cosPolynomial(r)];
  const isOdd = op("ne", op("and", quadrant, 1), 0);
  return op("div", select(isOdd, op("neg", cosine), sine), select(isOdd, sine, cosine));
}

/** arcsin s - s over s^3, for |s| <= 1/2, as a polynomial in z = s^2. */
const arcsinTail = (z: Expr): Expr =>
  polynomial(z, [1.6666752422e-1, 7.4953002686e-2, 4.5470025998e-2, 2.4181311049e-2, 4.2163199048e-2]);

/** arcsin of the smaller of |x| and sqrt((1 - |x|) / 2), and whether it was the latter. */
function arcsinParts(x: Expr): { isLarge: Expr; p: Expr } {
  const magnitude = op("abs", x);
  const isLarge = op("gt", magnitude, 0.5);
  const z = select(isLarge, op("mul", op("sub", 1, magnitude), 0.5), op("mul", x, x));
  const s = select(isLarge, op("sqrt", z), magnitude);
  return { isLarge, p: op("fma", op("mul", s, z), arcsinTail(z), s) };
}

/** Arcsine; NaN beyond 1. For |x| > 1/2 it is pi / 2 - 2 arcsin sqrt((1 - |x|) / 2). Error 2.3 ulp; 1. */
export function asin(x: Expr): Expr {
  if (isDouble(x)) return double.asin(x);
  const { isLarge, p } = arcsinParts(x);
  return op("copysign", select(isLarge, op("fma", p, -2, Math.PI / 2), p), x);
}

/** Arccosine; NaN beyond 1. Error 1.4 ulp; 1. */
export function acos(x: Expr): Expr {
  if (isDouble(x)) return double.acos(x);
  const { isLarge, p } = arcsinParts(x);
  const isNegative = op("lt", x, 0);
  const twice = op("add", p, p);
  const large = select(isNegative, op("sub", Math.PI, twice), twice);
  return select(isLarge, large, op("sub", Math.PI / 2, select(isNegative, op("neg", p), p)));
}

/**
 * Arctangent: |x| is brought below tan(pi / 8) by arctan x = pi/2 - arctan(1/x) or pi/4 + arctan((x - 1) / (x + 1)).
 * Error 2.9 ulp; 1.
 */
export function atan(x: Expr): Expr {
  if (isDouble(x)) return double.atan(x);
  const magnitude = op("abs", x);
  const isLarge = op("gt", magnitude, 1 + Math.SQRT2);
  const isMiddle = op("gt", magnitude, Math.SQRT2 - 1);
  const pick = (large: Operand, middle: Operand, small: Expr): Expr =>
    select(isLarge, large, select(isMiddle, middle, small));
  const one = constant(x.type, 1);
  const t = op(
    "div",
    pick(-1, op("sub", magnitude, 1), magnitude),
    pick(magnitude, op("add", magnitude, 1), one),
  );
  const start = pick(Math.PI / 2, Math.PI / 4, constant(x.type, 0));
  const z = op("mul", t, t);
  const tail = polynomial(z, [-3.33329491539e-1, 1.99777106478e-1, -1.38776856032e-1, 8.05374449538e-2]);
  return op("copysign", op("add", start, op("fma", op("mul", z, t), tail, t)), x);
}
