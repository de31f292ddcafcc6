/**
 * Winograd's minimal filtering for 3 x 3 convolutions of stride 1 (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2016): F(4 x 4, 3 x 3) makes 16 results of 36 products where the direct way takes 144, F(2 x 2,
 * 3 x 3) makes 4 of 16 instead of 36.
 *
 * Tiles of the input are transformed, multiplied with the transformed weights (one matrix product of [tiles, channels]
 * by [channels, outChannels] for each of the 36 or 16 frequencies), and the products transformed back. Tiles are taken
 * in blocks whose transforms stay in the second-level cache.
 *
 * Where threads would find too few blocks to share out, the three steps are kernels of their own over all tiles: the
 * transforms are shared out by channels, the products by frequencies, so that all threads together read the weights once.
 *
 * Channels are the innermost dim of input and result, and both numbers of channels are multiples of four. The input has
 * room for whole tiles: at least `winogradRoom` more rows and columns than the result takes, zeros behind its border.
 */

import { type Dim, isStatic } from "../ir/dim.js";
import { elementCount } from "../ir/tensor.js";
import type { Operand } from "../loop/builder.js";
import { add, i32Constant, minIndex, mul, op, sub } from "../loop/builder.js";
import type { Buffer, Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import type { Target, TensorView } from "../lowering/scope.js";
import { contract } from "./contraction.js";
import { packedOffset } from "./panels.js";
import { inlineOperations, lanes } from "./tile.js";
import {
  blocksOf,
  blockTiles,
  type TileBlock,
  type TileGrid,
  tilesAlong,
  wholeBlock,
} from "./winograd-blocks.js";
import { type WinogradSize, winogradTransforms } from "./winograd-transforms.js";
import { winogradPanels } from "./winograd-weights.js";

export interface WinogradParameters {
  readonly size: WinogradSize;
  readonly batch: Dim;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Rows and columns of the result. */
  readonly out: readonly [Dim, Dim];
}

export interface WinogradOperands {
  /** [batch, channels, rows, columns], with the border and room for whole tiles. */
  readonly input: TensorView;
  /** As `winogradWeights` makes them. */
  readonly weights: TensorView;
  /** Memory of `winogradScratch` elements for the transforms, and for a tile of vectors. */
  readonly transformed: TensorView;
  readonly products: TensorView;
  readonly tile: Buffer;
  /** Takes a vector along the output channels. */
  readonly result: (value: Expr, batch: Expr, channel: Expr, places: readonly [Expr, Expr]) => void;
}

/** Elements behind each row of transformed channels, so that rows do not all meet in one set of the first-level cache. */
const rowPadding = 4;

/**
 * Rows or columns of input behind those that make so many of the result, which whole tiles read: as many as there can be
 * where the extent is known only at run time.
 */
export const winogradRoom = (size: WinogradSize, out: Dim): number =>
  isStatic(out) ? Math.ceil(out / size) * size - out : size - 1;

const side = (p: Pick<WinogradParameters, "size">): number => p.size + 2;
const frequencies = (p: Pick<WinogradParameters, "size">): number => side(p) ** 2;
/** Where a row of results lies in the tile's memory: behind the tile. */
const rowOffset = (p: Pick<WinogradParameters, "size">): number => frequencies(p) * lanes;

/** Elements of memory that a block of so many tiles works in. */
function blockMemory(
  p: WinogradParameters,
  tiles: number,
): Record<"transformed" | "products" | "tile", number> {
  const rows = frequencies(p) * tiles;
  return {
    transformed: rows * (p.inChannels + rowPadding),
    products: rows * p.outChannels,
    tile: rowOffset(p) + p.size * lanes,
  };
}

/** Elements of memory for the transforms. */
export function winogradScratch(p: WinogradParameters, target: Target): ReturnType<typeof blockMemory> {
  const { tiles, chunks } = isStaged(p, target) ? { tiles: allTiles(p), chunks: 1 } : blocksOf(p, target);
  const sizes = blockMemory(p, tiles);
  return {
    transformed: chunks * sizes.transformed,
    products: chunks * sizes.products,
    tile: chunks * sizes.tile,
  };
}

/** Blocks that are worth sharing out; of fewer, one thread would have much more to do than another. */
const fewestBlocks = 3;

/** True where the steps are kernels of their own: with threads, where there are few blocks. */
export function isStaged(p: WinogradParameters, target: Target): boolean {
  const isOpen = ![p.batch, ...p.out].every(isStatic);
  return target.threads && !isOpen && p.batch === 1 && allTiles(p) < fewestBlocks * blockTiles;
}

/** Tiles of an image of known extents. */
const allTiles = (p: TileGrid): number => elementCount(tilesAlong(p) as number[]);

/** Multiply-adds count two; those of the transforms, and of extents that only the run knows, are left out. */
export function winogradFlops(p: WinogradParameters): number {
  const tiles = [p.batch, ...tilesAlong(p)];
  if (!tiles.every(isStatic)) return 0;
  return 2 * frequencies(p) * elementCount(tiles) * p.inChannels * p.outChannels;
}

export function winograd(s: NodeScope, p: WinogradParameters, operands: WinogradOperands): void {
  const blocks = blocksOf(p, s.target);
  s.for("n", 0, s.dim(p.batch), (n) => {
    blocks.forEach(s, (block) => new WinogradBlock(s, p, operands, block, blocks.tiles).compute(n));
  });
}

/** The steps of one image, each for a kernel of its own. */
export const winogradStages = {
  input: (s: NodeScope, p: WinogradParameters, operands: WinogradOperands): void => {
    forChannels(s, p.inChannels, (channels) =>
      whole(s, p, operands).transformInputs(i32Constant(0), channels),
    );
  },
  products: (s: NodeScope, p: WinogradParameters, operands: WinogradOperands): void => {
    whole(s, p, operands).multiply();
  },
  output: (s: NodeScope, p: WinogradParameters, operands: WinogradOperands): void => {
    forChannels(s, p.outChannels, (channels) =>
      whole(s, p, operands).transformOutputs(i32Constant(0), channels),
    );
  },
};

const whole = (s: NodeScope, p: WinogradParameters, operands: WinogradOperands): WinogradBlock =>
  new WinogradBlock(s, p, operands, wholeBlock(s, p), allTiles(p));

/** Channels from `start` on, up to `end`. */
interface Channels {
  readonly start: Operand;
  readonly end: Operand;
}

/** Calls the body for a cache line's worth of channels at a time, or for fewer where that would be few passes. */
function forChannels(s: NodeScope, channels: number, body: (channels: Channels) => void): void {
  const step = [16, 8].find((width) => channels % width === 0 && channels / width >= 8) ?? lanes;
  s.for("c_block", 0, channels, (start) => body({ start, end: add(start, step) }), { step });
}

/** The tiles of a block: their transforms, the products, and the results. */
class WinogradBlock {
  private readonly across: number;
  private readonly indices: readonly number[];
  /** Elements between the transformed channels of neighbouring tiles. */
  private readonly rowStride: number;
  /** First elements of the block's memory. */
  private readonly first: { readonly transformed: Expr; readonly products: Expr; readonly tile: Expr };

  constructor(
    private readonly s: NodeScope,
    private readonly p: WinogradParameters,
    private readonly operands: WinogradOperands,
    private readonly block: TileBlock,
    /** Rows of a frequency's matrix: tiles of the largest block. */
    private readonly tiles: number,
  ) {
    this.across = side(p);
    this.indices = Array.from({ length: this.across }, (_, i) => i);
    this.rowStride = p.inChannels + rowPadding;
    const sizes = blockMemory(p, tiles);
    this.first = {
      transformed: s.let("first_v", mul(block.chunk, sizes.transformed)),
      products: s.let("first_m", mul(block.chunk, sizes.products)),
      tile: s.let("first_t", mul(block.chunk, sizes.tile)),
    };
  }

  compute(n: Expr): void {
    this.transformInputs(n, { start: 0, end: this.p.inChannels });
    this.multiply();
    this.transformOutputs(n, { start: 0, end: this.p.outChannels });
  }

  transformInputs(n: Expr, channels: Channels): void {
    this.block.forTiles((t, row, column) => this.transformInput(n, t, this.placeOf(row, column), channels));
  }

  /** Of the last tiles along rows only some columns exist. Where it is known which these are, no run has to ask. */
  transformOutputs(n: Expr, channels: Channels): void {
    const { block, p } = this;
    const [, columns] = p.out;
    const transform =
      (width: number | null) =>
      (t: Expr, row: Expr, column: Expr): void => {
        const at = this.placeOf(row, column);
        this.transformOutput(n, t, at, width ?? this.columnsFrom(at[1]), channels);
      };
    const rest = isStatic(columns) ? columns % p.size : null;
    if (rest === 0) block.forTiles(transform(p.size));
    else if (rest !== null && block.forTilesLastApart) {
      block.forTilesLastApart(transform(p.size), transform(rest));
    } else block.forTiles(transform(null));
  }

  /** First place of a tile in the result. */
  private placeOf(row: Expr, column: Expr): readonly [Expr, Expr] {
    const { size } = this.p;
    return [mul(row, size), mul(column, size)];
  }

  /** Columns of the result that a tile at `x` has. */
  private columnsFrom(x: Expr): Expr {
    const { s, p } = this;
    return s.let("columns", minIndex(sub(s.dim(p.out[1]), x), p.size));
  }

  /** Element of the tile's memory. */
  private inTile(vector: Operand): Expr {
    return add(this.first.tile, mul(vector, lanes));
  }

  private transformInput(n: Expr, t: Expr, [y, x]: readonly [Expr, Expr], { start, end }: Channels): void {
    const { s, p, across, indices, operands, rowStride } = this;
    const { input: transform } = winogradTransforms[p.size];
    const matrix = this.tiles * rowStride;
    const channels = (c: Expr): void => {
      s.for("j", 0, across, (j) => {
        const column = indices.map((i) =>
          s.let("d", operands.input.load([n, c, add(y, i), add(x, j)], { axis: 1, count: lanes })),
        );
        transform(column).forEach((value, i) => {
          s.store(operands.tile, this.inTile(add(mul(j, across), i)), value);
        });
      });
      s.for("i", 0, across, (i) => {
        const row = indices.map((j) =>
          s.let("d", s.load(operands.tile, this.inTile(add(j * across, i)), lanes)),
        );
        const inMatrix = add(mul(t, rowStride), c);
        const at = s.let("to", add(this.first.transformed, add(mul(i, across * matrix), inMatrix)));
        transform(row).forEach((value, j) => {
          s.store(operands.transformed.buffer, add(at, j * matrix), value);
        });
      });
    };
    s.for("c", start, end, channels, { step: lanes });
  }

  /** A matrix product for each frequency. */
  multiply(): void {
    const { s, p, tiles, rowStride, first } = this;
    const { transformed, weights, products } = this.operands;
    const { inChannels: depth, outChannels } = p;
    const panels = winogradPanels(p);
    const weightsSize = packedOffset(panels, panels.length, depth);
    s.for("frequency", 0, frequencies(p), (frequency) => {
      const from = s.let("v", add(first.transformed, mul(frequency, tiles * rowStride)));
      const to = s.let("m", add(first.products, mul(frequency, tiles * outChannels)));
      const panelAt = (stretch: number, panel: Operand): Expr =>
        add(packedOffset(panels, stretch, depth), mul(panel, depth * panels[stretch]!.packed));
      contract(
        s,
        { out: [this.block.count], taps: [1], channels: depth, panels, joinsTaps: true },
        {
          buffer: transformed.buffer,
          rowStride: i32Constant(rowStride),
          left: ([place], _taps, channel) => add(from, add(mul(place!, rowStride), channel)),
          panel: (stretch, panel) => add(mul(frequency, weightsSize), panelAt(stretch, panel)),
          right: (tile, at, vector) =>
            s.load(weights.buffer, add(tile.panel, add(mul(at.number, tile.packed), vector * lanes)), lanes),
          isPlain: true,
          result: (value, [place], column) => {
            s.store(products.buffer, add(to, add(mul(place!, outChannels), column)), value);
          },
        },
      );
    });
  }

  private transformOutput(
    n: Expr,
    t: Expr,
    [y, x]: readonly [Expr, Expr],
    columns: Operand,
    { start, end }: Channels,
  ): void {
    const { s, p, across, indices, operands } = this;
    const { output: transform } = winogradTransforms[p.size];
    const matrix = this.tiles * p.outChannels;
    const rows = s.let("rows", minIndex(sub(s.dim(p.out[0]), y), p.size));
    const channels = (k: Expr): void => {
      s.for("j", 0, across, (j) => {
        const inMatrix = add(mul(t, p.outChannels), k);
        const at = s.let("from", add(this.first.products, add(mul(j, matrix), inMatrix)));
        const column = indices.map((i) =>
          s.let("m", s.load(operands.products.buffer, add(at, i * across * matrix), lanes)),
        );
        transform(column).forEach((value, i) => {
          s.store(operands.tile, this.inTile(add(i * across, j)), value);
        });
      });
      s.for("i", 0, rows, (i) => {
        const row = indices.map((j) =>
          s.let("m", s.load(operands.tile, this.inTile(add(mul(i, across), j)), lanes)),
        );
        this.storeRow(transform(row), columns, (value, j) => {
          operands.result(value, n, k, [add(y, i), add(x, j)]);
        });
      });
    };
    s.for("k", start, end, channels, { step: lanes });
  }

  /** Stores the results of a row that exist. Where much is done with each, the code for it is there once. */
  private storeRow(
    row: readonly Expr[],
    columns: Operand,
    store: (value: Expr, column: Operand) => void,
  ): void {
    const { s, p } = this;
    const buffer = this.operands.tile;
    if (s.epilogueOperations() <= inlineOperations) {
      row.forEach((value, j) => {
        if (j === 0) store(value, j);
        else if (typeof columns !== "number") s.if(op("gt_s", columns, j), () => store(value, j));
        else if (j < columns) store(value, j);
      });
      return;
    }
    const first = frequencies(p);
    row.forEach((value, j) => {
      s.store(buffer, this.inTile(i32Constant(first + j)), value);
    });
    s.for("j", 0, columns, (j) => store(s.load(buffer, this.inTile(add(j, first)), lanes), j));
  }
}
