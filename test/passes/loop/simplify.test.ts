import { describe, expect, it } from "vitest";
import { simplify } from "../../../passes/loop/simplify.js";
import { textAfter } from "./running.js";

const buffers = "x: read f32[64], i: read i32[64], b: read u8[64], y: write f32[64], z: write i32[64]";
const simplified = (body: string, sizes: readonly number[] = []): string => {
  const declared = sizes.map((_, n) => `, size n${n}`).join("");
  return textAfter(simplify, `kernel @k(${buffers}${declared}) { ${body} }`, [{ sizes }]);
};

/** An i32 expression of `e = i[0]`, the loop variable v (0..16) and the size n0, as it is stored. */
const storedInt = (expr: string): string =>
  simplified(`for v in 0..16 { let e: i32 = i[v] z[v] = ${expr} }`, [5]).match(/= ([^=]*)\n}$/)![1]!;

const storedFloat = (expr: string): string =>
  simplified(`for v in 0..16 { let f: f32 = x[v] y[v] = ${expr} }`).match(/= ([^=]*)\n}$/)![1]!;

describe("simplify", () => {
  it.each([
    ["e + 0", "e"],
    ["0 + e", "e"],
    ["e - e", "0"],
    ["e * 1", "e"],
    ["e * 0", "0"],
    ["e + 3 + 4", "e + 7"],
    ["e - 3 - 4", "e + -7"],
    ["e * 3 * 4", "e * 12"],
    ["2 + 3 * 4", "14"],
    ["2147483647 + 1", "-2147483648"],
    ["e & -1", "e"],
    ["e | 0", "e"],
    ["e & e", "e"],
    ["e << 0", "e"],
    ["neg(neg(e))", "e"],
    ["select(1 <s 2, e, v)", "e"],
    ["select(e <s 2, v, v)", "v"],
    ["i64_to_i32(i32_to_i64_s(e))", "e"],
    ["min_s(v, 16)", "v"],
    ["max_s(v - 16, 0)", "0"],
    ["min_s(v, 8)", "min_s(v, 8)"],
    ["select(v >=s 0, e, 0)", "e"],
    ["select(n0 >=s 0, e, 0)", "e"],
    ["select(b[v] <s 256, e, 0)", "e"],
    ["(v * 4 + 3) /u 4", "v"],
    ["(v * 4 + 3) %u 4", "3"],
    ["(v * 12 + 5) /u 6", "v * 2"],
    ["(v * 12 + 7) /s 6", "v * 2 + 1"],
    ["(v * 10 + 3) %u 20", "v %u 2 * 10 + 3"],
    ["v /u 16", "0"],
    ["v %u 20", "v"],
    ["v /u 2 /u 3", "v /u 6"],
    ["v %u 6 %u 3", "v %u 3"],
    ["e /u 4", "e /u 4"],
    ["(v * 4 + e) /u 4", "(v * 4 + e) /u 4"],
  ])("%s is %s", (before, after) => expect(storedInt(before)).toBe(after));

  it("leaves a trap to run time", () => {
    const text = "if i[0] >s 100 { z[0] = 1 /s (i[0] - i[0]) }";
    expect(simplified(text)).toContain("1 /s 0");
  });

  it.each([
    ["f * 1.0", "f"],
    ["f / 1.0", "f"],
    ["f - 0.0", "f"],
    ["f + -0.0", "f"],
    ["f + 0.0", "f + 0.0"],
    ["f * 0.0", "f * 0.0"],
    ["f - f", "f - f"],
    ["1.5 * 2.0", "3.0"],
    ["fma(2.0, 3.0, 1.0)", "7.0"],
    ["fma(1.0002441, 1.0002441, -1.0)", "fma(1.0002441, 1.0002441, -1.0)"],
    ["f64_to_f32(f32_to_f64(f))", "f"],
    ["extract[1](f32x4(2.5))", "2.5"],
    ["extract[1](splat[4](f))", "f"],
    ["extract[1](replace[1](x[0 : f32x4], f))", "f"],
  ])("%s is %s", (before, after) => expect(storedFloat(before)).toBe(after));

  it("removes what nobody uses, and lets that only rename", () => {
    const text = `let unused: f32 = x[0]
      var counted: i32 = 0
      for v in 0..4 { counted = counted + 1 }
      let copy: i32 = 3
      for v.1 in 0..4 { let w: i32 = v.1 y[w + copy] = x[w] }
      if i[0] <s 3 { } else { }`;
    expect(simplified(text)).toMatchInlineSnapshot(`
      "for v.1 in 0..4 {
        y[v.1 + 3] = x[v.1]
      }"
    `);
  });

  it("takes known branches and turns conditions whose first branch is empty", () => {
    const text = `for v in 0..4 {
        if v <s 4 { y[v] = 1.0 } else { y[v] = 2.0 }
        if v >s 4 { z[v] = 1 }
        if i[v] <s 0 { } else { z[v] = 2 }
      }`;
    expect(simplified(text)).toMatchInlineSnapshot(`
      "for v in 0..4 {
        y[v] = 1.0
        if not(i[v] <s 0) {
          z[v] = 2
        }
      }"
    `);
  });

  it("replaces loops of one pass by their body, and removes those of none", () => {
    const text = `for v in 3..4 { let t: f32 = x[v] y[v] = t * t }
      for v.1 in 3..3 { y[v.1] = 0.0 }
      for v.2 in n0..n0 + 1 { y[v.2] = 0.5 }
      for v.3 in 0..2 { for w in v.3 * 4..v.3 * 4 + 4 step 4 { let u: f32 = x[w] z[w] = f32_to_i32_s(u + u) } }`;
    expect(simplified(text, [7])).toMatchInlineSnapshot(`
      "let t: f32 = x[3]
      y[3] = t * t
      for v.2 in n0..n0 + 1 {
        y[v.2] = 0.5
      }
      for v.3 in 0..2 {
        let w: i32 = v.3 * 4
        let u: f32 = x[w]
        z[w] = f32_to_i32_s(u + u)
      }"
    `);
  });

  it("keeps names apart when blocks meet", () => {
    const text = `for v in 0..1 { let t: f32 = x[0] * 2.0 y[v] = t * t }
      for v in 1..2 { let t: f32 = x[1] * 3.0 y[v] = t * t }`;
    expect(simplified(text)).toMatchInlineSnapshot(`
      "let t.1: f32 = x[0] * 2.0
      y[0] = t.1 * t.1
      let t.2: f32 = x[1] * 3.0
      y[1] = t.2 * t.2"
    `);
  });

  it("shortens indices to sums of products", () => {
    const text = `for v in 0..4 { for w in 0..3 { y[((v + 1) * 3 + w) * 2 - 6] = x[v * 3 + w + (v * 3 + w)] } }`;
    expect(simplified(text)).toMatchInlineSnapshot(`
      "for v in 0..4 {
        for w in 0..3 {
          %1 = v * 3 + w
          y[v * 6 + w * 2] = x[%1 + %1]
        }
      }"
    `);
  });
});
