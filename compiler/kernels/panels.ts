/**
 * Panels: stretches of columns as wide as a tile, whose weights lie one after the other in memory, in the order in which
 * tiles read them.
 */

import { invariant } from "../diagnostics.js";
import { type Dim, isStatic } from "../ir/dim.js";
import { type TensorData, tensor } from "../ir/tensor.js";
import { add, constantIndex, div, i32Constant, mul, type Operand, sub } from "../loop/builder.js";
import type { Expr } from "../loop/ir.js";
import type { KernelScope } from "../lowering/scope.js";
import { lanes } from "./tile.js";

/** A stretch of columns that is computed with tiles of one width. */
export interface Panels {
  /** First column. */
  readonly start: Operand;
  readonly count: Operand;
  /** Columns of each panel. */
  readonly columns: number;
  /** Columns it is packed to: a multiple of four. */
  readonly packed: number;
}

/** Panels of weights that are packed at compile time. */
export interface PackedPanels extends Panels {
  readonly start: number;
  readonly count: number;
}

/** Panels of a tile of so many rows: as many as make eight sums, enough to hide how long a multiply-add takes. */
export const panelsAtOnce = (rows: number): number => (rows === 1 ? 4 : rows === 2 ? 2 : 1);

/** First panels of tiles that take so many panels at once. */
export interface PanelRun {
  readonly start: Operand;
  readonly end: Operand;
  readonly step: number;
  readonly atOnce: number;
  /** From one panel of a tile to the next. */
  readonly apart: number;
}

/** Columns of a tile: all those of a panel, then those of the next, so far behind. */
export interface TileColumns {
  readonly column: Expr;
  readonly columnsEach: number;
  readonly columnsApart: number;
}

/** A column of the result, by its number in the tile. */
export function columnOf({ column, columnsEach, columnsApart }: TileColumns, inTile: Operand): Expr {
  if (columnsEach === columnsApart) return add(column, inTile);
  invariant(typeof inTile === "number", "a column of several panels is known");
  return add(column, Math.floor(inTile / columnsEach) * columnsApart + (inTile % columnsEach));
}

/**
 * A stretch of panels as runs: of whole tiles, and of the rest in one. Where all panels make one block, those of a tile
 * lie as far apart as can be: each is followed by the next tile's, so that the processor fetches on from one to the
 * other. By `kiln profile` GhostNet's 240 x 960 weights come at 29 GB/s then, in place of 18 (an EPYC).
 */
export function panelRuns({ count }: Panels, atOnce: number, block: number): PanelRun[] {
  const known = constantIndex(count);
  if (known === undefined || atOnce === 1) return [{ start: 0, end: count, step: 1, atOnce: 1, apart: 1 }];
  const whole = known - (known % atOnce);
  const runs = [
    block >= known
      ? { start: 0, end: whole / atOnce, step: 1, atOnce, apart: whole / atOnce }
      : { start: 0, end: whole, step: atOnce, atOnce, apart: 1 },
    { start: whole, end: known, step: known - whole, atOnce: known - whole, apart: 1 },
  ];
  return runs.filter(({ start, end }) => start < end);
}

/** Panels of `wide` columns and narrower ones for as many as the run has. */
export function panelsAtRunTime(scope: KernelScope, columns: Dim, wide: number): readonly Panels[] {
  if (isStatic(columns)) return panelsOf(columns, wide);
  const widths = [wide, lanes, 1].filter((width, i) => i === 0 || width < wide);
  const panels: Panels[] = [];
  let start: Expr = i32Constant(0);
  let rest = scope.dim(columns);
  for (const width of widths) {
    const count = scope.let("count", div(rest, width));
    panels.push({ start, count, columns: width, packed: Math.ceil(width / lanes) * lanes });
    start = scope.let("start", add(start, mul(count, width)));
    rest = scope.let("rest", sub(rest, mul(count, width)));
  }
  return panels;
}

/** Panels of `wide` columns and a narrower last one for the rest. */
export function panelsOf(columns: number, wide: number): PackedPanels[] {
  const full = Math.floor(columns / wide);
  const rest = columns % wide;
  const panels: PackedPanels[] = [];
  if (full > 0) panels.push({ start: 0, count: full, columns: wide, packed: wide });
  if (rest > 0)
    panels.push({ start: full * wide, count: 1, columns: rest, packed: Math.ceil(rest / lanes) * lanes });
  return panels;
}

/**
 * The same, but where four columns or fewer would be left over the last panel has these, too. A tile of one vector loads
 * more than it multiplies, and takes code of its own: GhostNet's is 1.3 kB smaller without.
 */
export function panelsWithWideLast(columns: number, wide: number): PackedPanels[] {
  const panels = panelsOf(columns, wide);
  const [full, rest] = panels;
  if (rest === undefined || rest.columns > lanes) return panels;
  const start = rest.start - wide;
  const last = { start, count: 1, columns: wide + rest.columns, packed: wide + lanes };
  return full!.count > 1 ? [{ ...full!, count: full!.count - 1 }, last] : [last];
}

/** First element of a stretch of panels in packed weights of `depth` rows. */
export function packedOffset(panels: readonly PackedPanels[], index: number, depth: number): number {
  return panels.slice(0, index).reduce((sum, p) => sum + p.count * p.packed * depth, 0);
}

/**
 * Packs a [depth, columns] matrix panel by panel: each panel holds, for each row, its columns side by side, zeros
 * where the last panel is not full.
 */
export function packPanels(
  groups: number,
  depth: number,
  columns: number,
  panels: readonly PackedPanels[],
  element: (group: number, row: number, column: number) => number,
): TensorData {
  const groupSize = packedOffset(panels, panels.length, depth);
  const data = new Float32Array(groups * groupSize);
  let at = 0;
  for (let group = 0; group < groups; group++) {
    for (const { start, count, columns: used, packed } of panels) {
      for (let panel = 0; panel < count; panel++) {
        const first = start + panel * used;
        for (let row = 0; row < depth; row++, at += packed) {
          for (let j = 0; j < used && first + j < columns; j++) data[at + j] = element(group, row, first + j);
        }
      }
    }
  }
  return tensor("float32", [groups, groupSize], data);
}
