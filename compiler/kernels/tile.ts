/**
 * The register tile that matrix products and convolutions share: `rows` x `vectors * 4` accumulators that stay in
 * registers while the reduction runs.
 *
 * V8 has 15 vector registers on x86-64 (it keeps one for itself). 6 x 8 takes 12 for accumulators, two for weights and
 * one for the broadcast element, and so needs fused multiply-add. Where the product takes a register of its own, and
 * Node 20 moves all loads of a step to its start, a tile is safe when rows * vectors + rows + vectors + 1 <= 15: four
 * rows run at 33 GFLOP/s on Node 20 and 38 on Node 24, five at 20 to 31 and 40, six at 24 (one core that does 47 fused).
 * Fewer than eight accumulators cannot hide the latency of the multiply-add, so rows are shared out evenly instead of
 * leaving a thin last tile.
 *
 * Without SIMD a vector is four scalars, and there are no more registers for them: a tile takes two rows of four
 * columns, or one of eight, out of panels that stay as they are. Eight sums, the weights, the element and a product.
 */

import { invariant } from "../diagnostics.js";
import { type Dim, DimExpression } from "../ir/dim.js";
import {
  add,
  constant,
  div,
  extract,
  i32Constant,
  mul,
  type Operand,
  op,
  read,
  replace,
  shuffle,
  splat,
  sub,
} from "../loop/builder.js";
import { type Expr, f32x4, type Variable } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { KernelScope, Target, TensorView } from "../lowering/scope.js";

export const lanes = 4;

/** Vector registers that V8 has for values on x86-64. */
export const registers = 15;

/**
 * Operations of an epilogue that are written out for every accumulator: a SiLU's, not those of an erf. By way of memory
 * the 1x1 convolutions of MobileViT took 5% longer, on Node 20 17%.
 */
export const inlineOperations = 20;

export interface Tile {
  readonly rows: number;
  /** Columns of the result in this tile; the last vector may be partly used. */
  readonly columns: number;
}

export const vectorsOf = (tile: Tile): number => Math.ceil(tile.columns / lanes);

/**
 * Runs of equal tiles that cover an extent: at most `largest` rows each and at most two sizes, differing by one.
 */
export function splitEvenly(
  extent: number,
  largest: number,
): { start: number; count: number; rows: number }[] {
  const tiles = Math.ceil(extent / largest);
  const rows = Math.ceil(extent / tiles);
  const short = rows * tiles - extent;
  const runs = [
    { start: 0, count: tiles - short, rows },
    { start: (tiles - short) * rows, count: short, rows: rows - 1 },
  ];
  return runs.filter(({ count }) => count > 0);
}

/** Neighbouring tiles of the same number of rows. */
export interface TileRun {
  readonly start: Operand;
  readonly count: Operand;
  readonly rows: number;
}

/** An extent that the kernel computes is an expression, others are dims. */
export type Extent = Dim | Expr;

export const extentOf = (scope: KernelScope, extent: Extent): Expr =>
  typeof extent === "number" || extent instanceof DimExpression ? scope.dim(extent) : extent;

/**
 * Tiles that cover an extent. One that is known only at run time cannot be shared out evenly: as many of the largest as
 * fit are followed by ever smaller ones, each there at most once.
 */
export function tileRuns(scope: KernelScope, extent: Extent, largest: number): TileRun[] {
  if (typeof extent === "number") return splitEvenly(extent, largest);
  const runs: TileRun[] = [];
  let start: Expr = i32Constant(0);
  let rest = scope.let("rest", extentOf(scope, extent));
  for (const rows of smallerTiles(largest)) {
    const count = scope.let("count", div(rest, rows));
    runs.push({ start, count, rows });
    start = scope.let("start", add(start, mul(count, rows)));
    rest = scope.let("rest", sub(rest, mul(count, rows)));
  }
  return runs;
}

/** About half as many rows each time, down to one. */
function smallerTiles(largest: number): number[] {
  return largest === 1 ? [1] : [largest, ...smallerTiles(Math.floor(largest / 2))];
}

/** What the shape of tiles depends on. */
type TileTarget = Pick<Target, "simd" | "fusedMultiplyAdd">;

/** Steps of the reduction up to which a tile begins and ends so often that registers left for that pay. */
const shortDepth = 40;

/**
 * How many rows a tile takes where it has this many columns, so that accumulators fill the registers. A short sum leaves
 * some for what comes before and after it: by `kiln profile` GhostNet's 1x1 convolution of 16 channels to 8 at 112x112
 * runs at 50 GFLOP/s with five rows, with six at 46.
 */
export function rowsFor(columns: number, { simd, fusedMultiplyAdd }: TileTarget, depth?: number): number {
  if (!simd) return 2;
  if (columns <= 4) return fusedMultiplyAdd ? 8 : 6;
  if (columns > 8) return columns <= 12 ? 3 : 2;
  if (!fusedMultiplyAdd) return 4;
  return depth !== undefined && depth <= shortDepth ? 5 : 6;
}

/** Columns that a tile of so many rows takes at most out of a panel. */
export function columnsFor(rows: number, { simd }: TileTarget): number {
  if (simd) return Number.POSITIVE_INFINITY;
  return rows === 1 ? 2 * lanes : lanes;
}

/**
 * True where tiles of the usual eight columns lose little by ending with each row of so many places. Of 14 they are of
 * five rows in place of six: by `kiln profile` one of GhostNet's 1x1 convolutions took 0.29 ms then, 0.26 before.
 */
export function fillsTiles(places: number, target: TileTarget): boolean {
  const rows = rowsFor(2 * lanes, target);
  return places >= 0.9 * rows * Math.ceil(places / rows);
}

/**
 * Two for a tile of three rows beside those of four, which has fewer sums than a multiply-add takes time for: every other
 * step of the reduction has its own. Where the largest is smaller, tiles have several panels, but what is left of these
 * has one: columns would not all be summed in the same order. By `kiln profile` ResNet-50's 3x3 convolutions of 512
 * channels at 7x7 take 10.4% of a run, 11.1% without.
 */
export const accumulatorSets = (
  tile: Tile,
  largestRows: number,
  { simd, fusedMultiplyAdd }: TileTarget,
): 1 | 2 =>
  simd && fusedMultiplyAdd && tile.rows === 3 && largestRows === 4 && vectorsOf(tile) <= 2 ? 2 : 1;

export class Accumulators {
  /** By row and vector, of each set. */
  private readonly sets: readonly Variable[][][];

  constructor(
    private readonly scope: NodeScope,
    private readonly tile: Tile,
    sets = 1,
  ) {
    this.sets = Array.from({ length: sets }, () =>
      Array.from({ length: tile.rows }, () =>
        Array.from({ length: vectorsOf(tile) }, () => scope.variable("acc", constant(f32x4, 0))),
      ),
    );
  }

  /**
   * One step of the reduction: acc[row][j] += left(row) * right(j), in one of the sets. `right` gives vectors, `left`
   * scalars or splats.
   */
  multiplyAdd(left: (row: number) => Expr, right: (vector: number) => Expr, set = 0): void {
    const { scope } = this;
    const b = Array.from({ length: vectorsOf(this.tile) }, (_, j) => scope.let("b", right(j)));
    this.sets[set]!.forEach((row, r) => {
      const a = scope.let("a", left(r));
      row.forEach((acc, j) => {
        scope.assign(acc, op("fma", a, b[j]!, read(acc)));
      });
    });
  }

  /** Adds a product of vectors to one of the sums. */
  multiplyAddOne(row: number, vector: number, a: Expr, b: Expr): void {
    const sum = this.sets[0]![row]![vector]!;
    this.scope.assign(sum, op("fma", a, b, read(sum)));
  }

  /** The sums by row and vector, those of all sets added. */
  private sums(): Expr[][] {
    const [first, second] = this.sets;
    return first!.map((row, r) =>
      row.map((sum, j) => (second === undefined ? read(sum) : add(read(sum), read(second[r]![j]!)))),
    );
  }

  /**
   * Hands out vectors of the sums of neighbouring rows, each with all of its columns, of which there are one, two or
   * four; and the sums of rows that fill none.
   */
  finishAcross(across: (value: Expr, row: number) => void, result: TileResult): void {
    const { rows, columns } = this.tile;
    invariant(lanes % columns === 0, `${columns} columns do not fill vectors`);
    const sums = this.sums().map(([sum]) => sum!);
    const rowsEach = lanes / columns;
    const whole = rows - (rows % rowsEach);
    for (let row = 0; row < whole; row += rowsEach) {
      across(this.scope.let("joined", joinLanes(sums.slice(row, row + rowsEach), columns)), row);
    }
    for (let row = whole; row < rows; row++) {
      for (let column = 0; column < columns; column++) result(extract(sums[row]!, column), row, column);
    }
  }

  /** Hands out the finished vectors, as `finishTile` does. */
  finish(result: TileResult, isPlain = false): void {
    finishTile(this.scope, this.tile, this.sums(), result, isPlain);
  }
}

/** One vector of the first lanes of as many vectors as fill it. */
function joinLanes(vectors: readonly Expr[], used: number): Expr {
  if (vectors.length === 1) return vectors[0]!;
  const half = vectors.length / 2;
  const [a, b] = [vectors.slice(0, half), vectors.slice(half)].map((part) => joinLanes(part, used));
  const bytes = half * used * 4;
  const from = (start: number) => Array.from({ length: bytes }, (_, i) => start + i);
  const unused = new Array<number>(16 - 2 * bytes).fill(0);
  return shuffle(a!, b!, [...from(0), ...from(16), ...unused]);
}

/**
 * Hands out the finished vectors of a tile's rows, and the used lanes of a partly used one. Where much is done with each
 * of them the tile goes through memory, so that the code for it is there once for a row and not for every vector;
 * `isPlain` says that they are stored as they are, whatever is fused with the node.
 */
export function finishTile(
  scope: NodeScope,
  tile: Tile,
  sums: readonly (readonly Expr[])[],
  result: TileResult,
  isPlain = false,
): void {
  if (!isPlain && scope.epilogueOperations() > inlineOperations) {
    finishByRows(scope, tile, sums, result);
    return;
  }
  sums.forEach((row, r) => {
    row.forEach((sum, j) => {
      const used = Math.min(lanes, tile.columns - j * lanes);
      if (used === lanes) result(sum, r, j * lanes);
      else for (let lane = 0; lane < used; lane++) result(extract(sum, lane), r, j * lanes + lane);
    });
  });
}

function finishByRows(
  scope: NodeScope,
  tile: Tile,
  sums: readonly (readonly Expr[])[],
  result: TileResult,
): void {
  const width = vectorsOf(tile) * lanes;
  const memory = scope.tileMemory();
  const isInteger = sums[0]![0]!.type.scalar === "i32";
  // The memory is of float32; bits stay what they are.
  const load = (at: Expr, count: 1 | typeof lanes = 1): Expr => {
    const loaded = scope.load(memory, at, count);
    return isInteger ? op("f32_bits", loaded) : loaded;
  };
  sums.forEach((row, r) => {
    row.forEach((sum, j) => {
      scope.store(memory, i32Constant(r * width + j * lanes), isInteger ? op("bits_f32", sum) : sum);
    });
  });
  scope.for("row", 0, tile.rows, (row) => {
    const first = scope.let("first", mul(row, width));
    for (let column = 0; column < tile.columns; column += lanes) {
      const used = Math.min(lanes, tile.columns - column);
      if (used === lanes) result(load(add(first, column), lanes), row, column);
      else {
        scope.for("lane", column, column + used, (lane) => result(load(add(first, lane)), row, lane));
      }
    }
  });
}

/** Takes a finished element, or a vector of them along the columns. */
export type TileResult = (value: Expr, row: Operand, column: Operand) => void;

/** Up to four elements along an axis; the lanes beyond those that are used repeat the first. */
export function loadColumns(view: TensorView, at: readonly Operand[], axis: number, used: number): Expr {
  if (used >= lanes) return view.load(at, { axis, count: lanes });
  const along = (lane: number) => at.map((index, i) => (i === axis ? add(index, lane) : index));
  let vector = splat(view.load(at), lanes);
  for (let lane = 1; lane < used; lane++) vector = replace(vector, lane, view.load(along(lane)));
  return vector;
}
