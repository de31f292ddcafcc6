import { describe, expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import type { Results } from "../../compiler/bench/engines.js";
import { compareResults, measureInTurn, statisticsOf } from "../../compiler/bench/measure.js";
import { measureRoofline } from "../../compiler/bench/roofline.js";

const results = (...data: number[]): Results => ({ y: { data, dims: [data.length] } });

describe("differences", () => {
  test("are relative to the largest value of the output", () => {
    expect(compareResults(results(1, 4.5), results(1, 4))).toEqual({ absolute: 0.5, relative: 0.125 });
    expect(compareResults(results(0), results(0))).toEqual({ absolute: 0, relative: 0 });
  });

  test("of what is not finite", () => {
    expect(compareResults(results(Number.NaN, 1), results(Number.NaN, 1)).absolute).toBe(0);
    expect(compareResults(results(1, 1), results(Number.NaN, 1)).relative).toBe(Number.POSITIVE_INFINITY);
    const infinite = results(Number.POSITIVE_INFINITY, 2);
    expect(compareResults(infinite, infinite)).toEqual({ absolute: 0, relative: 0 });
  });

  test("of shapes and missing outputs are infinite", () => {
    expect(compareResults(results(1, 2), results(1)).absolute).toBe(Number.POSITIVE_INFINITY);
    expect(compareResults({}, results(1)).absolute).toBe(Number.POSITIVE_INFINITY);
  });
});

test("engines run in turn, as often as each other", async () => {
  const order: string[] = [];
  const engine = (label: string) => ({
    label,
    threads: 1,
    run: () => {
      order.push(label);
      return {};
    },
  });
  const times = await measureInTurn([engine("a"), engine("b")], { warmup: 1, seconds: 0 });
  expect(times.map(({ runs }) => runs)).toEqual([5, 5]);
  expect(order.join("")).toBe("ab".repeat(6));
});

test("median and 90th percentile", () => {
  expect(statisticsOf([9, 1, 2, 3, 4, 5, 6, 7, 8, 10])).toEqual({ medianMs: 6, p90Ms: 10, runs: 10 });
});

test("the roofline's modules run", () => {
  const roofline = measureRoofline({ msEach: 0, bufferBytes: 6400 });
  expect(roofline.plainGflops).toBeGreaterThan(0);
  expect(roofline.relaxedGflops === null).toBe(!hasRelaxedSimd());
  expect(roofline.copyGBs).toBeGreaterThan(0);
});
