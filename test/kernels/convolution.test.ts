/** Convolutions of any rank, stride, dilation, padding and grouping, against onnxruntime-web at every level. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { type TensorData, tensorOf } from "../../compiler/ir/tensor.js";
import { expectLevels } from "../harness.js";
import { randomTensor, sweep } from "../harness-random.js";
import { type AttributeSpec, buildModel, type ModelSpec, type NodeSpec } from "../onnx/build-model.js";
import { expectNode } from "./cases.js";

interface Geometry {
  readonly batch: number;
  readonly groups: number;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly spatial: readonly number[];
  readonly kernel: readonly number[];
  readonly attributes?: Record<string, AttributeSpec>;
  readonly bias?: boolean;
  /** Weights and bias are fed and not known to the compiler. */
  readonly fed?: boolean;
}

async function check(g: Geometry): Promise<void> {
  const channels = g.groups * g.inPerGroup;
  const out = g.groups * g.outPerGroup;
  const x = randomTensor(1, [g.batch, channels, ...g.spatial]);
  const w = randomTensor(2, [out, g.inPerGroup, ...g.kernel]);
  const b = randomTensor(3, [out]);
  await expectNode({
    op: "Conv",
    inputs: g.bias ? [x, w, b] : [x, w],
    constants: g.fed ? [] : [1, 2],
    attributes: { group: g.groups, ...g.attributes },
  });
}

/** A geometry whose kernel fits its padded input. */
function geometries(ranks: readonly number[]): fc.Arbitrary<Geometry> {
  const small = fc.integer({ min: 1, max: 3 });
  return fc.constantFrom(...ranks).chain((rank) => {
    const each = (values: fc.Arbitrary<number>) => fc.array(values, { minLength: rank, maxLength: rank });
    return fc
      .record({
        batch: fc.constantFrom(1, 1, 2),
        groups: fc.constantFrom(1, 1, 2, 3),
        inPerGroup: fc.constantFrom(1, 2, 3, 5, 9),
        outPerGroup: fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 17),
        kernel: each(small),
        strides: each(small),
        dilations: each(fc.integer({ min: 1, max: 2 })),
        before: each(fc.integer({ min: 0, max: 2 })),
        after: each(fc.integer({ min: 0, max: 2 })),
        extra: each(fc.integer({ min: 0, max: rank === 3 ? 3 : 7 })),
        bias: fc.boolean(),
        fed: fc.boolean(),
      })
      .map(({ strides, dilations, before, after, extra, ...g }) => ({
        ...g,
        // At least one place of the window, and one element under the padding.
        spatial: g.kernel.map((k, i) => {
          return Math.max(1, (k - 1) * dilations[i]! + 1 - before[i]! - after[i]!) + extra[i]!;
        }),
        attributes: { strides, dilations, pads: [...before, ...after] },
      }));
  });
}

describe("random convolutions", () => {
  for (const [name, ranks] of [
    ["1-D", [1]],
    ["2-D", [2]],
    ["3-D", [3]],
  ] as const) {
    test(name, () => fc.assert(fc.asyncProperty(geometries(ranks), check), sweep(name === "2-D" ? 30 : 12)));
  }
});

describe("auto_pad", () => {
  for (const auto_pad of ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]) {
    for (const [strides, kernel] of [
      [1, 2],
      [2, 3],
      [3, 4],
      [2, 1],
    ] as const) {
      test(`${auto_pad}, kernel ${kernel}, stride ${strides}`, () =>
        check({
          batch: 1,
          groups: 1,
          inPerGroup: 3,
          outPerGroup: 5,
          spatial: [7, 10],
          kernel: [kernel, kernel],
          attributes: { auto_pad, strides: [strides, strides] },
        }));
    }
  }
});

describe("depthwise", () => {
  for (const channels of [2, 3, 4, 5, 8, 16, 17, 20, 33, 37]) {
    test(`${channels} channels`, () =>
      check({
        batch: channels % 2 === 0 ? 1 : 2,
        groups: channels,
        inPerGroup: 1,
        outPerGroup: 1,
        spatial: [6, 11],
        kernel: [3, 3],
        bias: true,
        attributes: { pads: [1, 1, 1, 1], strides: channels === 8 ? [2, 2] : [1, 1] },
      }));
  }

  const shapes: [name: string, Partial<Geometry>][] = [
    ["channel multiplier 2", { outPerGroup: 2 }],
    ["5x5, stride 2", { kernel: [5, 5], attributes: { strides: [2, 2], pads: [2, 2, 2, 2] } }],
    ["dilation 2 with uneven pads", { attributes: { dilations: [2, 2], pads: [0, 1, 2, 3] } }],
    ["9x9, whose taps are looped over", { kernel: [9, 9], attributes: { pads: [4, 4, 4, 4] } }],
    ["1x1", { kernel: [1, 1] }],
    ["1-D", { spatial: [23], kernel: [5], attributes: { pads: [2, 2] } }],
    ["3-D", { spatial: [3, 4, 5], kernel: [2, 3, 2], attributes: { pads: [1, 1, 0, 0, 1, 1] } }],
    ["weights that are fed", { fed: true }],
  ];
  for (const [name, given] of shapes) {
    test(name, () =>
      check({
        batch: 1,
        groups: 6,
        inPerGroup: 1,
        outPerGroup: 1,
        spatial: [9, 10],
        kernel: [3, 3],
        bias: true,
        ...given,
      }),
    );
  }
});

/** Each tile of a row is written out with the taps that lie inside; windows may miss the input. */
test("depthwise with rows of one tile or two", () => {
  const each = (values: fc.Arbitrary<number>) => fc.tuple(values, values);
  const shapes = fc.record({
    channels: fc.constantFrom(4, 6, 8, 9),
    spatial: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 18 })),
    kernel: each(fc.integer({ min: 1, max: 5 })),
    strides: each(fc.integer({ min: 1, max: 3 })),
    dilations: each(fc.integer({ min: 1, max: 2 })),
    before: each(fc.integer({ min: 0, max: 5 })),
    after: each(fc.integer({ min: 0, max: 5 })),
    bias: fc.boolean(),
  });
  const fitting = shapes.filter(({ spatial, kernel, dilations, before, after }) =>
    spatial.every((n, i) => n + before[i]! + after[i]! > (kernel[i]! - 1) * dilations[i]!),
  );
  return fc.assert(
    fc.asyncProperty(fitting, ({ channels, before, after, ...rest }) => {
      const { strides, dilations, ...g } = rest;
      const attributes = { strides, dilations, pads: [...before, ...after] };
      return check({ batch: 1, groups: channels, inPerGroup: 1, outPerGroup: 1, ...g, attributes });
    }),
    sweep(60),
  );
});

/** Windows may miss the input, and all places of a row may be at its edges. */
test("first layers, which leave out the taps outside of the image", () => {
  const each = (values: fc.Arbitrary<number>) => fc.tuple(values, values);
  const shapes = fc.record({
    batch: fc.constantFrom(1, 2),
    inPerGroup: fc.integer({ min: 1, max: 4 }),
    outPerGroup: fc.constantFrom(1, 2, 4, 5, 8, 17),
    spatial: fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 30 })),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 7 })),
    strides: each(fc.integer({ min: 1, max: 3 })),
    dilations: each(fc.integer({ min: 1, max: 2 })),
    before: each(fc.integer({ min: 0, max: 6 })),
    after: each(fc.integer({ min: 0, max: 6 })),
    bias: fc.boolean(),
  });
  const fitting = shapes.filter(({ spatial, kernel, dilations, before, after }) =>
    spatial.every((n, i) => n + before[i]! + after[i]! > (kernel[i]! - 1) * dilations[i]!),
  );
  return fc.assert(
    fc.asyncProperty(fitting, ({ before, after, strides, dilations, ...g }) =>
      check({ ...g, groups: 1, attributes: { strides, dilations, pads: [...before, ...after] } }),
    ),
    sweep(60),
  );
});

test("a first layer on parts of an image shares its code, and copies none of them", async () => {
  const rows = (name: string, start: number, end: number): Record<string, TensorData> => ({
    [`${name}.start`]: tensorOf("int64", [1], [start]),
    [`${name}.end`]: tensorOf("int64", [1], [end]),
  });
  const part = (name: string, pads: number[]): NodeSpec[] => [
    { op: "Slice", inputs: ["x", `${name}.start`, `${name}.end`, "axis"], outputs: [`${name}.x`] },
    {
      op: "Conv",
      inputs: [`${name}.x`, "w", "b"],
      outputs: [name],
      attributes: { pads, strides: [2, 2] },
    },
  ];
  const model: ModelSpec = {
    inputs: { x: ["float32", [1, 3, 24, 26]] },
    outputs: { y: ["float32"] },
    initializers: {
      w: randomTensor(1, [16, 3, 3, 3]),
      b: randomTensor(2, [16]),
      axis: tensorOf("int64", [1], [2]),
      ...rows("top", 0, 8),
      ...rows("middle", 7, 16),
      ...rows("bottom", 15, 24),
    },
    nodes: [
      ...part("top", [1, 1, 0, 1]),
      ...part("middle", [0, 1, 0, 1]),
      ...part("bottom", [0, 1, 1, 1]),
      { op: "Concat", inputs: ["top", "middle", "bottom"], outputs: ["y"], attributes: { axis: 2 } },
    ],
  };
  await expectLevels(model, { x: randomTensor(3, [1, 3, 24, 26]) });
  const { report } = await compile(buildModel(model));
  const kernels = report.kernels.map(({ name, calls }) => `${name} ${calls}`);
  expect(kernels).toEqual(["conv_3x3_s2x2_3to16_4x13 3", "relayout 1"]);
});

describe("shapes with paths of their own", () => {
  const shapes: [name: string, Omit<Geometry, "batch" | "groups">][] = [
    ["1x1, whose places are joined", { inPerGroup: 17, outPerGroup: 33, spatial: [5, 7], kernel: [1, 1] }],
    [
      "1x1 with stride 2",
      { inPerGroup: 8, outPerGroup: 8, spatial: [7, 7], kernel: [1, 1], attributes: { strides: [2, 2] } },
    ],
    [
      "1x1 with padding",
      { inPerGroup: 5, outPerGroup: 9, spatial: [4, 4], kernel: [1, 1], attributes: { pads: [1, 0, 2, 1] } },
    ],
    [
      "7x7 first layer",
      {
        inPerGroup: 3,
        outPerGroup: 16,
        spatial: [17, 19],
        kernel: [7, 7],
        attributes: { strides: [2, 2], pads: [3, 3, 3, 3] },
      },
    ],
    [
      "31x1",
      {
        inPerGroup: 2,
        outPerGroup: 4,
        spatial: [33, 3],
        kernel: [31, 1],
        attributes: { pads: [15, 0, 15, 0] },
      },
    ],
    [
      "1x31",
      {
        inPerGroup: 9,
        outPerGroup: 5,
        spatial: [3, 33],
        kernel: [1, 31],
        attributes: { pads: [0, 15, 0, 15] },
      },
    ],
    ["one place", { inPerGroup: 33, outPerGroup: 65, spatial: [3, 3], kernel: [3, 3] }],
    ["one channel in and out", { inPerGroup: 1, outPerGroup: 1, spatial: [8, 8], kernel: [3, 3] }],
    ["spatial dims of one", { inPerGroup: 33, outPerGroup: 17, spatial: [1, 1], kernel: [1, 1] }],
  ];
  for (const [name, g] of shapes) {
    test(name, () => check({ batch: 2, groups: 1, bias: true, ...g }));
  }
});

test.each([
  [[5, 7], "Relu"],
  [[7, 7], "HardSwish"],
  [[2, 3], "Sigmoid"],
] as const)("1x1 over %s places whose result has a border, with %s", async (spatial, after) => {
  const model: ModelSpec = {
    inputs: { x: ["float32", [2, 40, ...spatial]] },
    outputs: { y: ["float32"] },
    initializers: {
      w: randomTensor(1, [33, 40, 1, 1]),
      b: randomTensor(2, [33]),
      d: randomTensor(3, [33, 1, 3, 3]),
    },
    nodes: [
      { op: "Conv", inputs: ["x", "w", "b"], outputs: ["c"] },
      { op: after, inputs: ["c"], outputs: ["a"] },
      { op: "Conv", inputs: ["a", "d"], outputs: ["y"], attributes: { pads: [1, 1, 1, 1], group: 33 } },
    ],
  };
  await expectLevels(model, { x: randomTensor(4, [2, 40, ...spatial]) });
});
