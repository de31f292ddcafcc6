import { describe, expect, it } from "vitest";
import { seedSums } from "../../../passes/loop/seed-sums.js";
import { textAfter } from "./running.js";

const sum = (end: string, start = "0.0", step = "fma(x[i], x[i], acc)") => `
  kernel @k(x: read f32[8], b: read f32[8], y: readwrite f32[4]) {
    for c in 0..4 {
      var acc: f32 = ${start}
      for i in 0..8 { acc = ${step} }
      ${end}
    }
  }`;

describe("seed-sums", () => {
  it("begins a sum with what is added to it", () => {
    expect(textAfter(seedSums, sum("y[c] = max(acc + b[c], 0.0)"))).toMatchInlineSnapshot(`
      "for c in 0..4 {
        var acc: f32 = b[c]
        for i in 0..8 {
          acc = fma(x[i], x[i], acc)
        }
        y[c] = max(acc, 0.0)
      }"
    `);
  });

  it("loads once what several sums begin with", () => {
    const text = `kernel @k(x: read f32[8], b: read f32[4], y: write f32[8]) {
      for c in 0..4 {
        var p: f32 = 0.0
        var q: f32 = 0.0
        for i in 0..8 {
          p = p + x[i]
          q = fma(x[i], 2.0, q)
        }
        y[c] = p + b[c]
        y[c + 4] = b[c] + q
      }
    }`;
    expect(textAfter(seedSums, text)).toMatchInlineSnapshot(`
      "for c in 0..4 {
        let first: f32 = b[c]
        var p: f32 = first
        var q: f32 = first
        for i in 0..8 {
          p = p + x[i]
          q = fma(x[i], 2.0, q)
        }
        y[c] = p
        y[c + 4] = q
      }"
    `);
  });

  it("takes sums of vectors, and an element for all lanes", () => {
    const text = `kernel @k(x: read f32[8], b: read f32[1], y: write f32[4]) {
      var acc: f32x4 = 0.0
      for i in 0..8 step 4 { acc = fma(x[i : f32x4], x[i : f32x4], acc) }
      y[0] = acc + b[0 : splat f32x4]
    }`;
    expect(textAfter(seedSums, text)).toContain("var acc: f32x4 = b[0 : splat f32x4]");
  });

  it("leaves what is added behind that, be it the same", () => {
    expect(textAfter(seedSums, sum("y[c] = acc + b[c] + b[c] + x[c]"))).toContain("y[c] = acc + b[c] + x[c]");
  });

  it("keeps steps that add the same, and takes differences", () => {
    const text = sum("acc = acc - x[c]\n acc = acc + b[c]\n y[c] = acc + b[c]");
    expect(textAfter(seedSums, text)).toMatchInlineSnapshot(`
      "for c in 0..4 {
        var acc: f32 = b[c]
        for i in 0..8 {
          acc = fma(x[i], x[i], acc)
        }
        acc = acc - x[c]
        acc = acc + b[c]
        y[c] = acc
      }"
    `);
  });

  it.each([
    ["that are read as they are, too", sum("y[c] = acc + b[c]\n y[0] = acc")],
    ["to which different things are added", sum("y[c] = acc + b[c]\n y[0] = acc + b[0]")],
    ["that begin with something", sum("y[c] = acc + b[c]", "1.0")],
    ["that are more than sums", sum("y[c] = acc + b[c]", "0.0", "max(acc, x[i])")],
    ["whose steps read them twice", sum("y[c] = acc + b[c]", "0.0", "fma(acc, x[i], acc)")],
    ["to which a written buffer's element is added", sum("y[c] = acc + y[c]")],
    ["to which something computed is added", sum("y[c] = acc + sqrt(b[c])")],
    ["that are added to only sometimes", sum("if c <s 2 { y[c] = acc + b[c] }")],
    ["to which something later is added", sum("let d: i32 = c * 2\n y[c] = acc + b[d]")],
  ])("leaves sums %s", (_, text) => {
    expect(textAfter(seedSums, text)).toContain("acc + ");
    expect(textAfter(seedSums, text)).not.toMatch(/acc: f32 = b/);
  });
});
