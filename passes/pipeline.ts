/** The pipelines: which passes run, in which order. A new pass is one file and one line here. */

import { eliminateCommonSubexpressions } from "./graph/eliminate-common-subexpressions.js";
import { eliminateDeadCode } from "./graph/eliminate-dead-code.js";
import { foldAffine } from "./graph/fold-affine.js";
import { foldConstants } from "./graph/fold-constants.js";
import { fuse } from "./graph/fuse.js";
import { fuseAttention } from "./graph/fuse-attention.js";
import { fuseDequantize } from "./graph/fuse-dequantize.js";
import { fuseWeights } from "./graph/fuse-weights.js";
import { assignLayouts } from "./graph/layout.js";
import type { GraphPass } from "./graph/pass.js";
import { patch } from "./graph/patch/patch.js";
import { schedule } from "./graph/schedule.js";
import { simplify } from "./graph/simplify.js";
import { widenHalves } from "./graph/widen-halves.js";

export type OptimizationLevel = 0 | 1 | 2 | 3 | "s";

/** Level 0 folds only what shapes are computed from and fuses nothing. */
const unoptimized: readonly GraphPass[] = [
  foldConstants,
  eliminateDeadCode,
  assignLayouts,
  eliminateDeadCode,
  patch,
];

const optimized: readonly GraphPass[] = [
  widenHalves,
  foldConstants,
  fuseDequantize,
  fuseWeights,
  eliminateDeadCode,
  simplify,
  eliminateCommonSubexpressions,
  foldAffine,
  foldConstants,
  eliminateDeadCode,
  fuseAttention,
  assignLayouts,
  fuse,
  schedule,
  patch,
];

export const graphPipeline = (level: OptimizationLevel): readonly GraphPass[] =>
  level === 0 ? unoptimized : optimized;
