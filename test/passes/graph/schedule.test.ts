/** The order of nodes, by what the arena takes before and after, and by results. */

import { describe, expect, test } from "vitest";
import { compile } from "../../../compiler/index.js";
import { graphPipeline } from "../../../passes/pipeline.js";
import { expectLevels } from "../../harness.js";
import { randomTensor } from "../../harness-random.js";
import { buildModel, type ModelSpec } from "../../onnx/build-model.js";

const x = randomTensor(1, [1, 4, 16, 16]);

/** Branches through a large value each (64 channels), listed level by level: all large values are live at once. */
function branches(count: number, listed: "by level" | "by branch"): ModelSpec {
  const names = Array.from({ length: count }, (_, i) => i);
  const widen = names.map((i) => ({ op: "Conv", inputs: ["x", `w${i}`], outputs: [`wide${i}`] }));
  const narrow = names.map((i) => ({ op: "Conv", inputs: [`wide${i}`, `v${i}`], outputs: [`narrow${i}`] }));
  const nodes = listed === "by level" ? [...widen, ...narrow] : names.flatMap((i) => [widen[i]!, narrow[i]!]);
  return {
    inputs: { x: ["float32", [1, 4, 16, 16]] },
    outputs: { y: ["float32"] },
    initializers: Object.fromEntries(
      names.flatMap((i) => [
        [`w${i}`, randomTensor(2 + i, [64, 4, 1, 1])],
        [`v${i}`, randomTensor(20 + i, [4, 64, 1, 1])],
      ]),
    ),
    nodes: [
      ...nodes,
      { op: "Concat", inputs: names.map((i) => `narrow${i}`), outputs: ["y"], attributes: { axis: 1 } },
    ],
  };
}

const arenaOf = async (model: ModelSpec): Promise<number> =>
  (await compile(buildModel(model))).report.arenaBytes;

describe("schedule", () => {
  test("branches one after the other", async () => {
    const wide = 64 * 16 * 16 * 4;
    const byBranch = await arenaOf(branches(4, "by branch"));
    expect(byBranch).toBeLessThan(2 * wide);
    expect(await arenaOf(branches(4, "by level"))).toBe(byBranch);
    await expectLevels(branches(4, "by level"), { x });
  });

  test("a deep way before the values that wait for it", async () => {
    const early = { op: "Conv", inputs: ["x", "d"], outputs: ["early"] };
    const way = [
      { op: "Conv", inputs: ["x", "a"], outputs: ["p"] },
      { op: "Conv", inputs: ["p", "b"], outputs: ["q"] },
      { op: "Conv", inputs: ["q", "c"], outputs: ["r"] },
    ];
    const model = (nodes: ModelSpec["nodes"]): ModelSpec => ({
      inputs: { x: ["float32", [1, 4, 16, 16]] },
      outputs: { y: ["float32"] },
      initializers: {
        a: randomTensor(2, [64, 4, 1, 1]),
        b: randomTensor(3, [64, 64, 1, 1]),
        c: randomTensor(4, [32, 64, 1, 1]),
        d: randomTensor(5, [32, 4, 1, 1]),
      },
      nodes: [...nodes, { op: "MatMul", inputs: ["early", "r"], outputs: ["y"] }],
    });
    const ideal = await arenaOf(model([...way, early]));
    // The small value lies beside both large ones, unless it is computed behind them.
    expect(ideal).toBeLessThan(2.3 * 64 * 16 * 16 * 4);
    expect(await arenaOf(model([early, ...way]))).toBe(ideal);
    // Results are up to 40 and sums of products of as much, some of which cancel: rounding is relative to these.
    await expectLevels(model([early, ...way]), { x }, { tolerance: { absolute: 2e-4, relative: 2e-5 } });
  });

  test("leaves graphs as they are whose dims are open, and where nothing is gained", async () => {
    const events: { name: string; before: string; after: string }[] = [];
    const onPass = (event: { name: string; before: string; after: string }) => events.push(event);
    const open = branches(4, "by level");
    await compile(buildModel({ ...open, inputs: { x: ["float32", ["n", 4, 16, 16]] } }), { onPass });
    await compile(buildModel(branches(4, "by branch")), { onPass });
    const scheduled = events.filter(({ name }) => name === "schedule");
    expect(scheduled).toHaveLength(2);
    for (const { before, after } of scheduled) expect(after).toBe(before);
  });

  test("is a pass of the optimised pipelines", () => {
    const names = graphPipeline(3).map(({ name }) => name);
    expect(names.indexOf("schedule")).toBe(names.indexOf("fuse") + 1);
    expect(graphPipeline(0).map(({ name }) => name)).not.toContain("schedule");
  });
});
