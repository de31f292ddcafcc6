/** The forms in which Kiln is measured. A new one is one line here. */

import type { Features } from "../options.js";
import { hasRelaxedSimd } from "./engine-features.js";

export interface Variant {
  readonly name: string;
  readonly features: Partial<Features>;
  /** Runs on as many threads as are asked for, rather than on one. */
  readonly threaded?: true;
}

export const variants: readonly Variant[] = [
  { name: "plain", features: {} },
  { name: "relaxed-simd", features: { relaxedSimd: true } },
  { name: "threads", features: { relaxedSimd: true, threads: true }, threaded: true },
];

export const isMeasurable = ({ features }: Variant): boolean => !features.relaxedSimd || hasRelaxedSimd();
