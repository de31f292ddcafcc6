import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
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

describe("engines in turn", () => {
  /** The clock: it goes on as engines run. */
  let now = 0;
  beforeEach(() => {
    vi.spyOn(performance, "now").mockImplementation(() => now);
  });
  afterEach(() => vi.restoreAllMocks());

  /** An engine that notes its runs, each of which takes so long. */
  const noting = (order: string[], label: string, threads = 1, ms = 0): Engine => ({
    label,
    threads,
    run: () => {
      order.push(label);
      now += ms;
      return {};
    },
  });

  test("run as often as each other", async () => {
    const order: string[] = [];
    const engine = (label: string) => noting(order, label);
    const times = await measureInTurn([engine("a"), engine("b")], { warmup: 1, seconds: 0 });
    expect(times.map(({ runs }) => runs)).toEqual([5, 5]);
    expect(order.join("")).toBe("ab".repeat(6));
  });

  test("back to back: a turn has several runs, the first of which is not counted", async () => {
    const order: string[] = [];
    const engines = ["a", "b"].map((label) => noting(order, label, 1, 10));
    const times = await measureInTurn(engines, { warmup: 0, seconds: 0, turnMs: 25 });
    expect(order.join("")).toBe("aaabbb".repeat(3));
    expect(times).toEqual(Array(2).fill({ medianMs: 10, p90Ms: 10, runs: 6 }));
  });

  test("with threads a turn has several runs in any case", async () => {
    const order: string[] = [];
    const engines = ["a", "b"].map((label) => noting(order, label, 2, 10));
    await measureInTurn(engines, { warmup: 0, seconds: 0 });
    expect(order.join("")).toBe("aaabbb".repeat(3));
  });
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

test("the roofline reads pages that have been written to", () => {
  const memories: WebAssembly.Memory[] = [];
  class Noted extends WebAssembly.Instance {
    constructor(module: WebAssembly.Module) {
      super(module);
      memories.push(this.exports.memory as WebAssembly.Memory);
    }
  }
  vi.stubGlobal("WebAssembly", Object.create(WebAssembly, { Instance: { value: Noted } }));
  measureRoofline({ msEach: 0, bufferBytes: 640_000 });
  vi.unstubAllGlobals();
  expect(memories.length).toBeGreaterThan(2);
  for (const { buffer } of memories) {
    const pages = Array.from({ length: buffer.byteLength / 4096 }, (_, page) =>
      new Uint8Array(buffer, page * 4096, 4096).some((byte) => byte !== 0),
    );
    expect(pages).not.toContain(false);
  }
});
