/** Attention, rotary embeddings and TensorScatter: what ONNX's cases leave out. */

import { describe, expect, test } from "vitest";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { decodeElements } from "../../compiler/operators/numbers.js";
import { randomTensor } from "../harness-random.js";
import { evaluate, expectResults, graphOf, interpret, ints, type NodeCase, of } from "./harness.js";
import { rivalResults } from "./rival.js";

const tolerance = { relative: 1e-5, absolute: 1e-6 };

const some = (seed: number, ...dims: number[]): TensorData => randomTensor(seed, dims);

/** One head of one batch: rows of scores by which keys they see, and the values these give. */
function attend(q: TensorData, k: TensorData, v: TensorData, sees: (query: number, key: number) => boolean) {
  const [queries, size] = q.dims.slice(-2) as [number, number];
  const [keys, width] = v.dims.slice(-2) as [number, number];
  const [a, b, c] = [q, k, v].map(decodeElements) as [
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
  ];
  return Array.from({ length: queries }, (_, i) => {
    const weights = Array.from({ length: keys }, (_, j) => {
      const products = Array.from({ length: size }, (_, d) => a[i * size + d]! * b[j * size + d]!);
      return sees(i, j) ? Math.exp(products.reduce((x, y) => x + y, 0) / Math.sqrt(size)) : 0;
    });
    const total = weights.reduce((x, y) => x + y, 0);
    return Array.from({ length: width }, (_, d) =>
      weights.reduce((sum, weight, j) => sum + (weight / total) * c[j * width + d]!, 0),
    );
  }).flat();
}

const [q, k, v] = [some(1, 1, 1, 3, 4), some(2, 1, 1, 5, 4), some(3, 1, 1, 5, 2)];
const attention = (node: Partial<NodeCase>): NodeCase => ({
  op: "Attention",
  opset: 24,
  inputs: [q, k, v],
  ...node,
});
const values = (sees: (query: number, key: number) => boolean) => [
  of("float32", [1, 1, 3, 2], attend(q, k, v, sees)),
];

describe("Attention", () => {
  test("of everything", () =>
    expectResults(
      attention({}),
      values(() => true),
      tolerance,
    ));

  test("a mask of fewer keys hides the others", async () => {
    const mask = of("bool", [3, 2], [1, 0, 1, 1, 0, 1]);
    const sees = (i: number, j: number) => j < 2 && [1, 0, 1, 1, 0, 1][i * 2 + j] === 1;
    await expectResults(attention({ inputs: [q, k, v, mask] }), values(sees), tolerance);
    const bias = of("float32", [3, 2], [0, -Infinity, 0, 0, -Infinity, 0]);
    await expectResults(attention({ inputs: [q, k, v, bias] }), values(sees), tolerance);
  });

  test("causal, with the last query at the last key that is no padding", async () => {
    const inputs = [q, k, v, null, null, null, ints(4)];
    const attributes = { is_causal: 1 };
    await expectResults(
      attention({ inputs, attributes }),
      values((i, j) => j <= i + 1 && j < 4),
      tolerance,
    );
    await expectResults(
      attention({ inputs }),
      values((_, j) => j < 4),
      tolerance,
    );
  });

  test("with dims that only the run knows", async () => {
    const node = attention({ attributes: { is_causal: 1 } });
    await expectResults(
      { ...node, open: [0, 1, 2] },
      values((i, j) => j <= i),
      tolerance,
    );
    const past = [null, some(5, 1, 1, 2, 4), some(6, 1, 1, 2, 2)];
    const known = await interpret({ ...node, inputs: [q, k, v, ...past], outputs: 3 });
    const open = { ...node, inputs: [q, k, v, ...past], open: [0, 1, 2, 4, 5] };
    await expectResults(open, known, tolerance);
  });

  test.each([0, 1, 2, 3])("scores of mode %d", async (mode) => {
    const mask = of(
      "float32",
      [3, 5],
      Array.from({ length: 15 }, (_, i) => (i % 4 === 0 ? -1 : 0.5)),
    );
    const attributes = { qk_matmul_output_mode: mode, softcap: { float: 0.5 } };
    const node = attention({ inputs: [q, k, v, mask], attributes, outputs: 4 });
    const scores = decodeElements((await interpret(node))[3]!);
    const [a, b] = [decodeElements(q), decodeElements(k)];
    const raw = [0, 1, 2, 3].reduce((sum, d) => sum + a[d]! * b[d]!, 0) / 2;
    const capped = 0.5 * Math.tanh(raw / 0.5);
    if (mode < 3) expect(scores[0]).toBeCloseTo([raw, capped, capped - 1][mode]!, 5);
    else
      expect(
        Array.from(scores)
          .slice(0, 5)
          .reduce((x, y) => x + y),
      ).toBeCloseTo(1, 5);
  });

  const refused: [what: string, node: Partial<NodeCase>, message: string][] = [
    ["a mode", { attributes: { qk_matmul_output_mode: 4 } }, "qk_matmul_output_mode 4"],
    ["half a past", { inputs: [q, k, v, null, some(1, 1, 1, 1, 4)] }, "go together"],
    [
      "3 dims without heads",
      { inputs: [some(1, 1, 3, 4), some(2, 1, 3, 4), some(3, 1, 3, 4)] },
      "q_num_heads",
    ],
    [
      "heads that do not divide",
      { inputs: [some(1, 1, 3, 2, 4), some(2, 1, 2, 2, 4), some(3, 1, 2, 2, 4)] },
      "3 heads",
    ],
  ];
  test.each(refused)("refuses %s", (_, node, message) =>
    expect(graphOf(attention(node), () => false)).rejects.toThrow(message),
  );
});

describe("RotaryEmbedding", () => {
  const [x, cos, sin] = [some(1, 2, 3, 8), some(2, 6, 2), some(3, 6, 2)];
  const places = of("int64", [2, 3], [0, 3, 5, 1, 1, 2]);

  test.each([0, 1])("of com.microsoft, interleaved %d, agrees with onnxruntime-web", async (interleaved) => {
    for (const at of [places, ints(2)]) {
      const node = {
        op: "RotaryEmbedding",
        domain: "com.microsoft",
        inputs: [x, at, cos, sin],
        attributes: { interleaved },
      };
      await expectResults(node, await rivalResults(node), tolerance);
    }
  });

  test("of both domains is the same", async () => {
    const attributes = { num_heads: 2 };
    const [expected] = await evaluate({
      op: "RotaryEmbedding",
      domain: "com.microsoft",
      inputs: [x, places, cos, sin],
      attributes,
    });
    const node = { op: "RotaryEmbedding", opset: 23, inputs: [x, cos, sin, places], attributes };
    await expectResults(node, [expected!], tolerance);
    await expectResults({ ...node, open: [0, 3] }, [expected!], tolerance);
  });

  test("needs num_heads for 3 dims", () =>
    expect(evaluate({ op: "RotaryEmbedding", opset: 23, inputs: [x, cos, sin, places] })).rejects.toThrow(
      "num_heads",
    ));
});

describe("TensorScatter", () => {
  const cache = of("int32", [2, 4, 1], [1, 2, 3, 4, 5, 6, 7, 8]);
  const update = of("int32", [2, 2, 1], [-1, -2, -3, -4]);
  const scatter = (node: Partial<NodeCase>): NodeCase => ({
    op: "TensorScatter",
    opset: 24,
    inputs: [cache, update],
    ...node,
  });

  test("from the start where no indices are given", () =>
    expectResults(scatter({}), [of("int32", [2, 4, 1], [-1, -2, 3, 4, -3, -4, 7, 8])]));

  test("around the end", () =>
    expectResults(scatter({ inputs: [cache, update, ints(3, 2)], attributes: { mode: "circular" } }), [
      of("int32", [2, 4, 1], [-2, 2, 3, -1, 5, 6, -3, -4]),
    ]));

  test("along another axis", () =>
    expectResults(
      scatter({
        inputs: [of("int32", [1, 1, 3], [1, 2, 3]), of("int32", [1, 1, 1], [9]), ints(2)],
        attributes: { axis: -1 },
      }),
      [of("int32", [1, 1, 3], [1, 2, 9])],
    ));

  test("refuses the dim of the batch and other modes", async () => {
    await expect(evaluate(scatter({ attributes: { axis: 0 } }))).rejects.toThrow("axis 0");
    await expect(evaluate(scatter({ attributes: { mode: "ring" } }))).rejects.toThrow('mode "ring"');
  });
});
