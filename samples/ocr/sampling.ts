import { type Point, pointAt, type Rectangle } from "./geometry.js";
import type { Picture } from "./picture.js";

/** How colour values 0..255 become network inputs: (value / 255 - mean) / std, listed in the order of the planes. */
export interface Normalization {
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
}

/** Planes of a network's input, in the order blue, green, red: PP-OCR was trained on pictures read by OpenCV. */
export interface Planes {
  width: number;
  height: number;
  /** [3, height, width] */
  data: Float32Array;
}

/**
 * Cuts a box out of the picture, turns it upright, resizes it to `width` x `height` and writes it, normalised, to
 * the top left of the planes; the rest stays as it is. Values between pixels are interpolated bilinearly. Where
 * the box shrinks, several samples are averaged for each output pixel, so that thin strokes do not fall between.
 */
export function drawBox(
  planes: Planes,
  picture: Picture,
  box: Rectangle,
  width: number,
  height: number,
  normalization: Normalization,
): void {
  const across = Math.max(1, Math.round(box.width / width));
  const down = Math.max(1, Math.round(box.height / height));
  const corner = pointAt(box, 0, 0);
  const toRight = difference(pointAt(box, 1 / (width * across), 0), corner);
  const toBottom = difference(pointAt(box, 0, 1 / (height * down)), corner);
  const sum = new Float64Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      sum.fill(0);
      for (let j = 0.5; j < down; j++) {
        for (let i = 0.5; i < across; i++) {
          const right = x * across + i;
          const below = y * down + j;
          addBilinear(
            sum,
            picture,
            corner.x + right * toRight.x + below * toBottom.x,
            corner.y + right * toRight.y + below * toBottom.y,
          );
        }
      }
      store(planes, x, y, sum, across * down, normalization);
    }
  }
}

/** Writes the mean of `count` added colours as one normalised input value in each plane. */
function store(
  planes: Planes,
  x: number,
  y: number,
  sum: Float64Array,
  count: number,
  { mean, std }: Normalization,
): void {
  const size = planes.width * planes.height;
  for (let channel = 0; channel < 3; channel++) {
    const value = sum[2 - channel]! / (255 * count);
    planes.data[channel * size + y * planes.width + x] = (value - mean[channel]!) / std[channel]!;
  }
}

function difference(a: Point, b: Point): Point {
  return { x: a.x - b.x, y: a.y - b.y };
}

/** Adds the colour at a point to `sum` (red, green, blue). Outside the picture its border goes on. */
function addBilinear(sum: Float64Array, picture: Picture, x: number, y: number): void {
  const { width, height, data } = picture;
  const cx = Math.min(Math.max(x - 0.5, 0), width - 1);
  const cy = Math.min(Math.max(y - 0.5, 0), height - 1);
  const left = Math.floor(cx);
  const top = Math.floor(cy);
  const fx = cx - left;
  const fy = cy - top;
  const topLeft = (top * width + left) * 3;
  const toRight = left + 1 < width ? 3 : 0;
  const toBottom = top + 1 < height ? width * 3 : 0;
  for (let channel = 0; channel < 3; channel++) {
    const at = topLeft + channel;
    const above = data[at]! * (1 - fx) + data[at + toRight]! * fx;
    const below = data[at + toBottom]! * (1 - fx) + data[at + toBottom + toRight]! * fx;
    sum[channel] = sum[channel]! + above * (1 - fy) + below * fy;
  }
}
