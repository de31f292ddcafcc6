/**
 * The tiles of Winograd's filtering in blocks: what is made of a block's tiles stays in the second-level cache, and
 * weights are read once for all of them. Blocks of chunks that threads may share out work in memory of their own.
 */

import { ceilDivDims, type Dim, isStatic, multiplyDims } from "../ir/dim.js";
import { add, div, i32Constant, minIndex, mul, type Operand, rem, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { Target } from "../lowering/scope.js";
import { rowsFor, splitEvenly } from "./tile.js";

/** Tiles of a block at most. */
export const blockTiles = 28;

/** Chunks of blocks that threads may share out. */
const usualChunks = 4;

/** So many blocks are a chunk each: shared out evenly, they cannot be fewer chunks. */
const singleBlocks = 6;

/** What the blocks are made of: tiles along both dims of the result. */
export interface TileGrid {
  readonly size: number;
  readonly out: readonly [Dim, Dim];
}

/** Some tiles of one image. */
export interface TileBlock {
  /** How many tiles there are: a number, or known only at run time. */
  readonly count: Operand;
  /** Which part of the scratch memory is the block's. */
  readonly chunk: Operand;
  /** Calls the body with the number of each tile in the block and its row and column among all tiles. */
  forTiles(body: TileBody): void;
  /** The same, with the last tile of each row on its own; null where the block does not take in whole rows. */
  readonly forTilesLastApart: ((body: TileBody, last: TileBody) => void) | null;
}

type TileBody = (tile: Expr, row: Expr, column: Expr) => void;

export interface TileBlocks {
  /** Tiles of the largest block. */
  readonly tiles: number;
  /** Parts of the scratch memory. */
  readonly chunks: number;
  forEach(s: NodeScope, body: (block: TileBlock) => void): void;
}

/** Tiles along rows and columns of the result. */
export const tilesAlong = ({ out, size }: TileGrid): [Dim, Dim] => [
  ceilDivDims(out[0], size),
  ceilDivDims(out[1], size),
];

export function blocksOf(grid: TileGrid, target: Target): TileBlocks {
  const [rows, columns] = tilesAlong(grid);
  return isStatic(rows) && isStatic(columns)
    ? new FixedBlocks(grid, rows, columns, target)
    : new OpenBlocks(rows, columns, target);
}

/** All tiles of an image of known extents. */
export function wholeBlock(s: NodeScope, grid: TileGrid): TileBlock {
  const [rows, columns] = tilesAlong(grid) as [number, number];
  return rectangle(s, { rows, columns, spansRows: true, chunk: 0, first: [i32Constant(0), 0] });
}

interface Rectangle {
  readonly rows: number;
  readonly columns: number;
  /** True where its columns are all that there are. */
  readonly spansRows: boolean;
  readonly chunk: Operand;
  /** Row and column of its first tile. */
  readonly first: readonly [Expr, Operand];
}

function rectangle(s: NodeScope, { rows, columns, spansRows, chunk, first }: Rectangle): TileBlock {
  const at = (row: Expr, column: Operand, body: TileBody): void => {
    const tile = s.let("t", add(mul(row, columns), column));
    body(tile, add(first[0], row), add(first[1], column));
  };
  const forColumns = (row: Expr, count: number, body: TileBody): void =>
    s.for("column", 0, count, (column) => at(row, column, body));
  return {
    count: rows * columns,
    chunk,
    forTiles: (body) => s.for("row", 0, rows, (row) => forColumns(row, columns, body)),
    forTilesLastApart: spansRows
      ? (body, last) =>
          s.for("row", 0, rows, (row) => {
            forColumns(row, columns - 1, body);
            at(row, columns - 1, last);
          })
      : null,
  };
}

/** Blocks of as many rows, shared out over `chunks` that can be made at the same time. */
interface BlockRun {
  readonly start: number;
  readonly count: number;
  readonly rows: number;
  readonly chunks: number;
  /** Chunks of the runs before. */
  readonly firstChunk: number;
}

/** Of a grid of known extents: blocks are rectangles, whole rows of tiles or a part of one that is longer. */
class FixedBlocks implements TileBlocks {
  readonly tiles: number;
  readonly chunks: number;
  private readonly across: number;
  private readonly runs: readonly BlockRun[];

  constructor(
    grid: TileGrid,
    rows: number,
    private readonly columns: number,
    target: Target,
  ) {
    // Of a part of a row it is not known whether the last columns exist, nor that it stays apart from the next row.
    const isUneven = !isStatic(grid.out[1]) || grid.out[1] % grid.size > 0;
    const most = target.threads && isUneven ? 2 * blockTiles : blockTiles;
    this.across = Math.ceil(columns / Math.ceil(columns / most));
    const down = this.across < columns ? 1 : Math.max(1, Math.floor(blockTiles / columns));
    let firstChunk = 0;
    this.runs = splitEvenly(rows, down).map((run) => {
      const chunks = target.threads ? (run.count <= singleBlocks ? run.count : usualChunks) : 1;
      firstChunk += chunks;
      return { ...run, chunks, firstChunk: firstChunk - chunks };
    });
    this.chunks = firstChunk;
    this.tiles = this.runs[0]!.rows * this.across;
  }

  forEach(s: NodeScope, body: (block: TileBlock) => void): void {
    for (const run of this.runs) {
      this.forChunks(s, run, (chunk, firstRow) => {
        this.forColumnBlocks(s, (firstColumn) =>
          body(
            rectangle(s, {
              rows: run.rows,
              columns: this.across,
              spansRows: this.across === this.columns,
              chunk,
              first: [firstRow, firstColumn],
            }),
          ),
        );
      });
    }
  }

  /** Calls the body for the first rows of blocks, and the chunk that they are in. */
  private forChunks(s: NodeScope, run: BlockRun, body: (chunk: Operand, firstRow: Expr) => void): void {
    const rowOf = (block: Operand): Expr => s.let("first_row", add(run.start, mul(block, run.rows)));
    if (run.chunks === 1) {
      s.for("block", 0, run.count, (block) => body(run.firstChunk, rowOf(block)));
      return;
    }
    forShares(s, run.count, run.chunks, (chunk, block) => body(add(chunk, run.firstChunk), rowOf(block)));
  }

  /** The last block along a row starts early enough to be whole: a few of its tiles are made twice. */
  private forColumnBlocks(s: NodeScope, body: (firstColumn: Operand) => void): void {
    const { columns, across } = this;
    if (across === columns) {
      body(0);
      return;
    }
    const blockAt = (start: Expr): void => body(s.let("first_column", minIndex(start, columns - across)));
    s.for("start", 0, columns, blockAt, { step: across });
  }
}

/**
 * Of a grid whose extents only the run knows: tiles in a row, however many rows of the grid they come from, so that all
 * blocks but the last are full.
 */
class OpenBlocks implements TileBlocks {
  readonly tiles: number;
  readonly chunks: number;

  constructor(
    private readonly rows: Dim,
    private readonly columns: Dim,
    target: Target,
  ) {
    const multiple = rowsFor(8, target);
    this.tiles = Math.floor(blockTiles / multiple) * multiple;
    this.chunks = target.threads ? usualChunks : 1;
  }

  forEach(s: NodeScope, body: (block: TileBlock) => void): void {
    const total = s.let("tiles", s.dim(multiplyDims(this.rows, this.columns)));
    const columns = s.let("columns", s.dim(this.columns));
    const blocks = s.let("blocks", div(add(total, this.tiles - 1), this.tiles));
    forShares(s, blocks, this.chunks, (chunk, block) => {
      const first = s.let("first_tile", mul(block, this.tiles));
      const count = s.let("count", minIndex(sub(total, first), this.tiles));
      body({
        count,
        chunk,
        forTiles(forTile) {
          s.for("t", 0, count, (tile) => {
            const place = s.let("place", add(first, tile));
            const row = s.let("row", div(place, columns));
            forTile(tile, row, s.let("column", rem(place, columns)));
          });
        },
        forTilesLastApart: null,
      });
    });
  }
}

/** Calls the body for all blocks, in shares of neighbours. */
function forShares(
  s: NodeScope,
  blocks: Operand,
  shares: number,
  body: (share: Expr, block: Expr) => void,
): void {
  const largest = s.let("largest", div(add(blocks, shares - 1), shares));
  s.for("chunk", 0, shares, (share) => {
    const first = s.let("first", mul(share, largest));
    const count = s.let("count", minIndex(sub(blocks, first), largest));
    s.for("block", 0, count, (block) => body(share, add(first, block)));
  });
}
