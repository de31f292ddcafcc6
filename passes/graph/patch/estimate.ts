/** What a tiling takes: bytes while it runs, and work that is done more than once. Close, not exact: the plan decides. */

import { dtypes } from "../../../compiler/ir/dtype.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { alignment } from "../../memory/blocks.js";
import type { LocalNode } from "./local-node.js";
import { type Region, type Seen, type Span, seenOf, shapeOf, textOf } from "./region.js";
import { COLUMNS, type Segment } from "./segment.js";
import { type Band, partOf, type Tiling } from "./tiling.js";
import { walkBand } from "./walk.js";

export interface Estimate {
  /** Most bytes that are live at once inside of the segment, beside its inputs and its result. */
  readonly bytes: number;
  /** In operations: what is computed again, and an allowance for calls and copies. */
  readonly cost: number;
}

/** What a call costs beside its work, in the operations that could be done instead: about a microsecond. */
const CALL = 2e4;
/** What it costs to copy a byte: ten of them in a nanosecond. */
const BYTE = 2;

/** Strips after which nothing changes any more from one to the next, but for the last. */
const SAMPLED = 5;

export function estimate(tiling: Tiling): Estimate {
  const { segment, bands, down, across } = tiling;
  let [bytes, calls, copied] = [0, 0, 0];
  // Bands between the first and the last are alike.
  for (const band of across > 3 ? [bands[0]!, bands[1]!, bands.at(-1)!] : bands) {
    const meter = new Meter(segment, band);
    walkBand(segment, { ...band, strips: band.strips.slice(0, SAMPLED) }, meter);
    bytes = Math.max(bytes, meter.most);
    calls += meter.calls;
    copied += meter.copied;
  }
  const times = (Math.max(down, SAMPLED) / SAMPLED) * (Math.max(across, 3) / 3);
  return { bytes, cost: repeatedWork(tiling) + (calls * CALL + copied * BYTE) * times };
}

/** Work at the borders of bands, where columns are computed for both. */
export function repeatedWork({ segment, bands }: Tiling): number {
  return segment.locals.reduce((sum, { result, work }, i) => {
    const computed = bands.reduce((width, { columns }) => width + columns[i]!.end - columns[i]!.start, 0);
    return sum + work * (computed / ((result.shape[COLUMNS] ?? 1) as number) - 1);
  }, 0);
}

/** Counts bytes as a band is walked. */
class Meter {
  most = 0;
  calls = 0;
  copied = 0;
  private live = 0;
  private readonly taken = new Map<number, number>();

  constructor(
    private readonly segment: Segment,
    private readonly band: Band,
  ) {}

  make(i: number, fresh: Span, rows: Span, strip: number): void {
    const { segment } = this;
    const local = segment.locals[i]!;
    const isExit = i === segment.locals.length - 1;
    const region = this.part(i, rows);
    const own = isExit ? 0 : bytesOf(local.result, region, this.border(i, region, strip));
    const kept = this.taken.get(i) ?? 0;
    const copies = this.paddedCopies(local, this.part(i, fresh));
    this.most = Math.max(this.most, this.live + own + copies);
    this.set(i, own);
    this.calls += kept > 0 ? 2 : 1;
    this.copied += kept + copies;
  }

  keep(i: number, rows: Span): void {
    const bytes = bytesOf(this.segment.locals[i]!.result, this.part(i, rows));
    this.most = Math.max(this.most, this.live + bytes);
    this.set(i, bytes);
    this.calls++;
    this.copied += bytes;
  }

  drop(i: number): void {
    this.set(i, 0);
  }

  private part(i: number, rows: Span): Region {
    return partOf(this.segment, this.band, i, rows);
  }

  private set(i: number, bytes: number): void {
    this.live += bytes - (this.taken.get(i) ?? 0);
    this.taken.set(i, bytes);
  }

  /** Room that is left around a value for the last node that pads it, where that uses all of it. */
  private border(i: number, region: Region, strip: number): Seen | null {
    const { locals } = this.segment;
    const { result } = locals[i]!;
    let border: Seen | null = null;
    for (const user of this.segment.users[i]!) {
      const { fresh } = this.band.strips[strip]![user]!;
      if (fresh.start === fresh.end) continue;
      for (const use of locals[user]!.uses) {
        if (use.input !== result || !use.bordered) continue;
        const seen = seenOf(result, use.reach, this.part(user, fresh));
        if (textOf(seen.region) === textOf(region)) border = seen;
      }
    }
    return border;
  }

  /** Bytes of inputs from outside that are copied to where there is room around them. */
  private paddedCopies({ uses }: LocalNode, region: Region): number {
    return uses.reduce((sum, { input, reach, bordered }) => {
      if (!bordered || this.segment.numberOf.has(input)) return sum;
      const seen = seenOf(input, reach, region);
      const isPadded = [...seen.before, ...seen.after].some((places) => places > 0);
      return isPadded ? sum + bytesOf(input, seen.region, seen) : sum;
    }, 0);
  }
}

/** Bytes of a part of a value, with room around it. */
export function bytesOf({ dtype }: Value, region: Region, border: Seen | null = null): number {
  const shape = shapeOf(region).map(
    (places, axis) => places + (border === null ? 0 : border.before[axis]! + border.after[axis]!),
  );
  const elements = shape.reduce((a, b) => a * b, 1);
  return Math.ceil((elements * dtypes[dtype].bits) / 8 / alignment) * alignment;
}
