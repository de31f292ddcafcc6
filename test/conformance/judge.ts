/** Whether an outcome is what it ought to be, given the list of what is not supported. */

import type { Outcome } from "./run.js";
import { unsupported } from "./unsupported.js";

export type Verdict = Outcome & { readonly verdict: "passed" | "failed" | "skipped" };

/** A case that is listed must be refused: neither a pass nor a wrong result keeps the list true. */
export function judge(outcome: Outcome): Verdict {
  const listed = unsupported.get(outcome.name);
  if (listed === undefined) return { ...outcome, verdict: outcome.status === "passed" ? "passed" : "failed" };
  if (outcome.status === "refused") return { ...outcome, verdict: "skipped", reason: listed };
  const reason = outcome.status === "passed" ? "passes, but is listed as unsupported" : outcome.reason;
  return { name: outcome.name, status: outcome.status, verdict: "failed", reason: reason ?? "" };
}
