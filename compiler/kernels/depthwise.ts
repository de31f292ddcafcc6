/**
 * Depthwise convolution: every channel has a filter of its own, so the work is memory traffic. Channels lie side by
 * side; a tile of neighbouring output places times four channels stays in registers, and neighbouring places share
 * the input vectors they have in common. The input has its border of zeros in memory already, or its rows are so short
 * (`hasShortRows`) that each tile of them is written out with the taps that lie inside: of 7x7 places a 5x5 kernel has a
 * third of its taps outside, and no border has to be made.
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
import { add, constant, constantIndex, mul, type Operand, op, read, sub } from "../loop/builder.js";
import type { Expr, ExprType } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { Target, TensorView } from "../lowering/scope.js";
import { lanes, registers, splitEvenly, tileRuns } from "./tile.js";
import { type Taps, tapPlaces, tapsOf, type WindowShape } from "./window.js";

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

/** True where a row of the result is a tile or two, so that each may have code of its own. */
export function hasShortRows(p: DepthwiseParameters, target: Target): boolean {
  const columns = p.out.at(-1)!;
  return target.simd && typeof columns === "number" && columns > 0 && columns <= 2 * largestTile(p, target);
}

/** @param window as the input has it in memory; where taps may lie outside of it, rows have to be short */
export function depthwise(
  s: NodeScope,
  p: DepthwiseParameters,
  window: WindowShape,
  operands: DepthwiseOperands,
): void {
  const outer = p.out.slice(0, -1);
  const whole = p.channels - (p.channels % lanes);
  const row = (n: Expr, places: readonly Expr[]): void => {
    const taps = places.map((place, i) => tapsOf(s, window, i, place));
    const channels = (first: number, end: number, lanes: 1 | 4): void =>
      forRow(s, p, window, (rows, x) => {
        const tile = { n, places, taps, x, rows, lanes };
        s.for("c", first, end, (c) => multiplyTile(s, p, window, operands, { ...tile, c }), { step: lanes });
      });
    channels(0, whole, lanes);
    if (whole < p.channels) channels(whole, p.channels, 1);
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

/** Calls the body for tiles that cover a row of places: for each at a known place where taps may lie outside. */
function forRow(
  s: NodeScope,
  p: DepthwiseParameters,
  { inside }: WindowShape,
  body: (rows: number, x: Operand) => void,
): void {
  const [columns, largest] = [p.out.at(-1)!, largestTile(p, s.target)];
  if (!inside) {
    for (const { start, count, rows } of splitEvenly(columns as number, largest)) {
      for (let tile = 0; tile < count; tile++) body(rows, start + tile * rows);
    }
    return;
  }
  for (const run of tileRuns(s, columns, largest)) {
    s.for("tile", 0, run.count, (tile) => body(run.rows, s.let("x", add(run.start, mul(tile, run.rows)))));
  }
}

interface DepthwiseTile {
  readonly n: Expr;
  /** First channel. */
  readonly c: Expr;
  /** On the outer dims, with the taps that lie inside there. */
  readonly places: readonly Expr[];
  readonly taps: readonly Taps[];
  /** The first on the innermost. */
  readonly x: Operand;
  readonly rows: number;
  readonly lanes: 1 | 4;
}

function multiplyTile(
  s: NodeScope,
  p: DepthwiseParameters,
  window: WindowShape,
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
      const { start, end } = tile.taps[chosen.length]!;
      if (extent === 1 && start === 0) outerTaps([...chosen, 0]);
      else s.for("tap", start, end, (tap) => outerTaps([...chosen, tap]));
      return;
    }
    const row = chosen.reduce<Operand>((index, tap, i) => add(mul(index, p.kernel[i]!), tap), 0);
    const first = add(channelBlockIndex, mul(row, width * lanes));
    const weights = Array.from({ length: width }, (_, tap) =>
      s.let("w", s.load(operands.weights.buffer, add(first, tap * lanes), tile.lanes)),
    );
    multiplyRow(s, p, window, operands.input, tile, chosen, weights, accumulators);
  };
  outerTaps([]);
  accumulators.forEach((acc, r) => {
    operands.result(read(acc), tile.n, tile.c, [...tile.places, add(tile.x, r)]);
  });
}

/** One kernel row: each input vector is loaded once and used by every place that it meets. */
function multiplyRow(
  s: NodeScope,
  p: DepthwiseParameters,
  window: WindowShape,
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
  const rows = tapPlaces(s, window, tile.places, outerTaps);
  const [before, columns] = [s.dim(window.before.at(-1)!), window.shape.at(-1)!];
  for (const [column, meets] of [...uses].sort(([a], [b]) => a - b)) {
    const at = add(mul(tile.x, stride), sub(column, before));
    const known = window.inside ? undefined : constantIndex(at);
    if (known !== undefined && (known < 0 || known >= (columns as number))) continue;
    const x = s.let("x", s.load(input.buffer, input.index([tile.n, tile.c, ...rows, at]), tile.lanes));
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
