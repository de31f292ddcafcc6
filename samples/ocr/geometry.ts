/**
 * Plane geometry of text boxes. Coordinates are pixels of a picture, x to the right and y down; pixel i covers
 * the interval [i, i + 1), so its centre is at i + 0.5.
 */

export interface Point {
  x: number;
  y: number;
}

/** A rectangle at any angle. `axis` is a unit vector along its width: for a line of text, the reading direction. */
export interface Rectangle {
  center: Point;
  axis: Point;
  width: number;
  height: number;
}

/**
 * The smallest rectangle around the points. One of its sides lies on an edge of the convex hull (Freeman and
 * Shapira 1975), so each edge is tried; hulls of text regions have a few dozen corners, which is why the plain
 * search is enough and the calipers (Toussaint 1983) need not be kept in step.
 */
export function minAreaRectangle(points: readonly Point[]): Rectangle {
  const hull = convexHull(points);
  let best = enclose(hull, { x: 1, y: 0 });
  for (const [index, from] of hull.entries()) {
    const to = hull[(index + 1) % hull.length]!;
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    if (length === 0) continue;
    const candidate = enclose(hull, { x: (to.x - from.x) / length, y: (to.y - from.y) / length });
    if (candidate.width * candidate.height < best.width * best.height) best = candidate;
  }
  return towardsRight(best);
}

/**
 * Grows a rectangle to undo the shrinking of text regions in Differentiable Binarization (Liao et al. 2020,
 * section 3.5): every side moves outwards by area * ratio / perimeter.
 */
export function unclip(box: Rectangle, ratio: number): Rectangle {
  const distance = (box.width * box.height * ratio) / (2 * (box.width + box.height));
  return { ...box, width: box.width + 2 * distance, height: box.height + 2 * distance };
}

/** Corners in the order top left, top right, bottom right, bottom left, as seen by a reader of the text. */
export function corners(box: Rectangle): [Point, Point, Point, Point] {
  return [pointAt(box, 0, 0), pointAt(box, 1, 0), pointAt(box, 1, 1), pointAt(box, 0, 1)];
}

/** The point at the fractions u of the width and v of the height, counted from the top left corner. */
export function pointAt(box: Rectangle, u: number, v: number): Point {
  const along = (u - 0.5) * box.width;
  const across = (v - 0.5) * box.height;
  const down = downOf(box.axis);
  return {
    x: box.center.x + along * box.axis.x + across * down.x,
    y: box.center.y + along * box.axis.y + across * down.y,
  };
}

/** The part of the box between the fractions `from` and `to` of its width. */
export function slice(box: Rectangle, from: number, to: number): Rectangle {
  return { ...box, center: pointAt(box, (from + to) / 2, 0.5), width: box.width * (to - from) };
}

/** The same area read from top to bottom: its contents turn by 90 degrees counter-clockwise. */
export function turnQuarter(box: Rectangle): Rectangle {
  return { center: box.center, axis: downOf(box.axis), width: box.height, height: box.width };
}

/** The same area read upside down. */
export function turnHalf(box: Rectangle): Rectangle {
  return { ...box, axis: { x: -box.axis.x, y: -box.axis.y } };
}

/** Scales the coordinates of a box that lies in a picture resized by 1 / factor. */
export function scaleBox(box: Rectangle, factor: number): Rectangle {
  return {
    ...box,
    center: { x: box.center.x * factor, y: box.center.y * factor },
    width: box.width * factor,
    height: box.height * factor,
  };
}

/** The direction at a right angle to the reading direction, towards the next line of text. */
export function downOf(axis: Point): Point {
  return { x: 0 - axis.y, y: axis.x };
}

export function dot(a: Point, b: Point): number {
  return a.x * b.x + a.y * b.y;
}

/** Corners of the convex hull, clockwise on the screen, without points inside its edges (Andrew 1979). */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  if (sorted.length < 3) return sorted;
  const upper = halfHull(sorted);
  const lower = halfHull(sorted.reverse());
  return [...upper.slice(0, -1), ...lower.slice(0, -1)];
}

function halfHull(sorted: readonly Point[]): Point[] {
  const chain: Point[] = [];
  for (const point of sorted) {
    while (chain.length >= 2 && cross(chain.at(-2)!, chain.at(-1)!, point) <= 0) chain.pop();
    chain.push(point);
  }
  return chain;
}

function cross(origin: Point, a: Point, b: Point): number {
  return (a.x - origin.x) * (b.y - origin.y) - (a.y - origin.y) * (b.x - origin.x);
}

/** The smallest rectangle around the points with the given direction of its width. */
function enclose(points: readonly Point[], axis: Point): Rectangle {
  const down = downOf(axis);
  const along = points.map((point) => dot(point, axis));
  const across = points.map((point) => dot(point, down));
  const [left, right] = [Math.min(...along), Math.max(...along)];
  const [top, bottom] = [Math.min(...across), Math.max(...across)];
  const middle = { along: (left + right) / 2, across: (top + bottom) / 2 };
  return {
    center: {
      x: middle.along * axis.x + middle.across * down.x,
      y: middle.along * axis.y + middle.across * down.y,
    },
    axis,
    width: right - left,
    height: bottom - top,
  };
}

/** Chooses among the four ways to look at a rectangle the one whose axis is within 45 degrees of rightwards. */
function towardsRight(box: Rectangle): Rectangle {
  const level = Math.abs(box.axis.x) >= Math.abs(box.axis.y) ? box : turnQuarter(box);
  return level.axis.x < 0 ? turnHalf(level) : level;
}
