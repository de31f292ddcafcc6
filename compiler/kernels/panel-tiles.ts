/** The tiles of products with packed weights that are not float32: the loops over panels, and where a tile's part lies. */

import { type Dim, isStatic } from "../ir/dim.js";
import { add, mul } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import { loopsInOrder } from "../lowering/loops.js";
import { type PackedPanels, packedOffset, panelRuns, panelsAtOnce, type TileColumns } from "./panels.js";
import { lanes, type Tile, tileRuns } from "./tile.js";

export interface PanelTiling {
  readonly panels: readonly PackedPanels[];
  /** Rows of the largest tile. */
  readonly largest: number;
  /** Of each packed constant, how many elements a column has. */
  readonly depths: readonly number[];
  /** Loops between those over panels and over tiles. */
  readonly within?: readonly Dim[];
}

/** What a tile's panels have of a constant: where it begins, and how far behind is the next one's. */
export interface PanelPart {
  readonly first: Expr;
  readonly size: number;
}

/** A few rows of the result and the columns of one panel or of several. */
export interface PanelTile extends TileColumns {
  readonly tile: Tile;
  readonly row: Expr;
  /** Columns that a panel is packed to. */
  readonly packed: number;
  /** Of each constant. */
  readonly parts: readonly PanelPart[];
  /** Of the loops within. */
  readonly indices: readonly Expr[];
}

/** Visits tiles of all rows and panels. A single row or two take several panels at once (`panelsAtOnce`). */
export function forPanelTiles(
  s: NodeScope,
  rows: Dim,
  { panels, largest, depths, within = [] }: PanelTiling,
  visit: (place: PanelTile) => void,
): void {
  if (rows === 0) return;
  const most = s.target.simd ? largest : 1;
  for (const run of tileRuns(s, rows, isStatic(rows) ? Math.min(most, rows) : most)) {
    panels.forEach((stretch, index) => {
      const { packed } = stretch;
      const wanted = s.target.simd ? panelsAtOnce(run.rows) : 1;
      for (const { start, end, step, atOnce, apart } of panelRuns(
        stretch,
        wanted,
        Number.POSITIVE_INFINITY,
      )) {
        const tile = { rows: run.rows, columns: stretch.columns * atOnce };
        const [columnsEach, columnsApart] = [stretch.columns, stretch.columns * apart];
        const ofPanel = (panel: Expr): void => {
          const parts = depths.map((depth) => ({
            first: s.let("w", add(packedOffset(panels, index, depth), mul(panel, depth * packed))),
            size: depth * packed * apart,
          }));
          const column = s.let("column", add(stretch.start, mul(panel, stretch.columns)));
          loopsInOrder(s, within, (indices) => {
            s.for("tile", 0, run.count, (i) => {
              const row = s.let("row", add(run.start, mul(i, run.rows)));
              visit({ tile, row, column, columnsEach, columnsApart, packed, parts, indices });
            });
          });
        };
        s.for("panel", start, end, ofPanel, { step });
      }
    });
  }
}

/** Place of a vector's part of what lies so far behind the beginning of each panel's. */
export function vectorAt({ first, size }: PanelPart, packed: number, offset: Expr, vector: number): Expr {
  const column = vector * lanes;
  return add(add(first, offset), Math.floor(column / packed) * size + (column % packed));
}
