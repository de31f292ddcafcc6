/** Pools by windows and over everything. */

import fc from "fast-check";
import { data, each, seeds, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const windows = whole(1, 3).chain((rank) =>
  fc.record({
    seed: seeds,
    batch: whole(1, 2),
    channels: fc.constantFrom(1, 3, 4, 5),
    op: fc.constantFrom("MaxPool", "AveragePool", "LpPool"),
    kernel: each(rank, whole(1, 4)),
    strides: each(rank, whole(1, 3)),
    dilations: each(rank, whole(1, 2)),
    before: each(rank, whole(0, 2)),
    after: each(rank, whole(0, 2)),
    extra: each(rank, whole(0, rank === 3 ? 2 : 6)),
    ceil_mode: whole(0, 1),
    count_include_pad: whole(0, 1),
    p: whole(1, 3),
  }),
);

const pools: fc.Arbitrary<PropertyCase> = windows.map(({ seed, op, kernel, ...w }) => {
  // Dilations and ceil_mode of LpPool are left to ONNX's own cases: they are newer than the kernel of onnxruntime-web.
  const isLp = op === "LpPool";
  const pads = [w.before, w.after].map((side) => side.map((n, i) => Math.min(n, kernel[i]! - 1)));
  // Every tap of a dilated window could lie in the padding.
  const isPadded = pads.flat().some((n) => n > 0);
  const dilations = isPadded || isLp ? kernel.map(() => 1) : w.dilations;
  const spatial = kernel.map((k, i) => (k - 1) * dilations[i]! + 1 + w.extra[i]!);
  return {
    op,
    opset: 19,
    inputs: [data(seed, [w.batch, w.channels, ...spatial])],
    attributes: {
      kernel_shape: kernel,
      strides: w.strides,
      pads: pads.flat(),
      ...(!isLp && { dilations, ceil_mode: w.ceil_mode }),
      ...(op === "AveragePool" && { count_include_pad: w.count_include_pad }),
      ...(isLp && { p: w.p }),
    },
  };
});

const globalPools: fc.Arbitrary<PropertyCase> = fc
  .record({
    seed: seeds,
    op: fc.constantFrom("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
    dims: fc.array(whole(1, 5), { minLength: 3, maxLength: 5 }),
  })
  .map(({ seed, op, dims }) => ({ op, inputs: [data(seed, dims)] }));

property("pools by windows", { cases: pools });
property("pools over everything", { cases: globalPools });
