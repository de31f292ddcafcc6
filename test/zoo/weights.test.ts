import { expect, test } from "vitest";
import { randomWeights } from "../../samples/zoo/weights.js";

test("every number depends on the seed and its place alone", () => {
  const all = randomWeights(3, 0, 100, { deviation: 1 });
  expect(randomWeights(3, 40, 20, { deviation: 1 })).toEqual(all.slice(40, 60));
  expect(randomWeights(4, 0, 100, { deviation: 1 })).not.toEqual(all);
});

test("the same on every machine, forever", () => {
  expect([...randomWeights(0, 0, 3, { deviation: 1 })]).toMatchInlineSnapshot(`
    [
      -1.7320507764816284,
      -0.3174881041049957,
      1.0970746278762817,
    ]
  `);
});

test("mean and deviation are those asked for", () => {
  const values = [...randomWeights(5, 1000, 100_000, { mean: 3, deviation: 0.5 })];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  expect(mean).toBeCloseTo(3, 2);
  expect(Math.sqrt(variance)).toBeCloseTo(0.5, 2);
});
