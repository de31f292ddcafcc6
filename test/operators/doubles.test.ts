/** Functions of float64, and powers and remainders of mixed types, at every level: their formulas mix widths of lanes. */

import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/ir/dtype.js";
import { erf } from "../../compiler/operators/math.js";
import { expectLevels } from "../harness.js";
import { of } from "./harness.js";

const xs = Array.from({ length: 23 }, (_, i) => (i - 11) * 0.37 * (i % 5 === 0 ? 1e6 : 1));
const units = xs.map((x) => Math.sin(x));

const cases: readonly [op: string, formula: (x: number) => number, of: readonly number[]][] = [
  ["Sin", Math.sin, xs],
  ["Cos", Math.cos, xs],
  ["Tan", Math.tan, xs],
  ["Asin", Math.asin, units],
  ["Acos", Math.acos, units],
  ["Atan", Math.atan, xs],
  ["Erf", erf, units],
  ["Gelu", (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)), units],
];

describe("functions of float64", () => {
  test.each(cases)("%s", async (op, formula, values) => {
    const x = of("float64", [values.length], values);
    const y = of("float64", [values.length], values.map(formula));
    const { ran } = await expectLevels(
      {
        opset: 21,
        inputs: { x: ["float64", [values.length]] },
        outputs: { y: ["float64"] },
        nodes: [{ op, inputs: ["x"], outputs: ["y"] }],
      },
      { x },
      { reference: { y }, tolerance: { relative: 1e-15, absolute: 1e-16 } },
    );
    expect(ran).toContain("wasm");
  });
});

const bases = Array.from({ length: 13 }, (_, i) => i + 1);
const exponents = bases.map((_, i) => (i - 6) / 4);

describe("powers", () => {
  test.each([
    ["float64", "float64", 1e-15],
    ["float64", "float32", 1e-15],
    ["float32", "float64", 1e-7],
    ["int32", "float32", 0],
    ["int64", "float64", 0],
    ["int64", "float32", 0],
  ] as const)("%s to the power of %s", async (base, exponent, relative) => {
    const [a, b] = [of(base, [13], bases), of(exponent, [13], exponents)];
    const isWhole = base.startsWith("int");
    const powers = bases.map((x, i) => (isWhole ? Math.trunc(x ** exponents[i]!) : x ** exponents[i]!));
    await expectLevels(
      binary("Pow", base, exponent),
      { a, b },
      {
        reference: { y: of(base, [13], powers) },
        tolerance: { relative },
      },
    );
  });
});

test("remainders of float64", async () => {
  const [a, b] = [
    of(
      "float64",
      [13],
      exponents.map((x) => x * 1e10),
    ),
    of(
      "float64",
      [13],
      bases.map((x) => x / 3),
    ),
  ];
  const y = of(
    "float64",
    [13],
    exponents.map((x, i) => (x * 1e10) % (bases[i]! / 3)),
  );
  await expectLevels(
    binary("Mod", "float64", "float64", { fmod: 1 }),
    { a, b },
    { reference: { y }, tolerance: {} },
  );
});

function binary(
  op: string,
  first: DType,
  second: DType,
  attributes = {},
): Parameters<typeof expectLevels>[0] {
  return {
    opset: 21,
    inputs: { a: [first, [13]], b: [second, [13]] },
    outputs: { y: [first] },
    nodes: [{ op, inputs: ["a", "b"], outputs: ["y"], attributes }],
  };
}
