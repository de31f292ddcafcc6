/** Sorting, scanning and indexing at random shapes against onnxruntime-web at every level. */

import fc from "fast-check";
import { describe, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { elementCount, type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import { randomNumbers, randomTensor, sweep } from "../harness-random.js";
import type { AttributeSpec } from "../onnx/build-model.js";

interface Case {
  readonly op: string;
  readonly inputs: readonly TensorData[];
  readonly attributes?: Record<string, AttributeSpec>;
  /** Types of the results. */
  readonly results: readonly DType[];
  readonly opset?: number;
}

/** All inputs are fed; or all but the first are constants. */
async function expectCase(
  { op, inputs, attributes = {}, results, opset = 18 }: Case,
  known: boolean,
): Promise<void> {
  const isFed = (i: number) => !known || i === 0;
  const named = inputs.map((value, i) => [`x${i}`, value] as const);
  const feeds = Object.fromEntries(named.filter((_, i) => isFed(i)));
  const model = {
    opset,
    inputs: Object.fromEntries(
      Object.entries(feeds).map(([name, { dtype, dims }]) => [name, [dtype, dims] as const]),
    ),
    initializers: Object.fromEntries(named.filter((_, i) => !isFed(i))),
    outputs: Object.fromEntries(results.map((dtype, i) => [`y${i}`, [dtype] as const])),
    nodes: [{ op, inputs: named.map(([name]) => name), outputs: results.map((_, i) => `y${i}`), attributes }],
  };
  await expectLevels(model, feeds, { levels: ["loops-O0", "loops-O3", "wasm"] });
}

const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
const common = fc.record({
  shape: shapes,
  seed: fc.nat(),
  known: fc.boolean(),
  place: fc.nat(),
  flag: fc.boolean(),
});

/** Few values, so that many are equal. */
const tied = (seed: number, dims: readonly number[], dtype: DType = "float32") =>
  randomTensor(seed, dims, { dtype, low: 0, high: 6 });
const whole = (seed: number, dims: readonly number[]): TensorData => {
  const { data } = randomTensor(seed, dims, { dtype: "int32", low: 0, high: 6 });
  return tensorOf("float32", dims, Array.from(data as Int32Array));
};

type Common = typeof common extends fc.Arbitrary<infer T> ? T : never;

const sweepCases = (title: string, run: (c: Common & { axis: number }) => Promise<void>, count = 12) =>
  test(title, () =>
    fc.assert(
      fc.asyncProperty(common, (c) => run({ ...c, axis: (c.place % (2 * c.shape.length)) - c.shape.length })),
      sweep(count),
    ),
  );

describe("sorting and scanning", () => {
  sweepCases("ArgMax and ArgMin", async ({ shape, seed, axis, flag }) => {
    const attributes = { axis, keepdims: Number(flag), select_last_index: seed % 2 };
    for (const op of ["ArgMax", "ArgMin"]) {
      await expectCase({ op, inputs: [whole(seed, shape)], attributes, results: ["int64"], opset: 13 }, true);
    }
  });

  sweepCases("TopK", async ({ shape, seed, axis, flag, known }) => {
    const dim = shape.at(axis)!;
    const k = tensorOf("int64", [1], [1 + (seed % dim)]);
    const attributes = { axis, largest: Number(flag) };
    await expectCase(
      { op: "TopK", inputs: [whole(seed, shape), k], attributes, results: ["float32", "int64"], opset: 11 },
      known,
    );
    const integers = tied(seed, shape, "int64");
    await expectCase(
      { op: "TopK", inputs: [integers, k], attributes, results: ["int64", "int64"], opset: 11 },
      known,
    );
  });

  test("TopK of many", async () => {
    for (const [count, k] of [
      [1000, 1],
      [1000, 10],
      [1000, 1000],
      [777, 500],
    ] as const) {
      const inputs = [randomTensor(count, [2, count]), tensorOf("int64", [1], [k])];
      await expectCase({ op: "TopK", inputs, results: ["float32", "int64"], opset: 11 }, true);
    }
  });

  sweepCases("CumSum", async ({ shape, seed, axis, flag, known }) => {
    const inputs = [randomTensor(seed, shape), tensorOf("int64", [], [axis])];
    const attributes = { exclusive: Number(flag), reverse: seed % 2 };
    await expectCase({ op: "CumSum", inputs, attributes, results: ["float32"], opset: 14 }, known);
  });

  sweepCases("Unique", async ({ shape, seed, axis, flag }) => {
    const attributes = { sorted: Number(flag), ...(seed % 3 > 0 && { axis }) };
    const results = ["float32", "int64", "int64", "int64"] as const;
    await expectCase({ op: "Unique", inputs: [whole(seed, shape)], attributes, results }, true);
  });
});

describe("places", () => {
  const indicesFor = (seed: number, dims: readonly number[], dim: number): TensorData => {
    const next = randomNumbers(seed);
    return tensorOf(
      "int64",
      dims,
      Array.from({ length: elementCount(dims) }, () => Math.floor(next() * 2 * dim) - dim),
    );
  };

  sweepCases("GatherElements and ScatterElements", async ({ shape, seed, axis, known }) => {
    const dims = shape.map((dim, i) => Math.max(1, dim - ((seed >> i) & 1)));
    const indices = indicesFor(seed, dims, shape.at(axis)!);
    const x = randomTensor(seed, shape);
    await expectCase(
      { op: "GatherElements", inputs: [x, indices], attributes: { axis }, results: ["float32"] },
      known,
    );
    const reduction = ["none", "add", "mul", "min", "max"][seed % 5]!;
    const inputs = [x, indices, randomTensor(seed + 1, dims)];
    await expectCase(
      { op: "ScatterElements", inputs, attributes: { axis, reduction }, results: ["float32"] },
      known,
    );
  });

  sweepCases("GatherND and ScatterND", async ({ shape, seed, place, known }) => {
    const size = 1 + (place % shape.length);
    const outer = 1 + (seed % 4);
    const each = shape
      .slice(0, size)
      .map((dim, i) => indicesFor(seed + i, [outer], dim).data as BigInt64Array);
    const tuples = Array.from({ length: outer }, (_, at) => each.map((column) => Number(column[at])));
    const indices = tensorOf("int64", [outer, size], tuples.flat());
    const x = randomTensor(seed, shape);
    await expectCase({ op: "GatherND", inputs: [x, indices], results: ["float32"], opset: 13 }, known);
    const reduction = ["none", "add", "mul", "min", "max"][seed % 5]!;
    const inputs = [x, indices, randomTensor(seed + 1, [outer, ...shape.slice(size)])];
    await expectCase({ op: "ScatterND", inputs, attributes: { reduction }, results: ["float32"] }, known);
  });

  sweepCases("Compress and NonZero", async ({ shape, seed, axis, known }) => {
    const condition = randomTensor(seed, [shape.at(axis)!], { dtype: "bool", low: 0, high: 1 });
    const x = whole(seed, shape);
    await expectCase(
      { op: "Compress", inputs: [x, condition], attributes: { axis }, results: ["float32"] },
      known,
    );
    await expectCase({ op: "NonZero", inputs: [x], results: ["int64"] }, known);
  });

  sweepCases("ReverseSequence", async ({ shape, seed, flag, known }) => {
    const dims = [3, ...shape];
    const [time, batch] = flag ? [0, 1] : [1, 0];
    const lengths = randomTensor(seed, [dims[batch]!], { dtype: "int64", low: 0, high: dims[time]! });
    const attributes = { time_axis: time!, batch_axis: batch! };
    await expectCase(
      {
        op: "ReverseSequence",
        inputs: [randomTensor(seed, dims), lengths],
        attributes,
        results: ["float32"],
        opset: 10,
      },
      known,
    );
  });

  sweepCases("OneHot, Trilu and Range", async ({ shape, seed, axis, flag, known }) => {
    const indices = randomTensor(seed, shape, { dtype: "int64", low: -7, high: 7 });
    const depth = tensorOf("int64", [], [5]);
    const inputs = [indices, depth, tensorOf("float32", [2], [2, 3])];
    await expectCase({ op: "OneHot", inputs, attributes: { axis }, results: ["float32"], opset: 11 }, known);
    const square = randomTensor(seed, [...shape, 5]);
    const k = tensorOf("int64", [], [(seed % 9) - 4]);
    await expectCase(
      { op: "Trilu", inputs: [square, k], attributes: { upper: Number(flag) }, results: ["float32"] },
      known,
    );
    const numbers = [seed % 7, seed % 31, 1 + (seed % 3)].map((value) => tensorOf("int32", [], [value]));
    await expectCase({ op: "Range", inputs: numbers, results: ["int32"], opset: 11 }, false);
  });
});

describe("boxes", () => {
  test("NonMaxSuppression", () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        async (seed, count, known) => {
          const boxes = randomTensor(seed, [2, count, 4], { low: 0, high: 1 });
          const scores = randomTensor(seed + 1, [2, 3, count], { low: 0, high: 1 });
          const most = tensorOf("int64", [1], [1 + (seed % 10)]);
          const thresholds = [0.1 + (seed % 5) / 10, (seed % 4) / 4].map((value) =>
            tensorOf("float32", [1], [value]),
          );
          const attributes = { center_point_box: seed % 2 };
          const inputs = [boxes, scores, most, ...thresholds];
          await expectCase(
            { op: "NonMaxSuppression", inputs, attributes, results: ["int64"], opset: 11 },
            known,
          );
        },
      ),
      sweep(12),
    ));
});
