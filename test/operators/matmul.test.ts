/** Matrix products of every element type, and what is written around them. */

import { describe, expect, test } from "vitest";
import { type DType, dtypes, isBigInt } from "../../compiler/ir/dtype.js";
import { type TensorData, tensor } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, graphOf, of } from "./harness.js";
import { randomNumbers } from "./rival.js";
import { expectRival } from "./rival-compare.js";

const tolerances: Partial<Record<DType, number>> = {
  float32: 1e-6,
  float64: 1e-14,
  float16: 1e-3,
  bfloat16: 1e-2,
};

/** Whole numbers from -3 to 3, or from 0 to 6 where there is no sign. */
function sample(dtype: DType, dims: readonly number[], seed: number): { data: TensorData; values: number[] } {
  const random = randomNumbers(seed);
  const low = dtype.startsWith("u") ? 0 : -3;
  const count = dims.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, () => low + Math.floor(random() * 7));
  return { data: of(dtype, dims, values), values };
}

/** [rows, depth] x [depth, columns], row-major. */
const product = (a: number[], b: number[], rows: number, depth: number, columns: number): number[] =>
  Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return Array.from({ length: depth }, (_, k) => a[i * depth + k]! * b[k * columns + j]!).reduce(
      (sum, value) => sum + value,
      0,
    );
  });

const types: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "bfloat16",
  "int32",
  "int64",
  "uint32",
  "uint64",
];

describe("MatMul", () => {
  for (const dtype of types) {
    test(`of ${dtype}`, async () => {
      const [a, b] = [sample(dtype, [6, 5], 1), sample(dtype, [5, 7], 2)];
      const expected = of(dtype, [6, 7], product(a.values, b.values, 6, 5, 7));
      const relative = tolerances[dtype] ?? 0;
      await expectResults({ op: "MatMul", inputs: [a.data, b.data] }, [expected], { relative });
      await expectResults({ op: "MatMul", inputs: [a.data, b.data], constant: [1] }, [expected], {
        relative,
      });
    });
  }

  test("of integers wraps", async () => {
    const max = (dtype: "int32" | "uint32") => (dtype === "int32" ? 2 ** 31 - 1 : 2 ** 32 - 1);
    for (const dtype of ["int32", "uint32"] as const) {
      const x = of(dtype, [1, 2], [max(dtype), max(dtype)]);
      const y = of(dtype, [2, 1], [3, 4]);
      const wrapped = new dtypes[dtype].array(1);
      wrapped[0] = Number(BigInt.asIntN(32, BigInt(max(dtype)) * 7n));
      await expectResults({ op: "MatMul", inputs: [x, y] }, [tensor(dtype, [1, 1], wrapped)]);
    }
    const x = tensor("int64", [1, 1], BigInt64Array.of(2n ** 62n + 3n));
    const y = tensor("int64", [1, 1], BigInt64Array.of(5n));
    const [result] = await evaluate({ op: "MatMul", inputs: [x, y] });
    expect(isBigInt(result!.dtype) && result!.data[0]).toBe(BigInt.asIntN(64, (2n ** 62n + 3n) * 5n));
  });

  test("broadcasts batches of other types", async () => {
    const [a, b] = [sample("int32", [2, 1, 3, 4], 3), sample("int32", [3, 4, 2], 4)];
    const blocks = [0, 1].flatMap((i) =>
      [0, 1, 2].flatMap((j) =>
        product(a.values.slice(i * 12, i * 12 + 12), b.values.slice(j * 8, j * 8 + 8), 3, 4, 2),
      ),
    );
    await expectResults({ op: "MatMul", inputs: [a.data, b.data] }, [of("int32", [2, 3, 3, 2], blocks)]);
  });

  test("of vectors of other types", async () => {
    const [a, b] = [sample("float64", [5], 3), sample("float64", [5], 4)];
    await expectResults({ op: "MatMul", inputs: [a.data, b.data] }, [
      of("float64", [], product(a.values, b.values, 1, 5, 1)),
    ]);
  });

  test("without a depth is 0", async () => {
    for (const dtype of ["float64", "float16", "int64"] as const) {
      await expectResults({ op: "MatMul", inputs: [of(dtype, [2, 0], []), of(dtype, [0, 3], [])] }, [
        of(dtype, [2, 3], [0, 0, 0, 0, 0, 0]),
      ]);
    }
  });

  test("refuses what it is not defined for", async () => {
    const narrow = of("int8", [1, 1], [1]);
    await expect(evaluate({ op: "MatMul", inputs: [narrow, narrow] })).rejects.toThrow("does not take int8");
    const mixed = { op: "MatMul", inputs: [of("float32", [1, 1], [1]), of("float64", [1, 1], [1])] };
    await expect(evaluate(mixed)).rejects.toThrow("combines float32 and float64");
  });

  test("open batches that turn out to be 1", async () => {
    const [one, two] = [of("float32", [1, 1, 2], [3, 5]), of("float32", [2, 2, 1], [1, 2, 3, 4])];
    await expectRival({ op: "MatMul", inputs: [one, two] });
    await expectRival({
      op: "MatMul",
      inputs: [of("float32", [3, 1, 1, 1], [1, 2, 3]), of("float32", [4, 1, 1], [1, 2, 3, 4])],
    });
    await expectRival({ op: "MatMul", inputs: [two, of("float32", [1, 1, 2], [3, 5])] }, undefined, {
      constant: [1],
      open: [0],
    });
  });
});

describe("Gemm", () => {
  const a = of("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  const b = of("float32", [3, 2], [1, 0, 0, 1, 1, 1]);
  const c = of("float32", [2], [10, 20]);

  test("of integers", async () => {
    const inputs = [a, b, c].map(({ dims, data }) => of("int32", dims, Array.from(data as Float32Array)));
    await expectResults({ op: "Gemm", opset: 13, inputs, attributes: { alpha: { float: 2 } } }, [
      of("int32", [2, 2], [18, 30, 30, 42]),
    ]);
  });

  test("of float64 and float16, transposed", async () => {
    for (const dtype of ["float64", "float16"] as const) {
      const inputs = [of(dtype, [3, 2], [1, 4, 2, 5, 3, 6]), of(dtype, [2, 3], [1, 0, 1, 0, 1, 1])];
      await expectResults({ op: "Gemm", opset: 13, inputs, attributes: { transA: 1, transB: 1 } }, [
        of(dtype, [2, 2], [4, 5, 10, 11]),
      ]);
    }
  });

  test("a summand that does not broadcast to the product is an error", async () => {
    const wide = of("float32", [2, 2, 2], new Array(8).fill(1));
    await expect(graphOf({ op: "Gemm", opset: 13, inputs: [a, b, wide] }, () => false)).rejects.toThrow(
      "does not broadcast",
    );
    const long = of("float32", [3], [1, 2, 3]);
    await expect(graphOf({ op: "Gemm", opset: 13, inputs: [a, b, long] }, () => false)).rejects.toThrow(
      "does not broadcast to [2, 2]",
    );
  });

  test("before opset 7 the node says whether the summand broadcasts", async () => {
    const node = { op: "Gemm", opset: 6, inputs: [a, b, c] };
    await expectResults({ ...node, attributes: { broadcast: 1 } }, [of("float32", [2, 2], [14, 25, 20, 31])]);
    await expect(evaluate(node)).rejects.toThrow("broadcast is 0");
  });

  test("FusedGemm applies an activation", async () => {
    const node = { op: "FusedGemm", domain: "com.microsoft", inputs: [a, b, of("float32", [2], [-9, -9])] };
    await expectResults({ ...node, attributes: { activation: "Relu" } }, [
      of("float32", [2, 2], [0, 0, 1, 2]),
    ]);
    await expectResults(
      { ...node, attributes: { activation: "LeakyRelu", activation_alpha: { float: 0.5 } } },
      [of("float32", [2, 2], [-2.5, -2, 1, 2])],
    );
    await expect(evaluate({ ...node, attributes: { activation: "Sine" } })).rejects.toThrow('"Sine"');
  });
});

describe("FusedMatMul", () => {
  const domain = "com.microsoft";

  test("transposes matrices and leaves vectors", async () => {
    const x = of("float32", [3, 2], [1, 4, 2, 5, 3, 6]);
    await expectResults(
      {
        op: "FusedMatMul",
        domain,
        inputs: [x, [1, 0, 2]],
        attributes: { transA: 1, transB: 1, alpha: { float: 0.5 } },
      },
      [[3.5, 8]],
    );
  });

  test("takes rows from the first dim", async () => {
    // [rows 2, batch 3, depth 1] is read as [batch 3, rows 2, depth 1].
    const x = of("float32", [2, 3, 1], [1, 2, 3, 4, 5, 6]);
    const y = of("float32", [3, 1, 1], [1, 10, 100]);
    await expectResults({ op: "FusedMatMul", domain, inputs: [x, y], attributes: { transBatchA: 1 } }, [
      of("float32", [3, 2, 1], [1, 4, 20, 50, 300, 600]),
    ]);
    await expectResults(
      {
        op: "FusedMatMul",
        domain,
        inputs: [x, of("float32", [3, 2, 1], [1, 1, 10, 10, 100, 100])],
        attributes: { transBatchA: 1, transA: 1 },
      },
      [of("float32", [3, 1, 1], [5, 70, 900])],
    );
  });
});
