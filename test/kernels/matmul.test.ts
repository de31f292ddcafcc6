/** Matrix products of all ranks and sizes, and Gemm, against onnxruntime-web at every level. */

import fc from "fast-check";
import { describe, test } from "vitest";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import { randomTensor, sweep } from "../harness-random.js";
import type { NodeSpec } from "../onnx/build-model.js";
import { expectNode } from "./cases.js";

const rows = [1, 2, 3, 5, 7, 13];

/** Batch dims of the operands that broadcast to one another. */
const batches: [left: number[], right: number[]][] = [
  [[], []],
  [[3], []],
  [[], [3]],
  [[2], [2]],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [[1], [4]],
  [
    [2, 1, 2],
    [3, 1],
  ],
];

const products = fc.record({
  batch: fc.constantFrom(...batches),
  rows: fc.constantFrom(...rows),
  depth: fc.constantFrom(1, 2, 3, 4, 7, 8, 9, 17, 40),
  columns: fc.integer({ min: 1, max: 70 }),
  constant: fc.boolean(),
});

describe("random matrix products", () => {
  test("of matrices with batch dims", () =>
    fc.assert(
      fc.asyncProperty(products, ({ batch, rows, depth, columns, constant }) =>
        expectNode({
          op: "MatMul",
          inputs: [
            randomTensor(1, [...batch[0], rows, depth]),
            randomTensor(2, [...batch[1], depth, columns]),
          ],
          constants: constant ? [1] : [],
        }),
      ),
      sweep(32),
    ));

  test("of transposed views", () =>
    fc.assert(
      fc.asyncProperty(
        products,
        fc.constantFrom([true, true], [true, false], [false, true]),
        async ({ batch, rows, depth, columns }, [left, right]) => {
          const shape = (lead: number[], a: number, b: number, turned: boolean) =>
            turned ? [...lead, b, a] : [...lead, a, b];
          const a = randomTensor(1, shape(batch[0], rows, depth, left!));
          const b = randomTensor(2, shape(batch[1], depth, columns, right!));
          const turn = (name: string, rank: number): NodeSpec => ({
            op: "Transpose",
            inputs: [name],
            outputs: [`${name}t`],
            attributes: { perm: [...Array(rank - 2).keys(), rank - 1, rank - 2] },
          });
          await expectLevels(
            {
              inputs: { a: ["float32", a.dims], b: ["float32", b.dims] },
              outputs: { y: ["float32"] },
              nodes: [
                ...(left ? [turn("a", a.dims.length)] : []),
                ...(right ? [turn("b", b.dims.length)] : []),
                { op: "MatMul", inputs: [left ? "at" : "a", right ? "bt" : "b"], outputs: ["y"] },
              ],
            },
            { a, b },
          );
        },
      ),
      sweep(16),
    ));
});

describe("of rows that both have the depth side by side", () => {
  const scores = async (rows: number, columns: number, depth: number, isOpen: boolean) => {
    const a = randomTensor(1, [2, rows, depth]);
    const b = randomTensor(2, [2, columns, depth]);
    await expectLevels(
      {
        inputs: {
          a: ["float32", isOpen ? [2, "rows", depth] : a.dims],
          b: ["float32", isOpen ? [2, "columns", depth] : b.dims],
        },
        outputs: { y: ["float32"] },
        initializers: { half: tensorOf("float32", [], [0.5]) },
        nodes: [
          { op: "Transpose", inputs: ["b"], outputs: ["t"], attributes: { perm: [0, 2, 1] } },
          { op: "MatMul", inputs: ["a", "t"], outputs: ["m"] },
          { op: "Mul", inputs: ["m", "half"], outputs: ["y"] },
        ],
      },
      { a, b },
    );
  };
  test.each([
    [1, 16, 8],
    [1, 13, 64],
    [1, 3, 4],
    [2, 9, 12],
    [3, 21, 20],
    [32, 6, 4],
  ])("%i by %i, of depth %i", async (rows, columns, depth) => {
    await scores(rows, columns, depth, false);
    await scores(rows, columns, depth, true);
  });

  test("of a batch whose rows are those of one matrix", async () => {
    const [a, b] = [randomTensor(1, [9, 5, 8]), randomTensor(2, [11, 8])];
    await expectLevels(
      {
        inputs: { a: ["float32", a.dims], b: ["float32", b.dims] },
        outputs: { y: ["float32"] },
        nodes: [
          { op: "Transpose", inputs: ["b"], outputs: ["t"] },
          { op: "MatMul", inputs: ["a", "t"], outputs: ["y"] },
        ],
      },
      { a, b },
    );
  });
});

describe("vectors", () => {
  const cases: [left: number[], right: number[]][] = [
    [[5], [5]],
    [[5], [5, 9]],
    [[4, 5], [5]],
    [[5], [2, 5, 3]],
    [[2, 3, 5], [5]],
    [[2, 3, 4, 5], [5]],
    [[33], [33, 70]],
  ];
  for (const [left, right] of cases) {
    for (const constants of [[], [1]]) {
      test(`[${left}] x [${right}]${constants.length > 0 ? ", the right one constant" : ""}`, () =>
        expectNode({ op: "MatMul", inputs: [randomTensor(1, left), randomTensor(2, right)], constants }));
    }
  }
});

/** Results of every column count in a row, one module each: the tails of panels. */
describe("columns", () => {
  for (const row of [1, 2, 3, 5]) {
    const counts = Array.from({ length: 70 }, (_, i) => i + 1);
    test(`1 to 70 of them by ${row} rows`, async () => {
      const a = randomTensor(1, [row, 6]);
      const weights = counts.map((count) => randomTensor(count, [6, count]));
      await expectLevels(
        {
          inputs: { a: ["float32", a.dims] },
          outputs: Object.fromEntries(counts.map((count) => [`y${count}`, ["float32"]])),
          initializers: Object.fromEntries(weights.map((w, i) => [`w${i + 1}`, w])),
          nodes: counts.map((n) => ({ op: "MatMul", inputs: ["a", `w${n}`], outputs: [`y${n}`] })),
        },
        { a },
      );
    });
  }
});

/** So deep and wide that the first row is computed before the others, by several panels at once. */
describe("a row before the others", () => {
  const depth = 400;
  test.each([4, 7, 49, 64])("of %i", async (rows) => {
    const counts = [41, 44, 64, 83, 121];
    const a = randomTensor(1, [rows, depth]);
    const weights = counts.map((count) => randomTensor(count, [depth, count]));
    const biases = counts.map((count) => randomTensor(count + 1, [count]));
    await expectLevels(
      {
        inputs: { a: ["float32", a.dims] },
        outputs: Object.fromEntries(counts.map((count) => [`y${count}`, ["float32"]])),
        initializers: Object.fromEntries(
          counts.flatMap((count, i) => [
            [`w${count}`, weights[i]!],
            [`b${count}`, biases[i]!],
          ]),
        ),
        nodes: counts.map((n) => ({ op: "Gemm", inputs: ["a", `w${n}`, `b${n}`], outputs: [`y${n}`] })),
      },
      { a },
    );
  });
});

describe("Gemm", () => {
  const gemms = fc.record({
    rows: fc.constantFrom(...rows),
    depth: fc.integer({ min: 1, max: 20 }),
    columns: fc.integer({ min: 1, max: 40 }),
    transA: fc.constantFrom(0, 1),
    transB: fc.constantFrom(0, 1),
    alpha: fc.constantFrom(1, 0.5, -2.5),
    beta: fc.constantFrom(1, 0.25, 0),
    bias: fc.constantFrom("none", "scalar", "row", "column", "whole", "vector"),
    constants: fc.constantFrom([], [1], [1, 2], [0], [2]),
  });
  test("of random parameters", () =>
    fc.assert(
      fc.asyncProperty(gemms, ({ rows, depth, columns, bias, constants, ...g }) => {
        const shapes: Record<string, number[]> = {
          scalar: [],
          row: [1, columns],
          column: [rows, 1],
          whole: [rows, columns],
          vector: [columns],
        };
        const shape = shapes[bias];
        return expectNode({
          op: "Gemm",
          inputs: [
            randomTensor(1, g.transA ? [depth, rows] : [rows, depth]),
            randomTensor(2, g.transB ? [columns, depth] : [depth, columns]),
            shape === undefined ? null : randomTensor(3, shape),
          ],
          constants,
          attributes: {
            transA: g.transA,
            transB: g.transB,
            alpha: { float: g.alpha },
            beta: { float: g.beta },
          },
        });
      }),
      sweep(30),
    ));
});
