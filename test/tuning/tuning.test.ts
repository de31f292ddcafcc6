/** Decisions of lowering: made by cost, taken from a database, and measured. */

import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/index.js";
import { parseTuning, type TuningDatabase, withChoices } from "../../compiler/tuning/database.js";
import { tuneModel } from "../../compiler/tuning/tune.js";

import { convolutions, expectSameResults, kernelFeeds } from "./model.js";

const empty: TuningDatabase = { format: "kiln-tuning-1", engine: "test", choices: {} };

const kernelNames = async (options: Parameters<typeof compile>[1]): Promise<string> =>
  (await compile(convolutions, options)).report.kernels.map(({ name }) => name).join(" ");

describe("choices", () => {
  test("are by cost, unless a database or a listener makes them", async () => {
    expect(await kernelNames({})).toContain("winograd_4x4");
    const key = "conv 3x3, 16 to 32, 1x12x20";
    const tuning = withChoices(empty, {}, new Map([[key, "winograd 2x2"]]));
    expect(await kernelNames({ tuning })).toContain("winograd_2x2");
    const onChoice = ({ kind }: { kind: string }) => (kind === "algorithm" ? "direct" : undefined);
    expect(await kernelNames({ tuning, onChoice })).not.toContain("winograd");
  });

  test("of a database for other features, or that cannot be had, leave those of the cost", async () => {
    const key = "conv 3x3, 16 to 32, 1x12x20";
    const other = withChoices(empty, { relaxedSimd: true }, new Map([[key, "direct"]]));
    expect(await kernelNames({ tuning: other })).toContain("winograd_4x4");
    const absent = withChoices(empty, {}, new Map([[key, "winograd 6x6"]]));
    expect(await kernelNames({ tuning: absent })).toContain("winograd_4x4");
  });

  test("give the same results, whichever is taken", async () => {
    for (let i = 0; i < 6; i++) {
      await expectSameResults({ onChoice: ({ candidates }) => candidates[i % candidates.length] });
    }
  });
});

describe("the database", () => {
  test("is text that is read again, in the order of the keys", () => {
    const choices = new Map([
      ["b", "2"],
      ["__proto__", "3"],
      ["a", "1"],
    ]);
    const database = withChoices(empty, { relaxedSimd: true, threads: true }, choices);
    const text = JSON.stringify(database);
    expect(JSON.stringify(parseTuning(text))).toBe(text);
    expect(Object.keys(database.choices["relaxed-simd+threads"]!)).toEqual(["__proto__", "a", "b"]);
  });

  test.each([
    ["no JSON", "{"],
    ["a list", "[]"],
    ["another format", '{"format": "kiln-tuning-0", "engine": "", "choices": {}}'],
    ["no engine", '{"format": "kiln-tuning-1", "choices": {}}'],
    ["no choices", '{"format": "kiln-tuning-1", "engine": ""}'],
    ["choices that are numbers", '{"format": "kiln-tuning-1", "engine": "", "choices": {"simd": {"a": 1}}}'],
  ])("is refused where it is %s", (_, text) => {
    expect(() => parseTuning(text)).toThrow(/this is no tuning database/);
  });
});

test("tuning measures all candidates, and keeps what makes the whole faster", async () => {
  const stages: string[] = [];
  const result = await tuneModel({
    compile: (options) => compile(convolutions, options),
    feeds: async () => kernelFeeds,
    threads: 1,
    seconds: 0,
    onStage: (name) => stages.push(name),
  });
  expect(result.decisions).toBeGreaterThanOrEqual(3);
  expect(result.candidates).toBeGreaterThan(result.decisions);
  expect(stages).toContain("compiling: algorithm, candidate 3 of 3");
  const kept = result.tunedMs < result.byCostMs ? result.changed : [];
  expect([...result.choices]).toEqual(kept.map(({ key, chosen }) => [key, chosen]));
  const algorithms = result.changed.filter(({ kind }) => kind === "algorithm");
  for (const { key, byCost, chosen } of algorithms) {
    expect([key, byCost]).toEqual(["conv 3x3, 16 to 32, 1x12x20", "winograd 4x4"]);
    expect(["winograd 2x2", "direct"]).toContain(chosen);
  }
  for (const { byCost, chosen, byCostMs, chosenMs } of result.changed) {
    expect(chosen).not.toBe(byCost);
    expect(chosenMs).toBeLessThan(byCostMs);
  }
});
