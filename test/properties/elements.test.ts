/** Arithmetic that broadcasts, reductions, extrema and softmax. */

import fc from "fast-check";
import type { DType } from "../../compiler/ir/dtype.js";
import { randomTensor } from "../harness-random.js";
import { axisOf, data, each, ints, seeds, shapes, shuffled, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const compared = ["Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"];
const arithmetic = ["Add", "Sub", "Mul", "Div", "Min", "Max", "Mod", "PRelu"];

/** Two shapes that broadcast: some dims of each are 1, and either may lack the first ones. */
const broadcasts: fc.Arbitrary<PropertyCase> = shapes(0, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      op: fc.constantFrom(...arithmetic, ...compared),
      dtype: fc.constantFrom<DType>("float32", "float32", "int32", "int64"),
      ones: each(dims.length * 2, fc.constantFrom(false, false, true)),
      lacking: whole(0, dims.length),
      isLeft: fc.boolean(),
      constants: fc.constantFrom([], [], [0], [1]),
    })
    .map(({ seed, op, ones, lacking, isLeft, constants, ...types }) => {
      const isFloat = op === "PRelu";
      const dtype = isFloat ? "float32" : op === "Mod" && types.dtype === "float32" ? "int32" : types.dtype;
      const a = dims.map((dim, i) => (ones[i] && op !== "PRelu" ? 1 : dim));
      const b = dims.map((dim, i) => (ones[dims.length + i] ? 1 : dim));
      // The slopes of PRelu broadcast to the tensor, and not the other way round.
      const [left, right] = isLeft && op !== "PRelu" ? [a.slice(lacking), b] : [a, b.slice(lacking)];
      const low = dtype === "float32" ? -3 : 1;
      return {
        op,
        inputs: [
          randomTensor(seed, left, { dtype, low: -9, high: 9 }),
          randomTensor(seed + 1, right, { dtype, low, high: 4 }),
        ],
        constants,
        outputs: [compared.includes(op) ? "bool" : dtype],
      };
    }),
);

const reducers = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"];

const reductions: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      name: fc.constantFrom(...reducers),
      keepdims: whole(0, 1),
      count: whole(0, dims.length),
      fromEnd: fc.boolean(),
    })
    .map(({ seed, name, keepdims, count, fromEnd }) => {
      const axes = shuffled(seed, dims.length)
        .slice(0, count)
        .map((axis) => (fromEnd ? axis - dims.length : axis));
      const x = randomTensor(seed, dims, { low: name === "LogSum" ? 0.1 : -2, high: 2 });
      return {
        op: `Reduce${name}`,
        opset: 18,
        inputs: count === 0 ? [x] : [x, ints(axes)],
        constants: [1],
        attributes: { keepdims },
      };
    }),
);

const extrema: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      op: fc.constantFrom("ArgMax", "ArgMin"),
      axis: axisOf(dims.length),
      keepdims: whole(0, 1),
      select_last_index: whole(0, 1),
    })
    .map(({ seed, op, ...attributes }) => ({
      op,
      inputs: [randomTensor(seed, dims, { dtype: "int32", low: 0, high: 4 })],
      attributes,
      outputs: ["int64"],
    })),
);

const rows: fc.Arbitrary<PropertyCase> = shapes(1, 4, 7).chain((dims) =>
  fc
    .record({
      seed: seeds,
      op: fc.constantFrom("Softmax", "LogSoftmax", "CumSum"),
      axis: axisOf(dims.length),
      exclusive: whole(0, 1),
      reverse: whole(0, 1),
    })
    .map(({ seed, op, axis, exclusive, reverse }) =>
      op === "CumSum"
        ? {
            op,
            inputs: [data(seed, dims), { ...ints([axis]), dims: [] }],
            constants: [1],
            attributes: { exclusive, reverse },
          }
        : { op, inputs: [data(seed, dims)], attributes: { axis } },
    ),
);

property("arithmetic and comparisons that broadcast", { cases: broadcasts });
property("reductions", { cases: reductions });
property("places of extrema", { cases: extrema });
property("Softmax, LogSoftmax and CumSum", { cases: rows });
