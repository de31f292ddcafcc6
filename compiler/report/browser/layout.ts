/**
 * Places the nodes of a graph in rows from top to bottom, in time that grows with its size only: networks are long and
 * narrow, and layout libraries take seconds for some hundred nodes, and all of the stack for two thousand.
 *
 * A node's row is that of its longest path. An edge that skips rows goes through a place of its own in each of them, so
 * that it passes beside the nodes. Places of a row are ordered by the mean of their neighbours, in sweeps down and up.
 */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Size {
  /** Of the left upper corner. */
  readonly x: number;
  readonly y: number;
}

export interface Layout extends Size {
  readonly boxes: readonly Box[];
  /** Points of every edge, from its source to its target. */
  readonly paths: readonly (readonly (readonly [number, number])[])[];
}

interface Place {
  readonly width: number;
  readonly height: number;
  readonly row: number;
  x: number;
  readonly above: Place[];
  readonly below: Place[];
}

const columnGap = 24;
const rowGap = 36;
const sweeps = 8;
const driftRows = 20;
/** Edges over more rows are drawn straight: the places would be more than the nodes. */
const longestRoute = 400;

export function layoutGraph(sizes: readonly Size[], edges: readonly (readonly [number, number])[]): Layout {
  const rowOf = rowsOf(sizes.length, edges);
  const places = sizes.map((size, i): Place => ({ ...size, row: rowOf[i]!, x: 0, above: [], below: [] }));
  const rows: Place[][] = [];
  const put = (place: Place): Place => {
    while (rows.length <= place.row) rows.push([]);
    rows[place.row]!.push(place);
    return place;
  };
  for (const place of places) put(place);
  const link = (above: Place, below: Place): void => {
    above.below.push(below);
    below.above.push(above);
  };
  const routes = edges.map(([from, to]) => {
    const route = [places[from]!];
    const isRouted = rowOf[to]! - rowOf[from]! <= longestRoute;
    for (let row = rowOf[from]! + 1; isRouted && row < rowOf[to]!; row++) {
      const through = put({ width: 8, height: 0, row, x: 0, above: [], below: [] });
      link(route.at(-1)!, through);
      route.push(through);
    }
    link(route.at(-1)!, places[to]!);
    return [...route, places[to]!];
  });
  placeColumns(rows);
  return measured(places, rows, routes);
}

/** Edges lead from lower places to higher ones: graphs are in topological order. */
function rowsOf(nodes: number, edges: readonly (readonly [number, number])[]): number[] {
  const rows = new Array<number>(nodes).fill(0);
  const incoming = Array.from({ length: nodes }, () => [] as number[]);
  const outgoing = Array.from({ length: nodes }, () => [] as number[]);
  for (const [from, to] of edges) {
    incoming[to]!.push(from);
    outgoing[from]!.push(to);
  }
  // What depends on no input but the first (weights, for instance) comes just before it is needed.
  const isLoose = new Array<boolean>(nodes).fill(false);
  for (let i = 0; i < nodes; i++) {
    for (const from of incoming[i]!) rows[i] = Math.max(rows[i]!, rows[from]! + 1);
    isLoose[i] = i > 0 && incoming[i]!.every((from) => isLoose[from]);
  }
  for (let i = nodes - 1; i >= 0; i--) {
    if (!isLoose[i] || outgoing[i]!.length === 0) continue;
    rows[i] = outgoing[i]!.reduce((least, to) => Math.min(least, rows[to]! - 1), Number.POSITIVE_INFINITY);
  }
  return rows;
}

function placeColumns(rows: readonly Place[][]): void {
  for (const row of rows)
    spread(
      row,
      row.map((_, i) => i * 100),
    );
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : rows.toReversed()) {
      const wanted = row.map((place) => {
        const near = down ? place.above : place.below;
        return near.length === 0 ? place.x : near.reduce((sum, { x }) => sum + x, 0) / near.length;
      });
      spread(row, wanted);
    }
  }
  straighten(rows);
}

/** Rows lean on those beside them, so that a long graph drifts aside: the drift, a mean over many rows, is taken out. */
function straighten(rows: readonly Place[][]): void {
  const sums = [0];
  for (const row of rows) {
    const nodes = row.filter(({ height }) => height > 0);
    const centre = nodes.reduce((sum, { x }) => sum + x, 0) / Math.max(1, nodes.length);
    sums.push(sums.at(-1)! + centre);
  }
  rows.forEach((row, i) => {
    const from = Math.max(0, i - driftRows);
    const to = Math.min(rows.length, i + driftRows + 1);
    const drift = (sums[to]! - sums[from]!) / (to - from);
    for (const place of row) place.x -= drift;
  });
}

/** Orders a row by where its places want to be, and moves them apart as little as it takes, about their common centre. */
function spread(row: Place[], wanted: readonly number[]): void {
  const order = row.map((place, i) => ({ place, wish: wanted[i]! })).sort((a, b) => a.wish - b.wish);
  let edge = Number.NEGATIVE_INFINITY;
  let moved = 0;
  for (const { place, wish } of order) {
    place.x = Math.max(wish, edge + columnGap + place.width / 2);
    edge = place.x + place.width / 2;
    moved += place.x - wish;
  }
  const shift = moved / Math.max(1, row.length);
  order.forEach(({ place }, i) => {
    place.x -= shift;
    row[i] = place;
  });
}

function measured(
  places: readonly Place[],
  rows: readonly Place[][],
  routes: readonly (readonly Place[])[],
): Layout {
  const all = rows.flat();
  const left = all.reduce((least, { x, width }) => Math.min(least, x - width / 2), Number.POSITIVE_INFINITY);
  const right = all.reduce((most, { x, width }) => Math.max(most, x + width / 2), 0);
  const tops: number[] = [];
  const heights = rows.map((row) => row.reduce((most, { height }) => Math.max(most, height), 0));
  let y = 20;
  for (const height of heights) {
    tops.push(y);
    y += height + rowGap;
  }
  const shift = 20 - (all.length === 0 ? 0 : left);
  const boxes = places.map(({ x, width, height, row }) => ({
    ...{ width, height, x: x - width / 2 + shift },
    y: tops[row]! + (heights[row]! - height) / 2,
  }));
  const boxOf = new Map(places.map((place, i) => [place, boxes[i]!]));
  const paths = routes.map((route) =>
    route.flatMap((place, i): [number, number][] => {
      const x = place.x + shift;
      const box = boxOf.get(place);
      if (box === undefined)
        return [
          [x, tops[place.row]!],
          [x, tops[place.row]! + heights[place.row]!],
        ];
      return [[x, i === 0 ? box.y + box.height : box.y]];
    }),
  );
  return { boxes, paths, width: right + shift + 20, height: y };
}
