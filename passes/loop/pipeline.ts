/** The passes on kernels, in order. */

import { addressing } from "./addressing.js";
import { collapse } from "./collapse.js";
import { hoist } from "./hoist.js";
import type { LoopPass } from "./pass.js";
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

/** What runs at an optimisation level; kernels are right without any pass. */
export const loopPasses = (level: 0 | 1 | 2 | 3 | "s"): readonly LoopPass[] =>
  level === 0 ? [] : optimizing;
