/** Operators on random tensors, compared with onnxruntime-web. */

import { describe, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { evaluate, expectTensor, interpret, ints, type NodeCase, of, type Tolerance } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(1);
const count = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

/** Random numbers around 0. */
const normal = (dims: readonly number[], scale = 2): TensorData =>
  of(
    "float32",
    dims,
    Array.from({ length: count(dims) }, () => (random() + random() + random() - 1.5) * scale),
  );

/** Whole numbers from a range. */
const whole = (dtype: DType, dims: readonly number[], low: number, high: number): TensorData =>
  of(
    dtype,
    dims,
    Array.from({ length: count(dims) }, () => low + Math.floor(random() * (high - low + 1))),
  );

async function compare(
  node: NodeCase,
  tolerance: Tolerance = { relative: 2e-6, absolute: 1e-6 },
): Promise<void> {
  const expected = await rivalResults(node);
  const evaluated = await evaluate(node);
  const interpreted = await interpret(node);
  expected.forEach((one, i) => {
    expectTensor(evaluated[i]!, one, tolerance);
    expectTensor(interpreted[i]!, one, tolerance);
  });
}

const shapes: [number[], number[]][] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [[2, 3, 4], [4]],
  [
    [3, 1],
    [2, 1, 5],
  ],
  [[], [2, 2]],
  [[1], [1, 1, 1]],
];

describe("arithmetic", () => {
  for (const op of ["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"]) {
    test(`${op} broadcasts`, async () => {
      for (const [a, b] of shapes) {
        const x = op === "Pow" ? whole("float32", a, 1, 9) : normal(a);
        await compare({ op, inputs: [x, normal(b)] });
      }
    });
  }

  test("Div and Mod of integers", async () => {
    for (const dtype of ["int32", "int64"] as const) {
      const [a, b] = [whole(dtype, [60], -50, 50), whole(dtype, [60], 1, 7)];
      const negative = whole(dtype, [60], -7, -1);
      for (const divisor of [b, negative]) {
        await compare({ op: "Div", inputs: [a, divisor], result: dtype });
        await compare({ op: "Mod", inputs: [a, divisor], result: dtype });
        await compare({ op: "Mod", inputs: [a, divisor], attributes: { fmod: 1 }, result: dtype });
      }
    }
  });

  test("Mod of floats is exact", async () => {
    const [a, b] = [normal([200], 1e6), normal([200], 3)];
    await compare({ op: "Mod", inputs: [a, b], attributes: { fmod: 1 } }, {});
  });
});

const unary: Record<string, readonly [low: number, high: number]> = {
  Neg: [-5, 5],
  Abs: [-5, 5],
  Sqrt: [0, 9],
  Reciprocal: [0.5, 5],
  Sign: [-2, 2],
  Floor: [-5, 5],
  Ceil: [-5, 5],
  Round: [-5, 5],
  Exp: [-20, 20],
  Log: [0.001, 20],
  Erf: [-4, 4],
  Sin: [-20, 20],
  Cos: [-20, 20],
  Tan: [-1.5, 1.5],
  Asin: [-1, 1],
  Acos: [-1, 1],
  Atan: [-9, 9],
  Sinh: [-5, 5],
  Cosh: [-5, 5],
  Tanh: [-5, 5],
  Asinh: [-9, 9],
  Acosh: [1, 9],
  Atanh: [-0.95, 0.95],
  Relu: [-5, 5],
  LeakyRelu: [-5, 5],
  Elu: [-5, 5],
  Selu: [-5, 5],
  ThresholdedRelu: [-5, 5],
  Sigmoid: [-9, 9],
  HardSigmoid: [-5, 5],
  HardSwish: [-5, 5],
  Softplus: [-9, 9],
  Softsign: [-9, 9],
  Shrink: [-2, 2],
  Gelu: [-4, 4],
};

describe("functions of one tensor", () => {
  for (const [op, [low, high]] of Object.entries(unary)) {
    test(op, async () => {
      const values = Array.from({ length: 300 }, () => low + random() * (high - low));
      await compare({ op, inputs: [of("float32", [3, 100], values)] }, { relative: 1e-5, absolute: 1e-6 });
    });
  }
});

describe("movement", () => {
  test("Slice with every kind of bounds and steps", async () => {
    for (let i = 0; i < 40; i++) {
      const bound = () => Math.floor(random() * 14) - 7;
      const steps = [random() < 0.5 ? 1 : 2, random() < 0.5 ? -1 : 1 + Math.floor(random() * 3)];
      const inputs = [
        normal([5, 6]),
        ints(bound(), bound()),
        ints(bound(), bound()),
        ints(1, 0),
        ints(...steps),
      ];
      await compare({ op: "Slice", inputs, constant: [1, 2, 3, 4] }, {});
    }
  });

  test("Slice to the end and from beyond the start", async () => {
    const max = 2n ** 63n - 1n;
    const far = { ...ints(0), data: BigInt64Array.of(max) };
    const farthest = { ...ints(0), data: BigInt64Array.of(-max) };
    const run = (starts: TensorData, ends: TensorData, step: number) =>
      compare(
        { op: "Slice", inputs: [normal([5]), starts, ends, ints(0), ints(step)], constant: [1, 2, 3, 4] },
        {},
      );
    await run(ints(2), far, 1);
    await run(farthest, ints(3), 1);
    await run(far, farthest, -1);
    await run(ints(-1), farthest, -2);
  });

  test("Transpose in all orders", async () => {
    for (const perm of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      await compare({ op: "Transpose", inputs: [normal([2, 3, 4])], attributes: { perm } }, {});
    }
  });

  test("Pad in all modes", async () => {
    for (const mode of ["constant", "edge", "reflect", "wrap"]) {
      for (const pads of [
        [1, 2, 3, 0],
        [0, 0, 0, 0],
        [2, 0, 0, 3],
        [-1, 1, 2, -2],
      ]) {
        const inputs = [normal([4, 5]), ints(...pads), of("float32", [], [7])];
        await compare({ op: "Pad", inputs, attributes: { mode }, constant: [1] }, {});
      }
    }
  });

  test("Gather, GatherElements and GatherND with computed and with constant indices", async () => {
    for (const constant of [[], [1]]) {
      for (const axis of [0, 1, -1]) {
        const indices = whole("int64", [2, 3], -2, 1);
        await compare(
          { op: "Gather", inputs: [normal([2, 3, 4]), indices], attributes: { axis }, constant },
          {},
        );
        const elements = whole("int32", [2, 3, 4], -2, 1);
        await compare(
          { op: "GatherElements", inputs: [normal([2, 3, 4]), elements], attributes: { axis }, constant },
          {},
        );
      }
      const tuples = whole("int64", [5, 2], -2, 1);
      await compare({ op: "GatherND", inputs: [normal([2, 3, 4]), tuples], constant }, {});
      const batched = whole("int64", [2, 3, 1], -4, 3);
      await compare(
        { op: "GatherND", inputs: [normal([2, 3, 4]), batched], attributes: { batch_dims: 2 }, constant },
        {},
      );
    }
  });

  test("DepthToSpace and SpaceToDepth", async () => {
    for (const mode of ["DCR", "CRD"]) {
      const attributes = { blocksize: 2, mode };
      await compare({ op: "DepthToSpace", inputs: [normal([2, 12, 3, 2])], attributes }, {});
    }
    await compare({ op: "SpaceToDepth", inputs: [normal([2, 3, 4, 6])], attributes: { blocksize: 2 } }, {});
  });

  test("Tile, Expand and Trilu", async () => {
    await compare({ op: "Tile", inputs: [normal([2, 3]), ints(3, 2)], constant: [1] }, {});
    await compare({ op: "Expand", inputs: [normal([3, 1]), ints(2, 1, 4)], constant: [1] }, {});
    for (const k of [-2, 0, 1]) {
      const inputs = [normal([2, 3, 4]), of("int64", [], [k])];
      await compare({ op: "Trilu", inputs, attributes: { upper: k % 2 === 0 ? 1 : 0 } }, {});
    }
  });
});

describe("Resize", () => {
  const modes = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"];
  const rounding = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

  test("nearest elements to sizes of every ratio", async () => {
    for (const coordinate_transformation_mode of modes) {
      for (const nearest_mode of rounding) {
        for (let i = 0; i < 4; i++) {
          const [from, to] = [1 + Math.floor(random() * 9), 1 + Math.floor(random() * 20)];
          const attributes = { mode: "nearest", coordinate_transformation_mode, nearest_mode };
          const inputs = [normal([1, 1, from, 3]), null, null, ints(1, 1, to, 6)];
          await compare({ op: "Resize", inputs, attributes, opset: 13, constant: [3] }, {});
        }
      }
    }
  });

  test.each([
    ["linear", 4],
    ["cubic", 8],
  ])("%s interpolation by scales", async (mode, tolerance) => {
    for (const coordinate_transformation_mode of modes) {
      for (const scales of [
        [2, 2],
        [1.5, 0.5],
        [0.75, 3],
        [1, 2],
      ]) {
        const attributes = { mode, coordinate_transformation_mode };
        const inputs = [normal([1, 2, 4, 8]), null, of("float32", [4], [1, 1, ...scales])];
        await compare(
          { op: "Resize", inputs, attributes, opset: 13, constant: [2] },
          { absolute: tolerance * 1e-6 },
        );
      }
    }
  });
});

describe("normalisations", () => {
  test("BatchNormalization", async () => {
    const positive = of("float32", [3], [0.5, 2, 1]);
    const inputs = [normal([2, 3, 4, 5]), normal([3]), normal([3]), normal([3]), positive];
    for (const opset of [7, 9, 15]) await compare({ op: "BatchNormalization", inputs, opset });
  });

  test("of the tensor's own statistics", async () => {
    const [scale, bias] = [normal([4]), normal([4])];
    const tolerance = { relative: 1e-5, absolute: 1e-5 };
    await compare({ op: "InstanceNormalization", inputs: [normal([2, 4, 3, 5]), scale, bias] }, tolerance);
    await compare({ op: "LayerNormalization", inputs: [normal([2, 3, 4]), scale, bias] }, tolerance);
    const wide = [normal([2, 3, 4]), normal([3, 4])];
    await compare({ op: "LayerNormalization", inputs: wide, attributes: { axis: 1 }, outputs: 3 }, tolerance);
    const grouped = [normal([2, 4, 5]), scale, bias];
    await compare({ op: "GroupNormalization", inputs: grouped, attributes: { num_groups: 2 } }, tolerance);
  });
});
