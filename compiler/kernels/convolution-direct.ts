/**
 * Convolution as plain loops over results, channels and taps: for every element type, weights that are computed at
 * run time and extents that are known only there. Neighbouring results of the last dim become vectors where the input
 * has its border in memory, so that all of them meet the same taps.
 */

import type { Dim } from "../ir/dim.js";
import { add, constant, mul, op, read } from "../loop/builder.js";
import type { Expr, ScalarType } from "../loop/ir.js";
import type { KernelScope, TensorView } from "../lowering/scope.js";
import { forTaps, type Taps, tapPlaces, tapsOf, type WindowShape } from "./window.js";

export interface DirectParameters {
  readonly scalar: ScalarType;
  readonly batch: Dim;
  readonly groups: number;
  /** Channels of one group. */
  readonly inChannels: Dim;
  readonly outChannels: Dim;
}

/** A tensor, or what its elements become when they are read. */
export type Elements = Pick<TensorView, "load">;

export interface DirectOperands {
  /** [batch, channels, ...spatial] */
  readonly input: Elements;
  /** [groups * outChannels, inChannels, ...kernel] */
  readonly weights: Elements;
  readonly result: (value: Expr, indices: readonly Expr[]) => void;
}

export function directConvolution(
  s: KernelScope,
  p: DirectParameters,
  window: WindowShape,
  { input, weights, result }: DirectOperands,
): void {
  forChannels(s, p, (n, group, channel) => {
    const taps: Taps[] = [];
    forSpace(
      s,
      window.out,
      (dim, place) => {
        taps[dim] = tapsOf(s, window, dim, place);
      },
      (places) => {
        const sum = s.variable("sum", constant({ scalar: p.scalar, lanes: 1 }, 0));
        s.for("c", 0, s.dim(p.inChannels), (c) => {
          const from = add(mul(group, s.dim(p.inChannels)), c);
          forTaps(s, window, taps, (chosen) => {
            const x = input.load([n, from, ...tapPlaces(s, window, places, chosen)]);
            s.assign(sum, op("add", read(sum), op("mul", x, weights.load([channel, c, ...chosen]))));
          });
        });
        result(read(sum), [n, channel, ...places]);
      },
    );
  });
}

/**
 * The transpose: a result meets the taps for which (place + before - tap * dilation) is a multiple of the stride that
 * lies inside of the input. Weights are [groups * inChannels, outChannels, ...kernel].
 */
export function directTranspose(
  s: KernelScope,
  p: DirectParameters,
  window: Omit<WindowShape, "after" | "inside">,
  { input, weights, result }: DirectOperands,
): void {
  forChannels(s, p, (n, group, channel, inGroup) => {
    forSpace(
      s,
      window.out,
      () => {},
      (places) => {
        const sum = s.variable("sum", constant({ scalar: p.scalar, lanes: 1 }, 0));
        forMeetings(s, window, places, (from, taps) => {
          s.for("c", 0, s.dim(p.inChannels), (c) => {
            const row = add(mul(group, s.dim(p.inChannels)), c);
            const x = input.load([n, row, ...from]);
            s.assign(sum, op("add", read(sum), op("mul", x, weights.load([row, inGroup, ...taps]))));
          });
        });
        result(read(sum), [n, channel, ...places]);
      },
    );
  });
}

/** Visits the places of the input that a result is made of, with the taps between them. */
export function forMeetings(
  s: KernelScope,
  p: Pick<WindowShape, "shape" | "kernel" | "strides" | "dilations" | "before">,
  places: readonly Expr[],
  visit: (from: readonly Expr[], taps: readonly Expr[]) => void,
): void {
  const nest = (from: readonly Expr[], taps: readonly Expr[]): void => {
    const dim = from.length;
    if (dim === places.length) {
      visit(from, taps);
      return;
    }
    const [stride, extent] = [p.strides[dim]!, s.dim(p.shape[dim + 2]!)];
    s.for("tap", 0, s.dim(p.kernel[dim]!), (tap) => {
      const back = mul(tap, -p.dilations[dim]!);
      const reached = s.let("reached", add(add(places[dim]!, s.dim(p.before[dim]!)), back));
      const place = s.let("place", stride === 1 ? reached : op("div_s", reached, stride));
      const isWhole = op("eq", mul(place, stride), reached);
      const isInside = op("and", op("ge_s", reached, 0), op("lt_s", place, extent));
      s.if(op("and", isWhole, isInside), () => nest([...from, place], [...taps, tap]));
    });
  };
  nest([], []);
}

/** Visits the batch and the channels of the result: over all groups, and within the group. */
function forChannels(
  s: KernelScope,
  p: DirectParameters,
  visit: (batch: Expr, group: Expr, channel: Expr, inGroup: Expr) => void,
): void {
  s.for("n", 0, s.dim(p.batch), (n) => {
    s.for("g", 0, p.groups, (g) => {
      s.for("m", 0, s.dim(p.outChannels), (m) => {
        visit(n, g, s.let("channel", add(mul(g, s.dim(p.outChannels)), m)), m);
      });
    });
  });
}

/** Visits the places of the result; `enter` is told of each place on a dim before those on the next are visited. */
function forSpace(
  s: KernelScope,
  out: readonly Dim[],
  enter: (dim: number, place: Expr) => void,
  visit: (places: readonly Expr[]) => void,
): void {
  const nest = (places: readonly Expr[]): void => {
    const dim = places.length;
    if (dim === out.length) {
      visit(places);
      return;
    }
    const mode = dim === out.length - 1 ? "vectorize" : "serial";
    const each = (place: Expr): void => {
      enter(dim, place);
      nest([...places, place]);
    };
    s.for("o", 0, s.dim(out[dim]!), each, { mode });
  };
  nest([]);
}
