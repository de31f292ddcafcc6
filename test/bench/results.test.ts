import { expect, test } from "vitest";
import { type BenchReport, bestOf, type EngineReport } from "../../compiler/bench/bench.js";
import { barChart, lineChart } from "./chart.js";
import { geometricMean, resultsText } from "./results.js";
import { targetLines } from "./targets.js";
import { tuningLines } from "./tuning.js";

const engine = (label: string, medianMs: number, rest: Partial<EngineReport> = {}): EngineReport => ({
  label,
  threads: 1,
  isKiln: label.startsWith("kiln"),
  gflops: 1,
  p90Ms: medianMs,
  medianMs,
  runs: 5,
  ...rest,
});

const report: BenchReport = {
  name: "small",
  flops: 1e6,
  machine: { cpu: "a machine", cores: 2, node: "v24" },
  roofline: { plainGflops: 40, relaxedGflops: null, readGBs: 10, copyGBs: 5 },
  engines: [engine("kiln plain", 2, { ratio: 3 }), engine("onnxruntime-web 1", 6)],
  missing: [],
  coldStarts: null,
  sizes: { moduleBytes: 1000, weightBytes: 500, codeBytes: 500, runtimeGzipBytes: null, rivalBytes: null },
  compile: { ms: 10, peakBytes: 1e6 },
  memoryBytes: 65536,
  arenaBytes: 102,
  arenaLowerBoundBytes: 100,
};

test("tables by variant, with means over networks only", () => {
  const single = { ...report, engines: [engine("kiln plain", 1, { ratio: 50 })] };
  const text = resultsText({
    date: "2026-01-01",
    reports: [
      { report, isNetwork: true },
      { report: { ...single, name: "product" }, isNetwork: false },
    ],
    sizes: [{ size: 320, report }],
    remarks: ["on a busy machine"],
    skipped: [{ name: "absent", reason: "its file is not there" }],
  });
  expect(text).toContain("\n- on a busy machine\n");
  expect(text).toContain("| small | 2.00 ms | 2.00 ms | 6.00 ms | **3.00** | not measured |");
  expect(text).toContain("Geometric mean of the networks: **3.00**, smallest 3.00.");
  expect(text).toContain("| 1.020 |");
  expect(text).toContain("| 320 | 2.00 ms | 6.00 ms | 3.00 | 20 |");
  expect(text).toContain("- absent: its file is not there");
});

test("tuning: what it gains, and where it is not kept", () => {
  const change = {
    kind: "tile",
    key: "1x1",
    nodes: [],
    byCost: "a",
    chosen: "b",
    byCostMs: 2,
    chosenMs: 1,
  } as const;
  const text = tuningLines([
    { name: "gains", byCostMs: 6, tunedMs: 5, changed: [change] },
    { name: "loses", byCostMs: 5, tunedMs: 6, changed: Array(5).fill(change) },
    { name: "same", byCostMs: 5, tunedMs: 5, changed: [] },
  ]).join("\n");
  expect(text).toContain("| gains | 6.00 ms | 5.00 ms | **1.20** | 1x1: a → b |");
  expect(text).toContain(
    "| loses | 5.00 ms | 6.00 ms | 0.83, not kept | 1x1: a → b; 1x1: a → b; 1x1: a → b; 2 more |",
  );
  expect(text).toContain("| same | 5.00 ms | 5.00 ms | none |  |");
  expect(tuningLines([])).toEqual([]);
});

test("targets: what meets them, and which models miss them by how much", () => {
  const slow = { ...report, name: "slow", engines: [engine("kiln plain", 5, { ratio: 1.2 })] };
  const fast = { ...report, engines: [engine("kiln plain", 2, { ratio: 3 })] };
  const suiteOf = (...reports: BenchReport[]) => ({
    date: "2026-01-01",
    reports: reports.map((one) => ({ report: one, isNetwork: true })),
    sizes: [],
    skipped: [],
  });
  const text = targetLines(suiteOf(fast, slow)).join("\n");
  expect(text).toContain("| plain SIMD, one thread, geometric mean | 1.4 | 1.90 | met |");
  expect(text).toContain("| plain SIMD, one thread, every model | 1.05 | 1.20 | met |");
  expect(text).toContain("| arena, to its lower bound | 1.05 | 1.020 | met |");
  expect(text).not.toContain("cold start");
  const starts = (kiln: number, rival: number) => ({
    kiln: [
      { label: "kiln plain", medianMs: 2 * kiln, memoryBytes: 1 },
      { label: "kiln relaxed-simd", medianMs: kiln, memoryBytes: 1 },
    ],
    rival: { medianMs: rival, memoryBytes: 2 },
  });
  const started = targetLines(
    suiteOf({ ...fast, coldStarts: starts(1, 6) }, { ...slow, coldStarts: starts(2, 5) }),
  ).join("\n");
  expect(started).toMatch(/cold start.* \| 5 \| 2\.5 \| \*\*missed\*\* \|/);
  expect(started).toMatch(/\*\*cold start.*\*\*: missed by slow \(2\.5\)\. /);
});

test("means and the best variant", () => {
  expect(geometricMean([2, 8])).toBeCloseTo(4);
  const engines = [engine("kiln plain", 3), engine("kiln relaxed-simd", 2), engine("onnxruntime-web", 1)];
  expect(bestOf({ ...report, engines }).label).toBe("kiln relaxed-simd");
});

test("a chart has a line for each series, and its labels escaped", () => {
  const svg = lineChart("x", "y", [
    {
      label: "<a>",
      points: [
        [1, 1],
        [10, 100],
      ],
    },
    { label: "b", points: [[1, 5]] },
  ]);
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg).toContain("&#60;a&#62;");
  expect(svg).not.toContain("NaN");
});

test("a chart of bars has one for each value", () => {
  const svg = barChart(
    "gain",
    ["a", "b"],
    [
      { label: "<one>", values: [1, 2] },
      { label: "two", values: [0.5, undefined] },
    ],
  );
  expect(svg.match(/<rect/g)).toHaveLength(4);
  expect(svg).toContain("&#60;one&#62;");
  expect(svg).not.toContain("NaN");
});
