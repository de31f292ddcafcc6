/** Convolutions and transposed convolutions. */

import fc from "fast-check";
import { data, each, seeds, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const geometry = (rank: number) =>
  fc.record({
    seed: seeds,
    batch: whole(1, 2),
    groups: fc.constantFrom(1, 1, 2, 3),
    inPerGroup: fc.constantFrom(1, 2, 4),
    outPerGroup: fc.constantFrom(1, 2, 4, 5),
    kernel: each(rank, whole(1, 3)),
    strides: each(rank, whole(1, 3)),
    dilations: each(rank, whole(1, 2)),
    before: each(rank, whole(0, 2)),
    after: each(rank, whole(0, 2)),
    extra: each(rank, whole(0, rank === 3 ? 2 : 6)),
    auto_pad: fc.constantFrom("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
    hasBias: fc.boolean(),
    areWeightsFed: fc.boolean(),
  });

/** Padding is either given or asked for. */
const padding = (auto_pad: string, pads: number[]): Record<string, string | number[]> =>
  auto_pad === "NOTSET" ? { pads } : { auto_pad };

const convolutions: fc.Arbitrary<PropertyCase> = whole(1, 3)
  .chain(geometry)
  .map(({ seed, kernel, auto_pad, ...g }) => {
    // onnxruntime-web takes no dilations with SAME padding.
    const dilations = auto_pad.startsWith("SAME") ? kernel.map(() => 1) : g.dilations;
    // At least one place of the window, and one element under the padding.
    const spatial = kernel.map((k, i) => {
      const pads = auto_pad === "NOTSET" ? g.before[i]! + g.after[i]! : 0;
      return Math.max(1, (k - 1) * dilations[i]! + 1 - pads) + g.extra[i]!;
    });
    const out = g.groups * g.outPerGroup;
    const x = data(seed, [g.batch, g.groups * g.inPerGroup, ...spatial]);
    const w = data(seed + 1, [out, g.inPerGroup, ...kernel]);
    return {
      op: "Conv",
      inputs: g.hasBias ? [x, w, data(seed + 2, [out])] : [x, w],
      constants: g.areWeightsFed ? [] : [1, 2],
      attributes: {
        group: g.groups,
        kernel_shape: kernel,
        strides: g.strides,
        dilations,
        ...padding(auto_pad, [...g.before, ...g.after]),
      },
    };
  });

const transposed: fc.Arbitrary<PropertyCase> = whole(1, 2)
  .chain(geometry)
  .map(({ seed, kernel, strides, dilations, before, after, ...g }) => {
    const auto_pad = g.auto_pad === "VALID" ? "VALID" : "NOTSET";
    const spatial = g.extra.map((n) => n + 1);
    const extents = spatial.map((dim, i) => (dim - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1);
    // Padding takes away from the result, of which something must be left.
    const pads = [before, after].map((side) =>
      side.map((n, i) => Math.min(n, Math.floor((extents[i]! - 1) / 2))),
    );
    const x = data(seed, [g.batch, g.groups * g.inPerGroup, ...spatial]);
    const w = data(seed + 1, [g.groups * g.inPerGroup, g.outPerGroup, ...kernel]);
    const bias = data(seed + 2, [g.groups * g.outPerGroup]);
    return {
      op: "ConvTranspose",
      inputs: g.hasBias ? [x, w, bias] : [x, w],
      constants: g.areWeightsFed ? [] : [1, 2],
      attributes: {
        group: g.groups,
        kernel_shape: kernel,
        strides,
        dilations,
        output_padding: strides.map((stride, i) => (seed + i) % stride),
        ...padding(auto_pad, pads.flat()),
      },
    };
  });

property("convolutions", { cases: convolutions });
property("transposed convolutions", { cases: transposed });
