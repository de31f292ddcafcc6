/** Which loops are shared out over threads, and that every part does its own. */

import { describe, expect, test } from "vitest";
import { parseKernel } from "../../compiler/loop/parse.js";
import { printKernel } from "../../compiler/loop/print.js";
import { loopPasses } from "../../passes/loop/pipeline.js";
import { share } from "../../passes/threads/share.js";
import { checkPasses } from "./loop/running.js";

/** The kernel after the pass, having been run in three parts, the last first. */
const shared = (text: string): string => printKernel(checkPasses(parseKernel(text), [share]));

const isShared = (text: string): boolean => scratched(text).includes("part part of parts");

/** The same without running it: what is left in scratch memory differs. */
const scratched = (text: string): string => printKernel(share.run(parseKernel(text)));

const kernel = (parameters: string, body: string): string => `kernel @k(${parameters}) { ${body} }`;

describe("loops that are shared out", () => {
  test("one whose passes store to rows of their own", () => {
    const text = shared(
      kernel(
        "x: read f32[40000], y: write f32[40000]",
        "for i in 0..200 { for j in 0..200 { y[i * 200 + j] = x[j * 200 + i] + 1.0 } }",
      ),
    );
    expect(text).toContain("for i in i_first..i_last {");
    expect(text).toContain("for j in 0..200 {");
  });

  test("an inner one where the outer one has few passes", () => {
    const text = shared(
      kernel(
        "x: read f32[40000], y: write f32[40000]",
        "for i in 0..2 { for j in 0..20000 { y[i * 20000 + j] = x[i * 20000 + j] * 2.0 } }",
      ),
    );
    expect(text).toContain("for i in 0..2 {");
    expect(text).toContain("for j in j_first..j_last {");
  });

  test("pieces of a range, of rows that lie side by side", () => {
    const body =
      "for b in 0..25 step 3 { for r in 0..100 { for p in b..min_s(b + 3, 25) { for c in 0..8 { y[r * 200 + p * 8 + c] = x[r * 200 + p * 8 + c] } } } }";
    expect(isShared(kernel("x: read f32[20000], y: write f32[20000]", body))).toBe(true);
  });

  test("pieces of a range, beside what lies behind it", () => {
    const body =
      "for b in 0..828 step 34 { for r in 0..5 { for p in b..min_s(b + 34, 828) { for c in 0..8 { y[r * 6625 + p * 8 + c] = x[c] } } } } for q in 0..5 { y[q * 6625 + 6624] = 1.0 }";
    const parameters = "x: read f32[8], y: write f32[33125]";
    expect(isShared(kernel(parameters, body))).toBe(true);
    expect(isShared(kernel(parameters, body.replace("+ 6624", "+ 6623")))).toBe(false);
  });

  test("those of open sizes", () => {
    const text = kernel(
      "x: read f32[?], y: write f32[?], size m, size n",
      "for i in 0..m { for j in 0..n { for k in 0..50 { y[i * n + j] = x[i * n + j] } } }",
    );
    expect(isShared(text)).toBe(true);
  });

  test("each part has scratch memory of its own", () => {
    const text = scratched(
      kernel(
        "x: read f32[32000], t: scratch f32[4], y: write f32[32000]",
        "for i in 0..8000 { for j in 0..4 { t[j] = x[i * 4 + j] } for k in 0..4 { y[i * 4 + k] = t[3 - k] } }",
      ),
    );
    expect(text).toContain("t: scratch f32[256]");
    expect(text).toContain("t[part * 4 + j]");
  });
});

describe("loops that are not", () => {
  test("those that read what another loop has left in scratch memory: that around them is", () => {
    const text = scratched(
      kernel(
        "x: read f32[40000], t: scratch f32[20000], y: write f32[40000]",
        "for i in 0..2 { for j in 0..20000 { t[j] = x[i * 20000 + j] } for k in 0..20000 { y[i * 20000 + k] = t[19999 - k] } }",
      ),
    );
    expect(text).toContain("for i in i_first..i_last {");
    expect(text).toContain("for j in 0..20000 {");
    expect(text).toContain("for k in 0..20000 {");
  });

  test.each([
    ["sums into one element", "for i in 0..40000 { y[0] = y[0] + x[i] }"],
    ["neighbours that overlap", "for i in 0..39999 { y[i] = x[i] y[i + 1] = x[i] }"],
    ["what the pass before has stored", "for i in 0..39999 { y[i + 1] = y[i] + x[i] }"],
    ["places that memory tells", "for i in 0..40000 { y[f32_to_i32_s(x[i])] = 1.0 }"],
    ["several elements that share a byte", "for i in 0..39999 { y[i /u 2] = x[i] }"],
    [
      "what another loop stores elsewhere",
      "for i in 0..40000 { y[i] = x[i] } for j in 0..20000 { y[j] = y[j + 20000] }",
    ],
    ["a sum that goes on from pass to pass", "var s: f32 = 0.0 for i in 0..40000 { s = s + x[i] y[i] = s }"],
  ])("%s", (_, body) => {
    expect(isShared(kernel("x: read f32[40000], y: readwrite f32[40000]", body))).toBe(false);
  });

  test("small ones", () => {
    expect(isShared(kernel("x: read f32[64], y: write f32[64]", "for i in 0..64 { y[i] = x[i] }"))).toBe(
      false,
    );
  });
});

test("without threads no loop is shared out", () => {
  expect(loopPasses(3)).not.toContain(share);
  expect(loopPasses(3, { threads: true })).toContain(share);
});
