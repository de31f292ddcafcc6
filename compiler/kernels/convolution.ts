/**
 * Convolution as a matrix product that is never written out: rows are output places, columns output channels, and
 * the reduction runs over kernel taps and input channels (implicit GEMM; no im2col buffer).
 *
 * Any number of spatial dims, strides, dilations and groups. The input has its border of zeros in memory already, so
 * every tap is a plain address, and the places of a tile differ by constants; or it is a first layer's, whose few taps
 * are written out: those outside of the input are left out then, and no image is copied to where it has room.
 *
 * Weights are packed in panels of eight output channels, the last of up to twelve, in the order in which they are read.
 */

import { type Dim, equalDims, isStatic, multiplyDims } from "../ir/dim.js";
import type { TensorData } from "../ir/tensor.js";
import { add, constantIndex, mul, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { TensorView } from "../lowering/scope.js";
import { type Contraction, contract, packedWeights } from "./contraction.js";
import { type PackedPanels, packedOffset, packPanels, panelsWithWideLast } from "./panels.js";
import { lanes, loadColumns } from "./tile.js";
import { tapsOf, type WindowShape } from "./window.js";

export interface ConvolutionParameters {
  readonly batch: Dim;
  readonly groups: number;
  /** Channels of one group. */
  readonly inChannels: number;
  readonly outChannels: number;
  /** Spatial extents of the result, outermost first. */
  readonly out: readonly Dim[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

export interface ConvolutionOperands {
  /** [batch, channels, ...spatial], border included unless there is a window. */
  readonly input: TensorView;
  /** Given where taps lie outside of the input, which is for those that are written out (`writesOutTaps`). */
  readonly window?: WindowShape;
  /** The input is a patch of a tensor: with others of other borders the kernel shares its code. */
  readonly isPatch?: boolean;
  /** As `packConvolution` makes it, or [groups * outChannels, inChannels, ...kernel] where it is computed at run time. */
  readonly weights: TensorView;
  readonly packed: boolean;
  /** Takes a finished element, or a vector of them along the output channels. */
  readonly result: (value: Expr, batch: Expr, channel: Expr, places: readonly Expr[]) => void;
  /** Of one group with one, two or four channels, takes vectors of neighbouring places with all of their channels. */
  readonly across?: (value: Expr, batch: Expr, places: readonly Expr[]) => void;
}

const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);

export const convolutionDepth = (p: ConvolutionParameters): number => p.inChannels * product(p.kernel);

/** Of fixed extents; others are not counted. */
export const convolutionFlops = (p: ConvolutionParameters): number =>
  isStatic(p.batch) && p.out.every(isStatic)
    ? 2 * p.batch * p.groups * p.outChannels * convolutionDepth(p) * product(p.out)
    : 0;

const panelsFor = (p: ConvolutionParameters): PackedPanels[] => panelsWithWideLast(p.outChannels, 8);

/** Packs weights [groups * outChannels, inChannels, ...kernel] as the kernel below reads them. */
export function packConvolution(p: ConvolutionParameters, weights: TensorData): TensorData {
  const taps = product(p.kernel);
  const data = weights.data as Float32Array;
  return packTaps(p, (out, channel, tap) => data[(out * p.inChannels + channel) * taps + tap]!);
}

/**
 * The same from any source: `element` gives the weight of an output channel (over all groups), an input channel
 * within its group, and a tap counted in row-major order of the kernel.
 */
export function packTaps(
  p: ConvolutionParameters,
  element: (out: number, channel: number, tap: number) => number,
): TensorData {
  return packPanels(p.groups, convolutionDepth(p), p.outChannels, panelsFor(p), (group, row, column) => {
    const channel = row % p.inChannels;
    return element(group * p.outChannels + column, channel, (row - channel) / p.inChannels);
  });
}

/** Elements of the border before the input, on each dim: what differs from patch to patch is given with the call. */
const beforeInput = (s: NodeScope, { before }: WindowShape, isPatch: boolean): Expr[] =>
  before.map((n, dim) => (isPatch && isStatic(n) && dim < before.length - 1 ? s.parameter(n) : s.dim(n)));

/** Places at both ends of the last dim of which taps lie outside of the input, both extents being numbers. */
function edgesOf(window: WindowShape): { before: number; after: number } {
  const places = Array.from({ length: window.out.at(-1) as number }, (_, place) => place);
  const taps = Array.from({ length: window.kernel.at(-1) as number }, (_, tap) => tap);
  const isWhole = (place: number): boolean => !taps.some((tap) => isOutside(window, place, tap));
  const [first, last] = [places.findIndex(isWhole), places.findLastIndex(isWhole)];
  if (first < 0) return { before: places.length, after: 0 };
  return { before: first, after: places.length - 1 - last };
}

/** True of a tap of the last dim that is known to lie outside of the input. */
function isOutside(window: WindowShape, place: number | undefined, tap: number | undefined): boolean {
  if (place === undefined || tap === undefined) return false;
  const [stride, dilation] = [window.strides.at(-1)!, window.dilations.at(-1)!];
  const at = place * stride + tap * dilation - (window.before.at(-1) as number);
  return at < 0 || at >= (window.shape.at(-1) as number);
}

export function convolution(s: NodeScope, p: ConvolutionParameters, operands: ConvolutionOperands): void {
  const { input, weights, window, result, across } = operands;
  const panels = panelsFor(p);
  const depth = convolutionDepth(p);
  const groupSize = packedOffset(panels, panels.length, depth);
  const lastDim = input.strided.shape.length - 1;
  const shape: Contraction = {
    out: p.out,
    taps: p.kernel,
    channels: p.inChannels,
    panels,
    joinsTaps:
      window === undefined &&
      operands.packed && // weights as they come have the taps of a channel side by side, not the channels of a tap
      input.stride(1) === 1 &&
      equalDims(multiplyDims(input.stride(lastDim), p.dilations.at(-1)!), p.inChannels),
    ...(window && { edges: edgesOf(window) }),
  };
  const before = window === undefined ? [] : beforeInput(s, window, operands.isPatch === true);
  s.for("n", 0, s.dim(p.batch), (n) => {
    s.for("g", 0, p.groups, (g) => {
      contract(s, shape, {
        buffer: input.buffer,
        rowStride: mul(s.dim(input.stride(lastDim)), p.strides.at(-1)!),
        left: (places, taps, channel) => {
          const spatial = places.map((place, i) =>
            sub(add(mul(place, p.strides[i]!), mul(taps[i]!, p.dilations[i]!)), before[i] ?? 0),
          );
          return input.index([n, add(mul(g, p.inChannels), channel), ...spatial]);
        },
        ...(window && {
          outerTaps: (places) =>
            places.slice(0, -1).map((place, i) => tapsOf(s, window, i, place, before[i]!)),
          isLeftOut: (place, tap) => isOutside(window, constantIndex(place), constantIndex(tap)),
        }),
        panel: (stretch, panel) =>
          add(
            mul(g, groupSize),
            add(packedOffset(panels, stretch, depth), mul(panel, depth * panels[stretch]!.packed)),
          ),
        isPacked: operands.packed,
        right: operands.packed
          ? (tile, at, vector) => s.load(weights.buffer, packedWeights(tile, at.number, vector), lanes)
          : (tile, at, vector) => {
              const channel = add(add(mul(g, p.outChannels), tile.column), vector * lanes);
              return loadColumns(
                weights,
                [channel, at.channel, ...at.taps],
                0,
                tile.columns - vector * lanes,
              );
            },
        result: (value, places, column) => result(value, n, add(mul(g, p.outChannels), column), places),
        ...(across && { across: (value, places) => across(value, n, places) }),
      });
    });
  });
}
