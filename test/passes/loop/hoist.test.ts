import { describe, expect, it } from "vitest";
import { hoist } from "../../../passes/loop/hoist.js";
import { textAfter } from "./running.js";

describe("hoist", () => {
  it("moves each part of an index out of the loops that it does not depend on", () => {
    const text = `kernel @k(x: read f32[?], y: write f32[?], size h, size w) {
      for i in 0..3 {
        for j in 0..h {
          for k in 0..w {
            y[(i * h + j) * w + k] = x[k + j * 7 + i * 20]
          }
        }
      }
    }`;
    expect(textAfter(hoist, text, [{ sizes: [2, 4], elements: 80 }])).toMatchInlineSnapshot(`
      "let fixed.4: i32 = h * w
      for i in 0..3 {
        let fixed.2: i32 = fixed.4 * i
        let fixed.3: i32 = i * 20
        for j in 0..h {
          let fixed: i32 = fixed.2 + w * j
          let fixed.1: i32 = fixed.3 + j * 7
          for k in 0..w {
            y[fixed + k] = x[fixed.1 + k]
          }
        }
      }"
    `);
  });

  it("moves invariant lets and loads of loops that run for certain", () => {
    const text = `kernel @k(s: read f32[4], x: read f32[?], y: write f32[64]) {
      for i in 0..4 {
        for j in 0..16 {
          let scale: f32 = x[i * 3] * 2.0
          y[i * 16 + j] = scale * x[j] + s[i]
        }
      }
    }`;
    expect(textAfter(hoist, text)).toMatchInlineSnapshot(`
      "for i in 0..4 {
        let scale: f32 = x[i * 3] * 2.0
        let fixed: i32 = i * 16
        let fixed.1: f32 = s[i]
        for j in 0..16 {
          y[fixed + j] = scale * x[j] + fixed.1
        }
      }"
    `);
  });

  it("leaves constants of indices, so that accesses share what moves", () => {
    const text = `kernel @k(t: scratch f32[64], x: read f32[64], y: write f32[64], size n) {
      for i in 0..n {
        t[n * 16] = x[i]
        t[n * 16 + 4] = x[i] + x[i + 8]
      }
      y[0] = t[n * 16 + 4]
    }`;
    expect(textAfter(hoist, text, [{ sizes: [2] }])).toMatchInlineSnapshot(`
      "let fixed: i32 = n * 16
      for i in 0..n {
        t[fixed] = x[i]
        t[fixed + 4] = x[i] + x[i + 8]
      }
      y[0] = t[n * 16 + 4]"
    `);
  });

  it("moves sums of numbers with their constants", () => {
    const text = `kernel @k(x: read f32[4], y: write f32[16]) {
      for i in 0..16 {
        y[i] = x[i /u 4] * (x[1] * x[2] + 0.5)
      }
    }`;
    expect(textAfter(hoist, text)).toMatchInlineSnapshot(`
      "let fixed: f32 = x[1] * x[2] + 0.5
      for i in 0..16 {
        y[i] = x[i /u 4] * fixed
      }"
    `);
  });

  it("leaves loads that might lie outside where the loop may not run, or a condition guards them", () => {
    const text = `kernel @k(s: read f32[4], x: read f32[?], y: write f32[64], size n) {
      for j in 0..n {
        y[j] = x[1000] + s[3]
      }
      for k in 0..4 {
        if k >s 7 { y[k] = x[1000] + s[2] }
      }
    }`;
    expect(textAfter(hoist, text, [{ sizes: [0] }])).toMatchInlineSnapshot(`
      "let fixed: f32 = s[3]
      for j in 0..n {
        y[j] = x[1000] + fixed
      }
      let fixed.1: f32 = s[2]
      for k in 0..4 {
        if k >s 7 {
          y[k] = x[1000] + fixed.1
        }
      }"
    `);
  });

  it("leaves divisions that could trap", () => {
    const text = `kernel @k(y: write i32[64], size n, size d) {
      for j in 0..n { y[j] = n /u d + n /u 3 }
      for k in 0..2 { y[k] = n /u (d + 1) }
    }`;
    expect(textAfter(hoist, text, [{ sizes: [0, 0] }, { sizes: [7, 2] }])).toMatchInlineSnapshot(`
      "let fixed: i32 = n /u 3
      for j in 0..n {
        y[j] = n /u d + fixed
      }
      let fixed.1: i32 = n /u (d + 1)
      for k in 0..2 {
        y[k] = fixed.1
      }"
    `);
  });

  it("leaves loads from what the loop stores, but not those from memory shared with it", () => {
    const text = `kernel @k(x: read f32[4], z: readwrite f32[8]) {
      for j in 0..4 {
        z[j] = z[0] + x[3]
      }
    }`;
    expect(textAfter(hoist, text, [{}, { shared: [[1, 0]] }])).toMatchInlineSnapshot(`
      "let fixed: f32 = x[3]
      for j in 0..4 {
        z[j] = z[0] + fixed
      }"
    `);
  });

  it("leaves what depends on a variable that the loop changes", () => {
    const text = `kernel @k(x: read f32[16], y: write f32[16]) {
      var a: f32 = x[0]
      let b: f32 = x[1]
      for j in 0..16 {
        y[j] = a * 2.0 + b * 2.0
        a = a + 1.0
      }
    }`;
    expect(textAfter(hoist, text)).toMatchInlineSnapshot(`
      "var a: f32 = x[0]
      let b: f32 = x[1]
      let fixed: f32 = b * 2.0
      for j in 0..16 {
        y[j] = a * 2.0 + fixed
        a = a + 1.0
      }"
    `);
  });
});
