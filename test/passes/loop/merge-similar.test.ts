import { describe, expect, it } from "vitest";
import { interpretKernel } from "../../../compiler/loop/interpret.js";
import type { Kernel } from "../../../compiler/loop/ir.js";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { printKernel } from "../../../compiler/loop/print.js";
import { callsOf, type Program } from "../../../compiler/loop/program.js";
import { verifyKernel } from "../../../compiler/loop/verify.js";
import { mergeKernels } from "../../../passes/loop/merge-kernels.js";
import { mergeSimilar, mergeSimilarForSize } from "../../../passes/loop/merge-similar.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { skeletonOf } from "../../../passes/loop/skeleton.js";
import { firstDifference, imageFor, programOf, runKernel } from "./running.js";

/** Rows of a matrix, each the sum of three neighbours; padded rows are `stride` apart. */
const sums = (name: string, rows: number, columns: number, stride: number): Kernel => {
  const elements = rows * stride + columns;
  return parseKernel(`kernel @${name}(x: read f32[${elements}], y: write f32[${elements}]) {
    for i in 0..${rows} {
      for j in 0..${columns} vectorize {
        y[i * ${stride} + j + ${stride}] = x[i * ${stride} + j] + x[i * ${stride} + j + ${stride}]
      }
    }
  }`);
};

const optimised = (kernel: Kernel): Kernel =>
  loopPasses(3).reduce((current, pass) => pass.run(current), kernel);

const merge = (kernels: readonly Kernel[]) =>
  mergeKernels(kernels.map((kernel) => ({ kernel, skeleton: skeletonOf(kernel) })));

describe("kernels that differ in constants", () => {
  it("become one that does with its sizes what each of them did", () => {
    const kernels = [sums("sum_4x32", 4, 32, 40), sums("sum_6x64", 6, 64, 65), sums("sum_5x48", 5, 48, 50)];
    const { kernel, sizes } = merge(kernels.map(optimised));
    verifyKernel(kernel);
    kernels.forEach((original, i) => {
      const { memory, addresses } = imageFor(original);
      interpretKernel(kernel, { memory: memory.buffer, addresses, sizes: sizes[i]! });
      expect(firstDifference(memory, runKernel(original))).toBe(-1);
    });
    expect(kernel.name).toBe("sum_nxn");
  });

  it("step from one pointer to the next, so that distances take one size and one register", () => {
    const rows = (name: string, stride: number) =>
      parseKernel(`kernel @${name}(x: read f32[${4 * stride + 8}], y: write f32[8]) {
        for i in 0..8 {
          y[i] = x[i] + x[i + ${stride}] + x[i + ${2 * stride}] + x[i + ${3 * stride}]
        }
      }`);
    const kernels = [rows("a", 10), rows("b", 12)].map(optimised);
    const { kernel, sizes } = merge(kernels);
    verifyKernel(kernel);
    expect(sizes).toEqual([[40], [48]]);
    const pointers = printKernel(kernel).match(/let x_at.*/g);
    expect(pointers?.filter((one) => /= x_at(\.\d+)? \+ n$/.test(one))).toHaveLength(3);
    kernels.forEach((original, i) => {
      const { memory, addresses } = imageFor(original);
      interpretKernel(kernel, { memory: memory.buffer, addresses, sizes: sizes[i]! });
      expect(firstDifference(memory, runKernel(original))).toBe(-1);
    });
  });

  it("take few sizes: multiples and sums of them are computed", () => {
    const { kernel, sizes } = merge([sums("a", 4, 8, 12), sums("a_v2", 6, 8, 20)]);
    expect(sizes).toEqual([
      [4, 12],
      [6, 20],
    ]);
    expect(printKernel(kernel)).toContain("@a(x: read f32[?], y: write f32[?], size n, size n.1)");
  });

  it("are told apart by what is no index: values, divisors, steps and types", () => {
    const text = (value: string) =>
      skeletonOf(
        parseKernel(`kernel @k(y: write f32[8]) {
      for i in 0..8 { ${value} }
    }`),
      ).text;
    expect(text("y[i] = 1.0")).not.toBe(text("y[i] = 2.0"));
    expect(text("y[div_u(i, 2)] = 1.0")).not.toBe(text("y[div_u(i, 4)] = 1.0"));
    expect(text("y[i + -1] = 1.0")).not.toBe(text("y[i + -2] = 1.0"));
    expect(text("y[i + 1] = 1.0")).toBe(text("y[i + 2] = 1.0"));
    expect(text("y[i * 2] = 1.0")).toBe(text("y[i * 3] = 1.0"));
  });
});

describe("mergeSimilar", () => {
  const kernelsOf = (program: Program) => [...new Set(callsOf(program).map(({ kernel }) => kernel))];

  it("gives calls the sizes that they had as constants", () => {
    const merged = mergeSimilar.run(programOf([sums("a", 4, 8, 12), sums("b", 6, 8, 12)]));
    expect(kernelsOf(merged)).toHaveLength(1);
    expect(callsOf(merged).map(({ sizes }) => sizes)).toEqual([[4], [6]]);
  });

  it("leaves kernels apart whose inner loops would have to add up addresses, unless size is all", () => {
    const program = programOf([sums("a", 40, 64, 96), sums("b", 60, 64, 100)].map(optimised));
    expect(kernelsOf(mergeSimilar.run(program))).toHaveLength(2);
    expect(kernelsOf(mergeSimilarForSize.run(program))).toHaveLength(1);
  });

  it("leaves a kernel without its like as it is", () => {
    const program = programOf([sums("a", 4, 8, 12)]);
    expect(mergeSimilar.run(program)).toEqual(program);
  });
});
