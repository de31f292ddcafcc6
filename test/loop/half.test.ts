import { expect, test } from "vitest";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "../../compiler/loop/half.js";

const allBits = Array.from({ length: 65536 }, (_, bits) => bits);

test("float16 values by hand", () => {
  const known: [bits: number, value: number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ];
  for (const [bits, value] of known) {
    expect(decodeFloat16(bits)).toBe(value);
    expect(encodeFloat16(value)).toBe(bits);
  }
  expect(decodeFloat16(0x7e01)).toBeNaN();
  expect(encodeFloat16(Number.NaN)).toBe(0x7e00);
});

test("float16 rounds to nearest, ties to even", () => {
  expect(encodeFloat16(1 + 2 ** -11)).toBe(0x3c00);
  expect(encodeFloat16(1 + 3 * 2 ** -11)).toBe(0x3c02);
  expect(encodeFloat16(Math.fround(1 + 2 ** -11 + 2 ** -20))).toBe(0x3c01);
  expect(encodeFloat16(2 ** -25)).toBe(0);
  expect(encodeFloat16(-3 * 2 ** -25)).toBe(0x8002);
  expect(encodeFloat16(2 ** -14 - 2 ** -25)).toBe(0x0400);
  expect(encodeFloat16(65519)).toBe(0x7bff);
  expect(encodeFloat16(65520)).toBe(0x7c00);
  expect(encodeFloat16(-3e38)).toBe(0xfc00);
});

test("every float16 and bfloat16 reads back as itself", () => {
  const wrong = allBits.filter(
    (bits) =>
      (!Number.isNaN(decodeFloat16(bits)) && encodeFloat16(decodeFloat16(bits)) !== bits) ||
      (!Number.isNaN(decodeBfloat16(bits)) && encodeBfloat16(decodeBfloat16(bits)) !== bits),
  );
  expect(wrong).toEqual([]);
});

test("bfloat16 rounds to nearest, ties to even", () => {
  expect(encodeBfloat16(1)).toBe(0x3f80);
  expect(encodeBfloat16(1 + 2 ** -8)).toBe(0x3f80);
  expect(encodeBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
  expect(encodeBfloat16(-(1 + 2 ** -8 + 2 ** -20))).toBe(0xbf81);
  expect(encodeBfloat16(Math.fround(3.4e38))).toBe(0x7f80);
  expect(encodeBfloat16(Number.NaN)).toBe(0x7fc0);
});
