import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { exprsIn } from "../../../compiler/loop/rewrite.js";
import { addressing } from "../../../passes/loop/addressing.js";
import { collapse } from "../../../passes/loop/collapse.js";
import { hoist } from "../../../passes/loop/hoist.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { scalarize } from "../../../passes/loop/scalarize.js";
import { simplify } from "../../../passes/loop/simplify.js";
import { split } from "../../../passes/loop/split.js";
import { transpose } from "../../../passes/loop/transpose.js";
import { unroll } from "../../../passes/loop/unroll.js";
import { vectorize } from "../../../passes/loop/vectorize.js";
import { kernelSpecs, randomKernel } from "./random-kernels.js";
import { checkPasses } from "./running.js";

const runs = Number(process.env.KILN_FUZZ_RUNS ?? 25);

/** Kernels as operators are lowered to them, with the sizes that they are run with. */
const kernels: Record<string, { text: string; sizes?: number[][]; elements?: number }> = {
  "rows with a bias for each column": {
    text: `kernel @k(x: read f32[?], b: read f32[?], y: write f32[?], size m, size n) {
      for i in 0..m parallel { for j in 0..n vectorize { y[i * n + j] = max(x[i * n + j] + b[j], 0.0) } }
    }`,
    sizes: [
      [0, 4],
      [3, 0],
      [1, 1],
      [2, 7],
      [3, 16],
      [2, 21],
    ],
    elements: 64,
  },
  "a transposition": {
    text: `kernel @k(x: read f32[63], y: write f32[63]) {
      for i in 0..7 parallel { for j in 0..9 vectorize { y[i * 9 + j] = x[j * 7 + i] } }
    }`,
  },
  "a transposition of run-time sizes, with other operands": {
    text: `kernel @k(x: read f32[?], z: read f32[?], b: read f32[?], y: write f32[?], size m, size n) {
      for i in 0..m { for j in 0..n vectorize { y[i * n + j] = x[j * m + i] * b[i] + z[i * n + j] - b[j] } }
    }`,
    sizes: [
      [0, 4],
      [4, 0],
      [4, 4],
      [5, 7],
      [8, 3],
      [9, 12],
    ],
    elements: 128,
  },
  "a softmax of rows": {
    text: `kernel @k(x: read f32[?], y: readwrite f32[?], size m, size n) {
      for i in 0..m parallel {
        var largest: f32 = -inf
        for j in 0..n vectorize { largest = max(largest, x[i * n + j]) }
        var sum: f32 = 0.0
        for j.1 in 0..n vectorize {
          let e: f32 = x[i * n + j.1] - largest
          y[i * n + j.1] = e
          sum = sum + e
        }
        for j.2 in 0..n vectorize { y[i * n + j.2] = y[i * n + j.2] * sum }
      }
    }`,
    sizes: [
      [2, 0],
      [2, 1],
      [2, 5],
      [1, 16],
      [3, 19],
    ],
  },
  "a softmax of columns": {
    text: `kernel @k(x: read f32[105], y: readwrite f32[105]) {
      for i in 0..3 parallel {
        for v in 0..7 vectorize {
          var largest: f32 = -inf
          for j in 0..5 { largest = max(largest, x[i * 35 + j * 7 + v]) }
          for j.1 in 0..5 { y[i * 35 + j.1 * 7 + v] = x[i * 35 + j.1 * 7 + v] - largest }
        }
      }
    }`,
  },
  "a tile of a matrix product": {
    text: `kernel @k(x: read f32[?], w: read f32[48], y: write f32[?], size m, size k) {
      for t in 0..m /u 2 parallel {
        let row: i32 = t * 2
        var a: f32x4 = 0.0
        var b: f32x4 = 0.0
        for p in 0..k {
          let column: f32x4 = w[p * 4 : f32x4]
          a = fma(x[row * k + p : splat f32x4], column, a)
          b = fma(x[(row + 1) * k + p : splat f32x4], column, b)
        }
        y[row * 4] = a
        y[row * 4 + 4] = b
      }
    }`,
    sizes: [
      [0, 3],
      [2, 0],
      [5, 3],
      [4, 12],
    ],
  },
  "a padded window with guards": {
    text: `kernel @k(x: read f32[30], w: read f32[9], y: write f32[30]) {
      for i in 0..5 parallel {
        for j in 0..6 {
          var acc: f32 = 0.0
          for a in 0..3 unroll {
            let r: i32 = i + a - 1
            if (r >=s 0) & (r <s 5) {
              for b in 0..3 unroll {
                let c: i32 = j + b - 1
                if (c >=s 0) & (c <s 6) { acc = fma(x[r * 6 + c], w[a * 3 + b], acc) }
              }
            }
          }
          y[i * 6 + j] = acc
        }
      }
    }`,
  },
  "a gather of rows": {
    text: `kernel @k(i: read u8[?], x: read f32[?], y: write f32[?], size m, size n) {
      for r in 0..m { for c in 0..n vectorize { y[r * n + c] = x[i[r] * n + c] } }
    }`,
    sizes: [
      [0, 3],
      [3, 0],
      [3, 18],
    ],
    elements: 400,
  },
  "a reshape that strides cannot express": {
    text: `kernel @k(x: read f32[120], y: write f32[120]) {
      for i in 0..4 parallel { for j in 0..30 vectorize { y[i * 30 + j] = x[i * 6 + j /u 6 * 24 + j %u 6] } }
    }`,
  },
  "integers and conversions": {
    text: `kernel @k(x: read u8[37], z: read i32[1], y: write f32[37]) {
      for i in 0..37 vectorize { y[i] = i32_to_f32_s(x[i] - z[0]) * 0.5 }
    }`,
  },
  "64-bit integers": {
    text: `kernel @k(x: read i64[21], y: write i64[21]) {
      for i in 0..21 vectorize { y[i] = select(x[i] <s 2, x[i] * 3 + 1, neg(x[i])) }
    }`,
  },
};

describe("kernels keep their results through the pipeline", () => {
  for (const [name, { text, sizes = [[]], elements = 256 }] of Object.entries(kernels)) {
    it(name, () => {
      const runs = sizes.map((each) => ({ sizes: each, elements }));
      checkPasses(parseKernel(text), loopPasses(3), runs);
    });
  }
});

describe("random kernels keep their results", () => {
  for (const pass of [split, collapse, transpose, vectorize, unroll, simplify, hoist, addressing]) {
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

  it("as scalars", () => {
    fc.assert(
      fc.property(kernelSpecs, (spec) => {
        const { kernel, run } = randomKernel(spec);
        checkPasses(kernel, [vectorize, scalarize], [run]);
        const scalars = checkPasses(kernel, loopPasses(3, { simd: false }), [run]);
        expect(exprsIn(scalars.body).every(({ type }) => type.lanes === 1)).toBe(true);
      }),
      { numRuns: runs },
    );
  });
});

it("does nothing at level 0", () => expect(loopPasses(0)).toEqual([]));
