import { expect, test } from "vitest";
import { elementReader, makeElements } from "../../compiler/cli/elements.js";
import { normal, randomElements, uniform } from "../../compiler/cli/random.js";
import { type DType, dtypes, isMinifloat } from "../../compiler/ir/dtype.js";
import { decodeMinifloat, encodeMinifloat } from "../../compiler/ir/minifloat.js";

const take = (next: () => number, count: number): number[] => Array.from({ length: count }, next);
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

test("the generator is mulberry32", () => {
  expect(take(uniform(1), 3)).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
  expect(take(uniform(2 ** 32 + 1), 3)).toEqual(take(uniform(1), 3));
});

test("normal numbers have mean 0 and variance 1", () => {
  const values = take(normal(7), 20000);
  expect(mean(values)).toBeCloseTo(0, 1);
  expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1, 1);
  expect(mean(values.map((value) => value ** 4))).toBeCloseTo(3, 0);
  expect(values.every(Number.isFinite)).toBe(true);
});

test("the same seed gives the same elements, another gives others", () => {
  for (const dtype of Object.keys(dtypes) as DType[]) {
    const elements = randomElements(dtype, 64, 5);
    expect(elements).toBeInstanceOf(dtypes[dtype].array);
    expect(randomElements(dtype, 64, 5)).toEqual(elements);
    expect(randomElements(dtype, 64, 6)).not.toEqual(elements);
  }
});

test("bytes take their range, wider integers are 0 or 1", () => {
  const range = (dtype: DType): number[] => {
    const values = Array.from(randomElements(dtype, 5000, 1) as ArrayLike<number | bigint>, Number);
    return [Math.min(...values), Math.max(...values)];
  };
  expect(range("uint8")).toEqual([0, 255]);
  expect(range("int8")).toEqual([-128, 127]);
  for (const dtype of ["int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"] as const) {
    expect(range(dtype), dtype).toEqual([0, 1]);
  }
});

test("elements come back as they were put in", () => {
  const values = [0, 1, 2.5, -3];
  for (const dtype of Object.keys(dtypes) as DType[]) {
    const read = elementReader(
      dtype,
      makeElements(dtype, 4, (i) => values[i]!),
    );
    const minifloat = isMinifloat(dtype)
      ? values.map((value) => decodeMinifloat(dtype, encodeMinifloat(dtype, value)))
      : [];
    const kept = {
      float: values,
      minifloat,
      int: dtype === "int2" ? [0, 1, 1, -2] : [0, 1, 3, -3],
      uint: [0, 1, 3, 0],
      bool: [0, 1, 1, 1],
    };
    expect(
      values.map((_, i) => Number(read(i))),
      dtype,
    ).toEqual(kept[dtypes[dtype].kind]);
  }
  // A Float16Array, where there is one, holds numbers and not bits.
  expect(elementReader("float16", [1.5])(0)).toBe(1.5);
});
