/** What a person wants to know of a result: its range, how it begins, and the likeliest classes. */

import type { Tensor } from "../../runtime/index.js";
import { elementReader, runtimeElements } from "./elements.js";
import { formatNumber, plural } from "./units.js";

export interface OutputSummary {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  /** Of the numbers that are no NaN; absent where there are none. */
  readonly min?: number;
  readonly max?: number;
  readonly mean?: number;
  readonly nans: number;
  readonly infinities: number;
  readonly first: readonly number[];
  /** For outputs that look like those of a classifier. */
  readonly top?: readonly { readonly index: number; readonly value: number }[];
}

const firstCount = 8;
const topCount = 5;

export function summarize(name: string, tensor: Tensor): OutputSummary {
  const { type, dims } = tensor;
  const data = runtimeElements(tensor);
  const read = elementReader(type, data);
  let [min, max, sum, nans, infinities] = [Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const value = Number(read(i));
    if (Number.isNaN(value)) {
      nans++;
      continue;
    }
    if (!Number.isFinite(value)) infinities++;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
  }
  const numbers = data.length - nans;
  const top = isClassification(type, dims) ? likeliest(data.length, read) : undefined;
  return {
    name,
    type,
    dims,
    ...(numbers > 0 && { min, max, mean: sum / numbers }),
    nans,
    infinities,
    first: Array.from({ length: Math.min(firstCount, data.length) }, (_, i) => Number(read(i))),
    ...(top !== undefined && { top }),
  };
}

/** Floats along one dim, enough of them that the best few are news. */
function isClassification(type: string, dims: readonly number[]): boolean {
  const long = dims.filter((dim) => dim !== 1);
  return type.startsWith("float") && long.length === 1 && long[0]! >= 2 * topCount;
}

function likeliest(count: number, read: (i: number) => number | bigint): { index: number; value: number }[] {
  return Array.from({ length: count }, (_, index) => ({ index, value: Number(read(index)) }))
    .filter(({ value }) => !Number.isNaN(value))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, topCount);
}

/** Lines of text. */
export function describeOutput(summary: OutputSummary): string[] {
  const { name, type, dims, min, max, mean, nans, infinities, first, top } = summary;
  const lines = [`${name}: ${type}[${dims.join(", ")}]`];
  if (min !== undefined) {
    const range = `min ${formatNumber(min)}  max ${formatNumber(max!)}  mean ${formatNumber(mean!)}`;
    lines.push(`  ${range}${oddities(nans, infinities)}`);
  } else if (nans > 0) lines.push(`  all ${nans} elements are NaN`);
  if (first.length > 0) {
    const more = elementsOf(dims) > first.length ? ", ..." : "";
    lines.push(`  first ${first.map(formatNumber).join(", ")}${more}`);
  }
  if (top !== undefined) {
    lines.push(
      `  top ${top.length}: ${top.map(({ index, value }) => `${index} (${formatNumber(value)})`).join(", ")}`,
    );
  }
  return lines;
}

const elementsOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

function oddities(nans: number, infinities: number): string {
  const parts = [
    ...(nans > 0 ? [plural(nans, "NaN")] : []),
    ...(infinities > 0 ? [infinities === 1 ? "1 infinity" : `${infinities} infinities`] : []),
  ];
  return parts.length === 0 ? "" : `  (${parts.join(", ")})`;
}
