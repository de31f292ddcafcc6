import { describe, expect, it } from "vitest";
import { split } from "../../../passes/loop/split.js";
import { textAfter } from "./running.js";

describe("split", () => {
  it("makes two loops of one that is divided by a constant", () => {
    const text = `kernel @k(x: read f32[200], y: write f32[60]) {
      for v in 0..60 vectorize {
        y[v] = x[v /u 15 * 40 + v %u 15]
      }
    }`;
    expect(textAfter(split, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..4 {
        for v.2 in 0..15 vectorize {
          y[v.1 * 15 + v.2] = x[v.1 * 40 + v.2]
        }
      }"
    `);
  });

  it("goes on where the quotient is divided again", () => {
    const text = `kernel @k(x: read f32[60], y: write f32[60]) {
      for v in 0..60 {
        y[v] = x[v /u 15 + v /u 5 %u 3 * 20 + v %u 5 * 4]
      }
    }`;
    expect(textAfter(split, text)).toMatchInlineSnapshot(`
      "for v.3 in 0..4 {
        for v.4 in 0..3 {
          for v.5 in 0..5 {
            y[(v.3 * 3 + v.4) * 5 + v.5] = x[v.3 + v.4 * 20 + v.5 * 4]
          }
        }
      }"
    `);
  });

  it("unrolls an inner loop that is shorter than a vector", () => {
    const text = `kernel @k(x: read f32[16], y: write f32[16]) {
      for v in 0..16 vectorize { y[v] = x[v /u 2 + v %u 2 * 8] }
    }`;
    expect(textAfter(split, text)).toMatchInlineSnapshot(`
      "for v.1 in 0..8 {
        for v.2 in 0..2 unroll {
          y[v.1 * 2 + v.2] = x[v.1 + v.2 * 8]
        }
      }"
    `);
  });

  it("leaves loops that the constant does not divide", () => {
    const text = `kernel @k(x: read f32[16], y: write f32[16]) {
      for v in 0..16 vectorize { y[v] = x[v %u 5] }
    }`;
    expect(textAfter(split, text)).toContain("%u 5");
  });
});
