import { describe, expect, test } from "vitest";
import type { Picture } from "../../compiler/cli/picture.js";
import { type PictureFlags, pictureElements, resize } from "../../compiler/cli/picture-tensor.js";
import { encodeFloat16 } from "../../compiler/loop/half.js";
import type { TensorInfo, TensorType } from "../../runtime/index.js";

const grey = (width: number, height: number, samples: number[]): Picture => ({
  width,
  height,
  channels: 1,
  samples: Float32Array.from(samples),
});

/** Two pixels, one above the other. */
const colour: Picture = {
  width: 1,
  height: 2,
  channels: 3,
  samples: Float32Array.of(10, 20, 30, 40, 50, 60),
};

const input = (dims: number[], type: TensorType = "float32"): TensorInfo => ({ name: "image", type, dims });

const elements = (picture: Picture, info: TensorInfo, flags: PictureFlags = {}): (number | bigint)[] =>
  Array.from(pictureElements(picture, info, flags) as ArrayLike<number | bigint>);

describe("order", () => {
  const plain = { scale: 1 };

  test("of dims: by the shape, or as asked", () => {
    const planar = [10, 40, 20, 50, 30, 60];
    const interleaved = [10, 20, 30, 40, 50, 60];
    expect(elements(colour, input([1, 3, 2, 1]), plain)).toEqual(planar);
    expect(elements(colour, input([3, 2, 1]), plain)).toEqual(planar);
    expect(elements(colour, input([1, 2, 1, 3]), plain)).toEqual(interleaved);
    expect(elements(colour, input([2, 1, 3]), plain)).toEqual(interleaved);
    const square = { ...colour, height: 1, samples: Float32Array.of(1, 2, 3) };
    expect(elements(resize(square, 3, 3), input([1, 3, 3, 3]), plain)).toEqual([
      ...new Array(9).fill(1),
      ...new Array(9).fill(2),
      ...new Array(9).fill(3),
    ]);
    const asked = elements(resize(square, 3, 3), input([1, 3, 3, 3]), { ...plain, layout: "nhwc" });
    expect(asked).toEqual(new Array(9).fill([1, 2, 3]).flat());
  });

  test("of channels", () => {
    expect(elements(colour, input([1, 3, 2, 1]), { ...plain, channels: "bgr" })).toEqual([
      30, 60, 20, 50, 10, 40,
    ]);
    expect(elements(colour, input([2, 1, 3]), { ...plain, channels: "bgr" })).toEqual([
      30, 20, 10, 60, 50, 40,
    ]);
  });

  test("grey is replicated, and colour made grey", () => {
    expect(elements(grey(1, 2, [7, 9]), input([1, 3, 2, 1]), plain)).toEqual([7, 9, 7, 9, 7, 9]);
    const luma = [0.299 * 10 + 0.587 * 20 + 0.114 * 30, 0.299 * 40 + 0.587 * 50 + 0.114 * 60];
    expect(elements(colour, input([1, 1, 2, 1]), plain)).toEqual(luma.map(Math.fround));
  });
});

describe("values", () => {
  test("floats are scaled to 1, integers are not scaled", () => {
    const picture = grey(2, 1, [0, 255]);
    expect(elements(picture, input([1, 1, 1, 2]))).toEqual([0, 1]);
    expect(elements(picture, input([1, 1, 1, 2], "uint8"))).toEqual([0, 255]);
    expect(elements(picture, input([1, 1, 1, 2], "int64"))).toEqual([0n, 255n]);
    expect(elements(picture, input([1, 1, 1, 2], "float16"))).toEqual([0, encodeFloat16(1)]);
    expect(elements(picture, input([1, 1, 1, 2], "bfloat16"))).toEqual([0, 0x3f80]);
    expect(elements(picture, input([1, 1, 1, 2], "bool"))).toEqual([0, 1]);
  });

  test("mean and deviation, of all channels or each", () => {
    const flags = { mean: [0.5], std: [0.25] };
    expect(elements(grey(2, 1, [0, 255]), input([1, 1, 1, 2]), flags)).toEqual([-2, 2]);
    const each = { scale: 1, mean: [1, 2, 3], std: [1, 2, 3], channels: "bgr" as const };
    // Blue comes first, so the first mean is that of blue.
    expect(elements(colour, input([1, 3, 2, 1]), each)).toEqual(
      [29, 59, 9, 24, 7 / 3, 37 / 3].map(Math.fround),
    );
  });

  test("integers are rounded and kept in range", () => {
    const picture = grey(3, 1, [10, 100, 255]);
    expect(elements(picture, input([1, 1, 1, 3], "int8"), { mean: [128] })).toEqual([-118, -28, 127]);
    expect(elements(picture, input([1, 1, 1, 3], "uint8"), { mean: [100.4] })).toEqual([0, 0, 155]);
    expect(elements(picture, input([1, 1, 1, 3], "uint64"), { mean: [100] })).toEqual([0n, 0n, 155n]);
  });
});

describe("resizing", () => {
  const row = (picture: Picture): number[] => Array.from(picture.samples);

  test("up: as OpenCV does it", () => {
    expect(row(resize(grey(2, 1, [0, 100]), 4, 1))).toEqual([0, 25, 75, 100]);
    expect(row(resize(grey(2, 2, [0, 100, 200, 100]), 4, 4))).toEqual([
      ...[0, 25, 75, 100],
      ...[50, 62.5, 87.5, 100],
      ...[150, 137.5, 112.5, 100],
      ...[200, 175, 125, 100],
    ]);
  });

  test("down, and to the same size", () => {
    expect(row(resize(grey(4, 1, [0, 10, 20, 40]), 2, 1))).toEqual([5, 30]);
    expect(row(resize(grey(3, 1, [0, 10, 20]), 1, 1))).toEqual([10]);
    const picture = grey(2, 1, [1, 2]);
    expect(resize(picture, 2, 1)).toBe(picture);
  });

  test("every channel by itself", () => {
    expect(row(resize(colour, 1, 1))).toEqual([25, 35, 45]);
  });
});

describe("shapes that hold no picture", () => {
  test.each([[[2, 3, 4, 4]], [[1, 4, 8, 8]], [[1, 3]], [[1, 1, 3, 4, 4]], [[1, 3, 0, 4]]])("%j", (dims) => {
    expect(() => pictureElements(colour, input(dims), {})).toThrow(
      /input "image" of shape \[.*\] does not hold/,
    );
  });

  test("a layout that does not fit", () => {
    const make = () => pictureElements(colour, input([1, 3, 8, 8]), { layout: "nhwc" });
    expect(make).toThrow(/does not hold one picture as NHWC/);
  });

  test("a mean of another number of channels", () => {
    const make = () => pictureElements(colour, input([1, 3, 2, 1]), { std: [1, 2] });
    expect(make).toThrow("--std has 2 numbers, but the input has 3 channel(s)");
  });
});
