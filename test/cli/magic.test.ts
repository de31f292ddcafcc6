import { expect, test } from "vitest";
import { isFile } from "../../compiler/cli/magic.js";

test("files are told by how they begin, Buffers too", () => {
  expect(isFile("png", Buffer.from("\x89PNG\r\n", "latin1"))).toBe(true);
  expect(isFile("jpeg", Uint8Array.of(255, 216, 255, 224))).toBe(true);
  expect(isFile("npy", Buffer.from("\x93NUMPY\x01", "latin1"))).toBe(true);
  expect(isFile("wasm", Buffer.from("\0asm"))).toBe(true);
});

test("a file shorter than the signature is none", () => {
  for (const kind of ["png", "jpeg", "npy", "wasm"] as const) {
    expect(isFile(kind, Uint8Array.of()), kind).toBe(false);
    expect(isFile(kind, Uint8Array.of(0, 97)), kind).toBe(false);
  }
});
