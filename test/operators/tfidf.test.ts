/** Counts of n-grams: by the definition, and against onnxruntime-web. */

import { describe, test } from "vitest";
import type { ErrorCode } from "../../compiler/diagnostics.js";
import { type TensorData, toNumbers } from "../../compiler/ir/tensor.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectError } from "../onnx/raises.js";
import { evaluate, expectTensor, graphOf, interpret, ints, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(31);
const element = () => Math.floor(random() * 4) - 1;

interface Pool {
  readonly grams: readonly (readonly number[])[];
  readonly counts: readonly number[];
}

/** Different n-grams of lengths 1 to 3. */
function randomPool(): Pool {
  const levels = [1, 2, 3].map((length) => {
    const grams = Array.from({ length: 4 }, () => Array.from({ length }, element));
    return [...new Map(grams.map((gram) => [gram.join(), gram])).values()];
  });
  let start = 0;
  const counts = levels.map((grams, i) => {
    const own = start;
    start += grams.length * (i + 1);
    return own;
  });
  return { grams: levels.flat(), counts };
}

interface Options {
  readonly min: number;
  readonly max: number;
  readonly skip: number;
  readonly mode: string;
}

function expected(
  x: TensorData,
  { grams }: Pool,
  places: number[],
  weights: number[],
  o: Options,
): TensorData {
  const [rows, columns] = x.dims as [number, number];
  const [values, size] = [toNumbers(x), Math.max(...places) + 1];
  const result = new Array<number>(rows * size).fill(0);
  grams.forEach((gram, g) => {
    const n = gram.length;
    if (n < o.min || n > o.max) return;
    for (let row = 0; row < rows; row++) {
      let count = 0;
      for (let stride = 1; stride <= (n === 1 ? 1 : o.skip + 1); stride++) {
        for (let start = 0; start + (n - 1) * stride < columns; start++) {
          if (gram.every((e, k) => values[row * columns + start + k * stride] === e)) count++;
        }
      }
      const weighted = { TF: count, IDF: count > 0 ? weights[g]! : 0, TFIDF: count * weights[g]! }[o.mode]!;
      result[row * size + places[g]!] = weighted;
    }
  });
  return of("float32", [rows, size], result);
}

function nodeOf(x: TensorData, pool: Pool, places: number[], weights: number[], o: Options): NodeCase {
  const attributes: Record<string, AttributeSpec> = {
    min_gram_length: o.min,
    max_gram_length: o.max,
    max_skip_count: o.skip,
    mode: o.mode,
    ngram_counts: pool.counts,
    ngram_indexes: places,
    pool_int64s: pool.grams.flat(),
    weights: { floats: weights },
  };
  return { op: "TfIdfVectorizer", inputs: [x], attributes };
}

describe("TfIdfVectorizer", () => {
  test.each(["TF", "IDF", "TFIDF"])("%s", async (mode) => {
    for (const [min, max, skip] of [
      [1, 3, 0],
      [1, 1, 3],
      [2, 3, 2],
      [1, 2, 1],
      [3, 3, 5],
    ] as const) {
      const pool = randomPool();
      const places = pool.grams.map((_, i) => i);
      const weights = places.map(() => 0.5 + Math.floor(random() * 8) / 4);
      const options = { min, max, skip, mode };
      for (const dtype of ["int32", "int64"] as const) {
        const x = of(dtype, [3, 9], Array.from({ length: 27 }, element));
        const node = nodeOf(x, pool, places, weights, options);
        const wanted = expected(x, pool, places, weights, options);
        expectTensor((await rivalResults(node))[0]!, wanted);
        expectTensor((await evaluate(node))[0]!, wanted);
        expectTensor((await interpret(node))[0]!, wanted);
      }
    }
  });

  test("places in another order, and weights by n-gram", async () => {
    const pool = randomPool();
    const places = pool.grams.map((_, i) => pool.grams.length - 1 - i);
    const weights = places.map((_, i) => i + 1);
    const options = { min: 1, max: 3, skip: 1, mode: "TFIDF" };
    const x = of("int64", [2, 9], Array.from({ length: 18 }, element));
    const node = nodeOf(x, pool, places, weights, options);
    expectTensor((await interpret(node))[0]!, expected(x, pool, places, weights, options));
  });

  const pair: Pool = { grams: [[5], [2 ** 32 + 5], [5, 6]], counts: [0, 2] };
  const all: Options = { min: 1, max: 2, skip: 0, mode: "TF" };

  test("rows too short, one row, and numbers that int32 does not hold", async () => {
    const run = async (x: TensorData) => (await interpret(nodeOf(x, pair, [0, 1, 2], [1, 1, 1], all)))[0]!;
    expectTensor(await run(of("int32", [1, 1], [5])), of("float32", [1, 3], [1, 0, 0]));
    expectTensor(await run(of("int32", [3], [5, 6, 5])), of("float32", [3], [2, 0, 1]));
    expectTensor(await run(ints(2 ** 32 + 5, 5)), of("float32", [3], [1, 1, 0]));
    expectTensor(await run(of("int64", [2, 0], [])), of("float32", [2, 3], [0, 0, 0, 0, 0, 0]));
  });

  test.each<readonly [string, Record<string, AttributeSpec>, ErrorCode, RegExp]>([
    ["strings", { pool_strings: { strings: ["a"] } }, "E_UNSUPPORTED", /strings/],
    ["unknown modes", { mode: "DF" }, "E_MODEL", /mode DF/],
    [
      "places that are too few",
      { ngram_indexes: [0, 1], weights: { floats: [1, 1] } },
      "E_MODEL",
      /fewer ngram_indexes/,
    ],
    ["weights that are too few", { weights: { floats: [1] } }, "E_MODEL", /1 weights for 3/],
    ["counts that part no pool", { ngram_counts: [0, 3] }, "E_MODEL", /do not part/],
    ["an n-gram twice", { pool_int64s: [5, 5, 5, 6] }, "E_MODEL", /n-gram \[5\] twice/],
  ])("refuses %s", async (_, changed, code, message) => {
    const node = nodeOf(ints(1), pair, [0, 1, 2], [1, 1, 1], all);
    const attributes = { ...node.attributes, ...changed };
    await expectError(() => graphOf({ ...node, attributes }, () => false), code, message);
  });
});
