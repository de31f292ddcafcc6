import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpretKernel } from "../../../compiler/loop/interpret.js";
import type { Kernel } from "../../../compiler/loop/ir.js";
import { parseKernel, parseProgram } from "../../../compiler/loop/parse.js";
import { printKernel, printProgram } from "../../../compiler/loop/print.js";
import { callsOf, invocationsIn, kernelsOf, usesOf, withInvoked } from "../../../compiler/loop/program.js";
import { verifyKernel } from "../../../compiler/loop/verify.js";
import { outline, outlineForSize, outlineLoops } from "../../../passes/loop/outline.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { structureOf } from "../../loop/structure.js";
import { kernelSpecs, randomKernel } from "./random-kernels.js";
import { firstDifference, imageFor, programOf, type RunOptions, runKernel, runModule } from "./running.js";

const always = { time: 0, cost: 0, shortCost: 0 };

/** y = x * w for `rows` of x, four columns at a time. */
const product = (name: string, rows: number, depth: number, columns: number): Kernel =>
  parseKernel(`kernel @${name}(x: read f32[${rows * depth}], w: read f32[${depth * columns}], y: write f32[${rows * columns}]) {
    for i in 0..${rows} {
      for j in 0..${columns / 4} {
        let column: i32 = j * 4
        var sum: f32x4 = 0.0
        for k in 0..${depth} {
          sum = fma(x[i * ${depth} + k : splat f32x4], w[k * ${columns} + column : f32x4], sum)
        }
        y[i * ${columns} + column] = sum
      }
    }
  }`);

const optimised = (kernel: Kernel): Kernel =>
  loopPasses(3).reduce((current, pass) => pass.run(current), kernel);

/** Interpreted and as a module, the outlined kernel leaves the memory that the original does. */
function expectEqual(original: Kernel, outlined: Kernel, run: RunOptions = {}): void {
  withInvoked([outlined]).forEach(verifyKernel);
  const expected = runKernel(original, run);
  const { memory, addresses } = imageFor(original, run);
  interpretKernel(outlined, { memory: memory.buffer, addresses, sizes: run.sizes ?? [] });
  const text = () => withInvoked([original, outlined]).map(printKernel).join("\n");
  if (firstDifference(memory, expected) >= 0) expect.fail(`interpreted:\n${text()}`);
  if (firstDifference(runModule(outlined, run), expected) >= 0) expect.fail(`in wasm:\n${text()}`);
}

describe("outline", () => {
  const originals = [product("product_3x20x8", 3, 20, 8), product("product_5x30x12", 5, 30, 12)];
  const program = programOf(originals.map(optimised));

  it("makes one function of what kernels do on other numbers", () => {
    const outlined = outlineLoops(program, always);
    const [first, second] = callsOf(outlined).map(({ kernel }) => kernel);
    const functions = [first!, second!].map((kernel) => invocationsIn(kernel).map((one) => one.kernel));
    expect(functions[0]).toHaveLength(1);
    expect(functions[1]).toEqual(functions[0]);
    expect(functions[0]![0]!.name).toBe("product_nxnxn_body");
    originals.forEach((original, i) => {
      expectEqual(original, callsOf(outlined)[i]!.kernel);
    });
    expect([...usesOf(outlined).values()].map((uses) => uses.length)).toEqual([2, 1, 1]);
  });

  it("leaves loops that are not worth it: short ones sooner than long ones, unless size is all", () => {
    expect(kernelsOf(outline.run(program))).toHaveLength(2);
    const short = { time: 0, cost: 0, shortCost: Number.POSITIVE_INFINITY };
    expect(kernelsOf(outlineLoops(program, short))).toHaveLength(2);
    const tiles = programOf([optimised(product("product", 256, 8, 256))]);
    expect(kernelsOf(outline.run(tiles)).map(({ name }) => name)).toEqual(["product"]);
    expect(kernelsOf(outlineForSize.run(tiles)).map(({ name }) => name)).toContain("product_body");
    const large = programOf([optimised(product("product", 64, 128, 64))]);
    expect(kernelsOf(outline.run(large))).toHaveLength(2);
  });

  it("makes functions of long bodies sooner than of short ones that take as long", () => {
    const polynomial = (terms: number, columns: number) =>
      parseKernel(`kernel @polynomial(x: read f32[${512 * columns}], y: write f32[${512 * columns}]) {
        for i in 0..512 {
          for j in 0..${columns} {
            let x0: f32 = x[i * ${columns} + j]
            ${Array.from({ length: terms }, (_, n) => `let x${n + 1}: f32 = x${n} * x0 + ${n}.5`).join("\n")}
            y[i * ${columns} + j] = x${terms}
          }
        }
      }`);
    const namesOf = (kernel: Kernel) => kernelsOf(outline.run(programOf([kernel]))).map(({ name }) => name);
    expect(namesOf(polynomial(120, 8))).toEqual(["polynomial_body", "polynomial"]);
    expect(namesOf(polynomial(8, 120))).toEqual(["polynomial"]);
  });

  it("takes the loop around where a body goes on with what is outside", () => {
    const kernel = parseKernel(`kernel @sum(x: read f32[96], y: write f32[4]) {
      for i in 0..4 {
        var sum: f32 = 0.0
        for j in 0..6 { for k in 0..4 { sum = sum + x[i * 24 + j * 4 + k] } }
        y[i] = sum
      }
    }`);
    const [call] = callsOf(outlineLoops(programOf([kernel]), always));
    const [body] = invocationsIn(call!.kernel);
    expect(body!.kernel.body.map(({ kind }) => kind)).toEqual(["let", "for", "store"]);
    expectEqual(kernel, call!.kernel);
  });

  it("hands over vectors, too", () => {
    const kernel = parseKernel(`kernel @scale(x: read f32[64], s: read f32[4], y: write f32[64]) {
      let scale: f32x4 = s[0 : f32x4]
      for i in 0..4 { for j in 0..16 step 4 { y[i * 16 + j] = x[i * 16 + j : f32x4] * scale } }
    }`);
    const [call] = callsOf(outlineLoops(programOf([kernel]), always));
    const [body] = invocationsIn(call!.kernel);
    expect(body!.kernel.sizes.map(({ type }) => type.lanes)).toContain(4);
    expectEqual(kernel, call!.kernel);
  });

  it("is a text that can be read again", () => {
    const outlined = outlineLoops(program, always);
    const named = { ...outlined, buffers: [...new Set(callsOf(outlined).flatMap(({ args }) => args))] };
    const buffers = named.buffers.map(({ buffer }, i) => ({ ...buffer, name: `b${i}` }));
    let at = 0;
    const steps = callsOf(outlined).map((call) => ({
      ...call,
      args: call.args.map((argument) => ({ ...argument, buffer: buffers[at++]! })),
    }));
    const printable = { ...outlined, buffers, steps };
    const again = parseProgram(printProgram(printable), new Map());
    expect(printProgram(again)).toBe(printProgram(printable));
    expect(kernelsOf(again).map(structureOf)).toEqual(kernelsOf(printable).map(structureOf));
  });

  it("keeps what random kernels do", () => {
    let functions = 0;
    fc.assert(
      fc.property(kernelSpecs, (spec) => {
        const { kernel, run } = randomKernel(spec);
        const [call] = callsOf(outlineLoops(programOf([optimised(kernel)]), always));
        functions += invocationsIn(call!.kernel).length;
        expectEqual(kernel, call!.kernel, run);
      }),
      { numRuns: Number(process.env.KILN_FUZZ_RUNS ?? 40) },
    );
    expect(functions).toBeGreaterThan(0);
  });
});
