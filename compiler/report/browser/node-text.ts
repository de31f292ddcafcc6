/** What is written on and about a node of the graph. */

import type { NodeData } from "../data.js";
import { bytes, count, percent, time } from "./format.js";
import { data, sumOf } from "./state.js";

const isFusion = ({ operator }: NodeData): boolean => operator === "kiln.Fusion";

/** Its operator; of a fused group all of them, each once, with how many there are. */
export function titleOf(node: NodeData): string {
  if (!isFusion(node)) return node.operator;
  const counts = new Map<string, number>();
  for (const { operator } of node.inner) counts.set(operator, (counts.get(operator) ?? 0) + 1);
  return [...counts].map(([operator, many]) => (many === 1 ? operator : `${operator} ×${many}`)).join(" + ");
}

export const classOf = (node: NodeData): string =>
  node.kind !== "node" ? "terminal" : isFusion(node) ? "fused" : node.calls.length === 0 ? "idle" : "single";

export const sourceText = (source: readonly string[]): string =>
  source.length > 2 ? `${source[0]} … ${source.at(-1)}` : source.join(", ");

export const shortened = (text: string): string =>
  text.length > 44 ? `${text.slice(0, 26)}…${text.slice(-16)}` : text;

export function tooltipOf(node: NodeData): string {
  const { calls } = node;
  const work =
    calls.length === 0 ? [] : [`${count(sumOf(calls, "flops"))} FLOP, ${bytes(sumOf(calls, "bytes"))}`];
  const ms = sumOf(calls, "ms");
  const times =
    data.profile === null || calls.length === 0
      ? []
      : [`${time(ms)}, ${percent(ms / data.profile.kernelMs)}`];
  return [titleOf(node), ...node.source, ...node.types, ...work, ...times].join("\n");
}
