/** How long a run is in the code of each kernel itself. */

import { expect, test } from "vitest";
import { read } from "../../compiler/loop/builder.js";
import type { For, Kernel, Statement } from "../../compiler/loop/ir.js";
import { parseKernel } from "../../compiler/loop/parse.js";
import type { Program, Step } from "../../compiler/loop/program.js";
import { operationsPerNanosecond } from "../../passes/threads/cost.js";
import { ownTimes } from "../../passes/threads/own-times.js";

const kernel = (text: string): Kernel => parseKernel(text);

const program = (steps: readonly Step[]): Program => ({
  name: "p",
  buffers: [],
  steps,
  inputs: [],
  outputs: [],
  inputShapes: [],
  outputShapes: [],
  errors: [],
});

const call = (called: Kernel, sizes: readonly number[] = []): Step => ({
  kind: "call",
  kernel: called,
  args: [],
  sizes,
  source: [],
  flops: 0,
  inPlace: [],
});

/** Operations, statements and loads that a run does in a kernel. */
function operations(called: Kernel, steps: readonly Step[]): number {
  return ownTimes(program(steps)).get(called)! * operationsPerNanosecond;
}

/** A statement and the load that it stores. */
const STORE = 2;

test("passes of nested loops, of all calls", () => {
  const copy = kernel(
    "kernel @k(x: read f32[60], y: write f32[60]) { for i in 0..3 { for j in 0..20 { y[j] = x[j] } } }",
  );
  const once = 1 + 3 * (1 + 20 * STORE);
  expect(operations(copy, [call(copy)])).toBe(once);
  expect(operations(copy, [call(copy), call(copy)])).toBe(2 * once);
});

test("sizes of each call", () => {
  const copy = kernel("kernel @k(x: read f32[?], y: write f32[?], size n) { for i in 0..n { y[i] = x[i] } }");
  expect(operations(copy, [call(copy, [5]), call(copy, [100])])).toBe(2 + (5 + 100) * STORE);
});

test("pieces of a range have as many passes as the first", () => {
  const pieces = kernel(
    "kernel @k(x: read f32[80], y: write f32[80]) { for b in 0..80 step 8 { for i in b..min_s(b + 8, 80) { y[i] = x[i] } } }",
  );
  // The loop over a piece computes its end: an addition and a minimum.
  expect(operations(pieces, [call(pieces)])).toBe(1 + 10 * (1 + 2 + 8 * STORE));
});

test("what only a run knows counts as some passes", () => {
  const copy = kernel(
    "kernel @k(n: read i32[1], x: read f32[?], y: write f32[?]) { let m: i32 = n[0] for i in 0..m { y[i] = x[i] } }",
  );
  expect(operations(copy, [call(copy)])).toBe(2 + 1 + 32 * STORE);
});

test("a division by zero, which is never run, is not known", () => {
  const copy = kernel(
    "kernel @k(x: read f32[?], y: write f32[?], size n) { for i in 0..div_s(8, n) { y[i] = x[i] } }",
  );
  expect(operations(copy, [call(copy, [0])])).toBe(1 + 1 + 32 * STORE);
  expect(operations(copy, [call(copy, [2])])).toBe(1 + 1 + 4 * STORE);
});

test("what a kernel invokes is counted by itself, with what it is given", () => {
  const inner = kernel(
    "kernel @inner(x: read f32[?], y: write f32[?], size n) { for j in 0..n { y[j] = x[j] } }",
  );
  const frame = kernel(
    "kernel @outer(x: read f32[60], y: write f32[60]) { for i in 0..3 { let n: i32 = i + 20 } }",
  );
  const [loop] = frame.body as [For];
  const [definition] = loop.body as [Statement & { kind: "let" }];
  const sizes = [read(definition.variable)];
  const invocation: Statement = { kind: "invoke", kernel: inner, buffers: frame.buffers, sizes };
  const outer = { ...frame, body: [{ ...loop, body: [definition, invocation] }] };
  const calls = [call(outer), call(outer)];
  // The sum, its let, and the invocation; the first of the three passes gives 20.
  expect(operations(outer, calls)).toBe(2 * (1 + 3 * 3));
  expect(operations(inner, calls)).toBe(2 * 3 * (1 + 20 * STORE));
});

test("all parts of a kernel that is shared out", () => {
  const parts = kernel(
    `kernel @k(x: read f32[800], y: write f32[800], part p of q for 1000) {
      let from: i32 = div_s(p * 800, q)
      let to: i32 = div_s((p + 1) * 800, q)
      for i in from..to { y[i] = x[i] }
    }`,
  );
  expect(operations(parts, [call(parts)])).toBe(3 + 4 + 1 + 800 * STORE);
});

test("a float is no number of passes", () => {
  const copy = kernel(
    "kernel @k(x: read f32[?], y: write f32[?]) { let a: f32 = 5.0 for i in 0..f32_to_i32_s(a) { y[i] = x[i] } }",
  );
  expect(operations(copy, [call(copy)])).toBe(1 + 2 + 32 * STORE);
});
