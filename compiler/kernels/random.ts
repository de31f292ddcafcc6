/**
 * Random numbers by the Mersenne Twister (MT19937, Matsumoto and Nishimura 1998), seeded and drawn from as NumPy's
 * `RandomState` does, so that a seed gives the numbers that ONNX's reference implementation gives for it.
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, i32Constant, op, read, select } from "../loop/builder.js";
import type { Expr, Variable } from "../loop/ir.js";
import type { KernelScope, TensorView } from "../lowering/scope.js";
import * as math from "./math.js";

/** Words of the generator's state. */
export const STATE_WORDS = 624;
const MIDDLE = 397;
const f64 = { scalar: "f64", lanes: 1 } as const;

/** A generator inside a kernel. Every draw of the kernel is made in the order of its statements. */
export class MersenneTwister {
  private readonly place: Variable;

  constructor(
    private readonly s: KernelScope,
    /** STATE_WORDS elements of int32, for this kernel's own use. */
    private readonly state: TensorView,
    seed: Expr,
  ) {
    const word = s.variable("word", seed);
    s.for("i", 0, STATE_WORDS, (i) => {
      state.store([i], read(word));
      const mixed = op("xor", read(word), op("shr_u", read(word), 30));
      s.assign(word, op("add", op("mul", mixed, 1812433253), op("add", i, 1)));
    });
    this.place = s.variable("place", i32Constant(STATE_WORDS));
  }

  /** Makes sure that `pairs` numbers can be drawn; STATE_WORDS must be a multiple of the words that they take. */
  require(pairs: 1 | 2): void {
    const { s } = this;
    const needed = STATE_WORDS - 2 * pairs;
    s.if(op("gt_s", read(this.place), needed), () => {
      this.twist();
      s.assign(this.place, i32Constant(0));
    });
  }

  /** A number from 0 to 1 (which is left out), of 53 random bits. */
  uniform(): Expr {
    const { s, place } = this;
    const high = this.temper(this.state.load([read(place)]));
    const low = this.temper(this.state.load([add(read(place), 1)]));
    const upper = op("i32_to_f64_u", op("shr_u", high, 5));
    const lower = op("i32_to_f64_u", op("shr_u", low, 6));
    const drawn = op("mul", op("add", op("mul", upper, 2 ** 26), lower), 2 ** -53);
    const result = s.let("uniform", drawn);
    s.assign(place, add(read(place), 2));
    return result;
  }

  private temper(word: Expr): Expr {
    let y = op("xor", word, op("shr_u", word, 11));
    y = op("xor", y, op("and", op("shl", y, 7), 0x9d2c5680 | 0));
    y = op("xor", y, op("and", op("shl", y, 15), 0xefc60000 | 0));
    return op("xor", y, op("shr_u", y, 18));
  }

  /** The next STATE_WORDS words in place of the last ones. */
  private twist(): void {
    const { s } = this;
    const stretch = (start: number, end: number, next: number, middle: number): void =>
      s.for("i", start, end, (i) => this.twistWord(i, add(i, next), add(i, middle)));
    stretch(0, STATE_WORDS - MIDDLE, 1, MIDDLE);
    stretch(STATE_WORDS - MIDDLE, STATE_WORDS - 1, 1, MIDDLE - STATE_WORDS);
    stretch(STATE_WORDS - 1, STATE_WORDS, 1 - STATE_WORDS, MIDDLE - STATE_WORDS);
  }

  private twistWord(at: Expr, next: Expr, middle: Expr): void {
    const { state } = this;
    const y = op("or", op("and", state.load([at]), 1 << 31), op("and", state.load([next]), 0x7fffffff));
    const odd = select(op("ne", op("and", y, 1), 0), i32Constant(0x9908b0df | 0), 0);
    state.store([at], op("xor", op("xor", state.load([middle]), op("shr_u", y, 1)), odd));
  }
}

/** Loops over a shape in row-major order, one element after the other. */
export function inOrder(
  s: KernelScope,
  shape: readonly Dim[],
  visit: (indices: readonly Expr[]) => void,
): void {
  const nest = (indices: readonly Expr[]): void => {
    const dim = shape[indices.length];
    if (dim === undefined) visit(indices);
    else s.for(`i${indices.length}`, 0, s.dim(dim), (index) => nest([...indices, index]));
  };
  nest([]);
}

/** Numbers evenly spread from 0 to 1, in row-major order. */
export function uniformNumbers(
  s: KernelScope,
  shape: readonly Dim[],
  generator: MersenneTwister,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  inOrder(s, shape, (indices) => {
    generator.require(1);
    result(generator.uniform(), indices);
  });
}

/** Tries are made in this many rounds of as many: all of them fail in one of 10^43 cases. */
const ROUNDS = 8;

/**
 * Numbers of the normal distribution with mean 0 and deviation 1, by Marsaglia's polar method: of points drawn until one
 * lies in the unit circle, both coordinates give a number.
 */
export function normalNumbers(
  s: KernelScope,
  shape: readonly Dim[],
  generator: MersenneTwister,
  result: (value: Expr, indices: readonly Expr[]) => void,
): void {
  const value = s.variable("value", constant(f64, 0));
  const kept = s.variable("kept", constant(f64, 0));
  const hasKept = s.variable("hasKept", i32Constant(0));
  const isDone = (): Expr => op("ne", read(hasKept), 0);
  inOrder(s, shape, (indices) => {
    s.if(
      isDone(),
      () => {
        s.assign(value, read(kept));
        s.assign(hasKept, i32Constant(0));
      },
      () => {
        const unlessDone = (body: () => void): void => s.if(op("eq", read(hasKept), 0), body);
        const round = (body: () => void): void => s.for("try", 0, ROUNDS, () => unlessDone(body));
        round(() => round(() => drawPair(s, generator, { value, kept, hasKept })));
      },
    );
    result(read(value), indices);
  });
}

interface Pair {
  readonly value: Variable;
  readonly kept: Variable;
  readonly hasKept: Variable;
}

/** One try: sets both numbers where the point lies in the circle. */
function drawPair(s: KernelScope, generator: MersenneTwister, { value, kept, hasKept }: Pair): void {
  generator.require(2);
  const coordinate = (): Expr => op("sub", op("mul", generator.uniform(), 2), 1);
  const [x, y] = [coordinate(), coordinate()];
  const square = s.let("square", op("add", op("mul", x, x), op("mul", y, y)));
  s.if(op("and", op("lt", square, 1), op("gt", square, 0)), () => {
    const factor = s.let("factor", op("sqrt", op("div", op("mul", math.log(square), -2), square)));
    s.assign(value, op("mul", factor, y));
    s.assign(kept, op("mul", factor, x));
    s.assign(hasKept, i32Constant(1));
  });
}
