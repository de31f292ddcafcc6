/** Operators that do something else in training: dropout and batch normalisation, in all their versions. */

import { describe, expect, test } from "vitest";
import { type TensorData, toNumbers } from "../../compiler/ir/tensor.js";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectResults, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";
import { randomNumbers } from "./rival.js";

const scalar = (value: number) => of("float32", [], [value]);
const flag = (value: boolean) => of("bool", [], [value ? 1 : 0]);
const ramp = of(
  "float32",
  [50, 40],
  Array.from({ length: 2000 }, (_, i) => i + 1),
);

describe("Dropout", () => {
  const train = async (node: Omit<NodeCase, "op">): Promise<{ y: number[]; mask: TensorData }> => {
    const [y, mask] = await interpret({ op: "Dropout", outputs: 2, ...node });
    return { y: toNumbers(y!), mask: mask! };
  };
  const expectDropped = ({ y, mask }: { y: number[]; mask: TensorData }, ratio: number) => {
    const kept = toNumbers(mask);
    const share = kept.reduce((a, b) => a + b, 0) / kept.length;
    expect(Math.abs(share - (1 - ratio))).toBeLessThan(0.06);
    for (const [i, value] of y.entries()) expect(value).toBeCloseTo(kept[i]! * ((i + 1) / (1 - ratio)), 2);
  };

  test.each([
    ["known", [1, 2]],
    ["known only at run time", []],
  ])("drops as many as asked for, the mode being %s", async (_, constant) => {
    for (const ratio of [0.25, 0.5, 0.75]) {
      const result = await train({ inputs: [ramp, scalar(ratio), flag(true)], constant });
      expect(result.mask.dtype).toBe("bool");
      expectDropped(result, ratio);
    }
    const all = await train({ inputs: [ramp, scalar(0), flag(true)], constant });
    expect(all.y).toEqual(toNumbers(ramp));
    const none = await train({ inputs: [ramp, scalar(1), flag(true)], constant });
    expect(none.y).toEqual(new Array(2000).fill(0));
    const test = await train({ inputs: [ramp, scalar(0.5), flag(false)], constant });
    expect(test.y).toEqual(toNumbers(ramp));
    expect(toNumbers(test.mask)).toEqual(new Array(2000).fill(1));
  });

  test("the ratio is 0.5 by default, and the seed decides what is dropped", async () => {
    const result = async (seed: number) => train({ inputs: [ramp, null, flag(true)], attributes: { seed } });
    expectDropped(await result(1), 0.5);
    expect(await result(1)).toEqual(await result(1));
    expect((await result(1)).y).not.toEqual((await result(2)).y);
  });

  test("ratio and mode may have one dim", async () => {
    const inputs = [ramp, of("float64", [1], [0.25]), of("bool", [1], [1])];
    expectDropped(await train({ inputs }), 0.25);
  });

  test("old versions train unless told to test", async () => {
    const attributes = { ratio: 0.25 };
    const result = await train({ inputs: [ramp], attributes, opset: 6 });
    expect(result.mask.dtype).toBe("float32");
    expectDropped(result, 0.25);
    for (const [opset, more] of [
      [1, { is_test: 1 }],
      [6, { is_test: 1 }],
      [7, {}],
      [10, {}],
    ] as const) {
      const mask = of(opset < 10 ? "float32" : "bool", [2], [1, 1]);
      await expectResults(
        { op: "Dropout", inputs: [[3, 4]], attributes: { ...attributes, ...more }, opset },
        [[3, 4], mask],
      );
    }
  });
});

describe("BatchNormalization", () => {
  const random = randomNumbers(11);
  const channels = 3;
  const vector = (low: number): TensorData =>
    of(
      "float32",
      [channels],
      Array.from({ length: channels }, () => low + random()),
    );
  const [scale, bias, mean, variance] = [vector(0.5), vector(-0.5), vector(0), vector(1)];

  /** Result, running and batch statistics, by the definition. */
  function expected(x: TensorData, epsilon: number, momentum: number): TensorData[] {
    const [n, c = 1, ...rest] = x.dims.length === 1 ? [x.dims[0]!, 1] : x.dims;
    const inner = rest.reduce((a, b) => a * b, 1);
    const values = toNumbers(x);
    const channel = (i: number) => Math.floor(i / inner) % c;
    const stats = Array.from({ length: c }, (_, j) => {
      const own = values.filter((_, i) => channel(i) === j);
      const average = own.reduce((a, b) => a + b, 0) / (n! * inner);
      return { average, spread: own.reduce((sum, v) => sum + (v - average) ** 2, 0) / own.length };
    });
    const [s, b, m, v] = [scale, bias, mean, variance].map(toNumbers) as [
      number[],
      number[],
      number[],
      number[],
    ];
    const y = values.map((value, i) => {
      const { average, spread } = stats[channel(i)]!;
      return ((value - average) / Math.sqrt(spread + epsilon)) * s[channel(i)]! + b[channel(i)]!;
    });
    const moved = (given: number[], found: number[]) =>
      of(
        "float32",
        [c],
        found.map((f, j) => given[j]! * momentum + f * (1 - momentum)),
      );
    const [averages, spreads] = [stats.map(({ average }) => average), stats.map(({ spread }) => spread)];
    return [
      of("float32", x.dims, y),
      moved(m, averages),
      moved(v, spreads),
      of("float32", [c], averages),
      of("float32", [c], spreads),
    ];
  }

  const input = (dims: readonly number[]): TensorData =>
    of(
      "float32",
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() * 4 - 1),
    );
  const tolerance = { relative: 1e-5, absolute: 1e-6 };

  test.each([[[4, 3]], [[2, 3, 5]], [[2, 3, 2, 4]], [[1, 3, 2, 1, 3]]])("trains on %o", async (dims) => {
    const x = input(dims);
    const inputs = [x, scale, bias, mean, variance];
    const results = expected(x, 0.01, 0.75);
    const attributes = { epsilon: 0.01, momentum: 0.75 };
    const node: NodeCase = {
      op: "BatchNormalization",
      inputs,
      attributes: { ...attributes, training_mode: 1 },
    };
    await expectResults({ ...node, opset: 14 }, results.slice(0, 3), tolerance);
    await expectResults({ ...node, opset: 15 }, results.slice(0, 1), tolerance);
    for (const opset of [1, 6, 7, 9]) await expectResults({ ...node, attributes, opset }, results, tolerance);
  });

  test("types of data, scale and statistics may differ", async () => {
    const x = input([4, 3, 2]);
    const [y, runningMean] = expected(x, 0.01, 0.75);
    const half = ({ dims }: TensorData, values: number[]) => of("float16", dims, values);
    const inputs = [
      half(x, toNumbers(x)),
      half(scale, toNumbers(scale)),
      half(bias, toNumbers(bias)),
      mean,
      variance,
    ];
    const attributes = { epsilon: 0.01, momentum: 0.75, training_mode: 1 };
    const node: NodeCase = { op: "BatchNormalization", inputs, attributes, outputs: 2 };
    for (const results of [await evaluate(node), await interpret(node)]) {
      expectTensor(results[0]!, half(y!, toNumbers(y!)), { relative: 2e-3, absolute: 4e-3 });
      expectTensor(results[1]!, runningMean!, { relative: 1e-3, absolute: 1e-3 });
    }
  });

  test("outputs of training are refused in testing", async () => {
    const inputs = [input([1, 3]), scale, bias, mean, variance];
    const node = { op: "BatchNormalization", inputs, outputs: 3 };
    await expectError(() => graphOf(node, () => false), "E_MODEL", /outputs of training only/);
    const old = { ...node, opset: 7, attributes: { spatial: 0 } };
    await expectError(() => graphOf(old, () => false), "E_UNSUPPORTED", /spatial = 0/);
  });
});
