import { describe, expect, it } from "vitest";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { addressing } from "../../../passes/loop/addressing.js";
import { checkPasses, textAfter } from "./running.js";

describe("addressing", () => {
  it("gives each group of an innermost loop a pointer that moves on", () => {
    const text = `kernel @k(x: read f32[64], w: read i8[64], y: write f32[64]) {
      for i in 0..3 {
        for k in 2..18 step 2 {
          y[i * 20 + k] = x[k + i * 20 + 1] + x[k + i * 20 - 2] * i32_to_f32_s(w[k * 3])
        }
      }
    }`;
    expect(textAfter(addressing, text)).toMatchInlineSnapshot(`
      "for i in 0..3 {
        var x_at: i32 = &x + i * 80
        var w_at: i32 = &w + 6
        var y_at: i32 = &y + (i * 80 + 8)
        for k in 2..18 step 2 {
          y[y_at -> 0] = x[x_at -> 0 @3] + x[x_at -> 0] * i32_to_f32_s(w[w_at -> 0])
          x_at = x_at + 8
          w_at = w_at + 6
          y_at = y_at + 8
        }
      }"
    `);
  });

  it("computes the address of what does not move once", () => {
    const text = `kernel @k(x: read f32[?], y: write f32[64], size n) {
      for i in 0..3 {
        for k in 0..4 {
          y[i * 4 + k] = x[i * n] + x[3]
        }
      }
    }`;
    expect(textAfter(addressing, text, [{ sizes: [5] }])).toMatchInlineSnapshot(`
      "for i in 0..3 {
        let x_at: i32 = &x + i * 4 * n
        var y_at: i32 = &y + i * 16
        for k in 0..4 {
          y[y_at -> 0] = x[x_at -> 0] + x[3]
          y_at = y_at + 4
        }
      }"
    `);
  });

  it("moves by strides that are known at run time", () => {
    const text = `kernel @k(x: read f32[?], y: write f32[?], size n) {
      for k in n - 3..n {
        y[k] = x[k * n + 1]
      }
    }`;
    expect(textAfter(addressing, text, [{ sizes: [5] }, { sizes: [3] }])).toMatchInlineSnapshot(`
      "var x_at: i32 = &x + (n * 4 * n + n * -12 + 4)
      let x_stride: i32 = n * 4
      var y_at: i32 = &y + (n * 4 + -12)
      for k in n - 3..n {
        y[y_at -> 0] = x[x_at -> 0]
        x_at = x_at + x_stride
        y_at = y_at + 4
      }"
    `);
  });

  it("takes the invariant part of gathered indices", () => {
    const text = `kernel @k(t: read u8[8], x: read f32[64], y: write f32[64]) {
      for i in 0..3 {
        for k in 0..8 {
          y[i * 8 + k] = x[i * 12 + t[k] * 2 - 1 + 3]
        }
      }
    }`;
    expect(textAfter(addressing, text)).toMatchInlineSnapshot(`
      "for i in 0..3 {
        var t_at: i32 = &t
        var y_at: i32 = &y + i * 32
        let x_at: i32 = &x + i * 48
        for k in 0..8 {
          y[y_at -> 0] = x[x_at -> t[t_at -> 0] * 2 + 2]
          t_at = t_at + 1
          y_at = y_at + 4
        }
      }"
    `);
  });

  it("does not put a pointer where only a guarded access may go", () => {
    const text = `kernel @k(x: read f32[16], y: write f32[16]) {
      for k in 0..16 {
        var a: f32 = x[k]
        if k >s 0 {
          a = a + x[k - 1]
          if k >s 1 { a = a + x[k - 1] + x[k] }
        }
        y[k] = a
      }
    }`;
    expect(textAfter(addressing, text)).toMatchInlineSnapshot(`
      "var x_at: i32 = &x
      var y_at: i32 = &y
      var x_at.1: i32 = &x + -4
      for k in 0..16 {
        var a: f32 = x[x_at -> 0]
        if k >s 0 {
          a = a + x[x_at.1 -> 0]
          if k >s 1 {
            a = a + x[x_at.1 -> 0] + x[x_at.1 -> 0 @1]
          }
        }
        y[y_at -> 0] = a
        x_at = x_at + 4
        y_at = y_at + 4
        x_at.1 = x_at.1 + 4
      }"
    `);
  });

  it("shares an address among straight-line accesses", () => {
    const text = `kernel @k(x: read f32[64], y: write f32[64]) {
      for i in 0..3 {
        let base: i32 = i * 9
        let a: f32 = x[base + 3]
        for k in 0..2 { y[k] = a }
        y[i * 4 + 20] = a + x[base + 1]
        y[i * 4 + 21] = a + x[0]
      }
    }`;
    expect(textAfter(addressing, text)).toMatchInlineSnapshot(`
      "for i in 0..3 {
        let base: i32 = i * 9
        let x_at: i32 = &x + (base * 4 + 4)
        let a: f32 = x[x_at -> 0 @2]
        var y_at.1: i32 = &y
        for k in 0..2 {
          y[y_at.1 -> 0] = a
          y_at.1 = y_at.1 + 4
        }
        let y_at: i32 = &y + (i * 16 + 80)
        y[y_at -> 0] = a + x[x_at -> 0]
        y[y_at -> 0 @1] = a + x[0]
      }"
    `);
  });

  it("shares pointers between groups when there are too many", () => {
    const terms = Array.from({ length: 14 }, (_, row) => `x[n * ${row} + k]`).join(" + ");
    const text = `kernel @k(x: read f32[?], y: write f32[?], size n) { for k in 0..n { y[k] = ${terms} } }`;
    const kernel = checkPasses(parseKernel(text), [addressing], [{ sizes: [4] }, { sizes: [0] }]);
    const loop = kernel.body.at(-1)!;
    const moves = loop.kind === "for" ? loop.body.filter(({ kind }) => kind === "assign") : [];
    expect(moves).toHaveLength(10);
  });
});
