/**
 * The binary format, as far as it is done by hand: data segments and custom sections are put beside the code that
 * Binaryen made, so that weights of hundreds of megabytes are copied once and never pass through Binaryen's heap.
 */

import { invariant, KilnError } from "../diagnostics.js";

export interface DataSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
}

interface Section {
  readonly id: number;
  /** Offsets of the id byte, of the first byte after the size, and of the byte after the section. */
  readonly start: number;
  readonly payload: number;
  readonly end: number;
}

const CUSTOM_SECTION = 0;
const CODE_SECTION = 10;
const DATA_SECTION = 11;
const HEADER_BYTES = 8;

/** Runs of zeros at least this long are left out: memory starts as zeros, and a new segment costs about ten bytes. */
const ZERO_RUN = 64;

/** Bytes that engines copy at once. */
const WORD = 8;

/** V8 and SpiderMonkey accept 100 000 segments. */
const MAX_SEGMENTS = 50_000;

/** Engines accept modules of up to 1 GiB. */
const MAX_MODULE_BYTES = 2 ** 30;

/** Bytes of an unsigned LEB128 number, up to 2^53. */
export function encodeUnsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

/** Bytes of a signed LEB128 number of 32 bits. */
export function encodeSigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  while (rest < -0x40 || rest >= 0x40) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  bytes.push(rest & 0x7f);
  return bytes;
}

/** Reads an unsigned LEB128 number; gives the offset behind it, too. */
export function decodeUnsigned(bytes: Uint8Array, offset: number): { value: number; next: number } {
  let value = 0;
  for (let at = offset, scale = 1; ; at++, scale *= 0x80) {
    const byte = bytes[at];
    invariant(byte !== undefined, "a number runs past the end of the module");
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
  }
}

/** The sections of a module, in order. */
export function readSections(wasm: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let start = HEADER_BYTES; start < wasm.length; ) {
    const { value: size, next: payload } = decodeUnsigned(wasm, start + 1);
    sections.push({ id: wasm[start]!, start, payload, end: payload + size });
    start = payload + size;
  }
  return sections;
}

/** Bytes of each function's body, in the order of the code section. */
export function functionSizes(wasm: Uint8Array): number[] {
  const code = readSections(wasm).find(({ id }) => id === CODE_SECTION);
  if (code === undefined) return [];
  const { value: count, next } = decodeUnsigned(wasm, code.payload);
  const sizes: number[] = [];
  let at = next;
  for (let i = 0; i < count; i++) {
    const { value: size, next: body } = decodeUnsigned(wasm, at);
    sizes.push(size);
    at = body + size;
  }
  return sizes;
}

export interface CustomSection {
  readonly name: string;
  readonly payload: Uint8Array;
}

/** The module with a data section after its code, and a custom section at its end. All bytes are copied once. */
export function assemble(
  wasm: Uint8Array,
  segments: readonly DataSegment[],
  { name, payload }: CustomSection,
): Uint8Array {
  const sections = readSections(wasm);
  invariant(!sections.some(({ id }) => id === DATA_SECTION), "the module has a data section already");
  const split = sections.findLast(({ id }) => id !== CUSTOM_SECTION)?.end ?? HEADER_BYTES;
  const data = dataSection(withoutZeros(segments));
  return joined([wasm.subarray(0, split), ...data, wasm.subarray(split)], { name, payload });
}

/**
 * The same where the module has a data section of passive segments, whose bytes are put in their place. Zeros may follow
 * each in memory, up to a length that is a multiple of eight.
 */
export function assemblePassive(
  wasm: Uint8Array,
  segments: readonly DataSegment[],
  custom: CustomSection,
): Uint8Array {
  const data = readSections(wasm).find(({ id }) => id === DATA_SECTION);
  if (data === undefined) return joined([wasm], custom);
  const section = passiveSection(segments, data.start);
  return joined([wasm.subarray(0, data.start), ...section, wasm.subarray(data.end)], custom);
}

function joined(parts: readonly Part[], { name, payload }: CustomSection): Uint8Array {
  const nameBytes = new TextEncoder().encode(name);
  const nameLength = encodeUnsigned(nameBytes.length);
  return concatenate([
    ...parts,
    [CUSTOM_SECTION, ...encodeUnsigned(nameLength.length + nameBytes.length + payload.length)],
    nameLength,
    nameBytes,
    payload,
  ]);
}

type Part = Uint8Array | readonly number[];

/** Active segments of memory 0. They need no DataCount section. */
function dataSection(segments: readonly DataSegment[]): Part[] {
  if (segments.length === 0) return [];
  const [i32Const, end] = [0x41, 0x0b];
  const count = encodeUnsigned(segments.length);
  const parts = segments.flatMap(({ address, bytes }): Part[] => [
    [0, i32Const, ...encodeSigned(address), end, ...encodeUnsigned(bytes.length)],
    bytes,
  ]);
  const size = parts.reduce((sum, part) => sum + part.length, count.length);
  return [[DATA_SECTION, ...encodeUnsigned(size), ...count], ...parts];
}

/**
 * The section, at an offset of the module. Its segments begin at multiples of eight bytes, as they do in memory: engines
 * copy into shared memory in words where both sides lie alike, and byte by byte elsewhere. So a segment has a head of
 * eight bytes, its numbers having more than they need, and zeros after its bytes, as there are in memory.
 */
function passiveSection(segments: readonly DataSegment[], offset: number): Part[] {
  const passive = [0x81, 0x80, 0];
  const count = encodeUnsigned(segments.length);
  const parts = segments.flatMap(({ bytes }): Part[] => {
    const zeros = -bytes.length & (WORD - 1);
    return [[...passive, ...encodePadded(bytes.length + zeros)], bytes, new Uint8Array(zeros)];
  });
  const size = parts.reduce((sum, part) => sum + part.length, count.length);
  const head = [DATA_SECTION, ...encodeUnsigned(size), ...count];
  return [fillerSection(-(offset + head.length)), head, ...parts];
}

/** Unsigned LEB128 in five bytes, the most that a number of 32 bits may have. */
const encodePadded = (value: number): number[] =>
  [0, 7, 14, 21, 28].map((shift) => ((value >>> shift) & 0x7f) | (shift < 28 ? 0x80 : 0));

/** A custom section without a name, of so many bytes or some words more. */
function fillerSection(bytes: number): number[] {
  const [header, nameLength] = [2, 1];
  const room = (bytes - header - nameLength) & (WORD - 1);
  return [CUSTOM_SECTION, nameLength + room, 0, ...new Uint8Array(room)];
}

function concatenate(parts: readonly Part[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > MAX_MODULE_BYTES) {
    throw new KilnError("E_LIMIT", `the module has ${length} bytes, engines accept ${MAX_MODULE_BYTES}`, {
      hint: "keep the weights in a file of their own (--weights split)",
    });
  }
  const result = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** The same contents of zeroed memory in segments without long runs of zeros, of whole words. */
export function withoutZeros(segments: readonly DataSegment[], most = MAX_SEGMENTS): DataSegment[] {
  for (let run = ZERO_RUN; ; run *= 4) {
    const pieces: DataSegment[] = [];
    for (const segment of segments) pushPieces(segment, run, pieces);
    if (pieces.length <= Math.max(most, segments.length)) return pieces;
  }
}

/** A run of that many zeros covers one of the bytes that lie so far apart: only those are looked at. */
function pushPieces({ address, bytes }: DataSegment, run: number, pieces: DataSegment[]): void {
  let start = skipZeros(bytes, 0);
  const finish = (end: number): void => {
    if (end === start) return;
    const first = start - (start % WORD);
    pieces.push({ address: address + first, bytes: bytes.subarray(first, Math.ceil(end / WORD) * WORD) });
  };
  for (let at = start + run; at < bytes.length; at += run) {
    if (bytes[at] !== 0) continue;
    let first = at;
    while (bytes[first - 1] === 0) first--;
    at = skipZeros(bytes, at);
    if (at - first < run && at < bytes.length) continue;
    finish(first);
    start = at;
  }
  finish(bytes.length);
}

/** Offset of the first byte from here on that is not zero. */
function skipZeros(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}
