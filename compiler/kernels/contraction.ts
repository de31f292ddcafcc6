/**
 * The loops around the register tile: matrix products and convolutions are both sums over a reduction (`channels`
 * under `taps`) for each output place and each column.
 *
 * Columns are taken in panels. A block of panels whose weights fit in the second-level cache stays there while all
 * places go by; within it the tile's own rows stay in the first-level cache while the block's panels go by.
 */

import { add, minIndex, mul, type Operand } from "../loop/builder.js";
import type { Buffer, Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import { Accumulators, type Panels, rowsFor, splitEvenly } from "./tile.js";

export interface Contraction {
  /** Extents of the output places; tiles lie along the last. */
  readonly out: readonly number[];
  /** Extents of the kernel taps; a matrix product has a single one. */
  readonly taps: readonly number[];
  readonly channels: number;
  readonly columns: number;
  readonly panels: readonly Panels[];
  /** The channels of neighbouring taps of the last dim follow one another in memory. */
  readonly joinsTaps: boolean;
}

export interface TilePlace {
  /** First element of the panel in packed weights, as `panel` gives it. */
  readonly panel: Expr;
  readonly packed: number;
  /** First column of the tile. */
  readonly column: Expr;
  readonly columns: number;
}

/** A step of the reduction: its number, and what it is made of. */
export interface Step {
  readonly number: Expr;
  readonly taps: readonly Operand[];
  readonly channel: Operand;
}

export interface ContractionOperands {
  readonly buffer: Buffer;
  /** Elements between the left operands of neighbouring places. */
  readonly rowStride: Expr;
  /** Element of the left operand for the first place of a tile. */
  readonly left: (places: readonly Expr[], taps: readonly Operand[], channel: Operand) => Expr;
  readonly panel: (stretch: number, panel: Operand) => Expr;
  /** Four columns of the right operand at a step of the reduction; unused ones of the last vector may be anything. */
  readonly right: (tile: TilePlace, at: Step, vector: number) => Expr;
  readonly result: (value: Expr, places: readonly Expr[], column: Expr) => void;
}

/** Bytes of a panel block: a quarter of a common second-level cache. */
const panelBlockBytes = 128 * 1024;

/**
 * Steps of the innermost reduction that are written out instead of looped over: few, or those of a first layer, whose
 * taps lie apart in memory.
 */
const unrolledSteps = 8;
const unrolledFirstLayer = 24;
const firstLayerChannels = 4;

export function contract(s: NodeScope, shape: Contraction, operands: ContractionOperands): void {
  const depth = shape.taps.reduce((a, b) => a * b, shape.channels);
  shape.panels.forEach((stretch, index) => {
    forPanelBlocks(s, stretch, depth, (start, end) => {
      forTiles(s, shape.out, rowsFor(stretch.columns), (rows, places) => {
        s.for("panel", start, end, (panel) => {
          const tile: TilePlace = {
            panel: s.let("w", operands.panel(index, panel)),
            packed: stretch.packed,
            column: s.let("column", add(stretch.start, mul(panel, stretch.columns))),
            columns: stretch.columns,
          };
          multiplyTile(s, shape, operands, rows, places, tile);
        });
      });
    });
  });
}

function forPanelBlocks(
  s: NodeScope,
  stretch: Panels,
  depth: number,
  body: (start: Operand, end: Operand) => void,
): void {
  const block = Math.max(1, Math.floor(panelBlockBytes / (depth * stretch.packed * 4)));
  if (block >= stretch.count) {
    body(0, stretch.count);
    return;
  }
  s.for("block", 0, stretch.count, (start) => body(start, minIndex(add(start, block), stretch.count)), {
    step: block,
  });
}

/** Loops over tiles of neighbouring places along the last dim, shared out evenly. */
function forTiles(
  s: NodeScope,
  out: readonly number[],
  largest: number,
  body: (rows: number, places: readonly Expr[]) => void,
): void {
  const nest = (places: readonly Expr[]): void => {
    if (places.length < out.length - 1) {
      const mode = places.length === 0 ? "parallel" : "serial";
      s.for("o", 0, out[places.length]!, (place) => nest([...places, place]), { mode });
      return;
    }
    for (const run of splitEvenly(out.at(-1)!, largest)) {
      s.for("tile", 0, run.count, (tile) => {
        body(run.rows, [...places, s.let("place", add(run.start, mul(tile, run.rows)))]);
      });
    }
  };
  nest([]);
}

function multiplyTile(
  s: NodeScope,
  shape: Contraction,
  operands: ContractionOperands,
  rows: number,
  places: readonly Expr[],
  tile: TilePlace,
): void {
  const accumulators = new Accumulators(s, { rows, columns: tile.columns });
  forReduction(s, shape, (taps, channel, step) => {
    const from = operands.left(places, taps, channel);
    accumulators.multiplyAdd(
      (row) => s.loadSplat(operands.buffer, add(from, mul(operands.rowStride, row))),
      (vector) => operands.right(tile, { number: step, taps, channel }, vector),
    );
  });
  accumulators.finish((value, row, column) => {
    const at = places.map((place, i) => (i === places.length - 1 ? add(place, row) : place));
    operands.result(value, at, add(tile.column, column));
  });
}

/**
 * Loops over taps and channels. Where the last tap dim and the channels follow one another in memory they are one
 * loop; where both are short they are written out.
 */
function forReduction(
  s: NodeScope,
  { taps: extents, channels, joinsTaps }: Contraction,
  body: (taps: readonly Operand[], channel: Operand, step: Expr) => void,
): void {
  const last = extents.length - 1;
  const width = extents[last]!;
  const innermost = (taps: readonly Operand[], start: Expr): void => {
    const firstLayer = !joinsTaps && width > 1 && channels <= firstLayerChannels;
    if (width * channels <= (firstLayer ? unrolledFirstLayer : unrolledSteps)) {
      for (let tap = 0; tap < width; tap++) {
        for (let c = 0; c < channels; c++) body([...taps, tap], c, add(start, tap * channels + c));
      }
    } else if (joinsTaps || width === 1) {
      s.for("k", 0, width * channels, (k) => body([...taps, 0], k, add(start, k)));
    } else {
      s.for("tap", 0, width, (tap) => {
        s.for("k", 0, channels, (k) => body([...taps, tap], k, add(start, add(mul(tap, channels), k))));
      });
    }
  };
  const nest = (taps: readonly Operand[], step: Expr): void => {
    const dim = taps.length;
    if (dim === last) {
      innermost(taps, step);
      return;
    }
    const stride = extents.slice(dim + 1).reduce((a, b) => a * b, channels);
    s.for("tap", 0, extents[dim]!, (tap) => nest([...taps, tap], add(step, mul(tap, stride))));
  };
  nest([], add(0, 0));
}
