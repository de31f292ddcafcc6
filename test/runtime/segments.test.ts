/** Data that are taken out of a module's bytes before the engine compiles them. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeMetadata } from "../../compiler/wasm/metadata.js";
import { assemble, type DataSegment } from "../../compiler/wasm/sections.js";
import { METADATA_SECTION } from "../../runtime/metadata.js";
import { takeData } from "../../runtime/segments.js";
import { failure } from "./errors.js";
import { loadInspected } from "./inspect.js";
import { assemble as assembleText, metadataOf } from "./module.js";

const MEBIBYTE = 2 ** 20;

const bytesOf = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => first + i * 7);

/** A module of Kiln with 4 MiB of memory. */
function moduleWith(segments: readonly DataSegment[]): Uint8Array<ArrayBuffer> {
  const code = assembleText(
    '(module (memory (export "memory") 64) (func (export "run") (result i32) i32.const 0))',
  );
  const custom = { name: METADATA_SECTION, payload: encodeMetadata(metadataOf({})) };
  return assemble(code, segments, custom) as Uint8Array<ArrayBuffer>;
}

const large: readonly DataSegment[] = [
  { address: 64, bytes: bytesOf(100, 1) },
  { address: 70_000, bytes: bytesOf(2 * MEBIBYTE, 2) },
  { address: 3 * MEBIBYTE + 1, bytes: bytesOf(5, 3) },
];

test("large data are taken out, and what is left is a module", async () => {
  const wasm = moduleWith(large);
  const { code, data } = takeData(wasm)!;
  expect(data.map(([address]) => address)).toEqual(large.map(({ address }) => address));
  expect(data.map(([, bytes], i) => Buffer.compare(bytes, large[i]!.bytes))).toEqual([0, 0, 0]);
  expect(Buffer.compare(code, moduleWith([]))).toBe(0);
  await WebAssembly.compile(code as Uint8Array<ArrayBuffer>);
});

test("a model has in memory what the engine would have written there", async () => {
  const wasm = moduleWith(large);
  const { memory } = await loadInspected(wasm);
  const { instance } = await WebAssembly.instantiate(wasm);
  const expected = new Uint8Array((instance.exports.memory as WebAssembly.Memory).buffer);
  expect(Buffer.compare(memory, expected)).toBe(0);
});

test("few data stay where they are", () => {
  expect(takeData(moduleWith([large[0]!, large[2]!]))).toBeUndefined();
  expect(takeData(moduleWith([]))).toBeUndefined();
});

test("passive data, and those at other places than constants below 2 GiB, are the engine's", () => {
  const text = "x".repeat(MEBIBYTE);
  for (const segment of [`"${text}"`, `(i32.const -65536) "${text}"`, `(global.get 0) "${text}"`]) {
    const wasm = assembleText(`(module (import "m" "g" (global i32)) (memory 64) (data ${segment}))`);
    expect(takeData(wasm)).toBeUndefined();
  }
});

test("data beyond the memory are an error that names the model", async () => {
  const beyond = moduleWith([{ address: 4 * MEBIBYTE - 10, bytes: bytesOf(2 * MEBIBYTE, 1) }]);
  expect(await failure(() => loadInspected(beyond))).toMatch(/^E_LOAD: model ".*" cannot be instantiated: /);
});

test("damaged bytes are left to the engine", () => {
  const wasm = moduleWith(large);
  const places = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(places, fc.nat(wasm.length), (changes, length) => {
      const damaged = wasm.slice(0, length);
      for (const [at, byte] of changes) damaged[at] = byte;
      const taken = takeData(damaged);
      const bytes = taken?.data.reduce((sum, [, segment]) => sum + segment.length, 0) ?? 0;
      expect(bytes + (taken?.code.length ?? 0)).toBeLessThanOrEqual(damaged.length);
    }),
    { numRuns: 200 },
  );
});
