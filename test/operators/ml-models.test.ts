/** Linear models and support vector machines on random coefficients, compared with onnxruntime-web. */

import { describe, expect, test } from "vitest";
import { toNumbers } from "../../compiler/ir/tensor.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectTensor, graphOf, interpret, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(17);
const domain = "ai.onnx.ml";
const numbers = (count: number, scale = 2) => Array.from({ length: count }, () => (random() - 0.5) * scale);
const floats = (count: number, scale?: number): AttributeSpec => ({ floats: numbers(count, scale) });
const input = (n: number, features: number) => of("float32", [n, features], numbers(n * features));

async function compare(node: NodeCase, tolerance = { relative: 1e-4, absolute: 1e-5 }): Promise<void> {
  const expected = await rivalResults({ domain, ...node });
  const both = { domain, ...node };
  for (const results of [await evaluate(both), await interpret(both)]) {
    for (const [i, one] of expected.entries()) expectTensor(results[i]!, one, tolerance);
  }
}

const transforms = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"];

describe("LinearRegressor", () => {
  test.each(transforms)("transform %s", async (post_transform) => {
    for (const targets of post_transform === "NONE" ? [1, 3] : [3]) {
      const attributes = {
        coefficients: floats(4 * targets),
        intercepts: floats(targets),
        targets,
        post_transform,
      };
      await compare({ op: "LinearRegressor", inputs: [input(5, 4)], attributes });
    }
  });

  test("one row, integers, and no intercepts", async () => {
    const attributes = { coefficients: { floats: [2, -3] }, targets: 1 };
    const node: NodeCase = { op: "LinearRegressor", domain, inputs: [of("int64", [2], [5, 7])], attributes };
    expectTensor((await evaluate(node))[0]!, of("float32", [1, 1], [-11]));
  });
});

describe("LinearClassifier", () => {
  const result = ["int64", "float32"] as const;

  test.each(transforms)("transform %s", async (post_transform) => {
    for (const labels of [
      [0, 1, 2],
      [7, 3],
      [5, 6, 9, 4],
    ]) {
      const e = labels.length;
      const attributes = {
        coefficients: floats(3 * e),
        intercepts: floats(e),
        classlabels_ints: labels,
        post_transform,
      };
      await compare({ op: "LinearClassifier", inputs: [input(6, 3)], attributes, outputs: 2, result });
    }
  });

  test("two classes by one line of coefficients", async () => {
    const attributes = {
      coefficients: floats(3),
      intercepts: floats(1),
      classlabels_ints: [4, 8],
      post_transform: "LOGISTIC",
    };
    const inputs = [input(8, 3)];
    const [labels, scores] = await interpret({
      op: "LinearClassifier",
      domain,
      inputs,
      attributes,
      outputs: 2,
    });
    const [expected] = await rivalResults({
      op: "LinearClassifier",
      domain,
      inputs,
      attributes,
      outputs: 2,
      result,
    });
    expectTensor(labels!, expected!);
    const pairs = toNumbers(scores!);
    toNumbers(labels!).forEach((label, i) => {
      expect(pairs[2 * i]! + pairs[2 * i + 1]!).toBeCloseTo(1, 6);
      expect(label).toBe(pairs[2 * i + 1]! > 0.5 ? 8 : 4);
    });
  });

  test("refusals", async () => {
    const graph = (attributes: Record<string, AttributeSpec>) => () =>
      graphOf({ op: "LinearClassifier", domain, inputs: [input(2, 3)], attributes }, () => false);
    const strings = { coefficients: floats(6), classlabels_strings: { strings: ["a", "b"] } };
    await expectError(graph(strings), "E_UNSUPPORTED", /labels of strings/);
    const few = { coefficients: floats(9), classlabels_ints: [0, 1] };
    await expectError(graph(few), "E_MODEL", /coefficients of 3 classes, and 2 labels/);
    const unknown = { coefficients: floats(6), classlabels_ints: [0, 1], post_transform: "CUBE" };
    await expectError(graph(unknown), "E_MODEL", /post_transform CUBE/);
  });
});

const kernels: [kernel_type: string, kernel_params: number[]][] = [
  ["LINEAR", [0, 0, 0]],
  ["POLY", [0.5, 1.5, 3]],
  ["RBF", [0.7, 0, 0]],
  ["SIGMOID", [0.4, 0.1, 0]],
];

describe("SVMRegressor", () => {
  test.each(kernels)("%s", async (kernel_type, kernel_params) => {
    for (const one_class of [0, 1]) {
      const attributes = {
        kernel_type,
        kernel_params: { floats: kernel_params },
        support_vectors: floats(5 * 3),
        coefficients: floats(5),
        n_supports: 5,
        rho: floats(1),
        one_class,
      };
      await compare({ op: "SVMRegressor", inputs: [input(6, 3)], attributes });
    }
  });

  test("without vectors it is linear", async () => {
    const attributes = { coefficients: floats(3), rho: floats(1), n_supports: 0, kernel_params: floats(3) };
    await compare({ op: "SVMRegressor", inputs: [input(6, 3)], attributes });
  });
});

describe("SVMClassifier", () => {
  const result = ["int64", "float32"] as const;
  const machine = (
    labels: number[],
    [kernel_type, params]: (typeof kernels)[number],
  ): Record<string, AttributeSpec> => {
    const counts = labels.map((_, i) => 1 + (i % 3));
    const total = counts.reduce((a, b) => a + b, 0);
    return {
      kernel_type,
      kernel_params: { floats: params },
      classlabels_ints: labels,
      vectors_per_class: counts,
      support_vectors: floats(total * 3),
      coefficients: floats(total * (labels.length - 1)),
      rho: floats((labels.length * (labels.length - 1)) / 2, 0.5),
    };
  };

  test.each(kernels)("%s", async (...kernel) => {
    for (const labels of [
      [3, 5],
      [0, 1, 2],
      [9, 8, 7, 6],
    ]) {
      await compare({
        op: "SVMClassifier",
        inputs: [input(8, 3)],
        attributes: machine(labels, kernel),
        outputs: 2,
        result,
      });
    }
  });

  test("probabilities of pairs are coupled", async () => {
    for (const labels of [
      [3, 5],
      [0, 1, 2],
      [9, 8, 7, 6],
    ]) {
      const pairs = (labels.length * (labels.length - 1)) / 2;
      const attributes = {
        ...machine(labels, kernels[2]!),
        prob_a: floats(pairs, 4),
        prob_b: floats(pairs, 1),
      };
      const node: NodeCase = { op: "SVMClassifier", inputs: [input(8, 3)], attributes, outputs: 2, result };
      await compare(node, { relative: 1e-3, absolute: 1e-4 });
      const [, probabilities] = await interpret({ domain, ...node });
      const rows = toNumbers(probabilities!);
      for (let row = 0; row < 8; row++) {
        const own = rows.slice(row * labels.length, (row + 1) * labels.length);
        expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      }
    }
  });

  test("without vectors it is linear", async () => {
    const attributes = {
      classlabels_ints: [2, 4, 6],
      coefficients: floats(9),
      rho: floats(1),
      kernel_params: floats(3),
    };
    await compare({ op: "SVMClassifier", inputs: [input(6, 3)], attributes, outputs: 2, result });
  });

  test("refusals", async () => {
    const graph = (changed: Record<string, AttributeSpec>) => () => {
      const attributes = { ...machine([0, 1, 2], kernels[0]!), ...changed };
      return graphOf({ op: "SVMClassifier", domain, inputs: [input(2, 3)], attributes }, () => false);
    };
    await expectError(graph({ kernel_type: "CUBIC" }), "E_MODEL", /kernel_type CUBIC/);
    await expectError(graph({ rho: floats(2) }), "E_MODEL", /2 numbers of rho for 3 pairs/);
    await expectError(graph({ coefficients: floats(2) }), "E_MODEL", /2 coefficients/);
    await expectError(graph({ prob_a: floats(1) }), "E_MODEL", /prob_a and prob_b of 3 pairs/);
  });
});
