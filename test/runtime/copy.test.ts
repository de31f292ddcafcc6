/** Copying bytes into memory, shared or not, wherever both begin. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { copyInto } from "../../runtime/copy.js";

const lengths = fc.oneof(fc.nat(70), fc.integer({ min: 65_500, max: 65_600 }), fc.constant(200_001));

test("copies to any offset from any offset", () => {
  fc.assert(
    fc.property(lengths, fc.nat(9), fc.nat(9), fc.boolean(), (length, from, to, isShared) => {
      const source = Uint8Array.from({ length: length + from }, (_, i) => 1 + (i % 251)).subarray(from);
      const buffer = isShared ? new SharedArrayBuffer(length + to + 9) : new ArrayBuffer(length + to + 9);
      copyInto(new Uint8Array(buffer, 1), source, to);
      const expected = new Uint8Array(length + to + 9);
      expected.set(source, 1 + to);
      expect(Buffer.compare(new Uint8Array(buffer), expected)).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test("refuses to copy beyond the end", () => {
  const target = new Uint8Array(new SharedArrayBuffer(100_000));
  expect(() => copyInto(target, new Uint8Array(100_001), 1)).toThrow(RangeError);
  expect(() => copyInto(target.subarray(0, 4), new Uint8Array(5), 0)).toThrow(RangeError);
});
