/**
 * Keeps the arena within a limit, where one is given: the stretches of the graph that need more are computed in
 * patches (patch-based inference, Lin et al. 2021, "MCUNetV2"), so that the large values in their middle never exist
 * as a whole. `tiling.ts` says what patches share, `search.ts` which stretches and patches are chosen. What is chosen
 * by estimates is lowered and planned; where the plan needs more than it should, the search aims lower.
 *
 * @throws KilnError E_LIMIT naming the tensors that stand in the way where nothing does
 */

import { KilnError } from "../../../compiler/diagnostics.js";
import type { Graph, Node, Value } from "../../../compiler/ir/graph.js";
import type { ArenaUse } from "../../memory/measure.js";
import type { ArenaGoal, GraphPass, PassContext, PatchedSegment } from "../pass.js";
import { repeatedWork } from "./estimate.js";
import { patchedNodes } from "./rewrite.js";
import { type Choice, Search } from "./search.js";

export const patch: GraphPass = {
  name: "patch",
  summary: "large stages in patches, where the arena is limited",
  run: (graph, { arena, measureArena }) => {
    if (arena?.graph === graph && measureArena !== undefined) fitArena(graph, arena, measureArena);
  },
};

/** Plans that are tried before the search gives up on a limit. */
const ATTEMPTS = 8;

type Measure = NonNullable<PassContext["measureArena"]>;

function fitArena(graph: Graph, arena: ArenaGoal, measure: Measure): void {
  const whole = measure(graph);
  if (whole === null || whole.bytes <= arena.limit) return;
  const search = new Search(graph, whole);
  let target = arena.limit;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const choices = search.choose(target);
    if (choices === null) break;
    const use = tryChoices(graph, arena, measure, choices, whole);
    if (use.bytes <= arena.limit) return;
    target -= Math.max(use.bytes - arena.limit, Math.ceil(arena.limit / 64));
  }
  const use = tryChoices(graph, arena, measure, search.smallest(), whole);
  if (use.bytes > arena.limit) refuse(use.bytes < whole.bytes ? use : whole, arena.limit);
}

/** Patches the graph; where that is not enough, all is as it was before. */
function tryChoices(
  graph: Graph,
  arena: ArenaGoal,
  measure: Measure,
  choices: readonly Choice[],
  whole: ArenaUse,
): ArenaUse {
  const { nodes } = graph;
  const producers = choices.map(({ tiling }) => tiling.segment.exit.producer);
  graph.nodes = patched(nodes, choices);
  const use = measure(graph)!;
  if (use.bytes <= arena.limit) {
    arena.outcome = { bytesBefore: whole.bytes, segments: choices.map((choice) => describe(choice, nodes)) };
    return use;
  }
  graph.nodes = nodes;
  choices.forEach(({ tiling }, i) => {
    restore(tiling.segment.exit, producers[i]!);
  });
  return use;
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
