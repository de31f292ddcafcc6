import { encode as encodePng } from "fast-png";
import jpeg from "jpeg-js";
import { expect, test } from "vitest";
import { decodePicture } from "../../samples/ocr/picture.js";
import { drawBox, type Normalization } from "../../samples/ocr/sampling.js";

const png = (channels: number, data: number[], width = 2) =>
  decodePicture(encodePng({ width, height: 1, channels, data: Uint8Array.from(data) }));

test("PNG pictures of every kind become red, green, blue", () => {
  expect(png(1, [0, 200]).data).toEqual(Uint8Array.of(0, 0, 0, 200, 200, 200));
  expect(png(3, [1, 2, 3, 4, 5, 6]).data).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  // Half transparent black and fully transparent red on white.
  expect(png(4, [0, 0, 0, 51, 255, 0, 0, 0]).data).toEqual(Uint8Array.of(204, 204, 204, 255, 255, 255));
});

test("a PNG of 16 bits is reduced to 8", () => {
  const file = encodePng({ width: 2, height: 1, depth: 16, channels: 1, data: Uint16Array.of(65535, 257) });
  expect(decodePicture(file).data).toEqual(Uint8Array.of(255, 255, 255, 1, 1, 1));
});

test("JPEG pictures are decoded", () => {
  const grey = Uint8Array.from({ length: 8 * 8 * 4 }, () => 128);
  const picture = decodePicture(jpeg.encode({ width: 8, height: 8, data: grey }, 90).data);
  expect([picture.width, picture.height, picture.data.length]).toEqual([8, 8, 192]);
  expect(Math.abs(picture.data[0]! - 128)).toBeLessThanOrEqual(2);
});

test("other files are refused", () => {
  expect(() => decodePicture(Uint8Array.of(1, 2, 3))).toThrow("not a PNG or JPEG file");
});

const plain: Normalization = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };

/** Draws a level box of a grey picture of 4 x 1 into planes of 4 x 1 and returns the first of them. */
function draw(box: { x: number; y: number; width: number; height: number }, width: number, height: number) {
  const picture = png(3, [0, 0, 0, 40, 40, 40, 80, 80, 80, 120, 120, 120], 4);
  const planes = { width: 4, height: 1, data: new Float32Array(12).fill(-1) };
  const area = {
    center: { x: box.x + box.width / 2, y: box.y + box.height / 2 },
    axis: { x: 1, y: 0 },
    width: box.width,
    height: box.height,
  };
  drawBox(planes, picture, area, width, height, plain);
  return [...planes.data.subarray(0, 4)].map((value) => Math.round(value * 1000) / 1000);
}

test("a box of the same size is copied, and the rest of the planes stays", () => {
  expect(draw({ x: 1, y: 0, width: 2, height: 1 }, 2, 1)).toEqual([40, 80, -1, -1]);
});

test("values between pixels are interpolated, the border goes on outside", () => {
  expect(draw({ x: 2.5, y: 0, width: 2, height: 1 }, 2, 1)).toEqual([100, 120, -1, -1]);
});

test("pixels are averaged where the box shrinks", () => {
  expect(draw({ x: 0, y: 0, width: 4, height: 1 }, 2, 1)).toEqual([20, 100, -1, -1]);
});

test("planes are in the order blue, green, red", () => {
  const planes = { width: 1, height: 1, data: new Float32Array(3) };
  const area = { center: { x: 0.5, y: 0.5 }, axis: { x: 1, y: 0 }, width: 1, height: 1 };
  drawBox(planes, png(3, [255, 51, 0], 1), area, 1, 1, { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
  expect(planes.data[0]).toBeCloseTo(-1, 6);
  expect(planes.data[1]).toBeCloseTo(-0.6, 6);
  expect(planes.data[2]).toBeCloseTo(1, 6);
});
