/** PNG and JPEG files as samples in [0, 255], transparent parts shown on white. */

import type { DecodedPng } from "fast-png";
import { CommandError } from "./failure.js";
import { isFile } from "./magic.js";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1 is grey, 3 is red, green and blue. */
  readonly channels: 1 | 3;
  /** Rows of pixels of channels. */
  readonly samples: Float32Array;
}

export async function readPicture(file: Uint8Array, path: string): Promise<Picture> {
  try {
    return isFile("png", file) ? await readPng(file) : await readJpeg(file);
  } catch (cause) {
    const { message } = cause as Error;
    throw new CommandError(`cannot read ${path}: ${message.trim().replace(/:$/, "")}`, { cause });
  }
}

async function readJpeg(file: Uint8Array): Promise<Picture> {
  const { default: jpeg } = await import("jpeg-js");
  const { width, height, data } = jpeg.decode(file, { useTArray: true, formatAsRGBA: false });
  return { width, height, channels: 3, samples: Float32Array.from(data) };
}

async function readPng(file: Uint8Array): Promise<Picture> {
  const { decode } = await import("fast-png");
  const png = decode(file, { checkCrc: true });
  const { width, height, transparency } = png;
  const { bands, sample, values } = samplesOf(png);
  const channels = bands >= 3 ? 3 : 1;
  const isKey = (pixel: number): boolean =>
    transparency?.every((value, c) => values[pixel * bands + c] === value) === true;
  const alphaOf = (pixel: number): number =>
    bands > channels ? sample(pixel, channels) / 255 : isKey(pixel) ? 0 : 1;
  const samples = new Float32Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const alpha = alphaOf(pixel);
    for (let c = 0; c < channels; c++) {
      samples[pixel * channels + c] = sample(pixel, c) * alpha + 255 * (1 - alpha);
    }
  }
  return { width, height, channels, samples };
}

interface Samples {
  /** 1 or 3 channels, and one more for alpha. */
  readonly bands: number;
  /** As stored: indices into a palette, or samples of the picture's depth. */
  readonly values: ArrayLike<number>;
  /** In [0, 255]. */
  readonly sample: (pixel: number, band: number) => number;
}

function samplesOf(png: DecodedPng): Samples {
  const { width, height, depth, data, palette, channels: bands } = png;
  const values = depth < 8 ? unpack(data, width, height, depth) : data;
  // A picture of three channels may have a palette too, for displays that cannot show them all.
  if (palette !== undefined && bands === 1) {
    if (values.some((value) => value >= palette.length)) throw new Error("a colour is not in its palette");
    return { bands: palette[0]!.length, values, sample: (pixel, band) => palette[values[pixel]!]![band]! };
  }
  const scale = 255 / (2 ** depth - 1);
  return { bands, values, sample: (pixel, band) => values[pixel * bands + band]! * scale };
}

/** Samples of 1, 2 or 4 bits taken out of their bytes; rows begin on a byte. */
function unpack(data: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const values = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)]!;
      values[y * width + x] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return values;
}
