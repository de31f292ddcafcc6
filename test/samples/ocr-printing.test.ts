import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { accuracyLine, comparison, modelTable } from "../../samples/ocr/printing.js";

test("the table shows the median of the runs", () => {
  const table = modelTable([
    {
      model: "direction",
      inputDims: [1, 3, 48, 192],
      compileMs: 1500,
      codeBytes: 40_400,
      weightBytes: 1_234_567,
      arenaBytes: 2_000_000,
      arenaLowerBoundBytes: 1_900_000,
      runMs: [4, 90, 2, 3],
    },
  ]);
  const cells = stripVTControlCharacters(table).split("\n")[3]!.split("│");
  expect(cells.slice(1, -1).map((cell) => cell.trim())).toEqual([
    "direction",
    "1x3x48x192",
    "1.50 s",
    "40 kB",
    "1,235 kB",
    "2,000 kB",
    "1,900 kB",
    "3.5 ms",
    "4",
  ]);
});

test("lines that differ are shown with the expected ones", () => {
  const show = (expected: string[], read: string[]) =>
    stripVTControlCharacters(comparison("a.png", expected, read)).split("\n");
  expect(show(["ab"], ["ab"])).toEqual(["a.png: equals the expected text (2 characters)", "  ✓ ab"]);
  expect(show(["ab", "cd"], ["aX"])).toEqual([
    "a.png: 4 of 5 characters wrong",
    "  ✗ aX",
    "    expected: ab",
    "  ✗ not found: cd",
  ]);
  expect(show(["ab"], ["ab", "z"]).slice(1)).toEqual(["  ✓ ab", "  ✗ z", "    expected: no line"]);
});

test("the share of right characters comes with the number", () => {
  expect(accuracyLine(200, 3)).toMatch(/^98\.50% of 200 characters right \(edit distance 3/);
});
