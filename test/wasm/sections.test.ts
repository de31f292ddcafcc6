import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ModuleBuilder } from "../../compiler/wasm/builder.js";
import {
  assemble,
  type DataSegment,
  decodeUnsigned,
  encodeSigned,
  encodeUnsigned,
  functionSizes,
  readSections,
  withoutZeros,
} from "../../compiler/wasm/sections.js";
import { simd } from "./harness.js";

const custom = { name: "kiln", payload: new TextEncoder().encode("{}") };
const PAGE = 65536;

/** A module with memory and one function. */
function codeModule(pages = 1): Uint8Array {
  using builder = new ModuleBuilder(simd);
  builder.memory(pages);
  builder.function({ name: "run", params: [], locals: [], body: builder.block([]) });
  builder.export("run");
  return builder.binary();
}

const compile = (wasm: Uint8Array): WebAssembly.Module =>
  new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);

function memoryOf(wasm: Uint8Array): Uint8Array {
  const { memory } = new WebAssembly.Instance(compile(wasm)).exports as { memory: WebAssembly.Memory };
  return new Uint8Array(memory.buffer);
}

/** Bytes where ranges given as [start, end, value] are filled. */
function filled(length: number, ...ranges: [number, number, number][]): Uint8Array {
  const bytes = new Uint8Array(length);
  for (const [start, end, value] of ranges) bytes.fill(value, start, end);
  return bytes;
}

test("numbers in LEB128", () => {
  const unsigned: [number, number[]][] = [
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
    [2 ** 32, [0x80, 0x80, 0x80, 0x80, 0x10]],
  ];
  for (const [value, bytes] of unsigned) {
    expect(encodeUnsigned(value)).toEqual(bytes);
    expect(decodeUnsigned(Uint8Array.from([9, ...bytes, 9]), 1)).toEqual({ value, next: bytes.length + 1 });
  }
  const signed: [number, number[]][] = [
    [0, [0]],
    [63, [0x3f]],
    [64, [0xc0, 0]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [-123456, [0xc0, 0xbb, 0x78]],
    [2 ** 31, [0x80, 0x80, 0x80, 0x80, 0x78]],
  ];
  for (const [value, bytes] of signed) expect(encodeSigned(value)).toEqual(bytes);
});

describe("data segments", () => {
  test("put their bytes in place, wherever that is", () => {
    const segments: DataSegment[] = [
      { address: 3, bytes: Uint8Array.of(1, 2, 3) },
      { address: 70, bytes: new Uint8Array(0) },
      { address: PAGE - 2, bytes: Uint8Array.of(7, 8) },
    ];
    const memory = memoryOf(assemble(codeModule(), segments, custom));
    const expected = new Uint8Array(PAGE);
    for (const { address, bytes } of segments) expected.set(bytes, address);
    expect(Buffer.compare(memory, expected)).toBe(0);
  });

  test("reach above 2 GiB", () => {
    const address = 2 ** 31 + 5;
    const memory = memoryOf(
      assemble(codeModule(2 ** 15 + 1), [{ address, bytes: Uint8Array.of(9) }], custom),
    );
    expect([...memory.subarray(address - 1, address + 2)]).toEqual([0, 9, 0]);
  });

  test("leave out long runs of zeros", () => {
    const bytes = filled(1000, [100, 200, 1], [230, 300, 2], [400, 401, 3]);
    const pieces = withoutZeros([{ address: 5000, bytes }]);
    expect(pieces.map(({ address, bytes: { length } }) => [address, length])).toEqual([
      [5096, 208],
      [5400, 8],
    ]);
    expect(withoutZeros([{ address: 0, bytes: new Uint8Array(500) }])).toEqual([]);
  });

  test("lose nothing", () => {
    const ranges = fc.array(fc.tuple(fc.nat(900), fc.nat(120), fc.integer({ min: 1, max: 255 })), {
      maxLength: 9,
    });
    const property = fc.property(ranges, fc.nat(1000), (parts, length) => {
      const bytes = filled(
        length,
        ...parts.map(([start, size, value]): [number, number, number] => [start, start + size, value]),
      );
      const pieces = withoutZeros([{ address: 64, bytes }]);
      const memory = new Uint8Array(2000);
      for (const piece of pieces) memory.set(piece.bytes, piece.address);
      expect(Buffer.compare(memory.subarray(64, 64 + length), bytes)).toBe(0);
      for (const piece of pieces) expect(Buffer.from(piece.bytes).indexOf(Buffer.alloc(128))).toBe(-1);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("are not more than engines accept, however the zeros lie", () => {
    const bytes = new Uint8Array(10_000_000);
    for (let at = 0; at < bytes.length; at += 80) bytes[at] = 1;
    const wasm = assemble(codeModule(160), [{ address: 0, bytes }], custom);
    expect(Buffer.compare(memoryOf(wasm).subarray(0, bytes.length), bytes)).toBe(0);
  });

  test("of 200 MB take little time", () => {
    const bytes = new Uint8Array(200e6);
    const words = new Uint32Array(bytes.buffer);
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 0x9e3779b1);
    const code = codeModule(3100);
    const before = process.cpuUsage();
    const wasm = assemble(code, [{ address: 1024, bytes }], custom);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(2);
    expect(wasm.length).toBeGreaterThan(bytes.length);
    expect(Buffer.compare(memoryOf(wasm).subarray(1024, 1024 + bytes.length), bytes)).toBe(0);
  });

  test("of more than a module may hold are refused", () => {
    const segments = Array.from({ length: 9 }, (_, i) => ({
      address: i,
      bytes: new Uint8Array(2 ** 27).fill(1),
    }));
    expect(() => assemble(codeModule(), segments, custom)).toThrow(/--weights split/);
  });
});

test("sections: data after the code, the custom section at the end, names kept", () => {
  const code = codeModule();
  const wasm = assemble(code, [{ address: 0, bytes: Uint8Array.of(1) }], custom);
  const ids = readSections(wasm).map(({ id }) => id);
  expect(ids).toEqual([1, 3, 5, 7, 10, 11, 0, 0]);
  const module = compile(wasm);
  expect(WebAssembly.Module.customSections(module, "name")).toHaveLength(1);
  const [section] = WebAssembly.Module.customSections(module, "kiln");
  expect(new TextDecoder().decode(section)).toBe("{}");
  expect(() => assemble(wasm, [], custom)).toThrow("data section already");
});

test("sizes of functions", () => {
  using builder = new ModuleBuilder(simd);
  builder.memory(1);
  const empty = { params: [], locals: [] } as const;
  builder.function({ ...empty, name: "a", body: builder.block([]) });
  builder.function({ ...empty, name: "b", body: builder.call("a", []) });
  expect(functionSizes(builder.binary())).toEqual([2, 4]);
  expect(functionSizes(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))).toEqual([]);
});
