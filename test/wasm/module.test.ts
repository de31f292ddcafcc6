import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  add,
  f32Constant,
  i32Constant,
  KernelBuilder,
  op,
  read,
  splat,
} from "../../compiler/loop/builder.js";
import type { Kernel } from "../../compiler/loop/ir.js";
import type { Call, Program, ProgramBuffer } from "../../compiler/loop/program.js";
import { type EmissionInput, emitModule } from "../../compiler/wasm/module.js";
import { functionWat, kernelWat } from "../../compiler/wasm/wat.js";

const COUNT = 8;

/** y[i] = fma(x[i], w[i], y[i]), in vectors. */
function fmaKernel(name = "fma", unroll = 1): Kernel {
  const b = new KernelBuilder(name);
  const [x, w] = [b.buffer("x", "float32", "read", COUNT), b.buffer("w", "float32", "read", COUNT)];
  const y = b.buffer("y", "float32", "readwrite", COUNT);
  b.for(
    "i",
    0,
    COUNT,
    (i) => {
      let value = b.load(y, i, 4);
      for (let n = 0; n < unroll; n++) value = op("fma", b.load(x, i, 4), b.load(w, i, 4), value);
      b.store(y, i, value);
    },
    { step: 4 },
  );
  return b.finish();
}

/** y[i] = value. */
function fillKernel(value: number): Kernel {
  const b = new KernelBuilder(`fill ${value}`);
  const y = b.buffer("y", "float32", "write", COUNT);
  b.for("i", 0, COUNT, (i) => b.store(y, i, splat(f32Constant(value), 4)), { step: 4 });
  return b.finish();
}

const buffer = (name: string, kind: ProgramBuffer["kind"], data?: Float32Array): ProgramBuffer => ({
  name,
  dtype: "float32",
  byteLength: COUNT * 4,
  kind,
  ...(data && { data: new Uint8Array(data.buffer) }),
});

const x = buffer("x", "input");
const w = buffer(
  "w",
  "constant",
  Float32Array.from({ length: COUNT }, (_, i) => 1 + i),
);
const y = buffer("y", "output");

const call = (kernel: Kernel, ...buffers: ProgramBuffer[]): Call => ({
  kind: "call",
  kernel,
  sizes: [],
  args: buffers.map((each) => ({ buffer: each, byteOffset: 0 })),
  source: [],
  flops: 0,
  inPlace: [],
});

const plan = (memoryBytes: number): EmissionInput["plan"] => ({
  addresses: new Map([
    [w, 0],
    [x, 64],
    [y, 128],
  ]),
  memoryBytes,
  dynamic: null,
});

function inputOf(calls: readonly Call[], changes: Partial<EmissionInput> = {}): EmissionInput {
  const program: Program = {
    name: "test",
    buffers: [x, w, y],
    steps: calls,
    inputs: [x],
    outputs: [y],
    inputShapes: [[COUNT]],
    outputShapes: [[COUNT]],
    errors: [],
  };
  return {
    program,
    plan: plan(192),
    memoryLimit: 2 ** 31,
    features: { simd: true, relaxedSimd: false },
    optimize: 3,
    metadata: () => new TextEncoder().encode('{"abi":2}'),
    embed: [w],
    ...changes,
  };
}

const standard = (changes: Partial<EmissionInput> = {}): EmissionInput => {
  const fma = fmaKernel();
  return inputOf([call(fillKernel(1), y), call(fma, x, w, y), call(fma, x, w, y)], changes);
};

function run(wasm: Uint8Array): number[] {
  const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  const exports = new WebAssembly.Instance(module).exports as { memory: WebAssembly.Memory; run(): void };
  new Float32Array(exports.memory.buffer, 64, COUNT).fill(0.5);
  exports.run();
  return [...new Float32Array(exports.memory.buffer, 128, COUNT)];
}

const results = Array.from({ length: COUNT }, (_, i) => 1 + 2 * 0.5 * (1 + i));

describe("a module", () => {
  test("runs, at every level, with weights in its data", () => {
    for (const optimize of [0, 1, 2, 3, "s"] as const) {
      expect(run(emitModule(standard({ optimize })).wasm)).toEqual(results);
    }
  });

  test("imports nothing, exports memory of exact size and run, and holds its metadata", () => {
    const { wasm } = emitModule(standard());
    expect(WebAssembly.validate(wasm as Uint8Array<ArrayBuffer>)).toBe(true);
    const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    expect(
      WebAssembly.Module.exports(module)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["memory", "run"]);
    const [metadata] = WebAssembly.Module.customSections(module, "kiln");
    expect(new TextDecoder().decode(metadata)).toBe('{"abi":2}');
    const { memory } = new WebAssembly.Instance(module).exports as { memory: WebAssembly.Memory };
    expect(memory.buffer.byteLength).toBe(65536);
    expect(() => memory.grow(1)).toThrow();
  });

  test("is the same, byte for byte, when it is made again", () => {
    expect(Buffer.compare(emitModule(standard()).wasm, emitModule(standard()).wasm)).toBe(0);
  });

  test("tells the bytes of its code", async () => {
    const { wasm, codeBytes, kernelBytes } = emitModule(standard());
    const split = emitModule(standard({ embed: [] }));
    expect(split.codeBytes).toBe(codeBytes);
    expect(split.wasm.length).toBe(codeBytes);
    expect(wasm.length).toBeGreaterThan(codeBytes + 4 * COUNT);
    expect([...kernelBytes.keys()]).toEqual(["fill 1", "fma"]);
    for (const bytes of kernelBytes.values()) expect(bytes).toBeGreaterThan(20);
  });

  test("has readable names of functions, distinct where kernels' names are not", async () => {
    const one = { ...fillKernel(1), name: "run" };
    const two = { ...fillKernel(2), name: "a/b" };
    const three = { ...fillKernel(3), name: "a:b" };
    const { wasm, kernelBytes } = emitModule(inputOf([call(one, y), call(two, y), call(three, y)]));
    expect([...kernelBytes.keys()]).toEqual(["run", "a/b", "a:b"]);
    for (const name of ["run", "run.2", "a_b", "a_b.2"]) {
      expect(await functionWat(wasm, name)).toContain(`(func $${name} `);
    }
    expect(await functionWat(wasm, "a/b")).toContain("(func $a_b ");
    await expect(functionWat(wasm, "other")).rejects.toThrow("no function");
  });

  test("calls kernels in stages where there are many", async () => {
    const b = new KernelBuilder("increment");
    const to = b.buffer("y", "float32", "readwrite", COUNT);
    b.store(to, 0, op("add", b.load(to, 0), 1));
    const kernel = b.finish();
    const { wasm } = emitModule(inputOf(Array.from({ length: 1203 }, () => call(kernel, y))));
    expect(run(wasm)[0]).toBe(1203);
    expect((await functionWat(wasm, "run")).match(/call/g)).toHaveLength(3);
  });

  test("needs no memory beyond what it is told", () => {
    const { wasm } = emitModule(standard({ plan: plan(65537) }));
    const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>));
    expect((instance.exports.memory as WebAssembly.Memory).buffer.byteLength).toBe(131072);
  });
});

describe("refusals", () => {
  test("a kernel whose code is too large", () => {
    const b = new KernelBuilder("huge");
    const to = b.buffer("y", "float32", "readwrite", COUNT);
    for (let i = 0; i < 12_000; i++) b.store(to, i % COUNT, op("add", b.load(to, (i + 1) % COUNT), i));
    expect(() => emitModule(inputOf([call(b.finish(), y)]))).toThrow(/^kernel "huge" has \d+ bytes of code/);
  });

  test("buffers without an address or data", () => {
    const lost = buffer("lost", "temporary");
    expect(() => emitModule(inputOf([call(fillKernel(1), lost)]))).toThrow("lost has no address");
    expect(() => emitModule(standard({ embed: [y] }))).toThrow("y has no data");
  });

  test("code that is not valid names its function", () => {
    const b = new KernelBuilder("bad");
    const to = b.buffer("y", "float32", "write", COUNT);
    b.store(to, 0, f32Constant(1));
    const kernel = b.finish();
    const wrong = { ...kernel, body: [{ ...kernel.body[0]!, value: i32Constant(1) }] } as Kernel;
    expect(() => emitModule(inputOf([call(wrong, y)]))).toThrow(/invalid code.*"?bad/);
  });

  test("an operation that has no instructions", () => {
    const b = new KernelBuilder("bad");
    const to = b.buffer("y", "float32", "write", COUNT);
    const value = {
      kind: "op",
      type: f32Constant(1).type,
      op: "rem_u",
      args: [f32Constant(1), f32Constant(2)],
    } as const;
    b.store(to, 0, value);
    expect(() => emitModule(inputOf([call(b.finish(), y)]))).toThrow("rem_u on f32");
  });

  test("vectors that no pass has made scalars of where there is no SIMD", () => {
    const features = { simd: false, relaxedSimd: false };
    expect(() => emitModule(standard({ features }))).toThrow("f32x4 in a module without SIMD");
    const b = new KernelBuilder("scalar");
    const to = b.buffer("y", "float32", "write", COUNT);
    b.for("i", 0, COUNT, (i) => b.store(to, i, op("i32_to_f32_s", add(i, 1))));
    expect(run(emitModule(inputOf([call(b.finish(), y)], { features })).wasm)[7]).toBe(8);
  });
});

describe("relaxed SIMD", () => {
  const features = { simd: true, relaxedSimd: true };

  test("fuses multiply-add in vectors, and only there", async () => {
    expect(await kernelWat(fmaKernel(), features)).toContain("f32x4.relaxed_madd");
    expect(await kernelWat(fmaKernel(), { ...features, relaxedSimd: false })).not.toContain("relaxed");
    const b = new KernelBuilder("scalar");
    const to = b.buffer("y", "float32", "readwrite", COUNT);
    const sum = b.variable("sum", f32Constant(0));
    b.assign(sum, op("fma", b.load(to, 0), b.load(to, 1), read(sum)));
    b.store(to, 0, read(sum));
    expect(await kernelWat(b.finish(), features)).toContain("f32.mul");
  });

  test("is a module of its own: engines run all of it or refuse it", () => {
    const { wasm } = emitModule(standard({ features }));
    const plain = runInNode(wasm, []);
    const flag = "--experimental-wasm-relaxed-simd";
    if (plain !== "refused") expect(JSON.parse(plain)).toEqual(results);
    else expect(JSON.parse(runInNode(wasm, [flag]))).toEqual(results);
  });
});

/** What a fresh Node with these flags makes of the module: the outputs as JSON, or "refused". */
function runInNode(wasm: Uint8Array, flags: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "kiln-relaxed-"));
  try {
    const file = join(folder, "module.wasm");
    writeFileSync(file, wasm);
    const script = `
      const bytes = require("node:fs").readFileSync(${JSON.stringify(file)});
      if (!WebAssembly.validate(bytes)) process.stdout.write("refused");
      else {
        const { memory, run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
        new Float32Array(memory.buffer, 64, ${COUNT}).fill(0.5);
        run();
        process.stdout.write(JSON.stringify([...new Float32Array(memory.buffer, 128, ${COUNT})]));
      }`;
    return execFileSync(process.execPath, [...flags, "-e", script], { encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
