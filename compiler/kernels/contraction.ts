/**
 * The loops around the register tile: matrix products and convolutions are both sums over a reduction (`channels`
 * under `taps`) for each output place and each column.
 *
 * Columns are taken in panels. A block of panels whose weights fit in the second-level cache stays there while all
 * places go by; within it the tile's own rows stay in the first-level cache while the block's panels go by.
 *
 * Tiles of one or two rows read each weight once or twice, and so wait for memory. They take several panels at once,
 * which lie apart: the processor fetches ahead along each of them, and not beyond a page of 4 kB. By `kiln profile` the
 * squeeze-and-excite layers of GhostNet take 0.038 ms along four panels of eight columns, 0.054 along one.
 */

import { type Dim, DimExpression, isStatic, multiplyDims, printDim } from "../ir/dim.js";
import { add, constantIndex, i32Constant, minIndex, mul, type Operand } from "../loop/builder.js";
import type { Buffer, Expr } from "../loop/ir.js";
import type { NodeScope } from "../lowering/context.js";
import { columnOf, type PanelRun, type Panels, panelRuns, panelsAtOnce, type TileColumns } from "./panels.js";
import {
  Accumulators,
  accumulatorSets,
  columnsFor,
  type Extent,
  extentOf,
  lanes,
  rowsFor,
  splitEvenly,
  type TileResult,
  tileRuns,
} from "./tile.js";
import type { Taps } from "./window.js";

export interface Contraction {
  /** Extents of the output places; tiles lie along the last. */
  readonly out: readonly Extent[];
  /** Extents of the kernel taps; a matrix product has a single one. */
  readonly taps: readonly number[];
  readonly channels: Dim;
  readonly panels: readonly Panels[];
  /** The channels of neighbouring taps of the last dim follow one another in memory. */
  readonly joinsTaps: boolean;
  /** Places at both ends of the last dim, of fixed extent, of which not all taps count; none if absent. */
  readonly edges?: { readonly before: number; readonly after: number };
}

export interface TilePlace extends TileColumns {
  /** First element of the panel in packed weights, as `panel` gives it. */
  readonly panel: Expr;
  readonly packed: number;
  /** Elements from one of the tile's packed panels to the next, where it has several. */
  readonly panelSize: number;
  readonly columns: number;
}

/** Where four columns of a tile lie at a step of the reduction, of weights as `packPanels` makes them. */
export function packedWeights(tile: TilePlace, step: Operand, vector: number): Expr {
  const perPanel = tile.packed / lanes;
  const inPanel = (vector % perPanel) * lanes;
  const panel = Math.floor(vector / perPanel) * tile.panelSize;
  return add(tile.panel, add(mul(step, tile.packed), panel + inPanel));
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
  /** Which taps count of the dims but the last, for places with these indices; all if absent. */
  readonly outerTaps?: (places: readonly Expr[]) => readonly Taps[];
  /** Whether a tap of the last dim does not count, for one of the edges. */
  readonly isLeftOut?: (place: Expr, tap: Operand) => boolean;
  /** Element of the left operand for the first place of a tile. */
  readonly left: (places: readonly Expr[], taps: readonly Operand[], channel: Operand) => Expr;
  readonly panel: (stretch: number, panel: Operand) => Expr;
  /** The right operand is read by `packedWeights`, so that a tile may have several panels. */
  readonly isPacked?: boolean;
  /** Four columns of the right operand at a step of the reduction; unused ones of the last vector may be anything. */
  readonly right: (tile: TilePlace, at: Step, vector: number) => Expr;
  readonly result: (value: Expr, places: readonly Expr[], column: Expr) => void;
  /**
   * Where a place has one, two or four columns in all: four results of neighbouring places, all columns of one before
   * those of the next. Else what is fused with single columns is computed for one element at a time.
   */
  readonly across?: (value: Expr, places: readonly Expr[]) => void;
  /** `result` stores values as they are: nothing is fused with it. */
  readonly isPlain?: boolean;
}

/** Bytes of a panel block: a quarter of a common second-level cache. */
const panelBlockBytes = 128 * 1024;

/** What else may be tried: blocks of other sizes, and tiles of more or fewer rows. */
const otherBlockBytes: readonly number[] = [32 * 1024, 384 * 1024];
const otherRows: readonly number[] = [3, 4, 5, 6, 8];

/**
 * Steps of the innermost reduction that are written out instead of looped over: few, or those of a first layer, whose
 * taps lie apart in memory.
 */
const unrolledSteps = 8;
const unrolledFirstLayer = 24;

/** True where the taps of the last dim are written out for each channel, so that some of them may not count. */
export const writesOutTaps = (channels: number, taps: readonly number[]): boolean =>
  channels * taps.at(-1)! <= unrolledFirstLayer && taps.at(-1)! > 1;

export function contract(s: NodeScope, shape: Contraction, operands: ContractionOperands): void {
  const depth = shape.taps.reduce<Dim>(multiplyDims, shape.channels);
  shape.panels.forEach((stretch, index) => {
    const panelSize = isStatic(depth) ? depth * stretch.packed : 0;
    const severalAtOnce = operands.isPacked === true && s.target.simd && panelSize > 0;
    const placeOf = (panel: Expr, run: PanelRun): TilePlace => ({
      panel: s.let("w", operands.panel(index, panel)),
      packed: stretch.packed,
      panelSize: panelSize * run.apart,
      column: s.let("column", add(stretch.start, mul(panel, stretch.columns))),
      columns: stretch.columns * run.atOnce,
      columnsEach: stretch.columns,
      columnsApart: stretch.columns * run.apart,
    });
    for (const phase of phasesOf(s, shape, stretch, depth, severalAtOnce)) {
      const atOnce = severalAtOnce ? panelsAtOnce(phase.largest) : 1;
      for (const run of panelRuns(stretch, atOnce, phase.block)) {
        forTiles(s, shape, phase, run, (rows, places, panel) => {
          forParts(s, placeOf(panel, run), columnsFor(rows, s.target), (part) => {
            const sets = accumulatorSets({ rows, columns: part.columns }, phase.largest, s.target);
            multiplyTile(s, shape, operands, rows, sets, places, part);
          });
        });
      }
    }
  });
}

/** Rows of the largest tile, and how many panels make a block. */
interface Tiling {
  readonly largest: number;
  readonly block: number;
  /** The first place is computed before the others. */
  readonly leads: boolean;
}

/** A stretch of the places along the last dim, and how it is tiled. */
interface Phase extends Omit<Tiling, "leads"> {
  readonly along: { readonly start: number; readonly extent: Extent };
}

/**
 * The first place by itself, where it leads, and the others. A tile of one place reads weights as fast as memory gives
 * them, along several panels, and one of six more slowly where panels are long: the others then find all of them
 * in the caches. By `kiln profile` GhostNet's products of 49 places, 960 channels and 80 columns run at 53 GFLOP/s, and
 * ran at 47 without the lead.
 */
function phasesOf(s: NodeScope, shape: Contraction, stretch: Panels, depth: Dim, isPacked: boolean): Phase[] {
  const along = insideEdges(shape);
  const { leads, ...tiling } = tilingOf(
    s,
    shape,
    stretch,
    depth,
    isPacked && leadPays(shape, stretch, depth),
  );
  if (!leads) return [{ ...tiling, along }];
  return [
    { largest: 1, block: Number.POSITIVE_INFINITY, along: { start: 0, extent: 1 } },
    { ...tiling, along: { start: 1, extent: (along.extent as number) - 1 } },
  ];
}

/** The places of the last dim between its edges. */
function insideEdges({ out, edges }: Contraction): Phase["along"] {
  const extent = out.at(-1)!;
  if (edges === undefined || typeof extent !== "number") return { start: 0, extent };
  return { start: edges.before, extent: extent - edges.before - edges.after };
}

/** Where a place leads: rows of a panel, bytes of all weights, and places. */
const leading = { depth: 384, bytes: 64 * 1024, fewest: 4, most: 64 };

function leadPays({ out, edges }: Contraction, stretch: Panels, depth: Dim): boolean {
  const [extent, panels] = [out.at(-1)!, constantIndex(stretch.count)];
  if (!isStatic(depth) || panels === undefined || typeof extent !== "number" || edges !== undefined)
    return false;
  if (depth < leading.depth || depth * panels * stretch.packed * 4 < leading.bytes) return false;
  const hasOneRow = out.slice(0, -1).every((one) => one === 1);
  return hasOneRow && extent >= leading.fewest && extent <= leading.most;
}

function tilingOf(s: NodeScope, shape: Contraction, stretch: Panels, depth: Dim, byCost: boolean): Tiling {
  const usual = rowsFor(stretch.columns, s.target, isStatic(depth) ? depth : undefined);
  const { extent } = insideEdges(shape);
  const panels = constantIndex(stretch.count);
  // Of a single place the weights are read once, and threads share out all panels alike.
  const isWhole = shape.out.every((one) => one === 1);
  const panelBytes = isStatic(depth) ? depth * stretch.packed * 4 : 0;
  const named = new Map<string, Tiling>();
  const offer = (rows: number, bytes: number, leads = byCost): void => {
    const block = isWhole ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(bytes / panelBytes));
    const places = typeof extent === "number" ? extent - (leads ? 1 : 0) : undefined;
    const largest = places === undefined ? rows : (splitEvenly(places, rows)[0]?.rows ?? rows);
    const tiling = {
      largest,
      block: panels !== undefined && block >= panels ? Number.POSITIVE_INFINITY : block,
      leads,
    };
    const blocks = tiling.block === Number.POSITIVE_INFINITY ? "" : `, ${tiling.block} panels`;
    const name = `${largest} rows${blocks}${leads ? ", one before" : ""}`;
    if (!named.has(name)) named.set(name, tiling);
  };
  for (const bytes of [panelBlockBytes, ...otherBlockBytes]) offer(usual, bytes);
  if (byCost) offer(usual, panelBlockBytes, false);
  for (const rows of otherRows) if (Math.abs(rows - usual) <= 2) offer(rows, panelBlockBytes);
  const chosen = s.target.choose({
    kind: "tile",
    key: `sum of ${printDim(depth)} for ${shape.out.map(printExtent).join("x")} places, ${panels ?? "n"} panels of ${stretch.columns}`,
    candidates: [...named.keys()],
    nodes: s.source,
  });
  return named.get(chosen)!;
}

const printExtent = (extent: Extent): string =>
  typeof extent === "number" || extent instanceof DimExpression ? printDim(extent) : "n";

/** Calls the body for blocks of panels; panels whose number is known only at run time are one block. */
function forPanelBlocks(
  s: NodeScope,
  { start, end, step: least }: PanelRun,
  block: number,
  body: (start: Operand, end: Operand) => void,
): void {
  const known = constantIndex(end);
  const step = Math.ceil(block / least) * least;
  if (known === undefined || constantIndex(start)! + step >= known) {
    body(start, end);
    return;
  }
  s.for("block", start, end, (first) => body(first, minIndex(add(first, step), end)), { step });
}

/** Calls the body for stretches of a panel's columns where it has more than a tile can hold. */
function forParts(s: NodeScope, place: TilePlace, largest: number, body: (part: TilePlace) => void): void {
  const { panel, column, columns } = place;
  if (columns <= largest) {
    body(place);
    return;
  }
  const at = (first: Operand, count: number) =>
    body({
      ...place,
      panel: s.let("w", add(panel, first)),
      column: s.let("column", add(column, first)),
      columns: count,
    });
  const whole = columns - (columns % largest);
  s.for("first", 0, whole, (first) => at(first, largest), { step: largest });
  if (whole < columns) at(whole, columns - whole);
}

/**
 * Loops over blocks of panels, tiles of neighbouring places along the last dim, shared out evenly, and panels. Places at
 * the edges are tiles of their own, which know where they are.
 */
function forTiles(
  s: NodeScope,
  { out, edges }: Contraction,
  { block, largest, along }: Phase,
  run: PanelRun,
  body: (rows: number, places: readonly Expr[], panel: Expr) => void,
): void {
  const nest = (places: readonly Expr[], start: Operand, end: Operand): void => {
    if (places.length < out.length - 1) {
      const mode = places.length === 0 ? "parallel" : "serial";
      const extent = extentOf(s, out[places.length]!);
      s.for("o", 0, extent, (place) => nest([...places, place], start, end), { mode });
      return;
    }
    const forPanels = (rows: number, place: Expr): void =>
      s.for("panel", start, end, (panel) => body(rows, [...places, place], panel), { step: run.step });
    for (const place of placesOn(edges, out.at(-1)!)) forPanels(1, i32Constant(place));
    for (const tiles of tileRuns(s, along.extent, largest)) {
      const first = add(tiles.start, along.start);
      s.for("tile", 0, tiles.count, (tile) =>
        forPanels(tiles.rows, s.let("place", add(first, mul(tile, tiles.rows)))),
      );
    }
  };
  forPanelBlocks(s, run, block, (start, end) => nest([], start, end));
}

/** The places at both edges, in order. */
function placesOn(edges: Contraction["edges"], extent: Extent): number[] {
  if (edges === undefined || typeof extent !== "number") return [];
  return Array.from({ length: extent }, (_, i) => i).filter(
    (i) => i < edges.before || i >= extent - edges.after,
  );
}

function multiplyTile(
  s: NodeScope,
  shape: Contraction,
  operands: ContractionOperands,
  rows: number,
  sets: number,
  places: readonly Expr[],
  tile: TilePlace,
): void {
  const accumulators = new Accumulators(s, { rows, columns: tile.columns }, sets);
  const { outerTaps, isLeftOut } = operands;
  forOuterTaps(s, shape, outerTaps?.(places), (taps, step) => {
    accumulate(s, shape, taps, step, sets, (allTaps, channel, number, set) => {
      if (isLeftOut?.(places.at(-1)!, allTaps.at(-1)!)) return;
      const from = operands.left(places, allTaps, channel);
      accumulators.multiplyAdd(
        (row) => s.loadSplat(operands.buffer, add(from, mul(operands.rowStride, row))),
        (vector) => operands.right(tile, { number, taps: allTaps, channel }, vector),
        set,
      );
    });
  });
  const at = (row: Operand) => places.map((place, i) => (i === places.length - 1 ? add(place, row) : place));
  const result: TileResult = (value, row, column) => operands.result(value, at(row), columnOf(tile, column));
  const { across } = operands;
  if (across === undefined || !s.target.simd) accumulators.finish(result, operands.isPlain);
  else accumulators.finishAcross((value, row) => across(value, at(row)), result);
}

/** Channels, joined with the last tap dim where both follow one another in memory or are few. */
const joinsLastTap = ({ taps, channels, joinsTaps }: Contraction): boolean =>
  joinsTaps || taps.at(-1) === 1 || (isStatic(channels) && taps.at(-1)! * channels <= unrolledFirstLayer);

const innerSteps = (shape: Contraction): Dim =>
  joinsLastTap(shape) ? multiplyDims(shape.channels, shape.taps.at(-1)!) : shape.channels;

/** Loops over the taps that are not part of the inner steps, those that count. */
function forOuterTaps(
  s: NodeScope,
  shape: Contraction,
  counting: readonly Taps[] | undefined,
  body: (taps: readonly Operand[], step: Expr) => void,
): void {
  const outer = joinsLastTap(shape) ? shape.taps.slice(0, -1) : shape.taps;
  const nest = (taps: readonly Operand[], step: Expr): void => {
    const extent = outer[taps.length];
    if (extent === undefined) {
      body(taps, step);
      return;
    }
    const stride = shape.taps.slice(taps.length + 1).reduce<Dim>(multiplyDims, shape.channels);
    const { start, end } = counting?.[taps.length] ?? { start: 0, end: extent };
    s.for("tap", start, end, (tap) => nest([...taps, tap], add(step, mul(tap, s.dim(stride)))));
  };
  nest([], add(0, 0));
}

/**
 * The steps under the outer taps: written out where they are few, else a loop, of which a pass has a step for each set
 * of accumulators where that comes out even.
 */
function accumulate(
  s: NodeScope,
  shape: Contraction,
  taps: readonly Operand[],
  first: Expr,
  sets: number,
  step: (taps: readonly Operand[], channel: Operand, number: Expr, set: number) => void,
): void {
  const joined = joinsLastTap(shape);
  const steps = innerSteps(shape);
  const firstLayer = joined && !shape.joinsTaps && shape.taps.at(-1)! > 1;
  const { channels } = shape;
  if (!isStatic(channels) || !isStatic(steps) || steps > (firstLayer ? unrolledFirstLayer : unrolledSteps)) {
    const inPass = isStatic(steps) && steps % sets === 0 ? sets : 1;
    const pass = (k: Expr): void => {
      for (let set = 0; set < inPass; set++) {
        const channel = add(k, set);
        step(joined ? [...taps, 0] : taps, channel, add(first, channel), set);
      }
    };
    s.for("k", 0, s.dim(steps), pass, { step: inPass });
    return;
  }
  for (let k = 0; k < steps; k++) {
    const [tap, channel] = [Math.floor(k / channels), k % channels];
    step(joined ? [...taps, tap] : taps, channel, add(first, k), k % sets);
  }
}
