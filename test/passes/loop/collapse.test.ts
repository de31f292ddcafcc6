import { describe, expect, it } from "vitest";
import { collapse } from "../../../passes/loop/collapse.js";
import { textAfter } from "./running.js";

describe("collapse", () => {
  it("merges a contiguous nest of any depth, with operands that are broadcast over it", () => {
    const text = `kernel @k(x: read f32[24], b: read f32[1], y: write f32[24]) {
      for i in 0..2 parallel {
        for j in 0..3 {
          let row: i32 = (i * 3 + j) * 4
          for k in 0..4 vectorize {
            y[row + k] = x[i * 12 + j * 4 + k] + b[0]
          }
        }
      }
    }`;
    expect(textAfter(collapse, text)).toMatchInlineSnapshot(`
      "for i_j_k in 0..24 vectorize {
        y[i_j_k] = x[i_j_k] + b[0]
      }"
    `);
  });

  it("merges loops with run-time extents", () => {
    const text = `kernel @k(x: read f32[?], y: write f32[?], size m, size n) {
      for i in 0..m {
        for j in 0..n vectorize {
          y[i * n + j] = x[(i * n + j) * 2]
        }
      }
    }`;
    const runs = [
      [2, 3],
      [0, 4],
      [4, 0],
      [1, 1],
    ].map((sizes) => ({ sizes }));
    expect(textAfter(collapse, text, runs)).toMatchInlineSnapshot(`
      "for i_j in 0..m * n vectorize {
        y[i_j] = x[i_j * 2]
      }"
    `);
  });

  it("keeps inner loops, and what they do with their own variables", () => {
    const text = `kernel @k(x: read f32[60], y: write f32[12]) {
      for i in 0..3 {
        for j in 0..4 vectorize {
          var acc: f32 = 0.0
          for k in 0..5 {
            acc = acc + x[k * 12 + i * 4 + j]
          }
          y[i * 4 + j] = acc
        }
      }
    }`;
    expect(textAfter(collapse, text)).toMatchInlineSnapshot(`
      "for i_j in 0..12 vectorize {
        var acc: f32 = 0.0
        for k in 0..5 {
          acc = acc + x[i_j + k * 12]
        }
        y[i_j] = acc
      }"
    `);
  });

  const unchanged: Record<string, string> = {
    "where an operand is broadcast over one loop only": `
      for i in 0..3 { for j in 0..4 vectorize { y[i * 4 + j] = x[i * 4 + j] + b[j] } }`,
    "where rows are padded": `
      for i in 0..3 { for j in 0..4 vectorize { y[i * 5 + j] = x[i * 4 + j] } }`,
    "where a variable is used as a value": `
      for i in 0..3 { for j in 0..4 vectorize { y[i * 4 + j] = i32_to_f32_s(i) } }`,
    "where the inner extent depends on the outer variable": `
      for i in 0..3 { for j in 0..i { y[i * 4 + j] = x[i * 4 + j] } }`,
    "that are to be unrolled": `
      for i in 0..3 { for j in 0..4 unroll { y[i * 4 + j] = x[i * 4 + j] } }`,
    "where something else stands beside the inner loop": `
      for i in 0..3 { y[i + 12] = x[i] for j in 0..4 { y[i * 4 + j] = x[i * 4 + j] } }`,
    "where a vector would hold what earlier rows have stored": `
      for i in 0..3 { for j in 0..2 vectorize { z[i * 2 + j + 2] = z[i * 2 + j] } }`,
  };
  for (const [when, body] of Object.entries(unchanged)) {
    it(`keeps loops ${when}`, () => {
      const text = `kernel @k(x: read f32[16], b: read f32[4], z: readwrite f32[16], y: write f32[16]) {${body}}`;
      expect(textAfter(collapse, text).match(/for /g)).toHaveLength(2);
    });
  }
});
