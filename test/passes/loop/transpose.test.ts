import { describe, expect, it } from "vitest";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { transpose } from "../../../passes/loop/transpose.js";
import { checkPasses, countKernel, textAfter } from "./running.js";

describe("transpose", () => {
  it("works on tiles that are transposed in registers", () => {
    const text = `kernel @k(x: read f32[64], y: write f32[64]) {
      for u in 0..8 parallel {
        for v in 0..8 vectorize { y[u * 8 + v] = x[v * 8 + u] }
      }
    }`;
    expect(textAfter(transpose, text)).toMatchInlineSnapshot(`
      "for u.1 in 0..8 step 4 parallel {
        for v.1 in 0..8 step 4 {
          let x.1: f32x4 = x[v.1 * 8 + u.1 : f32x4]
          let x.2: f32x4 = x[(v.1 + 1) * 8 + u.1 : f32x4]
          let x.3: f32x4 = x[(v.1 + 2) * 8 + u.1 : f32x4]
          let x.4: f32x4 = x[(v.1 + 3) * 8 + u.1 : f32x4]
          let pairs: f32x4 = shuffle[0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23](x.1, x.2)
          let pairs.1: f32x4 = shuffle[0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23](x.3, x.4)
          let pairs.2: f32x4 = shuffle[8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31](x.1, x.2)
          let pairs.3: f32x4 = shuffle[8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31](x.3, x.4)
          let x.5: f32x4 = shuffle[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23](pairs, pairs.1)
          let x.6: f32x4 = shuffle[8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31](pairs, pairs.1)
          let x.7: f32x4 = shuffle[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23](pairs.2, pairs.3)
          let x.8: f32x4 = shuffle[8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31](pairs.2, pairs.3)
          y[u.1 * 8 + v.1] = x.5
          y[(u.1 + 1) * 8 + v.1] = x.6
          y[(u.1 + 2) * 8 + v.1] = x.7
          y[(u.1 + 3) * 8 + v.1] = x.8
        }
      }"
    `);
  });

  it("leaves what tiles do not cover to scalar loops, and widens the rest of the body", () => {
    const text = `kernel @k(x: read i8[99], b: read i32[11], y: write i32[99]) {
      for u in 0..9 {
        for v in 0..11 vectorize {
          let t: i32 = x[v * 9 + u] * 2
          y[u * 11 + v] = t + b[v] - b[u]
        }
      }
    }`;
    expect(textAfter(transpose, text)).toMatchInlineSnapshot(`
      "for u.1 in 0..8 step 4 {
        for v.1 in 0..8 step 4 {
          let x.1: i32x4 = x[v.1 * 9 + u.1 : i32x4]
          let x.2: i32x4 = x[(v.1 + 1) * 9 + u.1 : i32x4]
          let x.3: i32x4 = x[(v.1 + 2) * 9 + u.1 : i32x4]
          let x.4: i32x4 = x[(v.1 + 3) * 9 + u.1 : i32x4]
          let pairs: i32x4 = shuffle[0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23](x.1, x.2)
          let pairs.1: i32x4 = shuffle[0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23](x.3, x.4)
          let pairs.2: i32x4 = shuffle[8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31](x.1, x.2)
          let pairs.3: i32x4 = shuffle[8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31](x.3, x.4)
          let x.5: i32x4 = shuffle[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23](pairs, pairs.1)
          let x.6: i32x4 = shuffle[8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31](pairs, pairs.1)
          let x.7: i32x4 = shuffle[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23](pairs.2, pairs.3)
          let x.8: i32x4 = shuffle[8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31](pairs.2, pairs.3)
          let t.1: i32x4 = x.5 * 2
          y[u.1 * 11 + v.1] = t.1 + b[v.1 : i32x4] - b[u.1 : splat i32x4]
          let t.2: i32x4 = x.6 * 2
          %1 = u.1 + 1
          y[%1 * 11 + v.1] = t.2 + b[v.1 : i32x4] - b[%1 : splat i32x4]
          let t.3: i32x4 = x.7 * 2
          %1 = u.1 + 2
          y[%1 * 11 + v.1] = t.3 + b[v.1 : i32x4] - b[%1 : splat i32x4]
          let t.4: i32x4 = x.8 * 2
          %1 = u.1 + 3
          y[%1 * 11 + v.1] = t.4 + b[v.1 : i32x4] - b[%1 : splat i32x4]
        }
        for u.2 in u.1..u.1 + 4 {
          for v.2 in 8..11 {
            let t.5: i32 = x[v.2 * 9 + u.2] * 2
            y[u.2 * 11 + v.2] = t.5 + b[v.2] - b[u.2]
          }
        }
      }
      for u in 8..9 {
        for v in 0..11 vectorize {
          let t: i32 = x[v * 9 + u] * 2
          y[u * 11 + v] = t + b[v] - b[u]
        }
      }"
    `);
  });

  it.each([
    ["too short", "for u in 0..3 { for v in 0..16 vectorize { y[u * 16 + v] = x[v * 3 + u] } }"],
    ["strided both ways", "for u in 0..8 { for v in 0..8 vectorize { y[u * 8 + v] = x[v * 16 + u * 2] } }"],
    ["already along the result", "for u in 0..8 { for v in 0..8 vectorize { y[u * 8 + v] = x[u * 9 + v] } }"],
    ["reading what they store", "for u in 0..8 { for v in 0..8 vectorize { z[u * 8 + v] = z[v * 8 + u] } }"],
    ["reductions", "for u in 0..8 { for v in 0..8 vectorize { s = s + x[v * 8 + u] } y[u] = s }"],
  ])("leaves nests that are %s", (_, loops) => {
    const text = `kernel @k(x: read f32[256], z: readwrite f32[64], y: write f32[64]) { var s: f32 = 0.0 ${loops} }`;
    expect(countKernel(checkPasses(parseKernel(text), [transpose]))).toMatchObject({
      vectorLoads: 0,
      loops: 2,
    });
  });
});
