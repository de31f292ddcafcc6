/** Fourier transforms against the sum that defines them. */

import { describe, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import { type TensorData, toNumbers } from "../../compiler/ir/tensor.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectTensor, graphOf, interpret, ints, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(3);
const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const signal = (dims: readonly number[], dtype: "float32" | "float64" = "float64"): TensorData =>
  of(
    dtype,
    dims,
    Array.from({ length: count(dims) }, () => random() * 2 - 1),
  );
const axisTensor = (axis: number) => of("int64", [], [axis]);

interface Options {
  readonly inverse?: boolean;
  readonly onesided?: boolean;
  readonly length?: number;
}

/** What the specification says, by sums over all elements. */
function expected(
  x: TensorData,
  axis: number,
  { inverse = false, onesided = false, length }: Options,
): TensorData {
  const rank = x.dims.length;
  const at = axis < 0 ? axis + rank : axis;
  const real = inverse && onesided;
  const parts = x.dims[rank - 1]!;
  const [own, values] = [x.dims[at]!, toNumbers(x)];
  const n = length ?? (real ? 2 * (own - 1) : own);
  const inner = count(x.dims.slice(at + 1, -1));
  const outer = count(x.dims.slice(0, at));
  const kept = onesided && !inverse ? Math.floor(n / 2) + 1 : n;
  const element = (o: number, k: number, i: number): [number, number] => {
    if (real && k > n / 2) {
      const [re, im] = element(o, n - k, i);
      return [re, -im];
    }
    if (k >= own) return [0, 0];
    const place = ((o * own + k) * inner + i) * parts;
    return [values[place]!, parts === 2 ? values[place + 1]! : 0];
  };
  const results: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < kept; j++) {
      for (let i = 0; i < inner; i++) {
        let [re, im] = [0, 0];
        for (let k = 0; k < n; k++) {
          const angle = ((inverse ? 1 : -1) * 2 * Math.PI * ((j * k) % n)) / n;
          const [a, b] = element(o, k, i);
          re += a * Math.cos(angle) - b * Math.sin(angle);
          im += a * Math.sin(angle) + b * Math.cos(angle);
        }
        const scale = inverse ? 1 / n : 1;
        results.push(re * scale);
        if (!real) results.push(im * scale);
      }
    }
  }
  const dims = [...x.dims.slice(0, at), kept, ...x.dims.slice(at + 1, -1), real ? 1 : 2];
  return of(x.dtype, dims, results);
}

function nodeOf(x: TensorData, axis: number, { inverse, onesided, length }: Options): NodeCase {
  const attributes: Record<string, AttributeSpec> = {};
  if (inverse) attributes.inverse = 1;
  if (onesided) attributes.onesided = 1;
  const given = length === undefined ? null : of("int64", [], [length]);
  return { op: "DFT", inputs: [x, given, axisTensor(axis)], attributes, constant: [1, 2] };
}

async function check(x: TensorData, axis: number, options: Options = {}): Promise<void> {
  const wanted = expected(x, axis, options);
  const tolerance = x.dtype === "float64" ? { absolute: 1e-11 } : { absolute: 1e-5, relative: 1e-6 };
  const node = nodeOf(x, axis, options);
  expectTensor((await evaluate(node))[0]!, wanted, tolerance);
  expectTensor((await interpret(node))[0]!, wanted, tolerance);
}

describe("DFT", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 9, 14, 16, 30, 49, 77])("of length %d", async (n) => {
    await check(signal([2, n, 2]), 1);
    await check(signal([n, 1]), 0, { onesided: true });
    await check(signal([1, n, 2]), 1, { inverse: true });
    const bins = Math.floor(n / 2) + 1;
    await check(signal([bins, 2]), 0, { inverse: true, onesided: true, length: n });
  });

  test.each([8, 25, 60, 101, 143])("of length %d in float32", async (n) => {
    await check(signal([n, 2], "float32"), 0);
    await check(signal([n, 2], "float32"), 0, { inverse: true });
  });

  test("along every axis", async () => {
    for (const axis of [0, 1, 2, -2, -3, -4]) {
      await check(signal([3, 4, 5, 2], "float32"), axis);
      await check(signal([3, 4, 5, 1], "float32"), axis, { onesided: true });
    }
  });

  test("of a given length: cut off, or zeros behind", async () => {
    for (const length of [1, 3, 5, 8]) {
      await check(signal([2, 5, 1]), 1, { length });
      await check(signal([2, 5, 1]), 1, { length, onesided: true });
      await check(signal([2, 5, 2]), 1, { length, inverse: true });
      await check(signal([5, 2]), 0, { length, inverse: true, onesided: true });
    }
    await check(signal([2, 5, 2]), 1, { inverse: true, onesided: true });
  });

  test("an axis before version 20 is an attribute", async () => {
    const x = signal([2, 3, 4, 1], "float32");
    for (const [axis, attributes] of [
      [1, {}],
      [2, { axis: 2 }],
      [2, { axis: -2 }],
    ] as const) {
      const [result] = await interpret({ op: "DFT", opset: 17, inputs: [x], attributes });
      expectTensor(result!, expected(x, axis, {}), { absolute: 1e-5 });
    }
    const given = await interpret({
      op: "DFT",
      opset: 19,
      inputs: [x, of("int32", [1], [2])],
      constant: [1],
    });
    expectTensor(given[0]!, expected(x, 1, { length: 2 }), { absolute: 1e-5 });
  });

  test("halves are transformed, too", async () => {
    const [result] = await interpret({ op: "DFT", inputs: [of("float16", [4, 1], [1, 2, 3, 4])], opset: 20 });
    expectTensor(result!, of("float16", [4, 2], [10, 0, -2, 2, -2, 0, -2, -2]));
  });

  test("as onnxruntime does it", async () => {
    for (const n of [8, 15]) {
      const node: NodeCase = { op: "DFT", inputs: [signal([2, n, 1], "float32")], opset: 20 };
      expectTensor((await interpret(node))[0]!, (await rivalResults(node))[0]!, { absolute: 1e-4 });
    }
  });

  test.each<readonly [string, NodeCase, ErrorCode, RegExp]>([
    ["the axis of parts", nodeOf(signal([3, 2]), 1, {}), "E_SHAPE", /real and imaginary parts/],
    ["an axis outside", nodeOf(signal([3, 2]), 2, {}), "E_MODEL", /axis 2 of a tensor of 2 dims/],
    ["three parts", nodeOf(signal([4, 3]), 0, {}), "E_SHAPE", /has 3 numbers for each element/],
    [
      "half a spectrum of complex numbers",
      nodeOf(signal([4, 2]), 0, { onesided: true }),
      "E_MODEL",
      /complex numbers/,
    ],
    ["no elements", nodeOf(signal([4, 2]), 0, { length: 0 }), "E_SHAPE", /transforms 0 elements/],
    ["integers", { op: "DFT", inputs: [ints(1, 2)] }, "E_UNSUPPORTED", /does not take int64/],
  ])("refuses %s", async (_, node, code, message) => {
    await expectError(() => graphOf(node, (i) => i > 0), code, message);
  });
});
