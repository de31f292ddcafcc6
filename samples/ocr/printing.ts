import Table from "cli-table3";
import colors from "picocolors";
import { compareText } from "./accuracy.js";
import type { ModelFigures } from "./models.js";

/** A table of what each model took to compile, holds and takes to run. */
export function modelTable(figures: readonly ModelFigures[]): string {
  const table = new Table({
    head: [
      "model",
      "input",
      "compiled in",
      "code",
      "weights",
      "arena",
      "arena at least",
      "median run",
      "runs",
    ],
    colAligns: ["left", "left", ...Array<"right">(7).fill("right")],
    style: { head: colors.isColorSupported ? ["cyan"] : [], border: [] },
  });
  for (const model of figures) {
    table.push([
      model.model,
      model.inputDims.join("x"),
      `${(model.compileMs / 1000).toFixed(2)} s`,
      kilobytes(model.codeBytes),
      kilobytes(model.weightBytes),
      kilobytes(model.arenaBytes),
      kilobytes(model.arenaLowerBoundBytes),
      model.runMs.length === 0 ? "-" : `${median(model.runMs).toFixed(1)} ms`,
      model.runMs.length,
    ]);
  }
  return table.toString();
}

/** What was read in a picture, with a mark for each line: as expected, or not and then what was expected. */
export function comparison(name: string, expected: readonly string[], read: readonly string[]): string {
  const { characters, errors } = compareText(expected, read);
  const verdict =
    errors === 0
      ? colors.green(`equals the expected text (${characters} characters)`)
      : colors.yellow(`${errors} of ${characters} characters wrong`);
  const lines = read.map((line, index) => {
    if (line === expected[index]) return `  ${colors.green("✓")} ${line}`;
    return `  ${colors.red("✗")} ${line}\n    ${colors.dim(`expected: ${expected[index] ?? "no line"}`)}`;
  });
  const missing = expected.slice(read.length).map((line) => `  ${colors.red("✗")} not found: ${line}`);
  return [`${colors.bold(name)}: ${verdict}`, ...lines, ...missing].join("\n");
}

export function accuracyLine(characters: number, errors: number): string {
  const percent = (100 * (1 - errors / characters)).toFixed(2);
  return `${percent}% of ${characters} characters right (edit distance ${errors}, spaces and line breaks count)`;
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000).toLocaleString("en")} kB`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
