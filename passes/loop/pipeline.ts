/** The passes on kernels, in order. */

import { addressing } from "./addressing.js";
import { collapse } from "./collapse.js";
import type { LoopPass } from "./pass.js";
import { unroll } from "./unroll.js";
import { vectorize } from "./vectorize.js";

const optimizing: readonly LoopPass[] = [collapse, vectorize, unroll, addressing];

/** What runs at an optimisation level; kernels are right without any pass. */
export const loopPasses = (level: 0 | 1 | 2 | 3 | "s"): readonly LoopPass[] =>
  level === 0 ? [] : optimizing;
