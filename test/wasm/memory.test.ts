import { describe, expect, test } from "vitest";
import { dtypes, type MemoryType, memoryTypes } from "../../compiler/ir/dtype.js";
import { add, i32Constant, KernelBuilder, mul, op, read, sub } from "../../compiler/loop/builder.js";
import { type Expr, type Kernel, type Load, registerTypes } from "../../compiler/loop/ir.js";
import { kernelWat } from "../../compiler/wasm/wat.js";
import { elements, expectSame, kernelModule, simd } from "./harness.js";

const all = memoryTypes;
const COUNT = 16;

const vectorLanes = (dtype: MemoryType): 2 | 4 => (dtypes[dtype].bytes === 8 ? 2 : 4);

/** Bytes that make all kinds of elements: both signs, and for floats NaN, infinities and subnormals. */
function someBytes(dtype: MemoryType): Uint8Array {
  const special = [0x7f80_0001, 0x7f80_0000, 0xff80_0000, 0x0000_0001, 0x8000_0000, 0x7bff_7c00, 0x0001_fc01];
  const words = Uint32Array.from(
    { length: (COUNT * 8) / 4 },
    (_, i) => special[i] ?? Math.imul(i + 7, 0x9e3779b1),
  );
  if (dtype === "bool") return Uint8Array.from({ length: COUNT }, (_, i) => i % 2);
  return new Uint8Array(words.buffer).slice(0, COUNT * dtypes[dtype].bytes);
}

const empty = (dtype: MemoryType): Uint8Array => new Uint8Array(COUNT * dtypes[dtype].bytes);

/** y[i] = x[i], through the register type. */
function copyKernel(from: MemoryType, to: MemoryType, lanes: 1 | 2 | 4, splat = false): Kernel {
  const b = new KernelBuilder(`copy_${from}_${to}_${lanes}`);
  const x = b.buffer("x", from, "read", COUNT);
  const y = b.buffer("y", to, "write", COUNT);
  b.for(
    "i",
    0,
    COUNT,
    (i) => {
      const loaded = b.load(x, i, lanes) as Load;
      b.store(y, i, splat ? { ...loaded, splat } : loaded);
    },
    { step: lanes },
  );
  return b.finish();
}

describe("loads and stores of every dtype", () => {
  for (const dtype of all) {
    test(dtype, () => {
      const content = someBytes(dtype);
      const lanes = vectorLanes(dtype);
      for (const kernel of [
        copyKernel(dtype, dtype, 1),
        copyKernel(dtype, dtype, lanes),
        copyKernel(dtype, dtype, lanes, true),
      ]) {
        for (const optimize of [0, 3] as const) expectSame(kernel, [content, empty(dtype)], { optimize });
      }
    });
  }

  test("between dtypes of one register type: extension and truncation", () => {
    for (const from of all) {
      for (const to of all.filter((dtype) => registerTypes[dtype] === registerTypes[from])) {
        for (const lanes of [1, vectorLanes(from)] as const) {
          expectSame(copyKernel(from, to, lanes), [someBytes(from), empty(to)]);
        }
      }
    }
  });
});

describe("16-bit floats", () => {
  const bits = Array.from({ length: 65536 }, (_, i) => i);

  function convert(from: MemoryType, to: MemoryType, content: ArrayBufferView, count: number): void {
    for (const lanes of [1, 4] as const) {
      const b = new KernelBuilder(`${from}_${to}_${lanes}`);
      const x = b.buffer("x", from, "read", count);
      const y = b.buffer("y", to, "write", count);
      b.for("i", 0, count, (i) => b.store(y, i, b.load(x, i, lanes)), { step: lanes });
      expectSame(b.finish(), [content, elements(to, new Array(count).fill(0))]);
    }
  }

  test("every float16 and bfloat16 decodes", () => {
    for (const dtype of ["float16", "bfloat16"] as const) {
      convert(dtype, "float32", elements(dtype, bits), bits.length);
    }
  });

  test("float32 rounds to the nearest, ties to even", () => {
    const edges = [
      65504,
      65519.996,
      65520,
      65536,
      2 ** -14,
      2 ** -24,
      2 ** -25,
      2 ** -26,
      3.3e38,
      1 + 2 ** -11,
      Infinity,
    ];
    const near = edges.flatMap((v) => [v, v * (1 + 2 ** -12), v * (1 - 2 ** -12), v * 1.5]);
    // Halfway between neighbours, and just beside it, at every exponent of both formats.
    const halves = bits.filter((i) => i % 61 === 0).flatMap((i) => [i * 65536 + 0x8000, i * 65536 + 0x7fff]);
    const halfway = new Float32Array(Uint32Array.from(halves).buffer);
    const ties = bits.filter((i) => i % 67 === 0).map((i) => (i + 0.5) * 2 ** -24);
    const tested = [...near, ...ties, ...ties.map((v) => v * 2 ** 20)].flatMap((v) => [v, -v]);
    const content = Float32Array.from([...tested, Number.NaN, ...halfway]);
    const count = Math.floor(content.length / 4) * 4;
    for (const dtype of ["float16", "bfloat16"] as const)
      convert("float32", dtype, content.subarray(0, count), count);
  });
});

/** y[i] = x[index(i)] for i in [0, 4). */
function gather(index: (i: Expr) => Expr, offset = 0): Kernel {
  const b = new KernelBuilder("gather");
  const x = b.buffer("x", "float32", "read", 64);
  const y = b.buffer("y", "float32", "write", 4);
  b.for("i", 0, 4, (i) => b.store(y, i, { ...(b.load(x, index(i)) as Load), offset }));
  return b.finish();
}

describe("addresses", () => {
  const x = Float32Array.from({ length: 64 }, (_, i) => i);
  const indices: [string, (i: Expr) => Expr, string][] = [
    ["a constant that is added goes into the instruction", (i) => add(mul(i, 8), 5), "f32.load offset=20"],
    [
      "so does one inside a product",
      (i) => op("mul", op("add", i, i32Constant(2)), i32Constant(4)),
      "f32.load offset=32",
    ],
    [
      "a negative one does not",
      (i) => op("add", op("add", i, i32Constant(8)), i32Constant(-8)),
      "f32.load\n",
    ],
    ["nor one beside a part that may be negative", (i) => sub(63, mul(i, 16)), "f32.load\n"],
    [
      "a remainder is not negative",
      (i) => add(op("rem_u", sub(0, i), i32Constant(16)), 3),
      "f32.load offset=12",
    ],
  ];
  for (const [name, index, expected] of indices) {
    test(name, async () => {
      const kernel = gather(index);
      for (const base of [0, 16]) expectSame(kernel, [x, new Float32Array(4)], { base });
      expect(`${await kernelWat(kernel, simd)}\n`.replaceAll(" (local", "\n (local")).toContain(expected);
    });
  }

  test("the offset of an access counts elements", () => {
    expectSame(
      gather((i) => i, 7),
      [x, new Float32Array(4)],
    );
    expectSame(
      gather((i) => add(i, 3), -3),
      [x, new Float32Array(4)],
      { base: 0 },
    );
  });

  test("a pointer replaces the address of its buffer", () => {
    const b = new KernelBuilder("pointer");
    const from = b.buffer("x", "float32", "read", 64);
    const to = b.buffer("y", "float32", "write", 4);
    const address: Expr = { kind: "address", type: i32Constant(0).type, buffer: from };
    const pointer = b.variable("p", add(address, 8 * 4));
    b.for("i", 0, 4, (i) => {
      b.store(to, i, { ...(b.load(from, 0) as Load), pointer, offset: 2 });
      b.assign(pointer, add(read(pointer), 4));
    });
    expectSame(b.finish(), [x, new Float32Array(4)]);
  });

  test("memory above 2 GiB", () => {
    const b = new KernelBuilder("high");
    const to = b.buffer("y", "int32", "write", 4);
    b.for("i", 0, 4, (i) => b.store(to, add(i, 0), i));
    const pages = 2 ** 15 + 1;
    const module = new WebAssembly.Module(kernelModule(b.finish(), pages));
    const exports = new WebAssembly.Instance(module).exports as {
      memory: WebAssembly.Memory;
      kernel(y: number): void;
    };
    exports.kernel(2 ** 31 + 8);
    expect([...new Int32Array(exports.memory.buffer, 2 ** 31 + 8, 4)]).toEqual([0, 1, 2, 3]);
  });
});
