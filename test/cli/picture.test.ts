import jpeg from "jpeg-js";
import { describe, expect, test } from "vitest";
import { type Picture, readPicture } from "../../compiler/cli/picture.js";
import { makePng, type PngSpec } from "./png.js";

const read = (spec: PngSpec): Promise<Picture> => readPicture(makePng(spec), "x.png");

const numbers = (picture: Picture): number[] => Array.from(picture.samples);

describe("PNG", () => {
  test("colour", async () => {
    const picture = await read({
      width: 2,
      height: 1,
      depth: 8,
      colour: 2,
      rows: [[1, 2, 3, 253, 254, 255]],
    });
    expect(picture).toMatchObject({ width: 2, height: 1, channels: 3 });
    expect(numbers(picture)).toEqual([1, 2, 3, 253, 254, 255]);
  });

  test("alpha is shown on white", async () => {
    const row = [10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 51];
    const picture = await read({ width: 3, height: 1, depth: 8, colour: 6, rows: [row] });
    expect(picture.channels).toBe(3);
    // 51 is a fifth: 0 / 5 + 255 * 4 / 5, 100 / 5 + 204, and 255.
    expect(numbers(picture)).toEqual([10, 20, 30, 255, 255, 255, 204, 224, 255]);
    const grey = await read({ width: 2, height: 1, depth: 8, colour: 4, rows: [[100, 255, 100, 51]] });
    expect(grey.channels).toBe(1);
    expect(numbers(grey)).toEqual([100, 224]);
  });

  test("16 bits keep their fractions", async () => {
    const grey = await read({ width: 3, height: 1, depth: 16, colour: 0, rows: [[0, 0, 0, 1, 255, 255]] });
    expect(numbers(grey)).toEqual([0, Math.fround(1 / 257), 255]);
  });

  test("grey of 1, 2 and 4 bits, rows that end within a byte", async () => {
    const bits = await read({ width: 3, height: 2, depth: 1, colour: 0, rows: [[0b10100000], [0b01000000]] });
    expect(bits.channels).toBe(1);
    expect(numbers(bits)).toEqual([255, 0, 255, 0, 255, 0]);
    const pairs = await read({ width: 5, height: 1, depth: 2, colour: 0, rows: [[0b00011011, 0b01000000]] });
    expect(numbers(pairs)).toEqual([0, 85, 170, 255, 85]);
    const nibbles = await read({ width: 2, height: 1, depth: 4, colour: 0, rows: [[0x1f]] });
    expect(numbers(nibbles)).toEqual([17, 255]);
  });

  test("palettes, with and without alpha", async () => {
    const palette = [255, 0, 0, 0, 0, 255];
    const rows = [[0b01000000]];
    const opaque = await read({ width: 2, height: 1, depth: 1, colour: 3, rows, palette });
    expect(numbers(opaque)).toEqual([255, 0, 0, 0, 0, 255]);
    const bytes = await read({
      width: 2,
      height: 1,
      depth: 8,
      colour: 3,
      rows: [[1, 0]],
      palette,
      transparency: [204],
    });
    expect(numbers(bytes)).toEqual([0, 0, 255, 255, 51, 51]);
  });

  test("one colour that is transparent", async () => {
    const rows = [[1, 2, 3, 1, 2, 4, 3, 2, 1]];
    const transparency = [0, 1, 0, 2, 0, 3];
    const colour = await read({ width: 3, height: 1, depth: 8, colour: 2, rows, transparency });
    expect(numbers(colour)).toEqual([255, 255, 255, 1, 2, 4, 3, 2, 1]);
    const grey = await read({
      width: 2,
      height: 1,
      depth: 4,
      colour: 0,
      rows: [[0x21]],
      transparency: [0, 2],
    });
    expect(numbers(grey)).toEqual([255, 17]);
  });

  test("a palette that is only a proposal", async () => {
    const palette = [9, 9, 9];
    const picture = await read({ width: 1, height: 1, depth: 8, colour: 2, rows: [[1, 2, 3]], palette });
    expect(numbers(picture)).toEqual([1, 2, 3]);
  });
});

test("JPEG", async () => {
  const pixels = new Uint8Array(8 * 8 * 4).fill(128);
  const grey = await readPicture(jpeg.encode({ width: 8, height: 8, data: pixels }, 100).data, "x.jpg");
  expect(grey).toMatchObject({ width: 8, height: 8, channels: 3 });
  expect(numbers(grey)).toEqual(new Array(192).fill(128));
  const red = pixels.map((_, i) => (i % 4 === 0 ? 200 : 10));
  const file = jpeg.encode({ width: 8, height: 8, data: red }, 100).data;
  const picture = await readPicture(file, "x.jpg");
  for (let i = 0; i < 192; i++)
    expect(Math.abs(picture.samples[i]! - (i % 3 === 0 ? 200 : 10))).toBeLessThan(3);
});

describe("what cannot be read", () => {
  const good = makePng({ width: 1, height: 1, depth: 8, colour: 0, rows: [[1]] });

  test("a file that is cut off, or whose bytes changed", async () => {
    for (let length = 8; length < good.length - 12; length++) {
      await expect(readPicture(good.subarray(0, length), "dir/x.png"), `${length} bytes`).rejects.toThrow(
        /^cannot read dir\/x\.png: .*[^:\s]$/,
      );
    }
    await expect(readPicture(good.with(17, 2), "x.png")).rejects.toThrow(/^cannot read x\.png: /);
    const jpegStart = Uint8Array.of(255, 216, 255, 224, 0, 16);
    await expect(readPicture(jpegStart, "x.jpg")).rejects.toThrow(/^cannot read x\.jpg: /);
  });

  test("a colour that is not in the palette", async () => {
    const file = makePng({ width: 1, height: 1, depth: 8, colour: 3, rows: [[1]], palette: [1, 2, 3] });
    await expect(readPicture(file, "x.png")).rejects.toThrow(
      "cannot read x.png: a colour is not in its palette",
    );
  });
});
