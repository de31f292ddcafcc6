import type { Point } from "./geometry.js";

/**
 * The connected regions (eight neighbours) of the pixels above a threshold, in a map of height x width values.
 * Of each region only the leftmost and rightmost pixel centre of every row is returned: its convex hull needs no
 * more, so there is no contour to follow.
 */
export function outlineRegions(
  map: Float32Array,
  width: number,
  height: number,
  threshold: number,
): Point[][] {
  const waiting = Uint8Array.from(map, (value) => (value > threshold ? 1 : 0));
  const regions: Point[][] = [];
  for (let start = 0; start < waiting.length; start++) {
    if (waiting[start] === 1) regions.push(rowEnds(flood(waiting, width, height, start), width));
  }
  return regions;
}

/** Takes the region of the pixel `start` out of the waiting ones and returns the indices of its pixels. */
function flood(waiting: Uint8Array, width: number, height: number, start: number): number[] {
  const region = [start];
  waiting[start] = 0;
  // The list grows while it is walked: it is the queue of a breadth-first search and its result at once.
  for (const pixel of region) {
    const x = pixel % width;
    const y = (pixel - x) / width;
    for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, height - 1); ny++) {
      for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, width - 1); nx++) {
        const neighbour = ny * width + nx;
        if (waiting[neighbour] === 0) continue;
        waiting[neighbour] = 0;
        region.push(neighbour);
      }
    }
  }
  return region;
}

function rowEnds(region: readonly number[], width: number): Point[] {
  const ends = new Map<number, { left: number; right: number }>();
  for (const pixel of region) {
    const x = pixel % width;
    const y = (pixel - x) / width;
    const row = ends.get(y);
    if (row === undefined) ends.set(y, { left: x, right: x });
    else {
      row.left = Math.min(row.left, x);
      row.right = Math.max(row.right, x);
    }
  }
  return [...ends].flatMap(([y, { left, right }]) => [
    { x: left + 0.5, y: y + 0.5 },
    { x: right + 0.5, y: y + 0.5 },
  ]);
}
