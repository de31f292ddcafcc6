/** Measured decisions as a file: what `kiln tune` writes and `compile` takes as `tuning`. */

import { KilnError } from "../diagnostics.js";
import type { Features } from "../options.js";

/** By features of the module ("scalar", "simd", "relaxed-simd", with "threads" behind a plus), then by the choice's key. */
export interface TuningDatabase {
  readonly format: typeof databaseFormat;
  /** What was measured on. For people: choices hold wherever they are used. */
  readonly engine: string;
  readonly choices: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export const databaseFormat = "kiln-tuning-1";

/** Decisions depend on the features that a module is compiled for. */
export const featuresKey = ({
  simd = true,
  relaxedSimd = false,
  threads = false,
}: Partial<Features>): string =>
  (relaxedSimd ? "relaxed-simd" : simd ? "simd" : "scalar") + (threads ? "+threads" : "");

/** Looks a decision up; undefined where the database has none. */
export function lookUp(
  database: TuningDatabase,
  features: Partial<Features>,
): (key: string) => string | undefined {
  const choices = new Map(Object.entries(database.choices[featuresKey(features)] ?? {}));
  return (key) => choices.get(key);
}

/** The database with these decisions added, in the order of their keys, so that the same decisions are the same file. */
export function withChoices(
  { format, engine, choices }: TuningDatabase,
  features: Partial<Features>,
  added: ReadonlyMap<string, string>,
): TuningDatabase {
  const key = featuresKey(features);
  const merged = new Map([...Object.entries(choices[key] ?? {}), ...added]);
  const sorted = [...merged].sort(([a], [b]) => (a < b ? -1 : 1));
  return { format, engine, choices: { ...choices, [key]: Object.fromEntries(sorted) } };
}

/** @throws KilnError E_INPUT where the text is not a tuning database */
export function parseTuning(text: string): TuningDatabase {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refusal("it is not JSON");
  }
  return checkTuning(value);
}

/** @throws KilnError E_INPUT where the value is not a tuning database */
export function checkTuning(value: unknown): TuningDatabase {
  if (!isRecord(value)) throw refusal("it is not an object");
  const { format, engine, choices } = value;
  if (format !== databaseFormat) throw refusal(`its format is not "${databaseFormat}"`);
  if (typeof engine !== "string") throw refusal("it does not say on which engine it was measured");
  if (!isRecord(choices)) throw refusal("it has no choices");
  for (const [features, entries] of Object.entries(choices)) {
    if (!isRecord(entries) || Object.values(entries).some((chosen) => typeof chosen !== "string"))
      throw refusal(`its choices for ${features} are not strings`);
  }
  return { format, engine, choices: choices as TuningDatabase["choices"] };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const refusal = (reason: string): KilnError =>
  new KilnError("E_INPUT", `this is no tuning database: ${reason}`, {
    hint: "write one with `kiln tune model.onnx -o FILE`",
  });
