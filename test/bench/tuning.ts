/** What `kiln tune` gains, as a table of RESULTS.md. */

import { formatTime } from "../../compiler/cli/units.js";
import type { TuningResult } from "../../compiler/tuning/tune.js";

export interface Tuning extends Pick<TuningResult, "changed" | "byCostMs" | "tunedMs"> {
  readonly name: string;
}

/** Changed choices that a row of the table names; the rest is counted. */
const mostNamed = 3;

export function tuningLines(tunings: readonly Tuning[]): string[] {
  if (tunings.length === 0) return [];
  return [
    "## What tuning gains",
    "",
    "`kiln tune` for relaxed SIMD on one thread, one second for each kind of choice. The untuned and the tuned module",
    "give the same results and are timed in turn; where the tuned one is not faster, its choices are not kept.",
    "",
    "| model | untuned | tuned | gain | choices that changed, those that gain most first |",
    "|---|--:|--:|--:|---|",
    ...tunings.map(({ name, byCostMs, tunedMs, changed }) => {
      const gain = byCostMs / tunedMs;
      const shown = gain > 1 ? `**${gain.toFixed(2)}**` : `${gain.toFixed(2)}, not kept`;
      const cells = [name, formatTime(byCostMs), formatTime(tunedMs), changed.length === 0 ? "none" : shown];
      return `| ${[...cells, changesOf(changed)].join(" | ")} |`;
    }),
    "",
  ];
}

function changesOf(changed: Tuning["changed"]): string {
  const byGain = [...changed].sort((a, b) => b.byCostMs - b.chosenMs - (a.byCostMs - a.chosenMs));
  const named = byGain.slice(0, mostNamed).map(({ key, byCost, chosen }) => `${key}: ${byCost} → ${chosen}`);
  const more = changed.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join("; ");
}
