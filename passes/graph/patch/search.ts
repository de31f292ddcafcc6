/**
 * Which stretches of a graph are patched, and how: those of least cost with which every step needs no more bytes than
 * a target. A node that fits as it is costs nothing. One that does not must lie in a patched segment, whose need is
 * that of what is live when it begins, its result, and what its patches take.
 */

import type { Graph, Value } from "../../../compiler/ir/graph.js";
import type { ArenaUse } from "../../memory/measure.js";
import { bytesOf, type Estimate, estimate } from "./estimate.js";
import { LocalNode } from "./local-node.js";
import { seenOf, wholeOf } from "./region.js";
import { Segment } from "./segment.js";
import { type Tiling, tilingOf } from "./tiling.js";

/** Patches in the place of the nodes from one number up to another. */
export interface Choice {
  readonly from: number;
  readonly to: number;
  readonly tiling: Tiling;
  /** What it costs beside the work of the nodes, in operations. */
  readonly cost: number;
}

/** Numbers of bands that are tried, where one is not enough. */
const ACROSS = [2, 3, 4, 6, 8, 12, 16];

/** Nodes of a stretch: more where there is a limit to be met, which may take a while. */
const FEW_NODES = 16;
const MOST_NODES = 40;

/** Strips of nodes that are looked at: half a second, or a minute. Our networks take up to 16,000. */
const FEW_STRIPS = 200_000;
const MOST_STRIPS = 40_000_000;

export class Search {
  private readonly candidates: readonly Candidate[];
  /** Strips of nodes that may still be looked at. */
  private readonly budget: { strips: number };

  constructor(
    private readonly graph: Graph,
    private readonly use: ArenaUse,
    /** Leaves out what is slower in strips by more than is estimated. */
    private readonly onlyCheap = false,
  ) {
    this.budget = { strips: onlyCheap ? FEW_STRIPS : MOST_STRIPS };
    this.candidates = this.findCandidates();
  }

  /** The cheapest choices with which no step should need more than the target; null where there are none. */
  choose(target: number): Choice[] | null {
    const { length } = this.graph.nodes;
    const best: (Path | null)[] = [{ cost: 0, last: null }];
    const fits = this.use.during.map((bytes) => bytes <= target);
    for (let to = 1; to <= length; to++) {
      const before = best[to - 1] ?? null;
      let path = fits[to - 1] ? before : null;
      for (const candidate of this.candidates) {
        const start = candidate.to === to ? best[candidate.from] : null;
        if (start == null || fits.slice(candidate.from, to).every((fit) => fit)) continue;
        const found = candidate.cheapest(target);
        if (found === null || (path !== null && start.cost + found.cost >= path.cost)) continue;
        path = { cost: start.cost + found.cost, last: { before: start, candidate, found } };
      }
      best[to] = path;
    }
    const last = best[length];
    return last == null ? null : choicesOf(last);
  }

  /** Choices with which the least memory should be needed. */
  smallest(): Choice[] {
    let [low, high] = [0, Math.max(...this.use.during)];
    let choices: Choice[] = [];
    while (high - low > high / 256) {
      const target = Math.floor((low + high) / 2);
      const found = this.choose(target);
      if (found === null) low = target;
      else [high, choices] = [target, found];
    }
    return choices;
  }

  private findCandidates(): Candidate[] {
    const { graph, use } = this;
    const locals = graph.nodes.map((node) => LocalNode.of(node));
    const lastUses = lastUsesIn(graph);
    const ends = valleysOf(use.between);
    const most = this.onlyCheap ? FEW_NODES : MOST_NODES;
    const candidates: Candidate[] = [];
    for (const from of ends) {
      const stop = locals.findIndex(
        (local, i) => i >= from && (local === null || (this.onlyCheap && local.isDense)),
      );
      for (const to of ends) {
        if (to <= from || to - from > most || (stop >= 0 && to > stop)) continue;
        const inside = locals.slice(from, to) as LocalNode[];
        const results = inside.filter(({ result }) => (lastUses.get(result) ?? to) >= to);
        if (results.length !== 1 || results[0] !== inside.at(-1)) continue;
        const segment = Segment.of(inside);
        if (segment === null) continue;
        const exitBytes = exitBytesOf(segment.exit, locals);
        const across = this.onlyCheap ? [1] : [1, ...ACROSS];
        const around = use.between[from]! + exitBytes;
        candidates.push(new Candidate(from, to, segment, around, across, this.budget));
      }
    }
    return candidates;
  }
}

/** The choices up to a node: the last of them, and the path before it. */
interface Path {
  readonly cost: number;
  readonly last: { readonly before: Path; readonly candidate: Candidate; readonly found: Found } | null;
}

function choicesOf(path: Path): Choice[] {
  const choices: Choice[] = [];
  for (let { last } = path; last !== null; last = last.before.last) {
    const { candidate, found } = last;
    const tiling = candidate.tiling(found.height, found.width);
    choices.push({ from: candidate.from, to: candidate.to, tiling, cost: found.cost });
  }
  return choices.reverse();
}

/** A tiling by the size of its patches. Tilings themselves are large, and there may be very many. */
interface Found extends Estimate {
  readonly height: number;
  readonly width: number;
}

/** A segment that may be patched, and what is known of its tilings. */
class Candidate {
  private readonly known = new Map<string, Found>();

  constructor(
    readonly from: number,
    readonly to: number,
    private readonly segment: Segment,
    /** What is live all the while. */
    private readonly around: number,
    /** Numbers of bands that are tried. */
    private readonly across: readonly number[],
    private readonly budget: { strips: number },
  ) {}

  /** Bands repeat work and strips do not, so that there are as few bands as fit, of strips as high as fit. */
  cheapest(target: number): Found | null {
    const room = target - this.around;
    if (room <= 0) return null;
    for (const across of this.across) {
      if (across > this.segment.columns) break;
      const width = Math.ceil(this.segment.columns / across);
      if (this.at(1, width).bytes > room) continue;
      const heights = heightsOf(this.segment.rows);
      let [low, high] = [0, heights.length - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (this.at(heights[middle]!, width).bytes <= room) low = middle;
        else high = middle - 1;
      }
      const found = this.at(heights[low]!, width);
      return found.bytes <= room ? found : null;
    }
    return null;
  }

  tiling(height: number, width: number): Tiling {
    return tilingOf(this.segment, height, width);
  }

  private at(height: number, width: number): Found {
    const key = `${height} ${width}`;
    let found = this.known.get(key);
    if (found === undefined) {
      if (this.budget.strips <= 0) return { height, width, bytes: Number.POSITIVE_INFINITY, cost: 0 };
      this.budget.strips -= Math.ceil(this.segment.rows / height) * this.segment.locals.length;
      found = { ...estimate(this.tiling(height, width)), height, width };
      this.known.set(key, found);
    }
    return found;
  }
}

/** Heights of which rows are made in different numbers of strips, the smallest first. */
function heightsOf(rows: number): number[] {
  const heights = new Set<number>();
  for (let count = rows; count >= 1; count--) heights.add(Math.ceil(rows / count));
  return [...heights];
}

/** Places between nodes where no more is live than at their neighbours: those at which little has to be kept. */
function valleysOf(between: readonly number[]): number[] {
  return between.flatMap((bytes, at) =>
    bytes <= (between[at - 1] ?? bytes) && (at === 0 || bytes <= (between[at + 1] ?? bytes)) ? [at] : [],
  );
}

/** Number of the last node that uses a value; results of the graph are used behind all nodes. */
function lastUsesIn(graph: Graph): Map<Value, number> {
  const last = new Map<Value, number>();
  graph.nodes.forEach((node, i) => {
    for (const input of node.inputs) if (input !== null) last.set(input, i);
  });
  for (const output of graph.outputs) last.set(output, graph.nodes.length);
  return last;
}

/** With the border that a node behind the segment wants around it. */
function exitBytesOf(exit: Value, locals: readonly (LocalNode | null)[]): number {
  const uses = locals.flatMap((local) => local?.uses.filter(({ input }) => input === exit) ?? []);
  const bordered = uses.filter((use) => use.bordered).at(-1);
  const whole = wholeOf(exit);
  if (bordered === undefined) return bytesOf(exit, whole);
  const user = locals.find((local) => local?.uses.includes(bordered))!;
  return bytesOf(exit, whole, seenOf(exit, bordered.reach, wholeOf(user.result)));
}
