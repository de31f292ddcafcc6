/**
 * Depthwise convolution over time in which no result sees what comes after it, with the elements before the first one
 * kept from run to run. Only the first results read those; the others are plain sums along the input.
 */

import { type Dim, isStatic, subtractDims } from "../ir/dim.js";
import { add, constant, maxIndex, minIndex, type Operand, op, read, sub } from "../loop/builder.js";
import { type Expr, registerTypes } from "../loop/ir.js";
import type { KernelScope, TensorView } from "../lowering/scope.js";

export interface CausalConvolution {
  readonly batch: Dim;
  readonly channels: Dim;
  readonly length: Dim;
  readonly taps: Dim;
  readonly activate: (sum: Expr) => Expr;
}

export interface CausalConvolutionTensors {
  /** [batch, channels, length] */
  readonly x: TensorView;
  readonly y: TensorView;
  /** [channels, 1, taps] */
  readonly weights: TensorView;
  /** [channels] */
  readonly bias: TensorView | null;
  /** [batch, channels, taps - 1]; zeros where it is absent. */
  readonly past: TensorView | null;
  /** The last elements, in the shape of the past. */
  readonly present: TensorView | null;
}

/** As many taps are written out, so that the loop around them can be one over vectors. */
const mostUnrolled = 8;

export function causalConvolution(
  s: KernelScope,
  p: CausalConvolution,
  tensors: CausalConvolutionTensors,
): void {
  s.for(
    "n",
    0,
    s.dim(p.batch),
    (n) =>
      s.for("c", 0, s.dim(p.channels), (c) => {
        convolveChannel(s, p, tensors, n, c);
        if (tensors.present !== null) keepState(s, p, tensors, tensors.present, n, c);
      }),
    { mode: "parallel" },
  );
}

function convolveChannel(
  s: KernelScope,
  p: CausalConvolution,
  { x, y, weights, bias, past }: CausalConvolutionTensors,
  n: Expr,
  c: Expr,
): void {
  const [length, taps] = [s.dim(p.length), s.dim(p.taps)];
  const before = s.dim(subtractDims(p.taps, 1));
  const zero = constant({ scalar: registerTypes[x.dtype], lanes: 1 }, 0);
  const first = bias === null ? zero : s.let("bias", bias.load([c]));
  const weight = (tap: Operand): Expr => weights.load([c, 0, tap]);
  const finish = (t: Expr, sum: Expr): void => y.store([n, c, t], p.activate(sum));
  const border = s.let("border", minIndex(before, length));
  s.for("t", 0, border, (t) => {
    const sum = s.variable("sum", first);
    const include = (tap: Expr, element: Expr): void =>
      s.assign(sum, op("fma", weight(tap), element, read(sum)));
    const own = s.let("own", sub(before, t));
    if (past !== null) s.for("tap", 0, own, (tap) => include(tap, past.load([n, c, add(t, tap)])));
    s.for("tap", own, taps, (tap) => include(tap, x.load([n, c, sub(add(t, tap), before)])));
    finish(t, read(sum));
  });
  const whole = (t: Expr): Expr => {
    if (isStatic(p.taps) && p.taps <= mostUnrolled) {
      const all = Array.from({ length: p.taps }, (_, tap) => tap);
      return all.reduce(
        (sum, tap) => op("fma", weight(tap), x.load([n, c, sub(add(t, tap), before)]), sum),
        first,
      );
    }
    const sum = s.variable("sum", first);
    s.for("tap", 0, taps, (tap) =>
      s.assign(sum, op("fma", weight(tap), x.load([n, c, sub(add(t, tap), before)]), read(sum))),
    );
    return read(sum);
  };
  s.for("t", border, length, (t) => finish(t, whole(t)), { mode: "vectorize" });
}

/** The last elements before the next one, those of the past where the input has too few. */
function keepState(
  s: KernelScope,
  p: CausalConvolution,
  { x, past }: CausalConvolutionTensors,
  present: TensorView,
  n: Expr,
  c: Expr,
): void {
  const length = s.dim(p.length);
  const count = s.dim(subtractDims(p.taps, 1));
  const kept = s.let("kept", maxIndex(sub(count, length), 0));
  const zero = constant({ scalar: registerTypes[x.dtype], lanes: 1 }, 0);
  s.for("i", 0, kept, (i) => present.store([n, c, i], past?.load([n, c, add(i, length)]) ?? zero));
  s.for("i", kept, count, (i) => present.store([n, c, i], x.load([n, c, sub(add(i, length), count)])));
}
