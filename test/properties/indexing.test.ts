/** Gather and Scatter in all forms, and TopK. */

import fc from "fast-check";
import { axisOf, data, indices, ints, moved, seeds, shapes, shuffled, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const indexType = fc.constantFrom("int64" as const, "int32" as const);

const gathers: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      dtype: moved,
      axis: axisOf(dims.length),
      into: shapes(0, 3, 4),
      indexType,
      isConstant: fc.boolean(),
    })
    .map(({ seed, dtype, axis, into, isConstant, ...types }) => ({
      op: "Gather",
      inputs: [data(seed, dims, dtype), indices(seed + 1, into, dims.at(axis)!, types.indexType)],
      constants: isConstant ? [1] : [],
      attributes: { axis },
      outputs: [dtype],
    })),
);

const elementGathers: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({ seed: seeds, dtype: moved, axis: axisOf(dims.length), size: whole(1, 7), indexType })
    .map(({ seed, dtype, axis, size, ...types }) => {
      // Along the other axes the indices may be shorter than the data.
      const into = dims.map((dim, i) => Math.max(1, dim - ((seed >> i) & 1))).with(axis, size);
      return {
        op: "GatherElements",
        inputs: [data(seed, dims, dtype), indices(seed + 1, into, dims.at(axis)!, types.indexType)],
        attributes: { axis },
        outputs: [dtype],
      };
    }),
);

const tupleGathers: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  whole(0, dims.length - 1).chain((batch_dims) =>
    fc
      .record({
        seed: seeds,
        dtype: moved,
        length: whole(1, dims.length - batch_dims),
        into: shapes(0, 2, 4),
      })
      .map(({ seed, dtype, length, into }) => {
        const least = Math.min(...dims.slice(batch_dims, batch_dims + length));
        const shape = [...dims.slice(0, batch_dims), ...into, length];
        return {
          op: "GatherND",
          inputs: [data(seed, dims, dtype), indices(seed + 1, shape, least)],
          // The last dim of the indices gives the rank of the result.
          constants: [1],
          attributes: { batch_dims },
          outputs: [dtype],
        };
      }),
  ),
);

/** Of what is written twice the last counts only by luck, so each place is written once, or sums are formed. */
const elementScatters: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      axis: axisOf(dims.length),
      reduction: fc.constantFrom("none", "add", "mul", "max", "min"),
    })
    .map(({ seed, axis, reduction }) => {
      const size = dims.at(axis)!;
      const order = shuffled(seed, size);
      const count = 1 + (seed % size);
      const shape = dims.with(axis, count);
      const inner = shape.slice(shape.length + ((axis - dims.length) % dims.length)).slice(1);
      const step = inner.reduce((product, dim) => product * dim, 1);
      const places = shape.reduce((product, dim) => product * dim, 1);
      const once = BigInt64Array.from({ length: places }, (_, i) =>
        BigInt(order[Math.floor(i / step) % count]!),
      );
      const anywhere = indices(seed + 1, shape, size);
      return {
        op: "ScatterElements",
        opset: 18,
        inputs: [
          data(seed, dims),
          reduction === "none" ? { dtype: "int64", dims: shape, data: once } : anywhere,
          data(seed + 2, shape),
        ],
        attributes: { axis, reduction },
      };
    }),
);

const tupleScatters: fc.Arbitrary<PropertyCase> = shapes(1, 4).chain((dims) =>
  fc
    .record({
      seed: seeds,
      length: whole(1, dims.length),
      count: whole(1, 4),
      reduction: fc.constantFrom("none", "add", "mul", "max", "min"),
    })
    .map(({ seed, length, count, reduction }) => {
      const least = Math.min(...dims.slice(0, length));
      // Tuples that differ in their first number write different places.
      const firsts = shuffled(seed, dims[0]!).slice(0, count);
      const tuples = indices(seed + 1, [firsts.length, length], least).data as BigInt64Array;
      if (reduction === "none") {
        for (const [i, first] of firsts.entries()) tuples[i * length] = BigInt(first);
      }
      return {
        op: "ScatterND",
        opset: 18,
        inputs: [
          data(seed, dims),
          { dtype: "int64", dims: [firsts.length, length], data: tuples },
          data(seed + 2, [firsts.length, ...dims.slice(length)]),
        ],
        constants: [1],
        attributes: { reduction },
      };
    }),
);

const tops: fc.Arbitrary<PropertyCase> = shapes(1, 4, 9).chain((dims) =>
  fc
    .record({ seed: seeds, axis: axisOf(dims.length), largest: whole(0, 1), isFed: fc.boolean() })
    .map(({ seed, axis, largest, isFed }) => ({
      op: "TopK",
      inputs: [data(seed, dims), ints([1 + (seed % dims.at(axis)!)])],
      constants: isFed ? [] : [1],
      closed: [1],
      attributes: { axis, largest, sorted: 1 },
      outputs: ["float32", "int64"],
    })),
);

property("Gather", { cases: gathers });
property("GatherElements", { cases: elementGathers });
property("GatherND", { cases: tupleGathers });
property("ScatterElements", { cases: elementScatters });
property("ScatterND", { cases: tupleScatters });
property("TopK", { cases: tops });
