/**
 * Computes stretches of the graph in patches (patch-based inference, Lin et al. 2021, "MCUNetV2"), so that the large
 * values in their middle never exist as a whole. `tiling.ts` says what patches share, `search.ts` which stretches and
 * patches are chosen by estimates; what is chosen is lowered and planned.
 *
 * Where the arena is limited it is kept within the limit: where the plan needs more than it should, the search aims
 * lower. Else it is made as small as costs next to nothing. What a strip makes then lies in the caches when the next
 * node reads it: by `kiln bench` on an EPYC, MobileNetV2 takes 11.7 ms and 1.4 MB, with `--no-patches` 12.0 ms and 6.2.
 *
 * @throws KilnError E_LIMIT naming the tensors that stand in the way where nothing does
 */

import { KilnError } from "../../../compiler/diagnostics.js";
import type { Graph, Node, Value } from "../../../compiler/ir/graph.js";
import type { ArenaUse } from "../../memory/measure.js";
import type { GraphPass, PassContext, PatchedSegment, PatchOutcome } from "../pass.js";
import { repeatedWork } from "./estimate.js";
import { patchedNodes } from "./rewrite.js";
import { type Choice, Search } from "./search.js";

export const patch: GraphPass = {
  name: "patch",
  summary: "large stages in patches: where that costs nothing, or the arena is limited",
  run: (graph, { arena, measureArena }) => {
    if (arena?.graph !== graph || measureArena === undefined) return;
    const { limit } = arena;
    const outcome =
      limit === undefined ? reduceArena(graph, measureArena) : fitArena(graph, limit, measureArena);
    if (outcome !== undefined) arena.outcome = outcome;
  },
};

/** Plans that are tried before the search gives up on a limit, and where there is none. */
const ATTEMPTS = 8;
const FEW = 3;

/** An arena of no more bytes stays in the caches as it is. */
const SMALL_ARENA = 512 * 1024;
/** How much less each target is than the one before, where there is no limit. */
const STEP = 0.85;
/** What patches may cost then, of the work of the model. More than half of that is made up for by the caches. */
const ALLOWANCE = 0.02;
/** What they have to save at least, */
const WORTHWHILE = 0.9;
/** and how much more work the plan may take: Winograd's filtering takes more of low strips. */
const MORE_WORK = 1.002;
/** How near the arena has to be to what is live at once. */
const CLOSE = 1.02;

type Measure = NonNullable<PassContext["measureArena"]>;

function fitArena(graph: Graph, limit: number, measure: Measure): PatchOutcome | undefined {
  const whole = measure(graph);
  if (whole === null || whole.bytes <= limit) return undefined;
  const search = new Search(graph, whole);
  const fits = ({ bytes }: ArenaUse): boolean => bytes <= limit;
  let target = limit;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const choices = search.choose(target);
    if (choices === null) break;
    const { use, outcome } = tryChoices(graph, measure, choices, whole, fits);
    if (outcome !== undefined) return outcome;
    target -= Math.max(use.bytes - limit, Math.ceil(limit / 64));
  }
  const { use, outcome } = tryChoices(graph, measure, search.smallest(), whole, fits);
  return outcome ?? refuse(use.bytes < whole.bytes ? use : whole, limit);
}

/** The smallest arena within the allowance; where its plan turns out to take more work, one that is less small. */
function reduceArena(graph: Graph, measure: Measure): PatchOutcome | undefined {
  const whole = measure(graph);
  if (whole === null || whole.bytes <= SMALL_ARENA) return undefined;
  const search = new Search(graph, whole, true);
  // By their cost: targets that lie close often come to the same.
  const found = new Map<number, Choice[]>();
  for (let target = whole.bytes * STEP; target > 0; target *= STEP) {
    const choices = search.choose(target);
    const cost = choices?.reduce((sum, choice) => sum + choice.cost, 0) ?? Number.POSITIVE_INFINITY;
    if (choices === null || cost > ALLOWANCE * whole.flops) break;
    found.set(cost, choices);
  }
  const pays = ({ bytes, flops, during }: ArenaUse): boolean =>
    bytes <= WORTHWHILE * whole.bytes &&
    flops <= MORE_WORK * whole.flops &&
    bytes <= CLOSE * Math.max(...during);
  for (const choices of [...found.values()].reverse().slice(0, FEW)) {
    const { outcome } = tryChoices(graph, measure, choices, whole, pays);
    if (outcome !== undefined) return outcome;
  }
  return undefined;
}

/** Patches the graph; where the plan is not accepted, all is as it was before. */
function tryChoices(
  graph: Graph,
  measure: Measure,
  choices: readonly Choice[],
  whole: ArenaUse,
  accepts: (use: ArenaUse) => boolean,
): { use: ArenaUse; outcome?: PatchOutcome } {
  const { nodes } = graph;
  const producers = choices.map(({ tiling }) => tiling.segment.exit.producer);
  graph.nodes = patched(nodes, choices);
  const use = measure(graph)!;
  if (accepts(use)) {
    const segments = choices.map((choice) => describe(choice, nodes));
    return { use, outcome: { bytesBefore: whole.bytes, segments } };
  }
  graph.nodes = nodes;
  choices.forEach(({ tiling }, i) => {
    restore(tiling.segment.exit, producers[i]!);
  });
  return { use };
}

function restore(exit: Value, producer: Node): void {
  exit.producer = producer;
}

function patched(nodes: readonly Node[], choices: readonly Choice[]): Node[] {
  const all: Node[] = [];
  let at = 0;
  for (const { from, to, tiling } of choices) {
    all.push(...nodes.slice(at, from), ...patchedNodes(tiling));
    at = to;
  }
  return [...all, ...nodes.slice(at)];
}

function describe({ from, to, tiling }: Choice, nodes: readonly Node[]): PatchedSegment {
  const nameOf = (node: Node): string => node.source.at(-1) ?? node.outputs[0]!.name;
  return {
    from: nodes[from]!.source[0] ?? nameOf(nodes[from]!),
    to: nameOf(nodes[to - 1]!),
    rows: tiling.down,
    columns: tiling.across,
    repeatedFlops: Math.round(repeatedWork(tiling)),
  };
}

function refuse({ bytes, peak, peakSource }: ArenaUse, limit: number): never {
  const named = peak.slice(0, 4).map(({ name, bytes }) => `"${name}" (${bytes} bytes)`);
  const others = peak.length > 4 ? ` and ${peak.length - 4} smaller ones` : "";
  throw new KilnError(
    "E_LIMIT",
    `the arena needs ${bytes} bytes, the limit is ${limit}: at once there must be ${named.join(", ")}${others}`,
    {
      ...(peakSource[0] !== undefined && { node: peakSource[0] }),
      pass: "patch",
      hint: `allow ${bytes} bytes (--arena ${bytes}), or compile for a smaller input`,
    },
  );
}
