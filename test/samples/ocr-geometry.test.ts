import { describe, expect, test } from "vitest";
import { boxesOf, uprightBox } from "../../samples/ocr/detection.js";
import {
  convexHull,
  corners,
  minAreaRectangle,
  type Point,
  type Rectangle,
  slice,
  turnHalf,
  turnQuarter,
  unclip,
} from "../../samples/ocr/geometry.js";
import { readingOrder } from "../../samples/ocr/reading-order.js";
import { outlineRegions } from "../../samples/ocr/regions.js";

const points = (...pairs: [number, number][]): Point[] => pairs.map(([x, y]) => ({ x, y }));

/** A level box from its left, top, width and height. */
function levelBox(left: number, top: number, width: number, height: number): Rectangle {
  return { center: { x: left + width / 2, y: top + height / 2 }, axis: { x: 1, y: 0 }, width, height };
}

describe("boxes", () => {
  test("the convex hull drops inner points and points on its edges", () => {
    const hull = convexHull(points([0, 0], [2, 0], [4, 0], [4, 2], [2, 1], [0, 2]));
    expect(hull).toEqual(points([0, 0], [4, 0], [4, 2], [0, 2]));
  });

  test("the smallest rectangle of level points is level", () => {
    const box = minAreaRectangle(points([1, 1], [7, 1], [7, 3], [1, 3], [4, 2]));
    expect(box).toEqual({ center: { x: 4, y: 2 }, axis: { x: 1, y: 0 }, width: 6, height: 2 });
  });

  test("the smallest rectangle of a slanted strip lies along it", () => {
    // The strip runs along (4, 3) / 5, is 10 long and 5 wide.
    const box = minAreaRectangle(points([3, 0], [11, 6], [8, 10], [0, 4]));
    expect(box.center.x).toBeCloseTo(5.5, 12);
    expect(box.center.y).toBeCloseTo(5, 12);
    expect(box.axis.x).toBeCloseTo(0.8, 12);
    expect(box.axis.y).toBeCloseTo(0.6, 12);
    expect(box.width).toBeCloseTo(10, 12);
    expect(box.height).toBeCloseTo(5, 12);
  });

  test("corners run from the top left clockwise, as the reader sees them", () => {
    const box = levelBox(1, 1, 6, 2);
    expect(corners(box)).toEqual(points([1, 1], [7, 1], [7, 3], [1, 3]));
    expect(corners(turnHalf(box))).toEqual(points([7, 3], [1, 3], [1, 1], [7, 1]));
    // Read downwards, the text's top is at the right of the picture.
    expect(corners(turnQuarter(box))).toEqual(points([7, 1], [7, 3], [1, 3], [1, 1]));
  });

  test("two quarter turns are a half turn", () => {
    const box = levelBox(0, 0, 8, 2);
    expect(corners(turnQuarter(turnQuarter(box)))).toEqual(corners(turnHalf(box)));
  });

  test("boxes turn from a height of 1.5 widths on", () => {
    expect(uprightBox(levelBox(0, 0, 2, 3)).width).toBe(3);
    expect(uprightBox(levelBox(0, 0, 2, 2.9)).width).toBe(2);
  });

  test("a slice is a part of the width", () => {
    expect(corners(slice(levelBox(0, 0, 8, 2), 0.25, 0.75))).toEqual(points([2, 0], [6, 0], [6, 2], [2, 2]));
  });

  test("unclip moves each side by area * ratio / perimeter", () => {
    // 20 * 5 * 1.5 / 50 = 3
    expect(unclip(levelBox(0, 0, 20, 5), 1.5)).toEqual(levelBox(-3, -3, 26, 11));
  });
});

describe("regions of a probability map", () => {
  test("pixels that touch at a corner are one region", () => {
    const map = Float32Array.from([1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1]);
    expect(outlineRegions(map, 4, 3, 0.5)).toEqual([
      points([0.5, 0.5], [0.5, 0.5], [0.5, 1.5], [0.5, 1.5], [1.5, 2.5], [1.5, 2.5]),
      points([3.5, 2.5], [3.5, 2.5]),
    ]);
  });

  test("boxes are unclipped; thin and unsure regions are dropped", () => {
    const map = new Float32Array(40 * 30);
    const fill = (left: number, top: number, width: number, height: number, value: number) => {
      for (let y = top; y < top + height; y++) map.fill(value, y * 40 + left, y * 40 + left + width);
    };
    fill(8, 6, 21, 6, 0.9);
    fill(8, 18, 21, 3, 0.9);
    fill(8, 23, 21, 6, 0.5);
    // From pixel centre to pixel centre 20 x 5; unclipped as above.
    expect(boxesOf(map, 40, 30)).toEqual([levelBox(8.5 - 3, 6.5 - 3, 26, 11)]);
  });
});

describe("reading order", () => {
  const order = (boxes: Record<string, Rectangle>) =>
    readingOrder(Object.entries(boxes).map(([name, box]) => ({ name, box }))).map((row) =>
      row.map(({ name }) => name).join(" "),
    );
  const page = {
    price: levelBox(200, 12, 40, 20),
    title: levelBox(80, 40, 100, 30),
    item: levelBox(10, 10, 100, 20),
  };

  test("rows from top to bottom, boxes of a row from left to right", () => {
    expect(order(page)).toEqual(["item price", "title"]);
  });

  test("an upside-down page is read from its own top", () => {
    const turned = Object.fromEntries(Object.entries(page).map(([name, box]) => [name, turnHalf(box)]));
    expect(order(turned)).toEqual(["title", "price item"]);
  });

  test("rows of a slanted page follow its lines", () => {
    const axis = { x: 0.8, y: 0.6 };
    const at = (along: number, across: number): Rectangle => ({
      center: { x: along * axis.x - across * axis.y, y: along * axis.y + across * axis.x },
      axis,
      width: 60,
      height: 20,
    });
    expect(order({ d: at(200, 30), c: at(0, 30), b: at(200, 0), a: at(0, 0) })).toEqual(["a b", "c d"]);
  });

  test("no boxes, no rows", () => {
    expect(readingOrder([])).toEqual([]);
  });
});
