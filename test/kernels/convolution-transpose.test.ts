/** Transposed convolutions against onnxruntime-web at every level. */

import fc from "fast-check";
import { describe, test } from "vitest";
import { expectLevels } from "../harness.js";
import { randomTensor, sweep } from "../harness-random.js";
import type { AttributeSpec } from "../onnx/build-model.js";
import { expectNode } from "./cases.js";

interface Geometry {
  readonly batch?: number;
  readonly groups?: number;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly spatial: readonly number[];
  readonly kernel: readonly number[];
  readonly attributes?: Record<string, AttributeSpec>;
  readonly bias?: boolean;
}

async function check(g: Geometry): Promise<void> {
  const { batch = 1, groups = 1 } = g;
  const x = randomTensor(1, [batch, groups * g.inPerGroup, ...g.spatial]);
  const w = randomTensor(2, [groups * g.inPerGroup, g.outPerGroup, ...g.kernel]);
  const b = randomTensor(3, [groups * g.outPerGroup]);
  await expectNode({
    op: "ConvTranspose",
    inputs: g.bias ? [x, w, b] : [x, w],
    constants: [1, 2],
    attributes: { group: groups, ...g.attributes },
  });
}

/** Geometries whose result has at least one element on each dim. */
function geometries(rank: number): fc.Arbitrary<Geometry> {
  const each = (min: number, max: number) =>
    fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank });
  return fc
    .record({
      batch: fc.constantFrom(1, 1, 2),
      groups: fc.constantFrom(1, 1, 2, 3),
      inPerGroup: fc.constantFrom(1, 2, 3, 5),
      outPerGroup: fc.constantFrom(1, 2, 3, 4, 5, 9),
      spatial: each(1, rank === 1 ? 9 : 5),
      kernel: each(1, 5),
      strides: each(1, 3),
      dilations: each(1, 2),
      before: each(0, 2),
      after: each(0, 2),
      padding: each(0, 2),
      bias: fc.boolean(),
    })
    .map(({ strides, dilations, before, after, padding, ...g }) => ({
      ...g,
      attributes: {
        strides,
        dilations,
        pads: [...before, ...after],
        // The specification wants output_padding below the stride or the dilation.
        output_padding: padding.map((n, i) => Math.min(n, strides[i]! - 1)),
      },
      size: g.spatial.map((dim, i) => {
        const extent = (g.kernel[i]! - 1) * dilations[i]! + 1;
        return (dim - 1) * strides[i]! + extent - before[i]! - after[i]!;
      }),
    }))
    .filter(({ size }) => size.every((n) => n >= 1));
}

describe("random transposed convolutions", () => {
  test("1-D", () => fc.assert(fc.asyncProperty(geometries(1), check), sweep(12)));
  test("2-D", () => fc.assert(fc.asyncProperty(geometries(2), check), sweep(24)));
});

describe("attributes", () => {
  const base = { inPerGroup: 3, outPerGroup: 5, spatial: [4, 5], kernel: [3, 3] };
  const cases: [name: string, Partial<Geometry>][] = [
    ["output_shape", { attributes: { strides: [2, 2], output_shape: [8, 10] } }],
    ["output_shape that leaves an odd padding", { attributes: { strides: [3, 2], output_shape: [10, 10] } }],
    [
      "output_shape under SAME_UPPER",
      {
        attributes: { strides: [2, 2], output_shape: [8, 10], auto_pad: "SAME_UPPER" },
      },
    ],
    ["SAME_UPPER", { attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" } }],
    ["SAME_LOWER", { attributes: { strides: [2, 2], auto_pad: "SAME_LOWER" } }],
    ["VALID", { attributes: { strides: [2, 2], auto_pad: "VALID" } }],
    ["a stride beyond the kernel", { kernel: [1, 2], attributes: { strides: [3, 3] }, bias: true }],
    [
      "depthwise",
      { groups: 7, inPerGroup: 1, outPerGroup: 1, attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
    ],
    ["3-D", { spatial: [2, 3, 2], kernel: [2, 3, 2], attributes: { strides: [2, 1, 2] } }],
    [
      "as PP-OCR's detector has it",
      {
        inPerGroup: 24,
        outPerGroup: 24,
        spatial: [6, 7],
        kernel: [2, 2],
        bias: true,
        attributes: { strides: [2, 2] },
      },
    ],
  ];
  for (const [name, given] of cases) test(name, () => check({ ...base, ...given }));
});

test("two transposed convolutions of different groups share their weights", async () => {
  const x = randomTensor(1, [1, 4, 3, 3]);
  const w = randomTensor(2, [4, 2, 3, 3]);
  await expectLevels(
    {
      inputs: { x: ["float32", [1, 4, 3, 3]] },
      outputs: { one: ["float32"], two: ["float32"] },
      initializers: { w },
      nodes: [
        { op: "ConvTranspose", inputs: ["x", "w"], outputs: ["one"] },
        { op: "ConvTranspose", inputs: ["x", "w"], outputs: ["two"], attributes: { group: 2 } },
      ],
    },
    { x },
  );
});
