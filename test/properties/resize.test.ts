/** Resize by sizes and by scales. */

import fc from "fast-check";
import { data, each, floats, ints, seeds, whole } from "./arbitrary.js";
import { type PropertyCase, property } from "./harness.js";

const common = {
  seed: seeds,
  batch: whole(1, 2),
  channels: whole(1, 3),
  size: each(2, whole(1, 7)),
  into: each(2, whole(1, 12)),
  scales: each(2, fc.constantFrom(0.5, 0.75, 1, 1.5, 2, 3)),
  isBySize: fc.boolean(),
  coordinate_transformation_mode: fc.constantFrom(
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
  ),
};

const resizes: fc.Arbitrary<PropertyCase> = fc
  .record({
    ...common,
    mode: fc.constantFrom("nearest", "linear", "cubic"),
    nearest_mode: fc.constantFrom("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
    coefficient: fc.constantFrom(-0.75, -0.5),
  })
  .map(
    ({
      seed,
      batch,
      channels,
      size,
      into,
      scales,
      isBySize,
      mode,
      nearest_mode,
      coefficient,
      ...attributes
    }) => {
      const x = data(seed, [batch, channels, ...size]);
      const grown = scales.map((scale, i) => (isUsable(size[i]! * scale, attributes) ? scale : 1));
      return {
        op: "Resize",
        opset: 13,
        inputs: isBySize
          ? [x, null, null, ints([batch, channels, ...into])]
          : [x, null, floats([1, 1, ...grown])],
        constants: [2, 3],
        attributes: {
          ...attributes,
          mode,
          ...(mode === "nearest" && { nearest_mode }),
          ...(mode === "cubic" && { cubic_coeff_a: { float: coefficient } }),
        },
      };
    },
  );

/**
 * Of scales that make a dim vanish nothing is left. Corners are aligned to the length that the scale gives, whole or
 * not, as ONNX's reference has it; onnxruntime-web rounds that length first.
 */
function isUsable(length: number, attributes: { coordinate_transformation_mode: string }): boolean {
  if (attributes.coordinate_transformation_mode === "align_corners") return Number.isInteger(length);
  return length >= 1;
}

property("Resize", { cases: resizes });
