/** Slice, Pad, Transpose, Concat, Split, Expand and Tile. */

import fc from "fast-check";
import { axisOf, data, each, floats, ints, moved, seeds, shapes, shuffled, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

// Not the largest int32 and int64: onnxruntime-web takes them for the end that a negative step runs to, where the
// specification clamps them.
const bounds = fc.oneof(whole(-9, 9), fc.constantFrom(2 ** 40, -(2 ** 40)));

const slices: fc.Arbitrary<PropertyCase> = shapes(1, 4, 7).chain((dims) =>
  fc
    .record({
      seed: seeds,
      dtype: moved,
      count: whole(1, dims.length),
      starts: each(dims.length, bounds),
      ends: each(dims.length, bounds),
      steps: each(dims.length, fc.constantFrom(1, 1, 2, 3, -1, -2)),
      fromEnd: fc.boolean(),
    })
    .map(({ seed, dtype, count, starts, ends, steps, fromEnd }) => {
      const axes = shuffled(seed, dims.length).map((axis) => (fromEnd ? axis - dims.length : axis));
      const parts = [starts, ends, axes, steps].map((part) => ints(part.slice(0, count)));
      return {
        op: "Slice",
        inputs: [data(seed, dims, dtype), ...parts],
        constants: [1, 2, 3, 4],
        outputs: [dtype],
      };
    }),
);

const pads: fc.Arbitrary<PropertyCase> = shapes(1, 4, 5).chain((dims) =>
  fc
    .record({
      seed: seeds,
      mode: fc.constantFrom("constant", "edge", "reflect", "wrap"),
      before: each(dims.length, whole(-2, 4)),
      after: each(dims.length, whole(-2, 4)),
      hasValue: fc.boolean(),
    })
    .map(({ seed, mode, before, after, hasValue }) => {
      // Something must be left after cropping; reflections and repetitions reach no further than the tensor.
      const isFilled = mode === "constant" || mode === "edge";
      const clamp = (n: number, dim: number, reach: number) =>
        Math.max(-Math.floor((dim - 1) / 2), Math.min(n, reach));
      const sides = [before, after].map((side) =>
        side.map((n, i) =>
          isFilled ? clamp(n, dims[i]!, 9) : Math.max(0, clamp(n, dims[i]!, dims[i]! - 1)),
        ),
      );
      return {
        op: "Pad",
        opset: 19,
        inputs: [data(seed, dims), ints(sides.flat()), ...(hasValue ? [{ ...floats([3]), dims: [] }] : [])],
        constants: [1, 2],
        attributes: { mode },
      };
    }),
);

const transposes: fc.Arbitrary<PropertyCase> = fc
  .record({ seed: seeds, dims: shapes(1, 5), dtype: moved })
  .map(({ seed, dims, dtype }) => ({
    op: "Transpose",
    inputs: [data(seed, dims, dtype)],
    attributes: { perm: shuffled(seed, dims.length) },
    outputs: [dtype],
  }));

const concats: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      dtype: moved,
      axis: axisOf(dims.length),
      sizes: fc.array(whole(0, 5), { minLength: 1, maxLength: 4 }),
    })
    .map(({ seed, dtype, axis, sizes }) => ({
      op: "Concat",
      inputs: sizes.map((size, i) => data(seed + i, dims.with(axis, size), dtype)),
      attributes: { axis },
      outputs: [dtype],
    })),
);

const splits: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      dtype: moved,
      axis: axisOf(dims.length),
      sizes: fc.array(whole(1, 4), { minLength: 1, maxLength: 4 }),
      isEven: fc.boolean(),
    })
    .map(({ seed, dtype, axis, sizes, isEven }) => {
      const lengths = isEven ? sizes.map(() => sizes[0]!) : sizes;
      const x = data(
        seed,
        dims.with(
          axis,
          lengths.reduce((sum, n) => sum + n, 0),
        ),
        dtype,
      );
      return {
        op: "Split",
        inputs: isEven ? [x] : [x, ints(lengths)],
        constants: [1],
        attributes: { axis },
        outputs: lengths.map(() => dtype),
      };
    }),
);

const repetitions: fc.Arbitrary<PropertyCase> = shapes(1, 4, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      ones: each(dims.length, fc.boolean()),
      times: each(dims.length, whole(1, 3)),
      op: fc.constantFrom("Expand", "Tile"),
    })
    .map(({ seed, ones, times, op }) => {
      const isTile = op === "Tile";
      const from = dims.map((dim, i) => (!isTile && ones[i] ? 1 : dim));
      return { op, inputs: [data(seed, from), ints(isTile ? times : [2, ...dims])], constants: [1] };
    }),
);

property("Slice", { cases: slices });
property("Pad", { cases: pads });
property("Transpose", { cases: transposes });
property("Concat", { cases: concats });
property("Split", { cases: splits });
property("Expand and Tile", { cases: repetitions });
