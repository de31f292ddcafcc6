/** Resize in all its modes. */

import { describe, test } from "vitest";
import type { TensorData } from "../../compiler/ir/tensor.js";
import { evaluate, expectResults, expectTensor, interpret, ints, type NodeCase, of } from "./harness.js";
import { randomNumbers, rivalResults } from "./rival.js";

const random = randomNumbers(9);

const filled = (dims: readonly number[]): TensorData => {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return of(
    "float32",
    dims,
    Array.from({ length: count }, () => random() * 4 - 2),
  );
};

const tolerance = { relative: 1e-4, absolute: 2e-5 };

async function compare(node: NodeCase): Promise<void> {
  const [expected] = await rivalResults(node);
  expectTensor((await evaluate(node))[0]!, expected!, tolerance);
  expectTensor((await interpret({ ...node, constant: [1, 2, 3] }))[0]!, expected!, tolerance);
}

const modes = ["nearest", "linear", "cubic"];
const places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"];

describe("coordinate modes", () => {
  const x = filled([1, 2, 5, 6]);
  for (const mode of modes) {
    for (const coordinate_transformation_mode of places) {
      test(`${mode}, ${coordinate_transformation_mode}`, async () => {
        const attributes = { mode, coordinate_transformation_mode };
        for (const sizes of [
          [1, 2, 8, 4],
          [1, 2, 10, 12],
          [1, 2, 3, 1],
        ]) {
          if (mode === "nearest" && sizes[3] === 4) continue; // ties, which float32 decides one way or the other
          await compare({ op: "Resize", opset: 19, attributes, inputs: [x, null, null, ints(...sizes)] });
        }
        // Where corners are aligned onnxruntime takes the length that there is, ONNX the one that the scale asks for.
        const isAligned = coordinate_transformation_mode === "align_corners";
        if (mode === "nearest" && coordinate_transformation_mode === "half_pixel_symmetric") return; // a tie
        const scales = of("float32", [4], [1, 1, ...(isAligned ? [2, 0.5] : [1.7, 0.6])]);
        await compare({ op: "Resize", opset: 19, attributes, inputs: [x, null, scales] });
      });
    }
  }

  for (const nearest_mode of ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]) {
    test(`nearest, ${nearest_mode}`, async () => {
      const attributes = { nearest_mode, coordinate_transformation_mode: "asymmetric" };
      for (const sizes of [ints(1, 2, 10, 3), ints(1, 2, 15, 18)]) {
        await compare({ op: "Resize", opset: 19, attributes, inputs: [x, null, null, sizes] });
      }
    });
  }
});

describe("parts of the input", () => {
  const x = filled([1, 1, 5, 6]);
  const roi = of("float32", [8], [0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1]);
  for (const mode of ["nearest", "linear"]) {
    const attributes = {
      mode,
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: { float: 7 },
    };
    test(mode, async () => {
      for (const sizes of [ints(1, 1, 4, 9), ints(1, 1, 1, 5)]) {
        await compare({ op: "Resize", opset: 13, attributes, inputs: [x, roi, null, sizes] });
      }
    });

    test(`${mode}, roi known at run time`, async () => {
      const node = { op: "Resize", opset: 13, attributes, inputs: [x, roi, null, ints(1, 1, 4, 9)] };
      const [known] = await interpret({ ...node, constant: [1, 3] });
      expectTensor((await interpret({ ...node, constant: [3] }))[0]!, known!);
    });
  }
});

test("parts of the input, of its own size", () => {
  const attributes = { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize" };
  const [x, roi] = [of("float32", [3], [1, 2, 4]), of("float32", [2], [0.25, 0.75])];
  const inputs = [x, roi, of("float32", [1], [1])];
  return expectResults({ op: "Resize", opset: 13, attributes, inputs, constant: [1, 2] }, [[1.5, 2, 3]]);
});

describe("antialias", () => {
  // [1, 2, 3, 4, 5] at 0.4, by hand: places 0.75 and 3.25, triangles of 2.5 elements to each side.
  const triangle = (distances: number[]) => distances.map((d) => Math.max(0, 1 - Math.abs(d) * 0.4));
  const mean = (values: number[], weights: number[]) =>
    values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / weights.reduce((a, b) => a + b);

  test("a triangle over all elements, those at the edge again and again", () => {
    const left = triangle([-1.75, -0.75, 0.25, 1.25, 2.25]);
    return expectResults(
      {
        op: "Resize",
        opset: 18,
        attributes: { mode: "linear", antialias: 1 },
        inputs: [of("float32", [5], [1, 2, 3, 4, 5]), null, null, ints(2)],
        constant: [3],
      },
      [of("float32", [2], [mean([1, 1, 2, 3, 4], left), mean([5, 5, 4, 3, 2], left)])],
      { relative: 1e-6 },
    );
  });

  test("or without them", () => {
    const left = triangle([-0.75, 0.25, 1.25, 2.25]);
    return expectResults(
      {
        op: "Resize",
        opset: 18,
        attributes: { mode: "linear", antialias: 1, exclude_outside: 1 },
        inputs: [of("float64", [1, 5], [1, 2, 3, 4, 5]), null, of("float32", [2], [1, 0.4])],
        constant: [2],
      },
      [of("float64", [1, 2], [mean([1, 2, 3, 4], left), mean([5, 4, 3, 2], left)])],
      { relative: 1e-6 },
    );
  });

  for (const mode of ["linear", "cubic"]) {
    test(`${mode} is as ever where nothing shrinks`, async () => {
      const inputs = [filled([1, 2, 3, 4]), null, null, ints(1, 2, 7, 6)];
      const [plain] = await interpret({
        op: "Resize",
        opset: 18,
        attributes: { mode },
        inputs,
        constant: [3],
      });
      const attributes = { mode, antialias: 1 };
      await expectResults(
        { op: "Resize", opset: 18, attributes, inputs, constant: [3] },
        [plain!],
        tolerance,
      );
    });

    test(`${mode}, two axes one after the other`, async () => {
      const x = filled([2, 6, 7]);
      const resize = (input: TensorData, axes: number[], sizes: number[]): NodeCase => ({
        op: "Resize",
        opset: 18,
        attributes: { mode, antialias: 1, axes },
        inputs: [input, null, null, ints(...sizes)],
        constant: [3],
      });
      const [rows] = await interpret(resize(x, [1], [3]));
      const [both] = await interpret(resize(rows!, [2], [4]));
      await expectResults(resize(x, [2, 1], [4, 3]), [both!], tolerance);
    });
  }

  test("of the size that there is", () => {
    const x = filled([2, 3]);
    const inputs = [x, null, null, ints(2, 3)];
    return expectResults(
      { op: "Resize", opset: 18, attributes: { mode: "cubic", antialias: 1 }, inputs, constant: [3] },
      [x],
    );
  });
});

describe("other forms", () => {
  test("keeps the ratio of its axes", async () => {
    for (const keep_aspect_ratio_policy of ["not_larger", "not_smaller"]) {
      const attributes = { keep_aspect_ratio_policy, mode: "linear", axes: [2, 3] };
      await compare({
        op: "Resize",
        opset: 19,
        attributes,
        inputs: [filled([1, 1, 4, 6]), null, null, ints(7, 8)],
      });
    }
  });

  test("axes in another order, and from the end", () =>
    expectResults(
      {
        op: "Resize",
        opset: 18,
        attributes: { axes: [-1, 0] },
        inputs: [of("int8", [1, 2], [1, 2]), null, null, ints(4, 2)],
        constant: [3],
      },
      [of("int8", [2, 4], [1, 1, 2, 2, 1, 1, 2, 2])],
    ));

  test("whole numbers are cut off", () =>
    expectResults(
      {
        op: "Resize",
        opset: 13,
        attributes: { mode: "linear", coordinate_transformation_mode: "align_corners" },
        inputs: [of("int32", [2], [-10, 12]), null, null, ints(4)],
        constant: [3],
      },
      [of("int32", [4], [-10, -2, 4, 12])],
    ));

  test("cubic without what is outside", () =>
    compare({
      op: "Resize",
      opset: 13,
      attributes: { mode: "cubic", exclude_outside: 1, cubic_coeff_a: -0.5 },
      inputs: [filled([1, 1, 4, 5]), null, null, ints(1, 1, 7, 3)],
    }));

  test("three axes", () =>
    compare({
      op: "Resize",
      opset: 13,
      attributes: { mode: "linear" },
      inputs: [filled([1, 2, 3, 4, 5]), null, null, ints(1, 2, 5, 3, 8)],
    }));

  test("Upsample with scales as attribute and as input, and as it was at first", async () => {
    const x = of("float32", [1, 1, 1, 2], [1, 3]);
    const nearest = of("float32", [1, 1, 2, 4], [1, 1, 3, 3, 1, 1, 3, 3]);
    const linear = of("float32", [1, 1, 1, 4], [1, 2, 3, 3]);
    const scales = of("float32", [4], [1, 1, 2, 2]);
    await expectResults({ op: "Upsample", opset: 9, inputs: [x, scales], constant: [1] }, [nearest]);
    const attributes = { scales: { floats: [1, 1, 1, 2] }, mode: "linear" };
    await expectResults({ op: "Upsample", opset: 7, attributes, inputs: [x] }, [linear]);
    const first = { height_scale: { float: 1 }, width_scale: { float: 2 }, mode: "bilinear" };
    await expectResults({ op: "Upsample", opset: 1, attributes: first, inputs: [x] }, [linear]);
    const wide = { op: "Resize", opset: 10, attributes: { mode: "linear" } };
    const twice = of("float32", [4], [1, 1, 1, 2]);
    await expectResults({ ...wide, inputs: [x, twice], constant: [1] }, [linear]);
  });

  test("a last digit of a scale makes no element less", () =>
    expectResults(
      {
        op: "Resize",
        inputs: [
          of(
            "float32",
            [10],
            Array.from({ length: 10 }, (_, i) => i),
          ),
          null,
          [0.7],
        ],
        constant: [2],
      },
      [of("float32", [7], [0, 2, 3, 4, 6, 7, 9])],
    ));
});

describe("sizes that are known at run time", () => {
  const x = filled([2, 5, 6]);
  const cases: [name: string, attributes: Record<string, string | number>, sizes: number[]][] = [];
  for (const mode of modes) {
    for (const place of places) {
      cases.push([`${mode}, ${place}`, { mode, coordinate_transformation_mode: place }, [2, 7, 4]]);
      cases.push([
        `${mode}, ${place}, a single one`,
        { mode, coordinate_transformation_mode: place },
        [2, 1, 9],
      ]);
    }
    for (const policy of ["not_larger", "not_smaller"]) {
      cases.push([`${mode}, ${policy}`, { mode, keep_aspect_ratio_policy: policy }, [3, 4, 7]]);
    }
  }
  for (const mode of ["linear", "cubic"])
    cases.push([`${mode}, antialias`, { mode, antialias: 1 }, [2, 2, 4]]);
  for (const [name, attributes, sizes] of cases) {
    test(name, async () => {
      const node = { op: "Resize", opset: 19, attributes, inputs: [x, null, null, ints(...sizes)] };
      const [known] = await interpret({ ...node, constant: [3] });
      const unknown = await interpret({ ...node, open: [0] });
      expectTensor(unknown[0]!, known!, tolerance);
    });
  }

  test("dims are open and scales are known", async () => {
    for (const scale of [2, 0.5, 0.7, 1.7]) {
      const attributes = { mode: "linear" };
      const node = {
        op: "Resize",
        opset: 13,
        attributes,
        inputs: [x, null, of("float32", [3], [1, scale, scale])],
      };
      const [known] = await interpret({ ...node, constant: [2] });
      const [unknown] = await interpret({ ...node, constant: [2], open: [0] });
      expectTensor(unknown!, known!, tolerance);
    }
  });
});
