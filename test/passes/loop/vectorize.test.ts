import { describe, expect, it } from "vitest";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { vectorize } from "../../../passes/loop/vectorize.js";
import { checkPasses, countKernel, textAfter } from "./running.js";

const sizesOf = (...sizes: number[]) => sizes.map((size) => ({ sizes: [size] }));

describe("vectorize", () => {
  it("splits a loop between constants into wide steps, the vectors left, and a scalar rest", () => {
    const text = `kernel @k(x: read f32[30], b: read f32[1], y: write f32[30]) {
      for v in 0..30 vectorize {
        y[v] = x[v] * b[0]
      }
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..16 step 16 {
        y[v.1] = x[v.1 : f32x4] * b[0 : splat f32x4]
        y[v.1 @4] = x[v.1 @4 : f32x4] * b[0 : splat f32x4]
        y[v.1 @8] = x[v.1 @8 : f32x4] * b[0 : splat f32x4]
        y[v.1 @12] = x[v.1 @12 : f32x4] * b[0 : splat f32x4]
      }
      for v.2 in 16..28 step 12 {
        y[v.2] = x[v.2 : f32x4] * b[0 : splat f32x4]
        y[v.2 @4] = x[v.2 @4 : f32x4] * b[0 : splat f32x4]
        y[v.2 @8] = x[v.2 @8 : f32x4] * b[0 : splat f32x4]
      }
      for v in 28..30 unroll {
        y[v] = x[v] * b[0]
      }"
    `);
  });

  it("leaves no rest where the lanes divide the extent", () => {
    const text = `kernel @k(x: read f64[16], y: write f64[16]) {
      for v in 0..16 vectorize { y[v] = sqrt(x[v]) }
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..16 step 8 {
        y[v.1] = sqrt(x[v.1 : f64x2])
        y[v.1 @2] = sqrt(x[v.1 @2 : f64x2])
        y[v.1 @4] = sqrt(x[v.1 @4 : f64x2])
        y[v.1 @6] = sqrt(x[v.1 @6 : f64x2])
      }"
    `);
  });

  it("handles extents that are known at run time only", () => {
    const text = `kernel @k(x: read f32[?], y: write f32[?], size n) {
      for v in 0..n vectorize {
        let t: f32 = x[v]
        y[v] = t * t
      }
    }`;
    expect(textAfter(vectorize, text, sizesOf(0, 1, 3, 4, 15, 16, 21, 33))).toMatchInlineSnapshot(`
      "let v_wide: i32 = n & -16
      let v_vector: i32 = n & -4
      for v.1 in 0..v_wide step 16 {
        let t.1: f32x4 = x[v.1 : f32x4]
        let t.2: f32x4 = x[v.1 @4 : f32x4]
        let t.3: f32x4 = x[v.1 @8 : f32x4]
        let t.4: f32x4 = x[v.1 @12 : f32x4]
        y[v.1] = t.1 * t.1
        y[v.1 @4] = t.2 * t.2
        y[v.1 @8] = t.3 * t.3
        y[v.1 @12] = t.4 * t.4
      }
      for v.2 in v_wide..v_vector step 4 {
        let t.5: f32x4 = x[v.2 : f32x4]
        y[v.2] = t.5 * t.5
      }
      for v in v_vector..n {
        let t: f32 = x[v]
        y[v] = t * t
      }"
    `);
  });

  it("gives reductions partial accumulators and combines them before the rest", () => {
    const text = `kernel @k(x: read f32[19], y: write f32[2]) {
      var total: f32 = 1.0
      var largest: f32 = -inf
      for v in 0..19 vectorize {
        total = total + x[v]
        largest = max(x[v], largest)
      }
      y[0] = total
      y[1] = largest
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "var total: f32 = 1.0
      var largest: f32 = -inf
      var total.1: f32x4 = -0.0
      var total.2: f32x4 = -0.0
      var total.3: f32x4 = -0.0
      var total.4: f32x4 = -0.0
      var largest.1: f32x4 = -inf
      var largest.2: f32x4 = -inf
      var largest.3: f32x4 = -inf
      var largest.4: f32x4 = -inf
      for v.1 in 0..16 step 16 {
        total.1 = total.1 + x[v.1 : f32x4]
        total.2 = total.2 + x[v.1 @4 : f32x4]
        total.3 = total.3 + x[v.1 @8 : f32x4]
        total.4 = total.4 + x[v.1 @12 : f32x4]
        largest.1 = max(x[v.1 : f32x4], largest.1)
        largest.2 = max(x[v.1 @4 : f32x4], largest.2)
        largest.3 = max(x[v.1 @8 : f32x4], largest.3)
        largest.4 = max(x[v.1 @12 : f32x4], largest.4)
      }
      let total.5: f32x4 = total.1 + total.3 + (total.2 + total.4)
      total = total + (extract[0](total.5) + extract[2](total.5) + (extract[1](total.5) + extract[3](total.5)))
      let largest.5: f32x4 = max(max(largest.1, largest.3), max(largest.2, largest.4))
      largest = max(largest, max(max(extract[0](largest.5), extract[2](largest.5)), max(extract[1](largest.5), extract[3](largest.5))))
      for v in 16..19 unroll {
        total = total + x[v]
        largest = max(x[v], largest)
      }
      y[0] = total
      y[1] = largest"
    `);
  });

  it("jams vectors into an inner reduction loop", () => {
    const text = `kernel @k(x: read f32[80], y: write f32[16]) {
      for v in 0..16 vectorize {
        var acc: f32 = 0.0
        for r in 0..5 {
          acc = acc + x[r * 16 + v]
        }
        y[v] = acc
      }
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..16 step 16 {
        var acc.1: f32x4 = 0.0
        var acc.2: f32x4 = 0.0
        var acc.3: f32x4 = 0.0
        var acc.4: f32x4 = 0.0
        for r.1 in 0..5 {
          acc.1 = acc.1 + x[r.1 * 16 + v.1 : f32x4]
          acc.2 = acc.2 + x[r.1 * 16 + v.1 @4 : f32x4]
          acc.3 = acc.3 + x[r.1 * 16 + v.1 @8 : f32x4]
          acc.4 = acc.4 + x[r.1 * 16 + v.1 @12 : f32x4]
        }
        y[v.1] = acc.1
        y[v.1 @4] = acc.2
        y[v.1 @8] = acc.3
        y[v.1 @12] = acc.4
      }"
    `);
  });

  it("counts lanes where the loop variable is a value, and copies scalars to lanes", () => {
    const text = `kernel @k(s: read i32[1], y: write i32[9]) {
      for v in 0..9 vectorize {
        y[v] = v * s[0] + 1
      }
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "let lane: i32x4 = replace[3](replace[2](replace[1](i32x4(0), 1), 2), 3)
      for v.1 in 0..8 step 8 {
        y[v.1] = (splat[4](v.1) + lane) * s[0 : splat i32x4] + 1
        y[v.1 @4] = (splat[4](v.1 + 4) + lane) * s[0 : splat i32x4] + 1
      }
      for v in 8..9 unroll {
        y[v] = v * s[0] + 1
      }"
    `);
  });

  it("gathers and scatters lane by lane where the arithmetic pays for it", () => {
    const text = `kernel @k(i: read i8[8], x: read f32[32], y: write f32[24]) {
      for v in 0..8 vectorize {
        let t: f32 = x[i[v] & 15] * 2.0 + x[v * 3 + 1]
        y[v * 3] = sqrt(t * t) + t * x[v] - abs(t) * 0.5
      }
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..8 step 4 {
        %1 = v.1 * 3 + 1
        let t.1: f32x4 = replace[3](replace[2](replace[1](x[i[v.1] & 15 : splat f32x4], x[i[v.1 + 1] & 15]), x[i[v.1 + 2] & 15]), x[i[v.1 + 3] & 15]) * 2.0 + replace[3](replace[2](replace[1](x[%1 : splat f32x4], x[%1 @3]), x[%1 @6]), x[%1 @9])
        let lanes: f32x4 = sqrt(t.1 * t.1) + t.1 * x[v.1 : f32x4] - abs(t.1) * 0.5
        y[v.1 * 3] = extract[0](lanes)
        y[v.1 * 3 @3] = extract[1](lanes)
        y[v.1 * 3 @6] = extract[2](lanes)
        y[v.1 * 3 @9] = extract[3](lanes)
      }"
    `);
  });

  it("reverses vectors that are walked backwards", () => {
    const text = `kernel @k(x: read f32[16], y: write f32[16]) {
      for v in 0..16 vectorize { y[v] = x[15 - v] }
    }`;
    expect(textAfter(vectorize, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..16 step 16 {
        %1 = x[15 - v.1 + -3 : f32x4]
        y[v.1] = shuffle[12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3](%1, %1)
        %1 = x[15 - v.1 + -7 : f32x4]
        y[v.1 @4] = shuffle[12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3](%1, %1)
        %1 = x[15 - v.1 + -11 : f32x4]
        y[v.1 @8] = shuffle[12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3](%1, %1)
        %1 = x[15 - v.1 + -15 : f32x4]
        y[v.1 @12] = shuffle[12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3](%1, %1)
      }"
    `);
  });

  it("loads for all results before it stores the first", () => {
    const text = `kernel @k(x: read f32[17], y: write f32[8], z: write f32[8]) {
      for v in 0..8 vectorize {
        y[v] = x[v]
        z[v] = x[v + 9]
      }
    }`;
    expect(textAfter(vectorize, text, [{}, { shared: [[1, 0]] }])).toMatchInlineSnapshot(`
      "for v.1 in 0..8 step 8 {
        let value.2: f32x4 = x[v.1 : f32x4]
        let value.3: f32x4 = x[v.1 @4 : f32x4]
        let value.4: f32x4 = x[v.1 + 9 : f32x4]
        let value.5: f32x4 = x[v.1 + 9 @4 : f32x4]
        y[v.1] = value.2
        y[v.1 @4] = value.3
        z[v.1] = value.4
        z[v.1 @4] = value.5
      }"
    `);
  });

  it("keeps conditions that all lanes share", () => {
    const text = `kernel @k(x: read f32[12], y: write f32[12], size n) {
      for v in 0..12 vectorize {
        if n <s 3 {
          y[v] = x[v]
        } else {
          y[v] = 0.0
        }
      }
    }`;
    const kernel = checkPasses(parseKernel(text), [vectorize], sizesOf(1, 5));
    expect(countKernel(kernel)).toMatchObject({ stores: 0, vectorLoads: 3, vectorStores: 6 });
  });

  it("passes over NaN where the scalar loop does, and keeps it where that does", () => {
    const text = `kernel @k(x: read f32[48], y: write f32[2]) {
      var over: f32 = -5.0
      var through: f32 = 0.0
      for v in 0..48 vectorize {
        let t: f32 = x[v] / x[v] * x[v]
        over = pmax(over, t)
        through = max(through, t)
      }
      y[0] = over
      y[1] = through
    }`;
    expect(textAfter(vectorize, text)).toContain("pmax(over.1");
  });

  it("keeps the sign of a sum of negative zeros", () => {
    const text = `kernel @k(x: read f32[16], y: write f32[1]) {
      var sum: f32 = -0.0
      for v in 0..16 vectorize { sum = sum + abs(x[v]) * -0.0 }
      y[0] = sum
    }`;
    textAfter(vectorize, text);
  });

  const scalar: Record<string, string> = {
    "with a condition that differs between lanes": `if v <s 7 { y[v] = x[v] }`,
    "that read what another pass stores": `z[v] = x[v] + z[v + 1]`,
    "that carry a value from pass to pass": `last = x[v] * last + 1.0 y[v] = last`,
    "that only copy with a stride": `y[v] = x[v * 2]`,
    "that store all to one place": `y[0] = x[v]`,
    "with an inner loop whose bound differs": `var s: f32 = 0.0 for k in 0..v { s = s + x[k] } y[v] = s`,
    "with bounds too short for a vector": ``,
    "that mix widths": `y[v] = f64_to_f32(f32_to_f64(x[v]) * 0.1)`,
  };
  for (const [which, body] of Object.entries(scalar)) {
    it(`leaves loops ${which}`, () => {
      const loop =
        body === "" ? "for v in 0..3 vectorize { y[v] = x[v] }" : `for v in 0..16 vectorize { ${body} }`;
      const text = `kernel @k(x: read f32[32], z: readwrite f32[32], y: write f32[32]) { var last: f32 = 0.0 ${loop} }`;
      const kernel = checkPasses(parseKernel(text), [vectorize]);
      expect(countKernel(kernel)).toMatchObject({ vectorStores: 0, vectorLoads: 0 });
      expect(JSON.stringify(kernel)).not.toContain('"vectorize"');
    });
  }
});
