/**
 * ONNX's own operator tests, where they lie beside the project: all with the dims of the models, and for the time's sake
 * a third with all dims open and an eighth without SIMD (`npm run conformance -- DIR --dynamic`, or `--scalar`, runs all).
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { casesOf } from "./cases.js";
import { judge } from "./judge.js";
import { type CaseOptions, runCase } from "./run.js";

const directory = join(fileURLToPath(new URL("../../..", import.meta.url)), "shared/onnx-backend/node");
const isThere = existsSync(directory);
if (!isThere) console.warn(`skipped: ONNX's operator tests are not in ${directory}`);

/** Cases that fail where dims are open, and why. */
const fixedOnly: readonly string[] = [
  // Whether elements are complex is the last dim: where it is open the transform is computed in float64, but what is
  // expected is 1.9e-7, from rounding in float32, where it is 0.
  "test_dft_inverse",
  // How many dims their results have is the size of their indices' last dim.
  "test_gathernd_example_float32",
  "test_gathernd_example_int32_batch_dim1",
  "test_scatternd",
  "test_scatternd_add",
  "test_scatternd_max",
];

describe.skipIf(!isThere)(`the cases of ${directory}`, () => {
  test.each([
    ["with the dims of the models", 1, {}],
    ["with all dims open", 3, { dynamic: true }],
    ["without SIMD", 8, { scalar: true }],
  ] as [string, number, CaseOptions][])("%s", async (_, step, options) => {
    const { dynamic = false } = options;
    const wrong: string[] = [];
    let at = 0;
    for (const one of casesOf(directory)) {
      if (at++ % step > 0) continue;
      const { name, verdict, reason } = judge(await runCase(one, options));
      const isKnown = dynamic && fixedOnly.includes(name);
      if ((verdict === "failed") !== isKnown) wrong.push(`${name}: ${reason ?? "passes"}`);
    }
    expect(wrong).toEqual([]);
  });
});
