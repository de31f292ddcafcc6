/**
 * Deformable convolution: every tap is read at a place that is moved by an offset, interpolated between the elements
 * around it. For each place of the result all taps are read once, into a column; the results of its output channels
 * are products of the weights' rows with that column.
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, maxIndex, minIndex, mul, op, read, select, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { KernelScope, TensorView } from "../lowering/scope.js";
import { intToFloat, linearWeights, splitPlace, sumOfProducts } from "./interpolation.js";

export interface DeformParameters {
  /** Of the image: [batch, channels, ...spatial]. */
  readonly shape: readonly Dim[];
  readonly out: readonly Dim[];
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly groups: number;
  /** Channels of one group. */
  readonly inChannels: Dim;
  readonly outChannels: Dim;
  /** Channels that share offsets. */
  readonly offsetChannels: Dim;
  readonly scalar: "f32" | "f64";
}

export interface DeformOperands {
  readonly image: TensorView;
  /** [groups * outChannels, inChannels, ...kernel] */
  readonly weights: TensorView;
  /** [batch, offset groups * taps * dims, ...out] */
  readonly offsets: TensorView;
  /** [batch, offset groups * taps, ...out] */
  readonly mask: TensorView | null;
  /** Memory of [channels, ...kernel]. */
  readonly column: TensorView;
  readonly result: (value: Expr, indices: readonly Expr[]) => void;
}

export function deformConvolution(s: KernelScope, p: DeformParameters, operands: DeformOperands): void {
  s.for("n", 0, s.dim(p.shape[0]!), (n) => {
    forAll(s, "o", p.out, (places) => {
      fillColumn(s, p, operands, n, places);
      s.for("g", 0, p.groups, (g) => {
        s.for("m", 0, s.dim(p.outChannels), (m) => {
          const channel = s.let("channel", add(mul(g, s.dim(p.outChannels)), m));
          operands.result(multiplyColumn(s, p, operands, g, channel), [n, channel, ...places]);
        });
      });
    });
  });
}

function fillColumn(
  s: KernelScope,
  p: DeformParameters,
  { image, offsets, mask, column }: DeformOperands,
  n: Expr,
  places: readonly Expr[],
): void {
  const rank = p.kernel.length;
  s.for("c", 0, s.dim(p.shape[1]!), (c) => {
    const group = s.let("group", op("div_u", c, s.dim(p.offsetChannels)));
    forAll(s, "tap", p.kernel, (taps) => {
      const number = taps.reduce((sum, tap, i) => add(mul(sum, s.dim(p.kernel[i]!)), tap), group);
      const row = s.let("row", number);
      const moved = p.kernel.map((_, i) => {
        const first = sub(mul(places[i]!, p.strides[i]!), p.before[i]!);
        const regular = intToFloat(add(first, mul(taps[i]!, p.dilations[i]!)), p.scalar);
        return s.let("moved", op("add", regular, offsets.load([n, add(mul(row, rank), i), ...places])));
      });
      const value = interpolated(s, p, image, [n, c], moved);
      const weighted = mask === null ? value : op("mul", value, mask.load([n, row, ...places]));
      column.store([c, ...taps], weighted);
    });
  });
}

/** Linear between the elements around a place; those outside of the image are zero. */
function interpolated(
  s: KernelScope,
  p: DeformParameters,
  image: TensorView,
  at: readonly Expr[],
  places: readonly Expr[],
): Expr {
  const around = places.map((place, i) => {
    const extent = s.dim(p.shape[i + 2]!);
    const { base, fraction } = splitPlace(place);
    const first = s.let("base", base);
    const weights = linearWeights(s.let("t", fraction)).map((weight) => s.let("w", weight));
    const taps = [first, add(first, 1)].map((index) => ({
      index: s.let("index", maxIndex(minIndex(index, sub(extent, 1)), 0)),
      inside: s.let("inside", op("lt_u", index, extent)),
    }));
    return { taps, weights };
  });
  const nest = (indices: readonly Expr[]): Expr => {
    const current = around[indices.length - at.length];
    if (current === undefined) return image.load(indices);
    const values = current.taps.map(({ index, inside }) => {
      const value = nest([...indices, index]);
      return select(inside, value, constant(value.type, 0));
    });
    return sumOfProducts(values, current.weights);
  };
  return nest(at);
}

function multiplyColumn(
  s: KernelScope,
  p: DeformParameters,
  { weights, column }: DeformOperands,
  group: Expr,
  channel: Expr,
): Expr {
  const sum = s.variable("sum", constant({ scalar: p.scalar, lanes: 1 }, 0));
  s.for("k", 0, s.dim(p.inChannels), (c) => {
    const from = add(mul(group, s.dim(p.inChannels)), c);
    forAll(s, "tap", p.kernel, (taps) => {
      const product = op("mul", weights.load([channel, c, ...taps]), column.load([from, ...taps]));
      s.assign(sum, op("add", read(sum), product));
    });
  });
  return read(sum);
}

function forAll(
  s: KernelScope,
  name: string,
  extents: readonly Dim[],
  visit: (indices: readonly Expr[]) => void,
): void {
  const nest = (indices: readonly Expr[]): void => {
    const extent = extents[indices.length];
    if (extent === undefined) visit(indices);
    else {
      const mode = indices.length === extents.length - 1 ? "vectorize" : "serial";
      s.for(name, 0, s.dim(extent), (index) => nest([...indices, index]), { mode });
    }
  };
  nest([]);
}
