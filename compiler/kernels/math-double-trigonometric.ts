/** Trigonometric functions in float64 and their inverses. Methods as in `math-trigonometric.ts`. */

import { constant, type Operand, op, select } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import { polynomial } from "./math-double.js";
import { fastSum, multiply, type Pair, pairOf } from "./math-pair.js";

/**
 * 1248 bits of 1 / (2 pi), the first of which stands for 2^52: argument reduction multiplies a significand by the 192 of
 * them that matter for its exponent.
 */
const INVERSE_TURN = BigInt(
  "0x145f306dc9c882a53f84eafa3ea69bb81b6c52b3278872083fca2c757bd778ac36e48dc74849ba5c00c925dd413a32439fc3bd63962534e7" +
    "dd1046bea5d768909d338e04d68befc827323ac7306a673e93908bf177bf250763ff12fffbc0b301fde5e2316b414da3eda6cfd9e4f96136" +
    "e9e8c7ecd3cbfd45aea4f758fd7cbe2f67a0e73ef14a525d4d7f6bf623f1aba10ac06608df8",
);
const WORDS = 39;
const LOW_WORD = 0xffffffffn;

const wide = (like: Expr, value: number | bigint): Expr =>
  constant({ scalar: "i64", lanes: like.type.lanes }, value);

const upperWord = (x: Expr): Expr => op("shr_u", x, wide(x, 32));
const lowerWord = (x: Expr): Expr => op("and", x, wide(x, LOW_WORD));

/** The angle less the nearest multiple of pi / 2, and that multiple modulo 4. */
interface Reduced {
  readonly r: Pair;
  readonly quadrant: Expr;
}

/**
 * Argument reduction after Payne and Hanek: x is m 2^k with a whole m, so of 2^k / (2 pi) only the bits behind the point
 * matter. Six words of them are multiplied with m; four words of the product behind its point are enough, since no
 * float64 is nearer than 2^-62 to a multiple of a quarter turn.
 */
function reduce(x: Expr): Reduced {
  const bits = op("f64_bits", op("abs", x));
  const significand = op("or", op("and", bits, wide(x, 2n ** 52n - 1n)), wide(x, 2n ** 52n));
  // What is below 1/2 is not reduced.
  const place = op("max_s", op("sub", op("shr_u", bits, wide(x, 52)), wide(x, 1022)), wide(x, 0));
  const [first, second, third, fourth] = fraction(significand, window(place));
  const nearest = op("shr_u", op("add", first, wide(x, 2 ** 29)), wide(x, 30));
  const rest = op("sub", first, op("shl", nearest, wide(x, 30)));
  // The last two words as a signed number, so that what they are added to is the nearest.
  const last = op("or", op("shl", third, wide(x, 32)), fourth);
  const carried = op("add", second, op("shr_u", last, wide(x, 63)));
  const high = fastSum(part(rest, 2 ** -32), part(carried, 2 ** -64));
  const turns = fastSum(high.high, op("add", high.low, part(last, 2 ** -128)));
  const angle = multiply(turns, pairOf(x, 2 * Math.PI, 2.4492935982947064e-16));
  const isSmall = op("lt", op("abs", x), Math.PI / 4);
  const signed = (value: Expr): Expr => select(op("lt", x, 0), op("neg", value), value);
  const zero = constant(x.type, 0);
  return {
    r: {
      // Infinity minus itself is NaN, as is NaN.
      high: select(isSmall, x, op("add", signed(angle.high), op("sub", x, x))),
      low: select(isSmall, zero, signed(angle.low)),
    },
    quadrant: select(isSmall, wide(x, 0), signed64(x, nearest)),
  };
}

const part = (word: Expr, scale: number): Expr => op("mul", op("i64_to_f64_s", word), scale);

const signed64 = (x: Expr, value: Expr): Expr => select(op("lt", x, 0), op("sub", wide(x, 0), value), value);

/** Six words of `INVERSE_TURN` from a bit on: the word is chosen by one bit of its number after the other. */
function window(place: Expr): Expr[] {
  let words = Array.from({ length: WORDS }, (_, i) =>
    wide(place, (INVERSE_TURN >> BigInt(32 * (WORDS - 1 - i))) & LOW_WORD),
  );
  for (const bit of [5, 4, 3, 2, 1, 0]) {
    const step = 2 ** bit;
    const isSet = op("ne", op("and", place, wide(place, 32 * step)), wide(place, 0));
    const needed = 2 * step - 1 + 6 - (step - 1);
    words = words
      .slice(0, Math.max(needed, 7))
      .map((word, i) => (i + step < words.length ? select(isSet, words[i + step]!, word) : word));
  }
  const shift = op("and", place, wide(place, 31));
  return [0, 1, 2, 3, 4, 5].map((i) => {
    const both = op("or", op("shl", words[i]!, wide(place, 32)), words[i + 1]!);
    return upperWord(op("shl", both, shift));
  });
}

/** The first four words of a product's fraction: a whole number of 53 bits times a fraction in words. */
function fraction(significand: Expr, words: readonly Expr[]): [Expr, Expr, Expr, Expr] {
  const [high, low] = [upperWord(significand), lowerWord(significand)];
  const byLow = words.map((word) => op("mul", word, low));
  const byHigh = words.map((word) => op("mul", word, high));
  let carry = wide(significand, 0);
  const column = (i: number): Expr => {
    const terms = [lowerWord(byLow[i]!), upperWord(byLow[i + 1]!), lowerWord(byHigh[i + 1]!)];
    if (i + 2 < words.length) terms.push(upperWord(byHigh[i + 2]!));
    const total = terms.reduce((a, b) => op("add", a, b), carry);
    carry = upperWord(total);
    return lowerWord(total);
  };
  column(4);
  const [fourth, third, second, first] = [column(3), column(2), column(1), column(0)];
  return [first, second, third, fourth];
}

/** sin(r + low) for |r| <= pi / 4, as fdlibm has it. */
function sinPolynomial({ high: r, low }: Pair): Expr {
  const z = op("mul", r, r);
  const cube = op("mul", z, r);
  const tail = polynomial(
    z,
    [
      0.00833333333332249, -0.0001984126982985795, 2.7557313707070068e-6, -2.5050760253406863e-8,
      1.58969099521155e-10,
    ],
  );
  const moved = op("sub", op("mul", z, op("sub", op("mul", low, 0.5), op("mul", cube, tail))), low);
  const sine = op("sub", r, op("sub", moved, op("mul", cube, -0.16666666666666632)));
  // The difference of two zeros is +0, where the sign should be that of r.
  return op("copysign", sine, r);
}

/** cos(r + low) for |r| <= pi / 4: 1 - z / 2 in two parts, and the rest. */
function cosPolynomial({ high: r, low }: Pair): Expr {
  const z = op("mul", r, r);
  const tail = polynomial(
    z,
    [
      0.0416666666666666, -0.001388888888887411, 2.480158728947673e-5, -2.7557314351390663e-7,
      2.087572321298175e-9, -1.1359647557788195e-11,
    ],
  );
  const half = op("mul", z, 0.5);
  const top = op("sub", 1, half);
  const lost = op("sub", op("sub", 1, top), half);
  const rest = op("sub", op("mul", op("mul", z, z), tail), op("mul", r, low));
  return op("add", top, op("add", lost, rest));
}

const isBitSet = (value: Expr, bit: number): Expr =>
  op("ne", op("and", value, wide(value, bit)), wide(value, 0));

/** sin of an angle that is `quarters` quarter turns further on. */
function sinOf({ r, quadrant }: Reduced, quarters: 0 | 1): Expr {
  const q = quarters === 0 ? quadrant : op("add", quadrant, wide(quadrant, quarters));
  const value = select(isBitSet(q, 1), cosPolynomial(r), sinPolynomial(r));
  return select(isBitSet(q, 2), op("neg", value), value);
}

export const sin = (x: Expr): Expr => sinOf(reduce(x), 0);
export const cos = (x: Expr): Expr => sinOf(reduce(x), 1);

export function tan(x: Expr): Expr {
  const { r, quadrant } = reduce(x);
  const [sine, cosine] = [sinPolynomial(r), cosPolynomial(r)];
  const isOdd = isBitSet(quadrant, 1);
  return op("div", select(isOdd, op("neg", cosine), sine), select(isOdd, sine, cosine));
}

/** (arcsin s - s) / s for |s| <= 1/2, as fdlibm's quotient of polynomials in z = s^2. */
function arcsinTail(z: Expr): Expr {
  const above = polynomial(
    z,
    [
      0.16666666666666666, -0.3255658186224009, 0.20121253213486293, -0.04005553450067941,
      0.0007915349942898145, 3.479331075960212e-5,
    ],
  );
  const below = polynomial(
    z,
    [1, -2.403394911734414, 2.0209457602335057, -0.6882839716054533, 0.07703815055590194],
  );
  return op("div", op("mul", z, above), below);
}

const PI_LOW = 1.2246467991473532e-16;

/** arcsin of the smaller of |x| and sqrt((1 - |x|) / 2) as a pair, and whether it was the latter. */
function arcsinParts(x: Expr): { isLarge: Expr; p: Pair } {
  const magnitude = op("abs", x);
  const isLarge = op("gt", magnitude, 0.5);
  const z = select(isLarge, op("mul", op("sub", 1, magnitude), 0.5), op("mul", x, x));
  const s = select(isLarge, op("sqrt", z), magnitude);
  // What the root lacks: (z - s^2) / (2 s), by a square without an error.
  const square = multiply({ high: s, low: constant(x.type, 0) }, { high: s, low: constant(x.type, 0) });
  const error = op("sub", op("sub", z, square.high), square.low);
  const lost = op("div", error, op("add", s, s));
  const low = select(op("and", isLarge, op("gt", s, 0)), lost, 0);
  return { isLarge, p: { high: s, low: op("fma", s, arcsinTail(z), low) } };
}

export function asin(x: Expr): Expr {
  const { isLarge, p } = arcsinParts(x);
  const twice = op("sub", PI_LOW / 2, op("mul", p.low, 2));
  const large = op("add", op("sub", Math.PI / 2, op("mul", p.high, 2)), twice);
  return op("copysign", select(isLarge, large, op("add", p.high, p.low)), x);
}

export function acos(x: Expr): Expr {
  const { isLarge, p } = arcsinParts(x);
  const isNegative = op("lt", x, 0);
  const value = op("add", p.high, p.low);
  const twice = op("add", value, value);
  const large = select(isNegative, op("sub", Math.PI, op("sub", twice, PI_LOW)), twice);
  const signed = (part: Expr): Expr => select(isNegative, op("neg", part), part);
  const small = op("sub", Math.PI / 2, op("sub", signed(p.high), op("sub", PI_LOW / 2, signed(p.low))));
  return select(isLarge, large, small);
}

export function atan(x: Expr): Expr {
  const magnitude = op("abs", x);
  const isLarge = op("gt", magnitude, 1 + Math.SQRT2);
  const isMiddle = op("gt", magnitude, Math.SQRT2 - 1);
  const pick = (large: Operand, middle: Operand, small: Expr): Expr =>
    select(isLarge, large, select(isMiddle, middle, small));
  const [one, zero] = [constant(x.type, 1), constant(x.type, 0)];
  const t = op(
    "div",
    pick(-1, op("sub", magnitude, 1), magnitude),
    pick(magnitude, op("add", magnitude, 1), one),
  );
  const z = op("mul", t, t);
  const tail = op("mul", op("mul", z, polynomial(z, arctanCoefficients)), t);
  const low = op("sub", pick(PI_LOW / 2, PI_LOW / 4, zero), tail);
  const sum = op("add", pick(Math.PI / 2, Math.PI / 4, zero), op("add", t, low));
  return op("copysign", sum, x);
}

const arctanCoefficients = [
  0.3333333333333293, -0.19999999999876483, 0.14285714272503466, -0.11111110405462356, 0.09090887133436507,
  -0.0769187620504483, 0.06661073137387531, -0.058335701337905735, 0.049768779946159324,
  -0.036531572744216916, 0.016285820115365782,
];
