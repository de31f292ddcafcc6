/** Copying into linear memory, which threads may share. */

const CHUNK = 2 ** 16;

/**
 * Copies bytes to an offset of the target. Into shared memory engines copy byte by byte, unless both sides lie alike in
 * words of eight bytes: so they are brought to lie like that first, in pieces that stay in the cache.
 * Throws RangeError where the target is too short.
 */
export function copyInto(target: Uint8Array, bytes: Uint8Array, offset: number): void {
  const shift = (target.byteOffset + offset) & 7;
  if (target.buffer instanceof ArrayBuffer || (bytes.byteOffset & 7) === shift) {
    target.set(bytes, offset);
    return;
  }
  const aligned = new Uint8Array(CHUNK + 8);
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const part = bytes.subarray(at, at + CHUNK);
    aligned.set(part, shift);
    target.set(aligned.subarray(shift, shift + part.length), offset + at);
  }
}
