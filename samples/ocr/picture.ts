import { convertIndexedToRgb, type DecodedPng, decode as decodePng, hasPngSignature } from "fast-png";
import jpeg from "jpeg-js";

/** A colour picture: `data` holds height x width x 3 bytes, red, green, blue. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Decodes a PNG or JPEG file. Transparent parts are shown on white, as a page would show them. */
export function decodePicture(file: Uint8Array): Picture {
  if (hasPngSignature(file)) return fromPng(decodePng(file));
  if (file[0] === 0xff && file[1] === 0xd8) {
    const { width, height, data } = jpeg.decode(file, { useTArray: true, formatAsRGBA: false });
    return { width, height, data };
  }
  throw new Error("not a PNG or JPEG file");
}

function fromPng(png: DecodedPng): Picture {
  const { width, height } = png;
  const { samples, channels, maximum } = unpackSamples(png);
  const data = new Uint8Array(width * height * 3);
  const coloured = channels >= 3;
  const hasAlpha = channels === 2 || channels === 4;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = pixel * channels;
    const alpha = hasAlpha ? samples[at + channels - 1]! / maximum : 1;
    for (let channel = 0; channel < 3; channel++) {
      const value = samples[at + (coloured ? channel : 0)]! / maximum;
      data[pixel * 3 + channel] = Math.round(255 * (value * alpha + 1 - alpha));
    }
  }
  return { width, height, data };
}

/** One number for each sample: palettes looked up, and grey values of 1, 2 or 4 bits taken out of their bytes. */
function unpackSamples(png: DecodedPng): { samples: ArrayLike<number>; channels: number; maximum: number } {
  if (png.palette !== undefined) {
    return { samples: convertIndexedToRgb(png), channels: png.palette[0]!.length, maximum: 255 };
  }
  if (png.depth < 8) {
    const last = 2 ** png.depth - 1;
    const greys = Array.from({ length: last + 1 }, (_, value) => [Math.round((value * 255) / last)]);
    return { samples: convertIndexedToRgb({ ...png, palette: greys }), channels: 1, maximum: 255 };
  }
  return { samples: png.data, channels: png.channels, maximum: png.depth === 16 ? 65535 : 255 };
}
