/** Generators of random numbers: known numbers of known seeds, and the statistics of many. */

import { describe, expect, test } from "vitest";
import { toNumbers } from "../../compiler/ir/tensor.js";
import { defaultLimits } from "../../compiler/limits.js";
import { decodeModel } from "../../compiler/onnx/decode.js";
import { importModel } from "../../compiler/onnx/import.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import { type AttributeSpec, buildModel } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { graphOf, interpret, interpretGraph, type NodeCase, of } from "./harness.js";

const run = async (
  op: string,
  attributes: Record<string, AttributeSpec>,
  inputs: NodeCase["inputs"] = [],
) => {
  const [result] = await interpret({ op, inputs, attributes, opset: 22 });
  return result!;
};

const seed = (value: number): AttributeSpec => ({ float: value });

/** Mean and variance of numbers. */
function moments(numbers: ArrayLike<number>): { mean: number; variance: number } {
  const values = Array.from(numbers);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
}

/** How numbers go with those a few places further on: 0 where they do not. */
function correlation(values: readonly number[], lag: number): number {
  const { mean, variance } = moments(values);
  const products = values.slice(lag).map((x, i) => (x - mean) * (values[i]! - mean));
  return moments(products).mean / variance;
}

/** Sum of squared differences between counts in cells of equal size and what is expected, over the latter. */
function chiSquared(values: readonly number[], cells: number): number {
  const counts = new Array<number>(cells).fill(0);
  for (const value of values) counts[Math.floor(value * cells)]!++;
  const expected = values.length / cells;
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}

/** Draws of the statistical tests: what is measured has a deviation of about 1 / sqrt(N). */
const N = 20000;
/** Five deviations. */
const within = 5 / Math.sqrt(N);

describe("known numbers", () => {
  test("uniform ones are those of NumPy's RandomState", async () => {
    const one = await run("RandomUniform", { seed: seed(0), shape: [5], dtype: 11 });
    expect(toNumbers(one)).toEqual([
      0.5488135039273248, 0.7151893663724195, 0.6027633760716439, 0.5448831829968969, 0.4236547993389047,
    ]);
  });

  test("normal ones are those of NumPy's RandomState", async () => {
    const numbers = toNumbers(await run("RandomNormal", { seed: seed(0), shape: [7], dtype: 11 }));
    const expected = [
      1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458, 1.8675579901499675,
      -0.977277879876411, 0.9500884175255894,
    ];
    for (const [i, value] of expected.entries()) expect(numbers[i]).toBeCloseTo(value, 14);
  });
});

describe("statistics", () => {
  test("uniform numbers fill their range and do not depend on each other", async () => {
    const values = toNumbers(await run("RandomUniform", { seed: seed(3), shape: [N], dtype: 11 }));
    const { mean, variance } = moments(values);
    expect(Math.abs(mean - 0.5)).toBeLessThan(within * Math.sqrt(1 / 12));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(within / 12);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    for (const lag of [1, 2, 3, 312, 624]) expect(Math.abs(correlation(values, lag))).toBeLessThan(within);
    // 99 degrees of freedom: mean 99, deviation 14.
    expect(Math.abs(chiSquared(values, 100) - 99)).toBeLessThan(70);
    const pairs = values.slice(1).map((x, i) => (Math.floor(values[i]! * 10) + x) / 10);
    expect(Math.abs(chiSquared(pairs, 100) - 99)).toBeLessThan(70);
  });

  test("normal numbers have the moments of the normal distribution", async () => {
    const attributes = { seed: seed(4), shape: [N], mean: { float: -3 }, scale: { float: 2 }, dtype: 11 };
    const values = toNumbers(await run("RandomNormal", attributes));
    const { mean, variance } = moments(values);
    expect(Math.abs(mean + 3)).toBeLessThan(within * 2);
    expect(Math.abs(variance - 4)).toBeLessThan(within * 4 * Math.SQRT2);
    const standard = values.map((x) => (x + 3) / 2);
    expect(Math.abs(moments(standard.map((x) => x ** 3)).mean)).toBeLessThan(within * Math.sqrt(15));
    expect(Math.abs(moments(standard.map((x) => x ** 4)).mean - 3)).toBeLessThan(within * Math.sqrt(96));
    for (const lag of [1, 2, 312]) expect(Math.abs(correlation(values, lag))).toBeLessThan(within);
    const beyond = standard.filter((x) => Math.abs(x) > 1.96).length / N;
    expect(Math.abs(beyond - 0.05)).toBeLessThan(within * Math.sqrt(0.05 * 0.95));
  });

  test("Bernoulli gives 1 as often as it is told", async () => {
    const p = Array.from({ length: N }, (_, i) => (i % 4) / 3);
    const values = toNumbers(await run("Bernoulli", { seed: seed(5) }, [of("float32", [N], p)]));
    expect([...new Set(values)].sort()).toEqual([0, 1]);
    for (const [group, expected] of [0, 1 / 3, 2 / 3, 1].entries()) {
      const share = moments(values.filter((_, i) => i % 4 === group)).mean;
      const tolerance = expected % 1 === 0 ? 1e-9 : within * 2;
      expect(Math.abs(share - expected)).toBeLessThan(tolerance);
    }
  });
});

describe("Multinomial", () => {
  const draw = (weights: number[], more: Record<string, AttributeSpec> = {}) => {
    const logits = of("float32", [2, weights.length], [...weights, ...[...weights].reverse()].map(Math.log));
    return run("Multinomial", { seed: seed(6), sample_size: 4000, ...more }, [logits]);
  };

  test("classes are as frequent as they should be", async () => {
    const weights = [1, 0, 5, 2, 0];
    const result = await draw(weights);
    expect(`${result.dtype}[${result.dims}]`).toBe("int32[2,4000]");
    const values = toNumbers(result);
    for (const [row, own] of [weights, [...weights].reverse()].entries()) {
      const drawn = values.slice(row * 4000, (row + 1) * 4000);
      for (const [c, weight] of own.entries()) {
        const share = drawn.filter((value) => value === c).length / 4000;
        if (weight === 0) expect(share).toBe(0);
        else expect(Math.abs(share - weight / 8)).toBeLessThan(5 * Math.sqrt(0.25 / 4000));
      }
    }
  });

  test("one sample, of int64, is the default size", async () => {
    const [result] = await interpret({
      op: "Multinomial",
      inputs: [of("float64", [3, 1], [5, -9, 0])],
      attributes: { dtype: 7 },
    });
    expect(`${result!.dtype}[${result!.dims}]: ${result!.data}`).toBe("int64[3,1]: 0,0,0");
  });

  test("refusals", async () => {
    const graph =
      (attributes: Record<string, AttributeSpec>, dims = [1, 2]) =>
      () =>
        graphOf({ op: "Multinomial", inputs: [of("float32", dims, [1, 2])], attributes }, () => false);
    await expectError(graph({ dtype: 1 }), "E_MODEL", /does not make float32/);
    await expectError(graph({ sample_size: 0 }), "E_MODEL", /sample_size is 0/);
    await expectError(graph({}, [2]), "E_SHAPE", /2 dims, not 1/);
  });
});

describe("attributes", () => {
  test.each([
    [1, "float32"],
    [10, "float16"],
    [11, "float64"],
    [16, "bfloat16"],
  ])("element type %d is %s, and stays in the range", async (dtype, name) => {
    for (const [low, high] of [
      [-2, 3],
      [1, 1.0625],
      [-1, 0],
    ] as const) {
      const attributes = { low: { float: low }, high: { float: high }, shape: [25, 40], dtype };
      const result = await run("RandomUniform", attributes);
      expect(`${result.dtype}[${result.dims}]`).toBe(`${name}[25,40]`);
      const values = Array.from(decodeElements(result));
      expect(Math.min(...values)).toBeGreaterThanOrEqual(low);
      expect(Math.max(...values)).toBeLessThan(high);
      expect(Math.abs(moments(values).mean - (low + high) / 2)).toBeLessThan((high - low) / 10);
    }
  });

  test("the same seed gives the same numbers, another one others", async () => {
    const draw = async (value: number) =>
      toNumbers(await run("RandomNormal", { seed: seed(value), shape: [8] }));
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
    expect(await draw(1e30)).toEqual(await draw(1e30));
    expect(await draw(Number.NaN)).not.toEqual(await draw(0));
  });

  test("nodes without a seed differ by their names", async () => {
    const draw = async (name: string) => {
      const model = buildModel({
        outputs: { y: ["float32"] },
        nodes: [{ op: "RandomUniform", name, outputs: ["y"], attributes: { shape: [4] } }],
      });
      const graph = importModel(await decodeModel(model, { limits: defaultLimits }), {
        limits: defaultLimits,
      });
      return toNumbers(interpretGraph(graph, new Map())[0]!);
    };
    expect(await draw("a")).toEqual(await draw("a"));
    expect(await draw("a")).not.toEqual(await draw("b"));
  });

  test("Like takes shape and type from the input", async () => {
    const like = of("float64", [2, 0, 3], []);
    const empty = await run("RandomNormalLike", {}, [like]);
    expect(`${empty.dtype}[${empty.dims}]`).toBe("float64[2,0,3]");
    const other = await run("RandomUniformLike", { dtype: 10 }, [of("int32", [], [1])]);
    expect(`${other.dtype}[${other.dims}]`).toBe("float16[]");
    const flags = await run("Bernoulli", { dtype: 9 }, [[1, 0, 1]]);
    expect(`${flags.dtype}[${flags.dims}]: ${flags.data}`).toBe("bool[3]: 1,0,1");
  });

  test("only floats are drawn", async () => {
    const graph = (node: NodeCase) => () => graphOf(node, () => false);
    const integers = of("int32", [2], [0, 1]);
    await expectError(
      graph({ op: "RandomNormalLike", inputs: [integers] }),
      "E_MODEL",
      /does not make int32/,
    );
    await expectError(graph({ op: "Bernoulli", inputs: [integers] }), "E_UNSUPPORTED", /does not take int32/);
    const strings = { shape: [1], dtype: 8 };
    await expectError(
      graph({ op: "RandomUniform", inputs: [], attributes: strings }),
      "E_UNSUPPORTED",
      /element type 8/,
    );
  });
});
