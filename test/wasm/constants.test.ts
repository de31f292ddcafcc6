import { describe, expect, test } from "vitest";
import type { Kernel } from "../../compiler/loop/ir.js";
import { parseKernel } from "../../compiler/loop/parse.js";
import { kernelWat } from "../../compiler/wasm/wat.js";
import { expectSame, simd } from "./harness.js";

const ramp = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i * 0.75 - 3);

const kernelOf = (body: string): Kernel =>
  parseKernel(`kernel @k(x: read f32[16], y: readwrite f32[16], size n) { ${body} }`);

/** How often the text of the kernel has a constant, whose lanes are 0x40400000. */
const threes = async (kernel: Kernel): Promise<number> =>
  (await kernelWat(kernel, simd)).split("0x40400000 0x40400000 0x40400000 0x40400000").length - 1;

describe("vector constants", () => {
  test("are made once where statements follow one another", async () => {
    const kernel = kernelOf(`
      y[0] = x[0 : f32x4] + 3.0
      y[4] = x[4 : f32x4] * 3.0 + 3.0
      y[8] = x[8 : f32x4] - 3.0`);
    expect(await threes(kernel)).toBe(1);
    expectSame(kernel, [ramp(16), ramp(16)], { sizes: [1] });
  });

  test("are made again behind a loop, which has the registers meanwhile", async () => {
    const kernel = kernelOf(`
      y[0] = x[0 : f32x4] + 3.0
      for i in 0..n { y[i] = x[i] + 1.0 }
      y[8] = x[8 : f32x4] - 3.0`);
    expect(await threes(kernel)).toBe(2);
    for (const n of [0, 4]) expectSame(kernel, [ramp(16), ramp(16)], { sizes: [n] });
  });

  test("of a branch are not there behind it, nor in the other one; those before it are", async () => {
    const kernel = kernelOf(`
      if n >s 0 { y[0] = x[0 : f32x4] + 3.0 } else { y[4] = x[4 : f32x4] * 3.0 }
      y[8] = x[8 : f32x4] - 3.0
      if n >s 1 { y[12] = x[12 : f32x4] * 3.0 }`);
    expect(await threes(kernel)).toBe(3);
    for (const n of [0, 1, 2]) expectSame(kernel, [ramp(16), ramp(16)], { sizes: [n] });
  });

  test("of innermost loops are made before the outermost loop around them", async () => {
    const kernel = kernelOf(`
      for i in 0..n {
        for j in 0..16 step 4 { y[j] = x[j : f32x4] * 3.0 + 3.0 }
      }`);
    expect(await threes(kernel)).toBe(1);
    for (const n of [0, 2]) expectSame(kernel, [ramp(16), ramp(16)], { sizes: [n] });
  });
});
