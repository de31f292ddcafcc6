import { describe, expect, test } from "vitest";
import type { MemoryType, TypedArray } from "../../compiler/ir/dtype.js";
import {
  add,
  combineLanes,
  extract,
  f32Constant,
  i32Constant,
  KernelBuilder,
  op,
  read,
  replace,
  shuffle,
  splat,
} from "../../compiler/loop/builder.js";
import { Trap } from "../../compiler/loop/evaluate.js";
import { interpretKernel, interpretProgram } from "../../compiler/loop/interpret.js";
import { type Buffer, type Expr, f32, i32, type Kernel, type Variable } from "../../compiler/loop/ir.js";
import { verifyKernel } from "../../compiler/loop/verify.js";
import { matmulKernel, paddedShiftKernel, sumKernel } from "./kernels.js";
import { scaleProgram } from "./programs.js";

/** Lays the arrays out in one memory, 8 bytes apart, runs the kernel on them, and copies their contents back. */
function run(kernel: Kernel, arrays: TypedArray[], { sizes = [] as number[], fused = false } = {}): void {
  const addresses: number[] = [];
  let end = 8;
  for (const array of arrays) {
    addresses.push(end);
    end += Math.ceil(array.byteLength / 8) * 8 + 8;
  }
  const memory = new Uint8Array(end);
  const bytesOf = (array: TypedArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  arrays.forEach((array, i) => {
    memory.set(bytesOf(array), addresses[i]);
  });
  verifyKernel(kernel);
  interpretKernel(kernel, { memory: memory.buffer, addresses, sizes }, { fused });
  arrays.forEach((array, i) => {
    bytesOf(array).set(memory.subarray(addresses[i], addresses[i]! + array.byteLength));
  });
}

/** Gives y after the statements that `body` writes. */
function compute<T extends TypedArray>(
  dtype: MemoryType,
  y: T,
  body: (b: KernelBuilder, target: Buffer) => void,
): T {
  const b = new KernelBuilder("computed");
  body(b, b.buffer("y", dtype, "readwrite", y.length));
  run(b.finish(), [y]);
  return y;
}

describe("kernels", () => {
  test("a matmul with a vector accumulator", () => {
    const x = Float32Array.of(1, 2, 3, 4, 5, 6);
    const w = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    const y = new Float32Array(8);
    run(matmulKernel(), [x, w, y]);
    expect([...y]).toEqual([38, 44, 50, 56, 83, 98, 113, 128]);
  });

  test("a sum over a run-time extent", () => {
    const y = new Float32Array(1);
    run(sumKernel(), [Float32Array.of(1, 2, 3, 100), y], { sizes: [3] });
    expect(y[0]).toBe(6);
    run(sumKernel(), [Float32Array.of(1, 2, 3, 100), y], { sizes: [0] });
    expect(y[0]).toBe(0);
  });

  test("branches, with 8-bit elements read signed", () => {
    const y = new Int32Array(6);
    run(paddedShiftKernel(), [Int8Array.of(5, -128, 127, -1), y]);
    expect([...y]).toEqual([-1, 5, -128, 127, -1, -1]);
  });

  test("a step that passes by the end, and an empty loop", () => {
    const y = compute("int32", new Int32Array(8), (b, target) => {
      b.for("i", 1, 8, (i) => b.store(target, i, i), { step: 3, mode: "parallel" });
      b.for("i", b.load(target, 1), i32Constant(1), () => b.store(target, 0, i32Constant(99)));
    });
    expect([...y]).toEqual([0, 1, 0, 0, 4, 0, 0, 7]);
  });

  test("bounds are computed once", () => {
    const y = compute("int32", new Int32Array(1), (b, target) => {
      const end = b.variable("end", i32Constant(3));
      b.for("i", 0, read(end), () => b.assign(end, add(read(end), 1)));
      b.store(target, 0, read(end));
    });
    expect(y[0]).toBe(6);
  });

  test("an expression used twice is computed once, before the statement", () => {
    const y = compute("float32", Float32Array.of(0), (b, target) => {
      let doubled: Expr = b.load(target, 0);
      doubled = op("add", doubled, 1);
      for (let i = 0; i < 100; i++) doubled = op("add", doubled, doubled);
      b.store(target, 0, doubled);
    });
    expect(y[0]).toBe(2 ** 100);
  });
});

describe("loads and stores", () => {
  /** What the register holds for stored bits, by copying to a wider array. */
  const widened = (
    dtype: MemoryType,
    x: TypedArray,
    wide: MemoryType,
    y: TypedArray,
    lanes: 1 | 2 | 4 = 1,
  ): string[] => {
    const b = new KernelBuilder("widen");
    const from = b.buffer("x", dtype, "read", x.length);
    const to = b.buffer("y", wide, "write", y.length);
    b.for("i", 0, x.length, (i) => b.store(to, i, b.load(from, i, lanes)), { step: lanes });
    run(b.finish(), [x, y]);
    return Array.from(y as ArrayLike<number | bigint>, String);
  };

  test("narrow integers are extended by their sign", () => {
    expect(widened("int8", Int8Array.of(-1, -128), "int32", new Int32Array(2))).toEqual(["-1", "-128"]);
    expect(widened("uint8", Uint8Array.of(255, 128), "int32", new Int32Array(2))).toEqual(["255", "128"]);
    expect(widened("bool", Uint8Array.of(0, 1), "int32", new Int32Array(2))).toEqual(["0", "1"]);
    expect(widened("int16", Int16Array.of(-2, 5), "int32", new Int32Array(2))).toEqual(["-2", "5"]);
    expect(widened("uint16", Uint16Array.of(65535), "int32", new Int32Array(1))).toEqual(["65535"]);
    expect(widened("uint32", Uint32Array.of(2 ** 32 - 1), "int32", new Int32Array(1))).toEqual(["-1"]);
    const large = BigUint64Array.of(2n ** 64n - 1n, 7n);
    expect(widened("uint64", large, "int64", new BigInt64Array(2), 2)).toEqual(["-1", "7"]);
  });

  test("four lanes of a narrow type are four elements", () => {
    const bytes = Int8Array.of(1, -2, 3, -4, 5, -6, 7, -8);
    expect(widened("int8", bytes, "int32", new Int32Array(8), 4)).toEqual([...bytes].map(String));
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00);
    expect(widened("float16", halves, "float32", new Float32Array(4), 4)).toEqual([
      "1",
      "-2",
      String(2 ** -24),
      "Infinity",
    ]);
    const upper = Uint16Array.of(0x3f80, 0xbfc0);
    expect(widened("bfloat16", upper, "float32", new Float32Array(2))).toEqual(["1", "-1.5"]);
  });

  test("stores keep the low bits, or round to half precision", () => {
    const values = [1, 1 + 3 * 2 ** -11, -70000, 2 ** -25].map(f32Constant);
    const vector = values.reduce((v, lane, i) => replace(v, i, lane), splat(f32Constant(0), 4));
    const halves = compute("float16", new Uint16Array(4), (b, y) => b.store(y, 0, vector));
    expect([...halves]).toEqual([0x3c00, 0x3c02, 0xfc00, 0]);
    const upper = compute("bfloat16", new Uint16Array(4), (b, y) => b.store(y, 0, vector));
    expect([...upper]).toEqual([0x3f80, 0x3f80, 0xc789, 0x3300]);
    const bytes = compute("int8", new Int8Array(2), (b, y) => {
      b.store(y, 0, i32Constant(200));
      b.store(y, 1, i32Constant(-257));
    });
    expect([...bytes]).toEqual([-56, -1]);
  });

  test("offsets and pointers", () => {
    const b = new KernelBuilder("pointers");
    const x = b.buffer("x", "float32", "read", 8);
    const y = b.buffer("y", "float32", "write", 4);
    const pointer: Variable = { kind: "variable", name: "p", type: i32, mutable: true };
    const load: Expr = {
      kind: "load",
      type: f32,
      splat: false,
      buffer: x,
      index: i32Constant(1),
      offset: 2,
      pointer,
    };
    const kernel: Kernel = {
      ...b.finish(),
      body: [
        { kind: "let", variable: pointer, value: op("add", { kind: "address", type: i32, buffer: x }, 4) },
        { kind: "store", buffer: y, index: i32Constant(1), offset: 0, value: load },
        { kind: "assign", variable: pointer, value: op("add", read(pointer), 8) },
        { kind: "store", buffer: y, index: i32Constant(0), offset: 3, value: load },
      ],
    };
    const result = new Float32Array(4);
    run(kernel, [Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7), result]);
    expect([...result]).toEqual([0, 4, 0, 6]);
  });
});

describe("lanes", () => {
  const one = Float32Array.of(1, 2, 3, 4);

  test("splat, extract, replace and combination", () => {
    const y = compute("float32", one.slice(), (b, target) => {
      const v = b.load(target, 0, 4);
      b.store(target, 0, replace(op("mul", v, splat(extract(v, 3), 4)), 1, combineLanes("add", v)));
    });
    expect([...y]).toEqual([4, 10, 12, 16]);
  });

  test("a shuffle picks bytes of both vectors", () => {
    const selectors = [12, 13, 14, 15, 16, 17, 18, 19, 4, 5, 6, 7, 3, 2, 1, 0];
    const y = compute("float32", one.slice(), (b, target) => {
      const v = b.load(target, 0, 4);
      b.store(target, 0, shuffle(v, op("neg", v), selectors));
    });
    expect([...y]).toEqual([4, -1, 2, new Float32Array(Uint32Array.of(0x0000803f).buffer)[0]]);
  });

  test("masks of 32 and 64 bits are shuffled and selected by lanes", () => {
    const swapped = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
    const y = compute("float32", one.slice(), (b, target) => {
      const v = b.load(target, 0, 4);
      const mask = op("lt", v, 3);
      b.store(target, 0, op("select", shuffle(mask, mask, swapped), v, op("neg", v)));
    });
    expect([...y]).toEqual([-1, -2, 3, 4]);
    const z = compute("float64", Float64Array.of(5, 6), (b, target) => {
      const v = b.load(target, 0, 2);
      const mask = op("gt", v, 5.5);
      b.store(target, 0, op("select", shuffle(mask, mask, swapped), v, 0));
    });
    expect([...z]).toEqual([5, 0]);
  });
});

describe("errors", () => {
  test("an access outside its buffer names kernel, buffer and index", () => {
    expect(() => run(sumKernel(), [Float32Array.of(1, 2), new Float32Array(1)], { sizes: [9] })).toThrow(
      /kernel @sum: load of 1 element\(s\) at index 8 of x, which has 8/,
    );
    const scatter = (b: KernelBuilder, y: Buffer) => b.store(y, b.load(y, 0), splat(i32Constant(1), 4));
    expect(() => compute("int32", Int32Array.of(2, 0, 0, 0), scatter)).toThrow(
      "kernel @computed: store to 4 element(s) at index 2 of y, which has 4",
    );
    expect(() => compute("int32", Int32Array.of(-1), scatter)).toThrow("at index -1 of y");
  });

  test("a division by zero is a trap", () => {
    const divide = (b: KernelBuilder, y: Buffer) => b.store(y, 0, op("div_s", 1, b.load(y, 0)));
    expect(() => compute("int32", Int32Array.of(0), divide)).toThrow(Trap);
  });

  test("addresses and sizes are counted", () => {
    expect(() => interpretKernel(sumKernel(), { memory: new ArrayBuffer(8), addresses: [0] })).toThrow(
      "@sum needs an address a buffer",
    );
    expect(() => interpretKernel(sumKernel(), { memory: new ArrayBuffer(8), addresses: [0, 4] })).toThrow(
      "@sum takes 1 sizes",
    );
  });
});

test("fma is rounded once or twice, as asked", () => {
  const b = new KernelBuilder("fused");
  const y = b.buffer("y", "float32", "readwrite", 1);
  b.store(y, 0, op("fma", b.load(y, 0), b.load(y, 0), -1 - 2 ** -11));
  const twice = Float32Array.of(1 + 2 ** -12);
  run(b.finish(), [twice]);
  expect(twice[0]).toBe(0);
  const once = Float32Array.of(1 + 2 ** -12);
  run(b.finish(), [once], { fused: true });
  expect(once[0]).toBe(2 ** -24);
});

describe("programs", () => {
  const bytes = (array: Float32Array) => new Uint8Array(array.buffer);

  test("calls run in order on buffers of their own", () => {
    const outputs = interpretProgram(scaleProgram(), new Map([["x", bytes(Float32Array.of(1, 2, -3, 0.5))]]));
    expect([...outputs.keys()]).toEqual(["out/y:0"]);
    expect([...new Float32Array(outputs.get("out/y:0")!.buffer)]).toEqual([-1.5, -3, 4.5, -0.75]);
  });

  test("what no call has written is NaN", () => {
    const program = { ...scaleProgram(), steps: [] };
    const outputs = interpretProgram(program, new Map([["x", bytes(new Float32Array(4))]]));
    expect([...new Float32Array(outputs.get("out/y:0")!.buffer)]).toEqual([NaN, NaN, NaN, NaN]);
  });

  test("inputs are checked", () => {
    expect(() => interpretProgram(scaleProgram(), new Map())).toThrow(
      'input "x" of program @scale_twice is missing',
    );
    expect(() => interpretProgram(scaleProgram(), new Map([["x", new Uint8Array(3)]]))).toThrow(
      'input "x" of program @scale_twice has 3 bytes, not 16',
    );
  });
});
