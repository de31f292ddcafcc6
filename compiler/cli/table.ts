/** Tables of plain columns: no lines, so that they read well in a terminal and cut well in a pipe. */

import Table from "cli-table3";
import { type Colors, printable } from "./terminal.js";

export interface Column {
  readonly head: string;
  readonly align: "left" | "right";
}

export const left = (head: string): Column => ({ head, align: "left" });
export const right = (head: string): Column => ({ head, align: "right" });

const noLines = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((place) => [place, ""]),
);

/** The rows under their heads, without a final line break. Cells are made safe to show. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number)[])[],
  colors: Colors,
): string {
  const table = new Table({
    chars: { ...noLines, middle: "  " },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: columns.map(({ align }) => align),
    head: columns.map(({ head }) => colors.bold(head)),
  });
  // A line break would tear the row apart.
  table.push(...rows.map((row) => row.map((cell) => printable(String(cell).replaceAll("\n", " ")))));
  return trimLines(table.toString());
}

/** Two columns without heads: what it is, and its value. */
export function formatFacts(facts: readonly (readonly [string, string])[], colors: Colors): string {
  const width = Math.max(...facts.map(([what]) => what.length));
  return facts.map(([what, value]) => `${colors.dim(what.padEnd(width))}  ${printable(value)}`).join("\n");
}

const trimLines = (text: string): string => text.replace(/[ \t]+$/gm, "");
