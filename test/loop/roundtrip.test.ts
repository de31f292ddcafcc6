import fc from "fast-check";
import { expect, test } from "vitest";
import { dtypes } from "../../compiler/ir/dtype.js";
import { KernelBuilder, op } from "../../compiler/loop/builder.js";
import { interpretKernel, interpretProgram } from "../../compiler/loop/interpret.js";
import type { Expr, Kernel } from "../../compiler/loop/ir.js";
import { parseKernel, parseProgram } from "../../compiler/loop/parse.js";
import { printKernel, printProgram } from "../../compiler/loop/print.js";
import { verifyKernel, verifyProgram } from "../../compiler/loop/verify.js";
import { arbitraryKernel, ELEMENTS } from "./arbitrary.js";
import { matmulKernel, paddedShiftKernel, sumKernel } from "./kernels.js";
import { firstRunProgram, scaleProgram } from "./programs.js";
import { structureOf } from "./structure.js";

/** Memory after a run on a fixed pattern of bytes, or the error that ended it. */
function outcome(kernel: Kernel): unknown {
  const addresses: number[] = [];
  let end = 0;
  for (const { dtype } of kernel.buffers) {
    addresses.push(end);
    end += ELEMENTS * dtypes[dtype].bytes;
  }
  const memory = Uint8Array.from({ length: end }, (_, i) => (i * i * 37 + (i >> 3)) & 255);
  try {
    interpretKernel(kernel, { memory: memory.buffer, addresses, sizes: [5] });
  } catch (error) {
    return String(error);
  }
  return memory;
}

test("random kernels come back from their text: same structure, same text, same results", () => {
  fc.assert(
    fc.property(arbitraryKernel, (kernel) => {
      verifyKernel(kernel);
      const text = printKernel(kernel);
      const parsed = parseKernel(text);
      expect(structureOf(parsed)).toEqual(structureOf(kernel));
      expect(printKernel(parsed)).toBe(text);
      verifyKernel(parsed);
      expect(outcome(parsed)).toEqual(outcome(kernel));
    }),
    { numRuns: 300 },
  );
});

test("the builder's kernels come back from their text", () => {
  for (const kernel of [matmulKernel(), sumKernel(), paddedShiftKernel()]) {
    const text = printKernel(kernel);
    expect(structureOf(parseKernel(text))).toEqual(structureOf(kernel));
    expect(printKernel(parseKernel(text))).toBe(text);
  }
});

test("the text of a deep shared expression is linear in its nodes, and keeps the sharing", () => {
  const b = new KernelBuilder("doubling");
  const y = b.buffer("y", "float32", "readwrite", 1);
  let value: Expr = b.load(y, 0);
  for (let i = 0; i < 200; i++) value = op("add", value, value);
  b.store(y, 0, value);
  const text = printKernel(b.finish());
  expect(text.split("\n")).toHaveLength(203);
  const parsed = parseKernel(text);
  verifyKernel(parsed);
  const memory = new Float32Array([2 ** -100]);
  interpretKernel(parsed, { memory: memory.buffer, addresses: [0] });
  expect(memory[0]).toBe(2 ** 100);
});

test("f32 and f64 constants come back bit for bit", () => {
  const bits = new DataView(new ArrayBuffer(8));
  const roundTrip = (dtype: "float32" | "float64", value: number): number => {
    const b = new KernelBuilder("k");
    const y = b.buffer("y", dtype, "write", 1);
    const scalar = dtype === "float32" ? "f32" : "f64";
    b.store(y, 0, { kind: "constant", type: { scalar, lanes: 1 }, value });
    const [store] = parseKernel(printKernel(b.finish())).body;
    const parsed = store!.kind === "store" && store!.value;
    return parsed && parsed.kind === "constant" ? Number(parsed.value) : Number.NaN;
  };
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (pattern) => {
      bits.setBigUint64(0, pattern);
      const [single, double] = [bits.getFloat32(0), bits.getFloat64(0)];
      expect(roundTrip("float32", single)).toBe(single);
      expect(roundTrip("float64", double)).toBe(double);
    }),
  );
  expect(roundTrip("float32", -0)).toBe(-0);
});

test.each([scaleProgram(), firstRunProgram()])(
  "program $name comes back from its text and its constants",
  (program) => {
    const resources = new Map(program.buffers.flatMap(({ name, data }) => (data ? [[name, data]] : [])));
    const text = printProgram(program);
    const parsed = parseProgram(text, resources);
    expect(parsed).toEqual(program);
    expect(printProgram(parsed)).toBe(text);
    verifyProgram(parsed);
    const inputs = new Map([["x", new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)]]);
    expect(interpretProgram(parsed, inputs)).toEqual(interpretProgram(program, inputs));
  },
);
