/** The constants of a module as bytes, and their digest. */

import { createHash } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import type { ProgramBuffer } from "../compiler/loop/program.js";
import { weightDigest, weightImage } from "../compiler/weight-image.js";

afterEach(() => {
  vi.restoreAllMocks();
});

const constant = (name: string, ...data: number[]): ProgramBuffer => ({
  name,
  dtype: "uint8",
  byteLength: data.length,
  kind: "constant",
  data: Uint8Array.from(data),
});

const [first, second] = [constant("a", 1, 2, 3), constant("b", 4, 5)];
const plan = {
  addresses: new Map([
    [first, 1024],
    [second, 1040],
  ]),
  constants: [first, second],
  weights: { address: 1024, byteLength: 32 },
};
const image = [1, 2, 3, ...new Array(13).fill(0), 4, 5, ...new Array(14).fill(0)];
const expected = createHash("sha256").update(Uint8Array.from(image)).digest("hex");

test("constants lie where they do in memory, zeros between and behind them", () => {
  expect([...weightImage(plan)]).toEqual(image);
});

test("the digest is that of the image", async () => {
  expect(await weightDigest(plan)).toBe(expected);
});

test("it is the same by the Web Crypto of browsers", async () => {
  vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined as never);
  const digest = vi.spyOn(crypto.subtle, "digest");
  expect(await weightDigest(plan)).toBe(expected);
  expect(digest).toHaveBeenCalledTimes(1);
});

test("there may be none", async () => {
  const none = { addresses: new Map(), constants: [], weights: { address: 1024, byteLength: 0 } };
  expect(await weightDigest(none)).toBe(createHash("sha256").digest("hex"));
});
