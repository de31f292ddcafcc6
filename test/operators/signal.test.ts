/** Windows, short-time transforms and mel filters, by their definitions and against onnxruntime-web. */

import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import { type TensorData, toNumbers } from "../../compiler/ir/tensor.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(23);
const integer = (value: number, dtype: "int32" | "int64" = "int64") => of(dtype, [], [value]);
const hertz = (value: number) => of("float32", [], [value]);
const noise = (dims: readonly number[]): TensorData =>
  of(
    "float32",
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
  );

const windows: Record<string, (turn: number) => number> = {
  HannWindow: (turn) => Math.sin(Math.PI * turn) ** 2,
  HammingWindow: (turn) => 25 / 46 - (21 / 46) * Math.cos(2 * Math.PI * turn),
  BlackmanWindow: (turn) => 0.42 - 0.5 * Math.cos(2 * Math.PI * turn) + 0.08 * Math.cos(4 * Math.PI * turn),
};

describe.each(Object.entries(windows))("%s", (op, formula) => {
  test.each([1, 0])("periodic = %d", async (periodic) => {
    for (const size of [0, 2, 5, 8, 33]) {
      const values = Array.from({ length: size }, (_, i) => formula(i / (periodic ? size : size - 1)));
      for (const [code, dtype] of [
        [1, "float32"],
        [11, "float64"],
        [10, "float16"],
      ] as const) {
        const attributes = { periodic, output_datatype: code };
        const node: NodeCase = { op, inputs: [integer(size, "int32")], attributes, constant: [0] };
        const tolerance = { absolute: dtype === "float16" ? 5e-4 : dtype === "float32" ? 1e-7 : 1e-15 };
        for (const [result] of [await evaluate(node), await interpret(node)]) {
          expectTensor(result!, of(dtype, [size], values), tolerance);
        }
      }
    }
  });

  test("of one element", async () => {
    const point = async (periodic: number) =>
      toNumbers((await evaluate({ op, inputs: [integer(1)], attributes: { periodic } }))[0]!)[0];
    expect(await point(1)).toBeCloseTo(formula(0), 7);
    expect(await point(0)).toBeNaN();
  });
});

describe("MelWeightMatrix", () => {
  const filters = (
    bins: number,
    length: number,
    rate: number,
    low: number,
    high: number,
    code = 1,
  ): NodeCase => ({
    op: "MelWeightMatrix",
    inputs: [integer(bins), integer(length), integer(rate), hertz(low), hertz(high)],
    attributes: { output_datatype: code },
    constant: [0, 1],
  });

  test.each([
    [8, 16, 8192, 0, 4096],
    [20, 512, 16000, 20, 7600],
    [5, 10, 8000, 100, 4000],
  ])("%d bands of %d samples at %d Hz", async (...given) => {
    const node = filters(...given);
    const [expected] = await rivalResults(node);
    for (const [result] of [await evaluate(node), await interpret(node)]) {
      expectTensor(result!, expected!, { absolute: 1e-6 });
    }
  });

  test("of another type", async () => {
    const [result] = await evaluate(filters(3, 8, 8000, 0, 4000, 6));
    expect(`${result!.dtype}[${result!.dims}]`).toBe("int32[5,3]");
    expect(toNumbers(result!).every((value) => value === 0 || value === 1)).toBe(true);
  });
});

/** All frames' transforms, by sums. */
function shortTime(
  x: TensorData,
  step: number,
  window: TensorData | null,
  length: number,
  onesided: boolean,
): TensorData {
  const [batch, samples, parts] = x.dims as [number, number, number];
  const values = toNumbers(x);
  const weights = window === null ? null : toNumbers(window);
  const frames = 1 + Math.floor((samples - length) / step);
  const bins = onesided ? Math.floor(length / 2) + 1 : length;
  const results: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let f = 0; f < frames; f++) {
      for (let k = 0; k < bins; k++) {
        let [re, im] = [0, 0];
        for (let i = 0; i < length; i++) {
          const at = (b * samples + f * step + i) * parts;
          const weight = weights === null ? 1 : (weights[i] ?? 0);
          const [a, c] = [values[at]! * weight, parts === 2 ? values[at + 1]! * weight : 0];
          const angle = (-2 * Math.PI * k * i) / length;
          re += a * Math.cos(angle) - c * Math.sin(angle);
          im += a * Math.sin(angle) + c * Math.cos(angle);
        }
        results.push(re, im);
      }
    }
  }
  return of("float32", [batch, frames, bins, 2], results);
}

describe("STFT", () => {
  const short = async (
    x: TensorData,
    step: number,
    window: TensorData | null,
    length: number | null,
    attributes: Record<string, AttributeSpec> = {},
  ): Promise<void> => {
    const n = length ?? window?.dims[0] ?? x.dims[1]!;
    const expected = shortTime(x, step, window, n, attributes.onesided !== 0);
    const inputs = [x, integer(step), window, length === null ? null : integer(length)];
    const node: NodeCase = { op: "STFT", inputs, attributes, constant: [1, 3] };
    for (const [result] of [await evaluate(node), await interpret(node)]) {
      expectTensor(result!, expected, { absolute: 1e-5 });
    }
  };

  test("real signals", async () => {
    await short(noise([2, 20, 1]), 4, null, 8);
    await short(noise([1, 21, 1]), 3, noise([6]), null);
    await short(noise([1, 21, 1]), 5, noise([7]), 7, { onesided: 0 });
    await short(noise([2, 9, 1]), 4, null, null);
  });

  test("complex signals have both halves", async () => {
    await short(noise([2, 16, 2]), 4, noise([8]), 8, { onesided: 0 });
    const node: NodeCase = {
      op: "STFT",
      inputs: [noise([1, 16, 2]), integer(4), null, integer(8)],
      constant: [1, 3],
    };
    await expectError(() => graphOf(node, (i) => i > 0), "E_MODEL", /complex numbers/);
  });

  test("zeros are put behind a window that is too short", () => short(noise([1, 20, 1]), 4, noise([5]), 8));

  test("a signal without the dim of parts is real", async () => {
    const x = noise([2, 12]);
    const inputs = [x, integer(4), null, integer(4)];
    const [result] = await interpret({ op: "STFT", inputs, constant: [1, 3] });
    const expected = shortTime({ ...x, dims: [2, 12, 1] }, 4, null, 4, true);
    expectTensor(result!, expected, { absolute: 1e-5 });
  });

  test("as onnxruntime does it", async () => {
    const node: NodeCase = {
      op: "STFT",
      inputs: [noise([1, 32, 1]), integer(8), noise([16])],
      constant: [1],
    };
    expectTensor((await interpret(node))[0]!, (await rivalResults(node))[0]!, { absolute: 1e-5 });
  });
});

describe("refusals", () => {
  test.each<readonly [string, NodeCase, ErrorCode, RegExp]>([
    [
      "a size of two numbers",
      { op: "HannWindow", inputs: [of("int64", [2], [1, 2])] },
      "E_SHAPE",
      /not one integer/,
    ],
    ["negative sizes", { op: "HannWindow", inputs: [integer(-1)] }, "E_SHAPE", /\[-1\]/],
    [
      "a type of no numbers",
      { op: "HannWindow", inputs: [integer(2)], attributes: { output_datatype: 8 } },
      "E_UNSUPPORTED",
      /output_datatype 8/,
    ],
    [
      "steps of nothing",
      { op: "STFT", inputs: [noise([1, 8, 1]), integer(0), null, integer(4)] },
      "E_MODEL",
      /frame_step is 0/,
    ],
    [
      "images",
      { op: "STFT", inputs: [noise([1, 1, 8, 1]), integer(1), null, integer(4)] },
      "E_SHAPE",
      /3 dims, not 4/,
    ],
  ])("%s", async (_, node, code, message) => {
    await expectError(() => graphOf(node, () => true), code, message);
  });
});
