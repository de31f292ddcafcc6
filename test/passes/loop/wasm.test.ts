/** Random kernels through the pipeline and the backend: the module must do what the interpreter does without passes. */

import fc from "fast-check";
import { expect, it } from "vitest";
import type { Kernel } from "../../../compiler/loop/ir.js";
import { printKernel } from "../../../compiler/loop/print.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { kernelModule } from "../../wasm/harness.js";
import { kernelSpecs, randomKernel } from "./random-kernels.js";
import { firstDifference, imageFor, type RunOptions, runKernel } from "./running.js";

const runs = Number(process.env.KILN_FUZZ_RUNS ?? 25);

function runModule(kernel: Kernel, run: RunOptions): Uint8Array {
  const { memory, addresses } = imageFor(kernel, run);
  const module = new WebAssembly.Module(kernelModule(kernel, Math.ceil(memory.length / 65536)));
  const exports = new WebAssembly.Instance(module).exports as {
    memory: WebAssembly.Memory;
    kernel(...args: number[]): void;
  };
  const linear = new Uint8Array(exports.memory.buffer);
  linear.set(memory);
  exports.kernel(...addresses, ...(run.sizes ?? []));
  return linear.slice(0, memory.length);
}

it("random kernels do in wasm what they do in the interpreter", () => {
  fc.assert(
    fc.property(kernelSpecs, (spec) => {
      const { kernel, run } = randomKernel(spec);
      const optimized = loopPasses(3).reduce((current, pass) => pass.run(current), kernel);
      const difference = firstDifference(runModule(optimized, run), runKernel(kernel, run));
      if (difference >= 0)
        expect.fail(`byte ${difference}\n${printKernel(kernel)}\n${printKernel(optimized)}`);
    }),
    { numRuns: runs },
  );
});
