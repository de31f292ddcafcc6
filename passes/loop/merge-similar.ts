/**
 * Kernels that are equal but for integer constants (extents, strides, offsets) become one, which takes the constants
 * in which they differ as sizes.
 *
 * Most constants cost nothing that way: they stand outside innermost loops, or in a sum there that a register serves as
 * well as an immediate does. Offsets of accesses in innermost loops are part of the instruction as constants and an
 * addition as parameters: kernels that differ in these become one where nothing counts but the size, which is 2 kB of
 * MobileNetV3-small's 47, and those of the first run always.
 */

import type { Kernel } from "../../compiler/loop/ir.js";
import { firstRunKernels, kernelsOf, mapCalls, type Program } from "../../compiler/loop/program.js";
import { shareKernels } from "../../compiler/loop/share.js";
import { mergeKernels } from "./merge-kernels.js";
import type { ProgramPass } from "./pass.js";
import { groupBy, hotAccesses, type Skeleton, skeletonOf } from "./skeleton.js";

/** Kernels of one key become one. */
type KeyOf = (skeleton: Skeleton, isOfFirstRun: boolean) => string;

const merging = (keyOf: KeyOf): ProgramPass => ({
  name: "merge-similar",
  summary: "kernels that differ in integer constants only become one",
  run: (program) => shareKernels(merge(program, keyOf)),
});

export const mergeSimilar = merging((skeleton, isOfFirstRun) =>
  isOfFirstRun ? skeleton.text : `${skeleton.text} ${hotAccesses(skeleton)}`,
);

export const mergeSimilarForSize = merging(({ text }) => text);

function merge(program: Program, keyOf: KeyOf): Program {
  const ofFirstRun = firstRunKernels(program);
  const candidates = kernelsOf(program).map((kernel) => ({ kernel, skeleton: skeletonOf(kernel) }));
  const merged = new Map<Kernel, { readonly kernel: Kernel; readonly sizes: readonly number[] }>();
  for (const group of groupBy(candidates, ({ kernel, skeleton }) =>
    keyOf(skeleton, ofFirstRun.has(kernel)),
  )) {
    if (group.length < 2) continue;
    const { kernel, sizes } = mergeKernels(group);
    for (const [i, one] of group.entries()) merged.set(one.kernel, { kernel, sizes: sizes[i]! });
  }
  return mapCalls(program, (call) => {
    const found = merged.get(call.kernel);
    return found === undefined
      ? call
      : { ...call, kernel: found.kernel, sizes: [...call.sizes, ...found.sizes] };
  });
}
