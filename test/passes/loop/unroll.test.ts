import { describe, expect, it } from "vitest";
import { unroll } from "../../../passes/loop/unroll.js";
import { textAfter } from "./running.js";

describe("unroll", () => {
  it("copies the body for each pass, with locals of its own", () => {
    const text = `kernel @k(x: read f32[8], y: write f32[8]) {
      for i in 0..2 {
        for j in 1..6 step 2 unroll {
          let t: f32 = x[i + j]
          y[i + j] = t + t
        }
      }
    }`;
    expect(textAfter(unroll, text)).toMatchInlineSnapshot(`
      "for i in 0..2 {
        let t.1: f32 = x[i + 1]
        y[i + 1] = t.1 + t.1
        let t.2: f32 = x[i + 3]
        y[i + 3] = t.2 + t.2
        let t.3: f32 = x[i + 5]
        y[i + 5] = t.3 + t.3
      }"
    `);
  });

  it("unrolls nests from the inside out", () => {
    const text = `kernel @k(y: write i32[6]) {
      for i in 0..2 unroll {
        for j in 0..3 unroll { y[i * 3 + j] = i }
      }
    }`;
    expect(textAfter(unroll, text).split("\n")).toHaveLength(6);
  });

  it("leaves loops with too many passes, or an unknown number, serial", () => {
    const text = `kernel @k(y: write i32[?], size n) {
      for i in 0..n unroll {
        for j in 0..1000 unroll { y[j] = i }
      }
    }`;
    const after = textAfter(unroll, text, [{ sizes: [2], elements: 1000 }]);
    expect(after).toMatchInlineSnapshot(`
      "for i in 0..n {
        for j in 0..1000 {
          y[j] = i
        }
      }"
    `);
  });
});
