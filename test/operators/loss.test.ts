/** Losses against sums written out, in all reductions, with weights and ignored targets. */

import { describe, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import { type TensorData, toNumbers } from "../../compiler/ir/tensor.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { expectResults, graphOf, ints, type NodeCase, of } from "./harness.js";
import { randomNumbers } from "./rival.js";

const random = randomNumbers(7);
const count = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

interface Loss {
  readonly scores: TensorData;
  readonly target: TensorData;
  readonly weight: TensorData | null;
  readonly ignored?: number;
  readonly reduction: string;
}

function makeLoss(dims: readonly number[], weighted: boolean, reduction: string, ignored?: number): Loss {
  const [n, classes, ...places] = dims as [number, number, ...number[]];
  const scores = of(
    "float32",
    dims,
    Array.from({ length: count(dims) }, () => random() * 4 - 3),
  );
  const numbers = Array.from({ length: n * count(places) }, () => {
    return ignored !== undefined && random() < 0.3 ? ignored : Math.floor(random() * classes);
  });
  const weights = Array.from({ length: classes }, () => 0.5 + random());
  return {
    scores,
    target: of(random() < 0.5 ? "int32" : "int64", [n, ...places], numbers),
    weight: weighted ? of("float32", [classes], weights) : null,
    reduction,
    ...(ignored !== undefined && { ignored }),
  };
}

/** Element [n, c, place] of scores. */
const at = ({ dims }: TensorData, n: number, c: number, place: number) =>
  (n * dims[1]! + c) * count(dims.slice(2)) + place;

/** The loss of given logarithms, by the definition. */
function expectedLoss(
  { scores, target, weight, ignored, reduction }: Loss,
  logarithms: number[],
): TensorData {
  const [places, targets] = [count(scores.dims.slice(2)), toNumbers(target)];
  const weights = targets.map((c) => (c === ignored ? 0 : weight === null ? 1 : toNumbers(weight)[c]!));
  const losses = targets.map((c, i) => {
    if (c === ignored) return 0;
    return -logarithms[at(scores, Math.floor(i / places), c, i % places)]! * weights[i]!;
  });
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  if (reduction === "none") return of("float32", target.dims, losses);
  return of("float32", [], [reduction === "sum" ? sum(losses) : sum(losses) / sum(weights)]);
}

function logSoftmax(scores: TensorData): number[] {
  const values = toNumbers(scores);
  const [n, classes] = scores.dims as [number, number];
  const result = [...values];
  for (let i = 0; i < n; i++) {
    for (let place = 0; place < count(scores.dims.slice(2)); place++) {
      const row = Array.from({ length: classes }, (_, c) => at(scores, i, c, place));
      const sum = row.reduce((total, j) => total + Math.exp(values[j]!), 0);
      for (const j of row) result[j] = values[j]! - Math.log(sum);
    }
  }
  return result;
}

function nodeOf(op: string, loss: Loss): NodeCase {
  const { scores, target, weight, ignored, reduction } = loss;
  const attributes: Record<string, AttributeSpec> = { reduction };
  if (ignored !== undefined) attributes.ignore_index = ignored;
  return { op, inputs: weight === null ? [scores, target] : [scores, target, weight], attributes };
}

const shapes = [
  [3, 5],
  [2, 4, 3],
  [1, 3, 2, 2],
  [2, 1, 2, 1, 3],
];

describe.each(["none", "sum", "mean"])("reduction %s", (reduction) => {
  test.each([
    { weighted: false },
    { weighted: true },
    { weighted: false, ignored: -1 },
    { weighted: true, ignored: 0 },
    { weighted: false, ignored: 10 },
  ])("%o", async ({ weighted, ignored }) => {
    for (const dims of shapes) {
      // Class 0 is the only one of a single class: ignoring it would leave nothing to divide by.
      const loss = makeLoss(dims, weighted, reduction, dims[1] === 1 && ignored === 0 ? -2 : ignored);
      const tolerance = { relative: 1e-5, absolute: 1e-6 };
      const plain = expectedLoss(loss, toNumbers(loss.scores));
      await expectResults(nodeOf("NegativeLogLikelihoodLoss", loss), [plain], tolerance);
      const logarithms = logSoftmax(loss.scores);
      const results = [expectedLoss(loss, logarithms), of("float32", dims, logarithms)];
      await expectResults(nodeOf("SoftmaxCrossEntropyLoss", loss), results, tolerance);
      await expectResults(nodeOf("SoftmaxCrossEntropyLoss", loss), results.slice(0, 1), tolerance);
    }
  });
});

const nll = (inputs: NodeCase["inputs"], attributes: Record<string, AttributeSpec> = {}): NodeCase => ({
  op: "NegativeLogLikelihoodLoss",
  inputs,
  attributes,
});

describe("edges", () => {
  const scores = of("float32", [1, 3], [-1, -2, -3]);

  test("the mean of no targets is NaN", () =>
    expectResults(nll([scores, ints(2)], { ignore_index: 2 }), [Number.NaN]));

  test("large scores stay finite", () =>
    expectResults(
      { op: "SoftmaxCrossEntropyLoss", inputs: [of("float32", [1, 2], [1000, 0]), ints(1)] },
      [1000],
    ));

  test.each<readonly [string, NodeCase, ErrorCode, RegExp]>([
    ["targets of another shape", nll([scores, ints(0, 1)]), "E_SHAPE", /shape \[2\], not \[1\]/],
    ["targets of floats", nll([scores, [0]]), "E_MODEL", /no targets of float32/],
    ["weights of two dims", nll([scores, ints(0), scores]), "E_SHAPE", /2 dims, not 1/],
    ["scores without classes", nll([[1, 2, 3], ints(0)]), "E_SHAPE", /2 dims or more/],
    ["unknown reductions", nll([scores, ints(0)], { reduction: "max" }), "E_MODEL", /reduction "max"/],
  ])("refuses %s", async (_, node, code, message) => {
    await expectError(() => graphOf(node, () => false), code, message);
  });
});
