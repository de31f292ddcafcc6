import { expect, test } from "vitest";
import type { BenchReport, EngineReport } from "../../compiler/bench/bench.js";
import { lineChart } from "./chart.js";
import { bestOf, geometricMean, resultsText } from "./results.js";

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
    skipped: [{ name: "absent", reason: "its file is not there" }],
  });
  expect(text).toContain("| small | 2.00 ms | 2.00 ms | 6.00 ms | **3.00** | not measured |");
  expect(text).toContain("Geometric mean of the networks: **3.00**, smallest 3.00.");
  expect(text).toContain("| 1.020 |");
  expect(text).toContain("| 320 | 2.00 ms | 6.00 ms | 3.00 | 20 |");
  expect(text).toContain("- absent: its file is not there");
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
