/**
 * Discrete Fourier transforms of any length, by Stockham's algorithm with mixed radices.
 *
 * A length n is taken apart into factors. The stage of a factor r combines r elements that lie n / r apart into r new
 * ones, multiplies these by powers of e^(-2 pi i / n) and writes them so that no reordering is needed in the end; what is
 * left are r times as many transforms of length n / r side by side, which the next stage does at once. Factors of 4, 2, 3
 * and 5 have stages of their own; any other prime takes a stage with two loops more, of which the time grows as its square.
 *
 * Elements are float32 or float64, and sums and products of float32 are taken in the order of pocketfft (Reinecke), which
 * NumPy uses: results are the same bits where the factors are the same. Lengths may be known only at run time: factors are
 * then found while the transform runs.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import { add, constant, div, i32Constant, mul, op, read, rem, sub } from "../loop/builder.js";
import type { Expr, Variable } from "../loop/ir.js";
import type { KernelScope, TensorView } from "../lowering/scope.js";

export interface Complex {
  readonly re: Expr;
  readonly im: Expr;
}

/** Memory of a transform, all of one type: float32 or float64. */
export interface FourierViews {
  /** [2, n]: cosines and sines of k n-th parts of a turn. */
  readonly turns: TensorView;
  /** [2, n] each: what a stage reads and what it writes take turns. */
  readonly re: TensorView;
  readonly im: TensorView;
}

const f64 = { scalar: "f64", lanes: 1 } as const;
const number = (value: number): Expr => constant(f64, value);

/** Factors with stages of their own, and how often a length below 2^31 can have them. */
const radices: readonly (readonly [radix: number, most: number])[] = [
  [4, 15],
  [2, 1],
  [3, 19],
  [5, 13],
];
const FIRST_OTHER_PRIME = 7;
/** 7^11 < 2^31 < 7^12. */
const MOST_OTHER_PRIMES = 11;

/** A transform whose input is written to row 0 of `re` and `im`; `result` reads an element of what comes out. */
export class FourierTransform {
  private readonly length: Expr;
  /** Length of the transforms that are left to do, how many of them there are, and the row that holds their input. */
  private readonly left: Variable;
  private readonly count: Variable;
  private readonly row: Variable;

  constructor(
    private readonly s: KernelScope,
    private readonly n: Dim,
    private readonly views: FourierViews,
  ) {
    this.length = s.dim(n);
    this.left = s.variable("left", this.length);
    this.count = s.variable("count", i32Constant(1));
    this.row = s.variable("row", i32Constant(0));
  }

  store(at: Expr, { re, im }: Complex): void {
    this.views.re.store([i32Constant(0), at], re);
    this.views.im.store([i32Constant(0), at], im);
  }

  result(at: Expr): Complex {
    const { re, im } = this.views;
    return { re: re.load([read(this.row), at]), im: im.load([read(this.row), at]) };
  }

  run(): void {
    const { s, n } = this;
    let rest = isStatic(n) ? n : null;
    for (const [radix, most] of radices) {
      if (rest === null) {
        s.for("stage", 0, most, () => {
          s.if(op("eq", rem(read(this.left), radix), 0), () => this.stage(radix));
        });
        continue;
      }
      let times = 0;
      for (; rest > 0 && rest % radix === 0; rest /= radix) times++;
      s.for("stage", 0, times, () => this.stage(radix));
    }
    if (rest === null || rest > 1) this.otherStages(rest ?? undefined);
  }

  /** Stages of primes that have no stage of their own. */
  private otherStages(rest: number | undefined): void {
    const { s, left } = this;
    s.for("stage", 0, rest === undefined ? MOST_OTHER_PRIMES : otherPrimes(rest), () => {
      s.if(op("gt_s", read(left), 1), () => {
        // Where no smaller divisor is found, what is left is prime.
        const factor = s.variable("factor", read(left));
        const limit = s.let("limit", squareRoot(read(left)));
        s.for(
          "candidate",
          FIRST_OTHER_PRIME,
          add(limit, 1),
          (candidate) => {
            const isSmallest = op(
              "and",
              op("eq", read(factor), read(left)),
              op("eq", rem(read(left), candidate), 0),
            );
            s.if(isSmallest, () => s.assign(factor, candidate));
          },
          { step: 2 },
        );
        this.anyStage(s.let("radix", read(factor)));
      });
    });
  }

  private stage(radix: number): void {
    this.frame(i32Constant(radix), ({ each, count, from, to }) => {
      const { s, views } = this;
      s.for("p", 0, each, (p) => {
        const twiddles = Array.from({ length: radix - 1 }, (_, i) => this.turn(mul(mul(p, i + 1), count)));
        s.for(
          "q",
          0,
          count,
          (q) => {
            const inputs = Array.from({ length: radix }, (_, k) => {
              const at = add(mul(add(p, mul(each, k)), count), q);
              return {
                re: s.let("re", views.re.load([from, at])),
                im: s.let("im", views.im.load([from, at])),
              };
            });
            combine(inputs).forEach((value, j) => {
              const { re, im } = j === 0 ? value : times(value, twiddles[j - 1]!);
              const at = add(mul(add(mul(p, radix), j), count), q);
              views.re.store([to, at], re);
              views.im.store([to, at], im);
            });
          },
          { mode: "vectorize" },
        );
      });
    });
  }

  /** A stage of a factor that is known only while the transform runs. */
  private anyStage(radix: Expr): void {
    this.frame(radix, ({ each, count, from, to }) => {
      const { s, views } = this;
      const part = s.let("part", div(this.length, radix));
      s.for("p", 0, each, (p) => {
        s.for("j", 0, radix, (j) => {
          const twiddle = this.turn(mul(mul(p, j), count));
          s.for("q", 0, count, (q) => {
            // Many products: their sum is taken in float64.
            const [re, im] = [s.variable("re", number(0)), s.variable("im", number(0))];
            const angle = s.variable("angle", i32Constant(0));
            s.for("k", 0, radix, (k) => {
              const at = s.let("at", add(mul(add(p, mul(each, k)), count), q));
              const input = { re: views.re.load([from, at]), im: views.im.load([from, at]) };
              const product = times(wide(input), wide(this.turn(mul(read(angle), part))));
              s.assign(re, op("add", read(re), product.re));
              s.assign(im, op("add", read(im), product.im));
              const next = s.let("next", add(read(angle), j));
              s.assign(angle, op("select", op("lt_s", next, radix), next, sub(next, radix)));
            });
            const value = times({ re: read(re), im: read(im) }, wide(twiddle));
            const at = s.let("to", add(mul(add(mul(p, radix), j), count), q));
            views.re.store([to, at], narrow(value.re, views.re));
            views.im.store([to, at], narrow(value.im, views.im));
          });
        });
      });
    });
  }

  /** What all stages have around them: the sizes before, and those after. */
  private frame(radix: Expr, body: (sizes: Record<"each" | "count" | "from" | "to", Expr>) => void): void {
    const { s, left, count, row } = this;
    const each = s.let("each", div(read(left), radix));
    const from = s.let("from", read(row));
    const to = s.let("to", sub(i32Constant(1), from));
    body({ each, count: s.let("transforms", read(count)), from, to });
    s.assign(left, each);
    s.assign(count, mul(read(count), radix));
    s.assign(row, to);
  }

  /** e^(-2 pi i k / n) as cosine and sine of the angle without its sign. */
  private turn(k: Expr): Complex {
    const { s, views } = this;
    const at = s.let("k", k);
    return {
      re: s.let("cosine", views.turns.load([i32Constant(0), at])),
      im: s.let("sine", views.turns.load([i32Constant(1), at])),
    };
  }
}

/** The same in float64. */
const wide = ({ re, im }: Complex): Complex => ({ re: wideElement(re), im: wideElement(im) });
const wideElement = (x: Expr): Expr => (x.type.scalar === "f32" ? op("f32_to_f64", x) : x);
const narrow = (x: Expr, { dtype }: TensorView): Expr => (dtype === "float32" ? op("f64_to_f32", x) : x);

const plus = (a: Complex, b: Complex): Complex => ({ re: op("add", a.re, b.re), im: op("add", a.im, b.im) });
const minus = (a: Complex, b: Complex): Complex => ({ re: op("sub", a.re, b.re), im: op("sub", a.im, b.im) });

/** The product with the conjugate of `turn`: angles run clockwise. */
function times(a: Complex, turn: Complex): Complex {
  return {
    re: op("add", op("mul", a.re, turn.re), op("mul", a.im, turn.im)),
    im: op("sub", op("mul", a.im, turn.re), op("mul", a.re, turn.im)),
  };
}

/** The transform of a few elements, written out. */
function combine(a: readonly Complex[]): Complex[] {
  if (a.length === 2) return [plus(a[0]!, a[1]!), minus(a[0]!, a[1]!)];
  if (a.length === 4) {
    const [even, evenDifference] = [plus(a[0]!, a[2]!), minus(a[0]!, a[2]!)];
    const [odd, difference] = [plus(a[1]!, a[3]!), minus(a[1]!, a[3]!)];
    const turned = { re: difference.im, im: op("neg", difference.re) };
    return [plus(even, odd), plus(evenDifference, turned), minus(even, odd), minus(evenDifference, turned)];
  }
  return combineOdd(a);
}

/**
 * Of an odd number of elements: those that lie opposite each other share their cosines, and their sines but for the
 * sign, so sums and differences of these are multiplied once for two results.
 */
function combineOdd(a: readonly Complex[]): Complex[] {
  const n = a.length;
  const halves = Array.from({ length: (n - 1) / 2 }, (_, i) => i + 1);
  const sums = halves.map((k) => plus(a[k]!, a[n - k]!));
  const differences = halves.map((k) => minus(a[k]!, a[n - k]!));
  const results = new Array<Complex>(n);
  results[0] = sums.reduce(plus, a[0]!);
  for (const j of halves) {
    const weighted = (values: readonly Complex[], weight: (angle: number) => number): Complex[] =>
      values.map((value, i): Complex => {
        const w = weight((2 * Math.PI * ((j * (i + 1)) % n)) / n);
        return { re: op("mul", value.re, w), im: op("mul", value.im, w) };
      });
    const even = weighted(sums, Math.cos).reduce(plus, a[0]!);
    const odd = weighted(differences, Math.sin).reduce(plus);
    const turned = { re: odd.im, im: op("neg", odd.re) };
    results[j] = plus(even, turned);
    results[n - j] = minus(even, turned);
  }
  return results;
}

/** How many prime factors a number has that 2, 3 and 5 do not divide. */
function otherPrimes(value: number): number {
  let count = 0;
  for (let factor = FIRST_OTHER_PRIME; value > 1; factor += 2) {
    if (factor * factor > value) return count + 1;
    for (; value % factor === 0; value /= factor) count++;
  }
  return count;
}

const squareRoot = (x: Expr): Expr => op("f64_to_i32_s", op("sqrt", op("i32_to_f64_s", x)));

/** Cosine (0) or sine (1) of k n-th parts of a turn: Taylor's series of angles up to an eighth of one. */
export function turnElement(which: Expr, k: Expr, n: Expr): Expr {
  const eighths = mul(k, 8);
  const octant = div(eighths, n);
  const rest = sub(eighths, mul(octant, n));
  const isOdd = op("ne", op("and", octant, 1), 0);
  const distance = op("select", isOdd, sub(n, rest), rest);
  const angle = op("mul", op("div", op("i32_to_f64_s", distance), op("i32_to_f64_s", n)), Math.PI / 4);
  const square = op("mul", angle, angle);
  const cosine = series(square, 0);
  const sine = op("mul", angle, series(square, 1));
  // Octants 1, 2, 5 and 6 exchange both.
  const isExchanged = op("ne", op("and", add(octant, 1), 2), 0);
  const wantsSine = op("xor", op("ne", which, 0), isExchanged);
  const magnitude = op("select", wantsSine, sine, cosine);
  const shifted = op("select", op("ne", which, 0), octant, add(octant, 2));
  return op("select", op("ne", op("and", shifted, 4), 0), op("neg", magnitude), magnitude);
}

/** 1 - x / (1 2) + x^2 / (1 2 3 4) - ..., or 1 - x / (2 3) + x^2 / (2 3 4 5) - ... */
function series(x: Expr, first: 0 | 1): Expr {
  let sum: Expr = number(1);
  for (let i = 9; i >= 1; i--) {
    const factor = -1 / ((2 * i - 1 + first) * (2 * i + first));
    sum = op("add", op("mul", op("mul", sum, x), factor), 1);
  }
  return sum;
}
