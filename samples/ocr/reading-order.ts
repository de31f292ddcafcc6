import { dot, downOf, type Point, type Rectangle } from "./geometry.js";

/**
 * Groups boxes into the rows of a page, top to bottom, each from left to right. Top and left are those of the
 * reader, not of the picture: the page is taken to lie in the mean reading direction of its lines, so a slanted
 * or upside-down page is read in its own order.
 */
export function readingOrder<T extends { box: Rectangle }>(lines: readonly T[]): T[][] {
  const axis = pageAxis(lines.map((line) => line.box));
  const down = downOf(axis);
  const across = (line: T) => dot(line.box.center, down);
  const along = (line: T) => dot(line.box.center, axis);
  const rows: T[][] = [];
  for (const line of [...lines].sort((a, b) => across(a) - across(b))) {
    const row = rows.at(-1);
    if (row?.some((other) => share(across(line) - across(other), line.box, other.box))) row.push(line);
    else rows.push([line]);
  }
  return rows.map((row) => row.sort((a, b) => along(a) - along(b)));
}

/** Two boxes share a row if their centres differ by less than half the lower one's height. */
function share(distance: number, a: Rectangle, b: Rectangle): boolean {
  return Math.abs(distance) < 0.5 * Math.min(a.height, b.height);
}

/** The mean direction of the lines as a unit vector; long ones count more, since their direction is surer. */
function pageAxis(boxes: readonly Rectangle[]): Point {
  const sum = { x: 0, y: 0 };
  for (const { axis, width } of boxes) {
    sum.x += axis.x * width;
    sum.y += axis.y * width;
  }
  const length = Math.hypot(sum.x, sum.y);
  return length < 1e-6 ? { x: 1, y: 0 } : { x: sum.x / length, y: sum.y / length };
}
