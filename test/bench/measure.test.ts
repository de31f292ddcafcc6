import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { hasRelaxedSimd } from "../../compiler/bench/engine-features.js";
import type { Engine, Results } from "../../compiler/bench/engines.js";
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

/** An engine that notes its runs, each of which takes so long. */
const noting = (order: string[], label: string, threads = 1, ms = 0): Engine => ({
  label,
  threads,
  run: async () => {
    order.push(label);
    await setTimeout(ms);
    return {};
  },
});

test("engines run in turn, as often as each other", async () => {
  const order: string[] = [];
  const engine = (label: string) => noting(order, label);
  const times = await measureInTurn([engine("a"), engine("b")], { warmup: 1, seconds: 0 });
  expect(times.map(({ runs }) => runs)).toEqual([5, 5]);
  expect(order.join("")).toBe("ab".repeat(6));
});

test("back to back: a turn has several runs, the first of which is not counted", async () => {
  const order: string[] = [];
  const engines = ["a", "b"].map((label) => noting(order, label, 1, 5));
  const times = await measureInTurn(engines, { warmup: 0, seconds: 0, turnMs: 40 });
  expect(order.join("")).toMatch(/^(a{2,}b{2,})+$/);
  const runs = order.filter((label) => label === "a").length;
  const turns = order.join("").match(/a+/g)!.length;
  expect(times[0]!.runs).toBe(runs - turns);
});

test("with threads a turn has several runs in any case", async () => {
  const order: string[] = [];
  await measureInTurn([noting(order, "a", 2, 2), noting(order, "b", 2, 2)], { warmup: 0, seconds: 0 });
  expect(order.join("")).toMatch(/^(a{2,}b{2,})+$/);
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
