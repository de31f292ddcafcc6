/** PNG files written by hand, for what no encoder at hand writes: palettes, few bits, transparent colours. */

import { crc32, deflateSync } from "node:zlib";

export interface PngSpec {
  readonly width: number;
  readonly height: number;
  readonly depth: 1 | 2 | 4 | 8 | 16;
  /** 0 grey, 2 colour, 3 palette, 4 grey with alpha, 6 colour with alpha. */
  readonly colour: 0 | 2 | 3 | 4 | 6;
  /** Bytes of each row. */
  readonly rows: readonly (readonly number[])[];
  readonly palette?: readonly number[];
  /** Payload of tRNS. */
  readonly transparency?: readonly number[];
}

export function makePng({ width, height, depth, colour, rows, palette, transparency }: PngSpec): Uint8Array {
  const header = [...uint32(width), ...uint32(height), depth, colour, 0, 0, 0];
  const filtered = Uint8Array.from(rows.flatMap((row) => [0, ...row]));
  return Uint8Array.from([
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    ...chunk("IHDR", header),
    ...(palette === undefined ? [] : chunk("PLTE", palette)),
    ...(transparency === undefined ? [] : chunk("tRNS", transparency)),
    ...chunk("IDAT", [...deflateSync(filtered)]),
    ...chunk("IEND", []),
  ]);
}

function chunk(type: string, payload: readonly number[]): number[] {
  const body = Uint8Array.from([...Buffer.from(type), ...payload]);
  return [...uint32(payload.length), ...body, ...uint32(crc32(body))];
}

const uint32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
