/** Random kernels through the pipeline and the backend: the module must do what the interpreter does without passes. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { printKernel } from "../../../compiler/loop/print.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { kernelSpecs, randomKernel } from "./random-kernels.js";
import { firstDifference, runKernel, runModule } from "./running.js";

const runs = Number(process.env.KILN_FUZZ_RUNS ?? 25);

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
