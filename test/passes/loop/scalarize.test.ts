import { describe, expect, it } from "vitest";
import { parseKernel } from "../../../compiler/loop/parse.js";
import { loopPasses } from "../../../passes/loop/pipeline.js";
import { scalarize } from "../../../passes/loop/scalarize.js";
import { vectorizeNarrow } from "../../../passes/loop/vectorize.js";
import { textAfter } from "./running.js";

describe("scalarize", () => {
  it("computes each lane by itself, and once what they have in common", () => {
    const text = `kernel @k(x: read f32[4], s: read f32[1], y: write f32[4]) {
      let a: f32x4 = x[0 : f32x4] * splat[4](s[0] + 1.0)
      y[0] = a
    }`;
    expect(textAfter(scalarize, text)).toMatchInlineSnapshot(`
      "let all: f32 = s[0] + 1.0
      let a.1: f32 = x[0] * all
      let a.2: f32 = x[0 @1] * all
      let a.3: f32 = x[0 @2] * all
      let a.4: f32 = x[0 @3] * all
      y[0] = a.1
      y[0 @1] = a.2
      y[0 @2] = a.3
      y[0 @3] = a.4"
    `);
  });

  it("reads all lanes before it stores the first", () => {
    const text = `kernel @k(x: readwrite f32[8]) {
      x[1] = x[0 : f32x4]
    }`;
    expect(textAfter(scalarize, text)).toMatchInlineSnapshot(`
      "let x.1: f32 = x[0]
      let x.2: f32 = x[0 @1]
      let x.3: f32 = x[0 @2]
      let x.4: f32 = x[0 @3]
      x[1] = x.1
      x[1 @1] = x.2
      x[1 @2] = x.3
      x[1 @3] = x.4"
    `);
  });

  it("chooses among names where lanes move", () => {
    const text = `kernel @k(x: read i32[8], y: write i32[8]) {
      var a: i32x4 = x[0 : i32x4]
      a = shuffle[12, 13, 14, 15, 8, 9, 10, 11, 16, 17, 18, 19, 0, 1, 2, 3](a, splat[4](7))
      a = replace[2](a, extract[3](a) * 5)
      y[0] = a
      y[4] = select(a <s splat[4](3), a, splat[4](0))
    }`;
    expect(textAfter(scalarize, text)).toMatchInlineSnapshot(`
      "var a.1: i32 = x[0]
      var a.2: i32 = x[0 @1]
      var a.3: i32 = x[0 @2]
      var a.4: i32 = x[0 @3]
      let a.5: i32 = a.4
      let a.6: i32 = a.3
      let a.7: i32 = 7
      let a.8: i32 = a.1
      a.1 = a.5
      a.2 = a.6
      a.3 = a.7
      a.4 = a.8
      a.1 = a.1
      a.2 = a.2
      a.3 = a.4 * 5
      a.4 = a.4
      y[0] = a.1
      y[0 @1] = a.2
      y[0 @2] = a.3
      y[0 @3] = a.4
      y[4] = select(a.1 <s 3, a.1, 0)
      y[4 @1] = select(a.2 <s 3, a.2, 0)
      y[4 @2] = select(a.3 <s 3, a.3, 0)
      y[4 @3] = select(a.4 <s 3, a.4, 0)"
    `);
  });

  it("leaves kernels without vectors as they are", () => {
    const kernel = parseKernel(`kernel @k(y: write f32[4]) { for i in 0..4 { y[i] = 1.0 } }`);
    expect(scalarize.run(kernel)).toBe(kernel);
  });
});

describe("vectors that become scalars", () => {
  it("are as many as there are registers for their sums", () => {
    const text = `kernel @k(x: read f32[32], y: write f32[8]) {
      for i in 0..8 vectorize {
        var s: f32 = 0.0
        for k in 0..4 { s = s + x[k * 8 + i] }
        y[i] = s
      }
    }`;
    expect(textAfter(vectorizeNarrow, text)).toMatchInlineSnapshot(`
      "for i.1 in 0..8 step 4 {
        var s.1: f32x4 = 0.0
        for k.1 in 0..4 {
          s.1 = s.1 + x[k.1 * 8 + i.1 : f32x4]
        }
        y[i.1] = s.1
      }"
    `);
  });

  it("are no gain where each lane does much by itself", () => {
    const long = Array.from({ length: 9 }, () => "sqrt(").join("");
    const text = `kernel @k(x: read f32[8], y: write f32[8]) {
      for i in 0..8 vectorize { y[i] = ${long}x[i]${")".repeat(9)} }
    }`;
    expect(textAfter(vectorizeNarrow, text)).not.toContain("f32x4");
  });

  it("are not there at any level", () => {
    for (const level of [0, 1, 2, 3, "s"] as const) {
      expect(loopPasses(level, { simd: false })).toContain(scalarize);
      expect(loopPasses(level)).not.toContain(scalarize);
    }
  });
});
