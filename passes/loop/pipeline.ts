/** The passes on kernels, in order. */

import { share } from "../threads/share.js";
import { addressing } from "./addressing.js";
import { collapse } from "./collapse.js";
import { hoist } from "./hoist.js";
import { mergeSimilar } from "./merge-similar.js";
import type { LoopPass, ProgramPass } from "./pass.js";
import { simplify } from "./simplify.js";
import { split } from "./split.js";
import { transpose } from "./transpose.js";
import { unroll } from "./unroll.js";
import { vectorize } from "./vectorize.js";

const optimizing: readonly LoopPass[] = [
  split,
  collapse,
  transpose,
  vectorize,
  unroll,
  simplify,
  hoist,
  addressing,
  hoist, // the first values of pointers are invariant in part
  simplify,
];

/** What runs at an optimisation level; kernels are right without any pass, and without threads in one part. */
export function loopPasses(level: 0 | 1 | 2 | 3 | "s", threads = false): readonly LoopPass[] {
  if (level === 0) return [];
  if (!threads) return optimizing;
  // Behind the passes that change loops, and before those that move what they have in common out of them.
  const at = optimizing.indexOf(hoist);
  return [...optimizing.slice(0, at), share, ...optimizing.slice(at)];
}

/** What runs behind the passes on single kernels. */
export const programPasses = (level: 0 | 1 | 2 | 3 | "s"): readonly ProgramPass[] =>
  level === 0 ? [] : [mergeSimilar];
