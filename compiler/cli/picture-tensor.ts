/** A picture as the elements of an input: resized, normalised, its channels and dims in the order wanted. */

import type { TensorInfo } from "../../runtime/index.js";
import { dtypes, type TypedArray } from "../ir/dtype.js";
import { makeElements } from "./elements.js";
import { CommandError } from "./failure.js";
import type { Picture } from "./picture.js";

export interface PictureFlags {
  /** Of the scaled values, in the order of `channels`; one number stands for all. */
  mean?: readonly number[];
  std?: readonly number[];
  /** Default: 1/255 for floats, 1 for integers. */
  scale?: number;
  layout?: "nchw" | "nhwc";
  channels?: "rgb" | "bgr";
}

/** Elements are (pixel * scale - mean) / std, a pixel being in [0, 255]. */
export function pictureElements(picture: Picture, input: TensorInfo, flags: PictureFlags): TypedArray {
  const { height, width, channels, isPlanar } = pictureShape(input, flags.layout);
  const plain = channels === 3 ? toColour(picture) : toGrey(picture);
  const { samples } = resize(plain, width, height);
  const scale = flags.scale ?? (dtypes[input.type].kind === "float" ? 1 / 255 : 1);
  const mean = perChannel("--mean", flags.mean ?? [0], channels);
  const std = perChannel("--std", flags.std ?? [1], channels);
  const pixels = width * height;
  return makeElements(input.type, pixels * channels, (i) => {
    const pixel = isPlanar ? i % pixels : Math.floor(i / channels);
    const channel = isPlanar ? Math.floor(i / pixels) : i % channels;
    const source = flags.channels === "bgr" ? channels - 1 - channel : channel;
    return (samples[pixel * channels + source]! * scale - mean[channel]!) / std[channel]!;
  });
}

interface PictureShape {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /** NCHW rather than NHWC. */
  readonly isPlanar: boolean;
}

/** What the input's shape says; where it does not say which dim is the channels, NCHW. */
function pictureShape({ name, dims }: TensorInfo, layout: PictureFlags["layout"]): PictureShape {
  const sizes = dims.map(Number);
  const shape = sizes.length === 4 && sizes[0] === 1 ? sizes.slice(1) : sizes;
  const isChannels = (size: number | undefined): size is 1 | 3 => size === 1 || size === 3;
  const isPlanar = layout === undefined ? isChannels(shape[0]) : layout === "nchw";
  const [channels, height, width] = isPlanar ? shape : [shape[2], shape[0], shape[1]];
  if (shape.length !== 3 || !isChannels(channels) || height === 0 || width === 0) {
    const order = layout === undefined ? "" : ` as ${layout.toUpperCase()}`;
    throw new CommandError(
      `input "${name}" of shape [${dims.join(", ")}] does not hold one picture${order}`,
      {
        hint: "a picture needs 1 or 3 channels and a batch of 1; give an .npy file for anything else",
      },
    );
  }
  return { height: height!, width: width!, channels, isPlanar };
}

function perChannel(flag: string, values: readonly number[], channels: number): readonly number[] {
  if (values.length === channels) return values;
  if (values.length === 1) return new Array<number>(channels).fill(values[0]!);
  throw new CommandError(`${flag} has ${values.length} numbers, but the input has ${channels} channel(s)`);
}

/** Grey is replicated. */
function toColour(picture: Picture): Picture {
  if (picture.channels === 3) return picture;
  const { samples } = picture;
  const colour = new Float32Array(samples.length * 3).map((_, i) => samples[Math.floor(i / 3)]!);
  return { ...picture, channels: 3, samples: colour };
}

/** Luma of ITU-R BT.601, as PIL and OpenCV make grey. */
function toGrey(picture: Picture): Picture {
  if (picture.channels === 1) return picture;
  const { samples } = picture;
  const grey = new Float32Array(samples.length / 3).map(
    (_, i) => 0.299 * samples[3 * i]! + 0.587 * samples[3 * i + 1]! + 0.114 * samples[3 * i + 2]!,
  );
  return { ...picture, channels: 1, samples: grey };
}

/** Bilinear, with the centres of pixels at halves and the border repeated: as OpenCV's INTER_LINEAR. */
export function resize(picture: Picture, width: number, height: number): Picture {
  if (picture.width === width && picture.height === height) return picture;
  const { channels, samples } = picture;
  const rows = axisWeights(picture.height, height);
  const columns = axisWeights(picture.width, width);
  const resized = new Float32Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const row = rows[y]!;
    for (let x = 0; x < width; x++) {
      const column = columns[x]!;
      for (let c = 0; c < channels; c++) {
        const at = (j: number, i: number): number => samples[(j * picture.width + i) * channels + c]!;
        const upper = mix(at(row.first, column.first), at(row.first, column.second), column.part);
        const lower = mix(at(row.second, column.first), at(row.second, column.second), column.part);
        resized[(y * width + x) * channels + c] = mix(upper, lower, row.part);
      }
    }
  }
  return { width, height, channels, samples: resized };
}

interface Weight {
  readonly first: number;
  readonly second: number;
  /** Share of the second. */
  readonly part: number;
}

function axisWeights(from: number, to: number): Weight[] {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(place);
    return { first, second: Math.min(first + 1, from - 1), part: place - first };
  });
}

const mix = (a: number, b: number, part: number): number => a + (b - a) * part;
