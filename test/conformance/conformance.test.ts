/** ONNX's own operator tests, where they lie beside the project: once with the dims of the model, once with all open. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { casesOf } from "./cases.js";
import { judge } from "./judge.js";
import { runCase } from "./run.js";
import { unsupported } from "./unsupported.js";

const directory = join(fileURLToPath(new URL("../../..", import.meta.url)), "shared/onnx-backend/node");
const isThere = existsSync(directory);

/** Cases of shapes that the model computes from its inputs' dims in a way that needs them known. */
const fixedOnly: readonly string[] = [];

describe.skipIf(!isThere)(`the cases of ${directory}`, () => {
  test.each([
    ["with the dims of the models", false],
    ["with all dims open", true],
  ])("%s", async (_, dynamic) => {
    const wrong: string[] = [];
    for (const one of casesOf(directory)) {
      const { name, verdict, reason } = judge(await runCase(one, dynamic));
      const isKnown = dynamic && fixedOnly.includes(name);
      if ((verdict === "failed") !== isKnown) wrong.push(`${name}: ${reason ?? "passes"}`);
    }
    expect(wrong).toEqual([]);
  });

  test("all cases that are listed exist", () => {
    const names = new Set(readdirSync(directory));
    expect([...unsupported.keys(), ...fixedOnly].filter((name) => !names.has(name))).toEqual([]);
  });
});
