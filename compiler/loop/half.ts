/** The two 16-bit float formats, which are stored only: bit patterns to numbers and back. */

const word = new DataView(new ArrayBuffer(4));

/**
 * An f64 as an f32 from which it can be rounded on to fewer bits as if at once: where it is none, the one towards zero
 * with its lowest bit set, so that it lies on no tie that the number itself did not lie on.
 */
export function narrowToOdd(value: number): number {
  const single = Math.fround(value);
  if (single === value || Number.isNaN(value)) return single;
  word.setFloat32(0, single);
  word.setUint32(0, (word.getUint32(0) - Number(Math.abs(single) > Math.abs(value))) | 1);
  return word.getFloat32(0);
}

/** The value of IEEE binary16 bits. */
export function decodeFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest IEEE binary16 of an f32 value, ties to even. */
export function encodeFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  word.setFloat32(0, value);
  const sign = (word.getUint32(0) >>> 16) & 0x8000;
  const bits = word.getUint32(0) & 0x7fffffff;
  const magnitude = Math.abs(value);
  // Subnormals are multiples of 2^-24: this sum leaves their count, rounded to even, in its lowest bits.
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24 + 2 ** 52 - 2 ** 52);
  const nearest = ((bits + 0xfff + ((bits >> 13) & 1)) >> 13) - (112 << 10);
  return sign | Math.min(nearest, 0x7c00);
}

/** The value of bfloat16 bits: the upper half of an f32. */
export function decodeBfloat16(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** The nearest bfloat16 of an f32 value, ties to even. */
export function encodeBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The bits of an f32 as binary16 bits of the same number, or -1 where there are none: not for NaN. */
export function narrowFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude === 0) return sign;
  if (magnitude === 0x7f800000) return sign | 0x7c00;
  const exponent = (magnitude >>> 23) - 112;
  if (exponent < -9 || exponent > 30) return -1;
  // Below the smallest exponent the leading one is written out, the more bits to the right the smaller the number.
  const isNormal = exponent > 0;
  const fraction = isNormal ? magnitude & 0x7fffff : (magnitude & 0x7fffff) | 0x800000;
  const dropped = isNormal ? 13 : 14 - exponent;
  if ((fraction & ((1 << dropped) - 1)) !== 0) return -1;
  return sign | (isNormal ? exponent << 10 : 0) | (fraction >>> dropped);
}

/** The bits of an f32 as bfloat16 bits of the same number, or -1 where there are none. */
export const narrowBfloat16 = (bits: number): number => ((bits & 0xffff) === 0 ? bits >>> 16 : -1);
