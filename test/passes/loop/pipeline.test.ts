import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressing } from "../../../passes/loop/addressing.js";
import { collapse } from "../../../passes/loop/collapse.js";
import { hoist } from "../../../passes/loop/hoist.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { simplify } from "../../../passes/loop/simplify.js";
import { unroll } from "../../../passes/loop/unroll.js";
import { vectorize } from "../../../passes/loop/vectorize.js";
import { kernelSpecs, randomKernel } from "./random-kernels.js";
import { checkPasses } from "./running.js";

const runs = Number(process.env.KILN_FUZZ_RUNS ?? 60);

describe("random kernels keep their results", () => {
  for (const pass of [collapse, vectorize, unroll, simplify, hoist, addressing]) {
    it(`through ${pass.name}`, () => {
      fc.assert(
        fc.property(kernelSpecs, (spec) => {
          const { kernel, run } = randomKernel(spec);
          checkPasses(kernel, [pass], [run]);
        }),
        { numRuns: runs },
      );
    });
  }

  it("through the pipeline", () => {
    fc.assert(
      fc.property(kernelSpecs, (spec) => {
        const { kernel, run } = randomKernel(spec);
        checkPasses(kernel, loopPasses(3), [run]);
      }),
      { numRuns: 2 * runs },
    );
  });
});

it("does nothing at level 0", () => expect(loopPasses(0)).toEqual([]));
