/** The passes on kernels, in order. */

import { share } from "../threads/share.js";
import { addressing } from "./addressing.js";
import { collapse } from "./collapse.js";
import { hoist } from "./hoist.js";
import { mergeSimilar, mergeSimilarForSize } from "./merge-similar.js";
import { outline, outlineForSize } from "./outline.js";
import type { LoopPass, ProgramPass } from "./pass.js";
import { scalarize } from "./scalarize.js";
import { seedSums } from "./seed-sums.js";
import { simplify } from "./simplify.js";
import { split } from "./split.js";
import { transpose } from "./transpose.js";
import { unroll } from "./unroll.js";
import { vectorize, vectorizeNarrow } from "./vectorize.js";

const optimizing: readonly LoopPass[] = [
  split,
  collapse,
  transpose,
  vectorize,
  unroll,
  simplify,
  seedSums,
  hoist,
  addressing,
  hoist, // the first values of pointers are invariant in part
  simplify,
];

/** What code without SIMD takes: vectors of one part, whose lanes are scalars that do not wait for each other. */
const optimizingScalars: readonly LoopPass[] = optimizing
  .filter((pass) => pass !== transpose)
  .flatMap((pass) => (pass === vectorize ? [vectorizeNarrow, scalarize] : [pass]));

/**
 * What runs at an optimisation level; kernels are right without any pass, and without threads in one part. Without
 * SIMD vectors have to become scalars at every level.
 */
export function loopPasses(
  level: 0 | 1 | 2 | 3 | "s",
  { simd = true, threads = false }: { readonly simd?: boolean; readonly threads?: boolean } = {},
): readonly LoopPass[] {
  if (level === 0) return simd ? [] : [scalarize];
  if (!simd) return optimizingScalars;
  if (!threads) return optimizing;
  // Behind the passes that change loops, and before those that move what they have in common out of them.
  const at = optimizing.indexOf(hoist);
  return [...optimizing.slice(0, at), share, ...optimizing.slice(at)];
}

/** What runs behind the passes on single kernels. */
export function programPasses(level: 0 | 1 | 2 | 3 | "s"): readonly ProgramPass[] {
  if (level === 0) return [];
  return level === "s" ? [outlineForSize, mergeSimilarForSize] : [outline, mergeSimilar];
}
