/** Data that are taken out of a module's bytes before the engine compiles them. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeMetadata } from "../../compiler/wasm/metadata.js";
import { assemble, assemblePassive, type DataSegment } from "../../compiler/wasm/sections.js";
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

test("data at other places than constants below 2 GiB, and of two kinds, are the engine's", () => {
  const text = "x".repeat(MEBIBYTE);
  const both = `(i32.const 64) "${text}") (data "${text}"`;
  for (const segment of [`(i32.const -65536) "${text}"`, `(global.get 0) "${text}"`, both]) {
    const wasm = assembleText(`(module (import "m" "g" (global i32)) (memory 64) (data ${segment}))`);
    expect(takeData(wasm)).toBeUndefined();
  }
});

/** A module of Kiln for threads, whose data `init` would put in their place. */
function passiveModule(segments: readonly DataSegment[], data: readonly number[]): Uint8Array<ArrayBuffer> {
  const copies = segments.map(
    ({ address, bytes }, i) =>
      `(memory.init ${i} (i32.const ${address}) (i32.const 0) (i32.const ${bytes.length}))`,
  );
  const code = assembleText(`(module
    (import "kiln" "memory" (memory 64 64 shared))
    (export "memory" (memory 0))
    (func (export "init") (param i32 i32) (if (i32.eqz (i32.load (i32.const 8))) (then ${copies.join(" ")})))
    (func (export "run") (result i32) i32.const 0)
    ${segments.map(() => '(data "x")').join(" ")})`);
  const sharedMemory = { initial: 64, maximum: 64, placed: 8, data: [...data] };
  const custom = { name: METADATA_SECTION, payload: encodeMetadata(metadataOf({ sharedMemory })) };
  return assemblePassive(code, segments, custom) as Uint8Array<ArrayBuffer>;
}

test("passive data are left as empty segments, and written where the metadata say", async () => {
  const places = large.map(({ address }) => address);
  const wasm = passiveModule(large, places);
  const { code, data } = takeData(wasm)!;
  expect(data.map(([address]) => address)).toEqual([undefined, undefined, undefined]);
  const nothing = large.map(({ address }) => ({ address, bytes: new Uint8Array() }));
  expect(code.length - passiveModule(nothing, places).length).toBeLessThan(10);
  const { memory } = await loadInspected(wasm, { threads: 1 });
  const { memory: expected } = await loadInspected(await WebAssembly.compile(wasm), { threads: 1 });
  expected[8] = 1;
  expect(Buffer.compare(memory, expected)).toBe(0);
});

test("passive data lie in the module as in memory, in words of eight bytes", () => {
  for (let count = 1; count < 12; count++) {
    const segments = Array.from({ length: count }, (_, i) => ({
      address: 64 * i,
      bytes: bytesOf(i === 0 ? MEBIBYTE : i, i),
    }));
    const places = segments.map(({ address }) => address);
    const { data } = takeData(passiveModule(segments, places))!;
    expect(data.map(([, bytes]) => bytes.byteOffset % 8)).toEqual(places.map(() => 0));
    expect(data.map(([, bytes], i) => [...bytes.subarray(segments[i]!.bytes.length)])).toEqual(
      segments.map(({ bytes: { length } }) => Array.from({ length: (8 - (length % 8)) % 8 }, () => 0)),
    );
  }
});

test("passive data without an address for each are refused", async () => {
  const wasm = passiveModule(large, [64, 70_000]);
  expect(await failure(() => loadInspected(wasm))).toBe(
    'E_LOAD: model "test" cannot be instantiated: it does not say where its data belong',
  );
});

test("data beyond the memory are an error that names the model", async () => {
  const beyond = moduleWith([{ address: 4 * MEBIBYTE - 10, bytes: bytesOf(2 * MEBIBYTE, 1) }]);
  expect(await failure(() => loadInspected(beyond))).toMatch(/^E_LOAD: model ".*" cannot be instantiated: /);
});

test.each([
  ["active", moduleWith(large)],
  ["passive", passiveModule(large, [0, 0, 0])],
])("damaged bytes with %s data are left to the engine", (_, wasm) => {
  const places = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(places, fc.nat(wasm.length), (changes, length) => {
      const damaged = wasm.slice(0, length);
      for (const [at, byte] of changes) damaged[at] = byte;
      const taken = takeData(damaged);
      const bytes = taken?.data.reduce((sum, [, segment]) => sum + segment.length, 0) ?? 0;
      // Two bytes are left of a passive segment, and its section's size has as many as it may need.
      expect(bytes + (taken?.code.length ?? 0)).toBeLessThanOrEqual(damaged.length + 4);
    }),
    { numRuns: 200 },
  );
});
