/** What all parts of the page share: the data, what is selected, and who wants to know of it. */

import type { NodeData, ReportData } from "../data.js";
import type { Difference } from "./difference.js";

export const data = JSON.parse(document.getElementById("data")!.textContent) as ReportData;

/** The text that a list of places of lines stands for. */
export const textOf = (places: readonly number[]): string[] => places.map((place) => data.lines[place]!);

/** What the parts of the page tell each other; each is set by the part that does it. */
export const actions = {
  showCalls(
    _title: string,
    _calls: readonly number[],
    _node: NodeData | null,
    _difference?: Difference,
  ): void {},
};

/** FLOPs, bytes or milliseconds of calls together. */
export function sumOf(calls: readonly number[], what: "flops" | "bytes" | "ms"): number {
  return calls.reduce((sum, call) => sum + (data.calls[call]![what] ?? 0), 0);
}

/** The calls of a kernel. */
export const callsOf = (kernel: string): number[] =>
  data.calls.flatMap((call, i) => (call.kernel === kernel ? [i] : []));
