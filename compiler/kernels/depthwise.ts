/**
 * Depthwise convolution: every channel has a filter of its own, so the work is memory traffic. Channels lie side by
 * side; a tile of neighbouring output places times four channels stays in registers, and neighbouring places share
 * the input vectors they have in common. The input has its border of zeros in memory already.
 *
 * A row of the kernel is written out and its rows are looped over: GhostNet's code was 97 kB with all taps written out,
 * 77 with the loop, and about as fast. Node 20, which moves all loads of a loop's body to its start, is a quarter faster
 * (3x3: 23 GFLOP/s to 28).
 *
 * A tile walks through all channels before the next one begins, so that memory is read in long runs. With blocks of 16
 * channels, each along a whole row of places, a 3x3 of 192 channels took twice as long at 64x64, and no size was faster.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import type { TensorData } from "../ir/tensor.js";
import { tensor } from "../ir/tensor.js";
import { add, constant, mul, type Operand, op, read } from "../loop/builder.js";
import type { Expr, ExprType } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { Target, TensorView } from "../lowering/scope.js";
import { lanes, registers, tileRuns } from "./tile.js";

export interface DepthwiseParameters {
  readonly batch: Dim;
  readonly channels: number;
  readonly out: readonly Dim[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

export interface DepthwiseOperands {
  readonly input: TensorView;
  /** As `packDepthwise` makes it. */
  readonly weights: TensorView;
  readonly result: (value: Expr, batch: Expr, channel: Expr, places: readonly Expr[]) => void;
}

const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);

/** Of fixed extents; others are not counted. */
export const depthwiseFlops = (p: DepthwiseParameters): number =>
  isStatic(p.batch) && p.out.every(isStatic)
    ? 2 * p.batch * p.channels * product(p.kernel) * product(p.out)
    : 0;

/** Packs weights [channels, 1, ...kernel] as [channels / 4][taps][4], the last channels padded with zeros. */
export function packDepthwise(p: DepthwiseParameters, weights: TensorData): TensorData {
  const taps = product(p.kernel);
  const blocks = Math.ceil(p.channels / lanes);
  const data = new Float32Array(blocks * taps * lanes);
  for (let channel = 0; channel < p.channels; channel++) {
    for (let tap = 0; tap < taps; tap++) {
      const at = (Math.floor(channel / lanes) * taps + tap) * lanes + (channel % lanes);
      data[at] = (weights.data as Float32Array)[channel * taps + tap]!;
    }
  }
  return tensor("float32", [blocks, taps, lanes], data);
}

export function depthwise(s: NodeScope, p: DepthwiseParameters, operands: DepthwiseOperands): void {
  const outer = p.out.slice(0, -1);
  const whole = p.channels - (p.channels % lanes);
  const row = (n: Expr, places: readonly Expr[]): void => {
    forRow(s, p, (rows, x) => {
      s.for(
        "c",
        0,
        whole,
        (c) => multiplyTile(s, p, operands, { n, c, places: [...places, x], rows, lanes }),
        { step: lanes },
      );
    });
    if (whole === p.channels) return;
    forRow(s, p, (rows, x) => {
      s.for("c", whole, p.channels, (c) =>
        multiplyTile(s, p, operands, { n, c, places: [...places, x], rows, lanes: 1 }),
      );
    });
  };
  const nest = (n: Expr, places: readonly Expr[]): void => {
    const extent = outer[places.length];
    if (extent === undefined) row(n, places);
    else
      s.for("o", 0, s.dim(extent), (o) => nest(n, [...places, o]), {
        mode: places.length === 0 ? "parallel" : "serial",
      });
  };
  s.for("n", 0, s.dim(p.batch), (n) => nest(n, []));
}

/**
 * Neighbouring places of a row share most of their input, and each is a chain of additions: there have to be eight of
 * them to keep two units busy that take four cycles for one. A 3x3 of 336 channels at 14x14 took 0.035 ms in tiles of
 * four, 0.028 in tiles of seven (one core of an EPYC, 34 GFLOP/s to 42). Fewer where the weights of a wide kernel's row
 * need the registers; two where each sum is four scalars.
 */
function largestTile(p: DepthwiseParameters, { simd, fusedMultiplyAdd }: Target): number {
  if (!simd) return 2;
  const free = registers - p.kernel.at(-1)! - (fusedMultiplyAdd ? 1 : 2);
  return Math.min(Math.max(free, 4), 8);
}

/** Calls the body for tiles that cover a row of places. */
function forRow(s: NodeScope, p: DepthwiseParameters, body: (rows: number, x: Expr) => void): void {
  for (const run of tileRuns(s, p.out.at(-1)!, largestTile(p, s.target))) {
    s.for("tile", 0, run.count, (tile) => body(run.rows, s.let("x", add(run.start, mul(tile, run.rows)))));
  }
}

interface DepthwiseTile {
  readonly n: Expr;
  /** First channel. */
  readonly c: Expr;
  readonly places: readonly Expr[];
  readonly rows: number;
  readonly lanes: 1 | 4;
}

function multiplyTile(
  s: NodeScope,
  p: DepthwiseParameters,
  operands: DepthwiseOperands,
  tile: DepthwiseTile,
): void {
  const type: ExprType = { scalar: "f32", lanes: tile.lanes };
  const accumulators = Array.from({ length: tile.rows }, () => s.variable("acc", constant(type, 0)));
  const width = p.kernel.at(-1)!;
  const taps = product(p.kernel);
  const channelBlockIndex = tile.lanes === 1 ? laneOf(tile.c, taps) : mul(tile.c, taps);
  const outerTaps = (chosen: readonly Operand[]): void => {
    const extent = p.kernel[chosen.length]!;
    if (chosen.length < p.kernel.length - 1) {
      if (extent === 1) outerTaps([...chosen, 0]);
      else s.for("tap", 0, extent, (tap) => outerTaps([...chosen, tap]));
      return;
    }
    const row = chosen.reduce<Operand>((index, tap, i) => add(mul(index, p.kernel[i]!), tap), 0);
    const first = add(channelBlockIndex, mul(row, width * lanes));
    const weights = Array.from({ length: width }, (_, tap) =>
      s.let("w", s.load(operands.weights.buffer, add(first, tap * lanes), tile.lanes)),
    );
    multiplyRow(s, p, operands.input, tile, chosen, weights, accumulators);
  };
  outerTaps([]);
  accumulators.forEach((acc, r) => {
    const places = tile.places.map((place, i) => (i === tile.places.length - 1 ? add(place, r) : place));
    operands.result(read(acc), tile.n, tile.c, places);
  });
}

/** One kernel row: each input vector is loaded once and used by every place that it meets. */
function multiplyRow(
  s: NodeScope,
  p: DepthwiseParameters,
  input: TensorView,
  tile: DepthwiseTile,
  outerTaps: readonly Operand[],
  weights: readonly Expr[],
  accumulators: readonly ReturnType<NodeScope["variable"]>[],
): void {
  const [stride, dilation] = [p.strides.at(-1)!, p.dilations.at(-1)!];
  const uses = new Map<number, { row: number; tap: number }[]>();
  for (let row = 0; row < tile.rows; row++) {
    weights.forEach((_, tap) => {
      const column = row * stride + tap * dilation;
      uses.set(column, [...(uses.get(column) ?? []), { row, tap }]);
    });
  }
  const last = tile.places.length - 1;
  for (const [column, meets] of [...uses].sort(([a], [b]) => a - b)) {
    const spatial = tile.places.map((place, i) =>
      add(mul(place, p.strides[i]!), i === last ? column : mul(outerTaps[i]!, p.dilations[i]!)),
    );
    const x = s.let("x", s.load(input.buffer, input.index([tile.n, tile.c, ...spatial]), tile.lanes));
    for (const { row, tap } of meets) {
      const acc = accumulators[row]!;
      s.assign(acc, op("fma", x, weights[tap]!, read(acc)));
    }
  }
}

/** Place of a single channel's first weight in the packed form: its block, then its lane. */
function laneOf(c: Expr, taps: number): Expr {
  const lane = op("and", c, lanes - 1);
  return add(mul(op("sub", c, lane), taps), lane);
}
