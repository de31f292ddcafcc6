/** Scales that disappear into weights. The new weights are nodes on constants; folding them is another pass. */

import { describe, expect, test } from "vitest";
import { printGraph } from "../../../compiler/ir/print.js";
import { eliminateDeadCode } from "../../../passes/graph/eliminate-dead-code.js";
import { foldAffine } from "../../../passes/graph/fold-affine.js";
import { foldConstants } from "../../../passes/graph/fold-constants.js";
import { expectUnchanged, transform } from "./text.js";

/** What is left once constants are folded, which shows the weights as numbers. */
function expectFolded(before: string, after: string[]): void {
  const graph = transform([foldAffine, foldConstants, eliminateDeadCode], before);
  const lines = printGraph(graph).split("\n").slice(1, -2);
  expect(lines.map((line) => line.trim())).toEqual(after);
}

const conv = (rest: string[]): string => `
      graph @g(%x: f32[1, 1, 2, 2]) -> (%y: f32[1, 2, 2, 2]) {
        %w: f32[2, 1, 1, 1] = constant dense [3, 5]
        %c: f32[1, 2, 2, 2] = Conv(%x, %w) from ["conv"]
${rest.map((line) => `        ${line}`).join("\n")}
        return %y
      }`;

describe("a scale after a product", () => {
  test("of all channels", () =>
    expectFolded(conv(["%s: f32[] = constant dense [2]", '%y: f32[1, 2, 2, 2] = Mul(%c, %s) from ["mul"]']), [
      "%y.folded2: f32[2, 1, 1, 1] = constant dense [6, 10]",
      '%y: f32[1, 2, 2, 2] = Conv(%x, %y.folded2) from ["conv", "mul"]',
    ]));

  test("of each channel, on the left", () =>
    expectFolded(conv(["%s: f32[2, 1, 1] = constant dense [2, -1]", "%y: f32[1, 2, 2, 2] = Mul(%s, %c)"]), [
      "%y.folded2: f32[2, 1, 1, 1] = constant dense [6, -5]",
      '%y: f32[1, 2, 2, 2] = Conv(%x, %y.folded2) from ["conv"]',
    ]));

  test("with a bias between: both are scaled", () =>
    expectFolded(
      conv([
        "%b: f32[2, 1, 1] = constant dense [1, 10]",
        "%a: f32[1, 2, 2, 2] = Add(%c, %b)",
        "%s: f32[1, 2, 1, 1] = constant dense [2, 4]",
        "%y: f32[1, 2, 2, 2] = Mul(%a, %s)",
      ]),
      [
        "%y.folded2: f32[2, 1, 1, 1] = constant dense [6, 20]",
        '%y.folded3: f32[1, 2, 2, 2] = Conv(%x, %y.folded2) from ["conv"]',
        "%y.folded4: f32[1, 2, 1, 1] = constant dense [2, 40]",
        '%y: f32[1, 2, 2, 2] = Add(%y.folded3, %y.folded4) from ["conv"]',
      ],
    ));

  test("twice", () =>
    expectFolded(
      conv([
        "%s: f32[] = constant dense [2]",
        "%a: f32[1, 2, 2, 2] = Mul(%c, %s)",
        "%t: f32[2, 1, 1] = constant dense [1, 3]",
        "%y: f32[1, 2, 2, 2] = Mul(%a, %t)",
      ]),
      [
        "%y.folded2: f32[2, 1, 1, 1] = constant dense [6, 30]",
        '%y: f32[1, 2, 2, 2] = Conv(%x, %y.folded2) from ["conv"]',
      ],
    ));

  test("of the columns of a matrix product", () =>
    expectFolded(
      `
      graph @g(%x: f32[3, 2]) -> (%y: f32[3, 2]) {
        %w: f32[2, 2] = constant dense [1, 2, 3, 4]
        %c: f32[3, 2] = MatMul(%x, %w)
        %s: f32[2] = constant dense [10, 100]
        %y: f32[3, 2] = Mul(%c, %s)
        return %y
      }`,
      ["%y.folded2: f32[2, 2] = constant dense [10, 200, 30, 400]", "%y: f32[3, 2] = MatMul(%x, %y.folded2)"],
    ));

  test("of a transposed convolution's channels", () =>
    expectFolded(
      `
      graph @g(%x: f32[1, 2, 2]) -> (%y: f32[1, 2, 2]) {
        %w: f32[2, 2, 1] = constant dense [1, 2, 3, 4]
        %c: f32[1, 2, 2] = ConvTranspose(%x, %w)
        %s: f32[2, 1] = constant dense [10, 100]
        %y: f32[1, 2, 2] = Mul(%c, %s)
        return %y
      }`,
      [
        "%y.folded2: f32[2, 2, 1] = constant dense [10, 200, 30, 400]",
        "%y: f32[1, 2, 2] = ConvTranspose(%x, %y.folded2)",
      ],
    ));
});

describe("scales that stay", () => {
  const kept: [name: string, graph: string][] = [
    ["vary over places", conv(["%s: f32[2] = constant dense [2, 3]", "%y: f32[1, 2, 2, 2] = Mul(%c, %s)"])],
    ["are not known", conv(["%y: f32[1, 2, 2, 2] = Mul(%c, %x)"])],
    [
      "stand beside another reader of the product",
      conv([
        "%s: f32[] = constant dense [2]",
        "%a: f32[1, 2, 2, 2] = Mul(%c, %s)",
        "%y: f32[1, 2, 2, 2] = Add(%a, %c)",
      ]),
    ],
    [
      "stand after a bias that varies over places",
      conv([
        "%b: f32[2] = constant dense [1, 2]",
        "%a: f32[1, 2, 2, 2] = Add(%c, %b)",
        "%s: f32[] = constant dense [2]",
        "%y: f32[1, 2, 2, 2] = Mul(%a, %s)",
      ]),
    ],
    [
      "follow a product that is a result of the graph",
      `
      graph @g(%x: f32[3, 2]) -> (%y: f32[3, 2], %c: f32[3, 2]) {
        %w: f32[2, 2] = constant dense [1, 2, 3, 4]
        %c: f32[3, 2] = MatMul(%x, %w)
        %s: f32[2] = constant dense [10, 100]
        %y: f32[3, 2] = Mul(%c, %s)
        return %y, %c
      }`,
    ],
    [
      "follow a product whose weights are not known",
      `
      graph @g(%x: f32[3, 2], %w: f32[2, 2]) -> (%y: f32[3, 2]) {
        %c: f32[3, 2] = MatMul(%x, %w)
        %s: f32[2] = constant dense [10, 100]
        %y: f32[3, 2] = Mul(%c, %s)
        return %y
      }`,
    ],
    [
      "meet the groups of a transposed convolution",
      `
      graph @g(%x: f32[1, 2, 2]) -> (%y: f32[1, 4, 2]) {
        %w: f32[2, 2, 1] = constant dense [1, 2, 3, 4]
        %c: f32[1, 4, 2] = ConvTranspose(%x, %w) {group=2}
        %s: f32[4, 1] = constant dense [1, 2, 3, 4]
        %y: f32[1, 4, 2] = Mul(%c, %s)
        return %y
      }`,
    ],
  ];
  for (const [name, graph] of kept) test(name, () => expectUnchanged(foldAffine, graph));
});
