import { expect, test } from "vitest";
import { printKernel } from "../../compiler/loop/print.js";
import { matmulKernel, paddedShiftKernel, sumKernel } from "./kernels.js";

test("a matmul with a vector accumulator", () => {
  expect(printKernel(matmulKernel())).toMatchInlineSnapshot(`
    "kernel @matmul_2x3x4(x: read f32[6], w: read f32[12], y: write f32[8]) {
      for i in 0..2 {
        var acc: f32x4 = 0.0
        for k in 0..3 unroll {
          acc = fma(x[i * 3 + k : splat f32x4], w[k * 4 : f32x4], acc)
        }
        y[i * 4] = acc
      }
    }"
  `);
});

test("sizes, unknown extents and loop modes", () => {
  expect(printKernel(sumKernel())).toMatchInlineSnapshot(`
    "kernel @sum(x: read f32[?], y: write f32[1], size n) {
      var total: f32 = 0.0
      for i in 0..n vectorize {
        total = total + x[i]
      }
      y[0] = total
    }"
  `);
});

test("branches and shared expressions", () => {
  expect(printKernel(paddedShiftKernel())).toMatchInlineSnapshot(`
    "kernel @padded_shift(x: read i8[4], y: write i32[6]) {
      for i in 0..6 {
        let at: i32 = i + -1
        if at >=s 0 & at <s 4 {
          y[i] = x[at]
        } else {
          y[i] = -1
        }
      }
    }"
  `);
});
