/**
 * Kernels that are equal but for integer constants (extents, strides, offsets) become one, which takes the constants
 * in which they differ as sizes.
 *
 * Most constants cost nothing that way: they stand outside innermost loops, or in a sum there that a register serves as
 * well as an immediate does. Offsets of accesses in innermost loops are part of the instruction as constants and an
 * addition as parameters. Kernels that differ in these are merged as long as the additions are few among all that the
 * program computes, those that save most code for least work first.
 */

import type { Kernel } from "../../compiler/loop/ir.js";
import { callsOf, kernelsOf, mapCalls, type Program } from "../../compiler/loop/program.js";
import { shareKernels } from "../../compiler/loop/share.js";
import { mergeKernels } from "./merge-kernels.js";
import type { ProgramPass } from "./pass.js";
import { groupBy, hotAccesses, isHotAccess, type Skeleton, skeletonOf } from "./skeleton.js";

/** Additions that merging may cause, as a share of all operations of the program. */
const budget = 0.02;

interface Candidate {
  readonly kernel: Kernel;
  readonly skeleton: Skeleton;
  readonly calls: number;
}

export const mergeSimilar: ProgramPass = {
  name: "merge-similar",
  summary: "kernels that differ in integer constants only become one",
  run: (program) => shareKernels(mergeAll(program)),
};

function mergeAll(program: Program): Program {
  const merged = new Map<Kernel, { readonly kernel: Kernel; readonly sizes: readonly number[] }>();
  for (const group of groupsOf(candidatesOf(program))) {
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

function candidatesOf(program: Program): Candidate[] {
  const calls = new Map<Kernel, number>();
  for (const { kernel } of callsOf(program)) calls.set(kernel, (calls.get(kernel) ?? 0) + 1);
  return kernelsOf(program).map((kernel) => ({
    kernel,
    skeleton: skeletonOf(kernel),
    calls: calls.get(kernel)!,
  }));
}

/** Kernels that become one. */
function groupsOf(candidates: readonly Candidate[]): Candidate[][] {
  const total = candidates.reduce((sum, { skeleton, calls }) => sum + skeleton.operations * calls, 0);
  const alike = groupBy(candidates, ({ skeleton }) => skeleton.text);
  const free = alike.map((group) => groupBy(group, ({ skeleton }) => hotAccesses(skeleton)));
  const costly = free
    .filter((groups) => groups.length > 1)
    .flatMap((groups) => groups.map((group) => ({ group, ...costOf(group, groups.flat()) })))
    .sort((a, b) => a.additions / a.length - b.additions / b.length);
  const taken = new Set<Candidate[]>();
  let rest = total * budget;
  for (const { group, additions } of costly) {
    if (additions > rest) continue;
    rest -= additions;
    taken.add(group);
  }
  return free.flatMap((groups) => [
    groups.filter((group) => taken.has(group)).flat(),
    ...groups.filter((group) => !taken.has(group)),
  ]);
}

/** The additions that a run of the group takes if it becomes one with all that are like it, and its length. */
function costOf(group: readonly Candidate[], all: readonly Candidate[]) {
  const [first] = all;
  const differing = first!.skeleton.slots.flatMap((slot, i) => {
    const differs = isHotAccess(slot) && all.some(({ skeleton }) => skeleton.slots[i]!.value !== slot.value);
    return differs ? [i] : [];
  });
  const additions = group.reduce(
    (sum, { skeleton, calls }) =>
      sum + calls * differing.reduce((own, i) => own + skeleton.slots[i]!.executions, 0),
    0,
  );
  return { additions, length: first!.skeleton.text.length };
}
