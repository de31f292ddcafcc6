/**
 * The weights of a convolution by Winograd's filtering: G g Gt for every frequency, as `winograd.ts` multiplies them.
 *
 * They are 16/9 or 36/9 as many as the model has, which would be most of some modules. So a module has the model's own,
 * packed alike, and its first run transforms them: squeezenet's takes 5 MB in place of 11.6.
 */

import type { TensorData } from "../ir/tensor.js";
import { add, mul } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { Derivation, DerivationScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import { type PackedPanels, packedOffset, packPanels, panelsOf } from "./panels.js";
import { lanes } from "./tile.js";
import { type WinogradSize, winogradTransforms } from "./winograd-transforms.js";

/** Rows and columns of the weights. */
const taps = 3;

interface WeightParameters {
  readonly size: WinogradSize;
  readonly inChannels: number;
  readonly outChannels: number;
}

export const winogradPanels = ({ outChannels }: Pick<WeightParameters, "outChannels">): PackedPanels[] =>
  panelsOf(outChannels, 2 * lanes);

/** How the first run makes [frequencies, packed weights] of weights [outChannels, inChannels, 3, 3]. */
export function winogradWeights(p: WeightParameters, weights: TensorData): Derivation {
  const { size, inChannels, outChannels } = p;
  const panels = winogradPanels(p);
  const data = weights.data as Float32Array;
  const from = packPanels(taps ** 2, inChannels, outChannels, panels, (tap, row, column) => {
    return data[(column * inChannels + row) * taps ** 2 + tap]!;
  });
  const packed = packedOffset(panels, panels.length, inChannels);
  const side = size + taps - 1;
  return {
    from,
    dims: [side ** 2 * packed],
    name: `winograd_${size}x${size}_weights_${inChannels}to${outChannels}`,
    build: (s, source, result) => transform(s, { size, side, packed }, source, result),
  };
}

/** Weights that are transformed together: a cache line of each frequency, so that it is written once. */
const width = 4 * lanes;

interface TransformShape {
  readonly size: WinogradSize;
  /** Frequencies of a row. */
  readonly side: number;
  /** Weights of a tap or of a frequency. */
  readonly packed: number;
}

function transform(
  s: DerivationScope,
  { size, side, packed }: TransformShape,
  source: TensorView,
  result: TensorView,
): void {
  const tile = s.tileMemory(side * taps * lanes + side ** 2 * width);
  const finished = side * taps * lanes;
  const { weights: frequencies } = winogradTransforms[size];
  const transformOne = (at: Expr, first: Expr): void => {
    s.for("j", 0, taps, (j) => {
      const column = indices(taps).map((i) =>
        s.let("g", s.load(source.buffer, add(mul(add(j, i * taps), packed), add(at, first)), lanes)),
      );
      frequencies(column).forEach((value, i) => {
        s.store(tile, mul(add(j, i * taps), lanes), value);
      });
    });
    s.for("i", 0, side, (i) => {
      const row = indices(taps).map((j) => s.let("g", s.load(tile, mul(add(mul(i, taps), j), lanes), lanes)));
      frequencies(row).forEach((value, j) => {
        s.store(tile, add(add(mul(add(mul(i, side), j), width), first), finished), value);
      });
    });
  };
  const body = (at: Expr): void => {
    s.for("first", 0, width, (first) => transformOne(at, first), { step: lanes });
    s.for("frequency", 0, side ** 2, (frequency) => {
      const [from, to] = [add(mul(frequency, width), finished), add(mul(frequency, packed), at)];
      for (let j = 0; j < width; j += lanes)
        s.store(result.buffer, add(to, j), s.load(tile, add(from, j), lanes));
    });
  };
  s.for("at", 0, packed, body, { step: width, mode: "parallel" });
}

const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
