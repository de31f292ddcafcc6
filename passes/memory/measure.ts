/** What a graph takes of the arena, node by node: what passes that make it smaller are told. */

import { isStatic } from "../../compiler/ir/dim.js";
import type { Graph, Node } from "../../compiler/ir/graph.js";
import { callsOf, listsOf, type Program, type Step } from "../../compiler/loop/program.js";
import { type Block, blocksOf } from "./blocks.js";
import { planMemory, type SymbolBounds } from "./plan.js";

export interface ArenaUse {
  /** What the plan takes. */
  readonly bytes: number;
  readonly flops: number;
  /** Bytes that are live before each node, and behind the last. */
  readonly between: readonly number[];
  /** Most bytes that are live while each node runs. */
  readonly during: readonly number[];
  /** What is live where most bytes are, the largest first. */
  readonly peak: readonly { readonly name: string; readonly bytes: number }[];
  /** Nodes of the model that run there. */
  readonly peakSource: readonly string[];
}

/** Lowers a graph, telling after each of its nodes how many steps there are. */
export type Lower = (graph: Graph, onNode: (node: Node, steps: readonly Step[]) => void) => Program;

/** Null where the plan is made at run time and has no largest size. */
export function measureArena(graph: Graph, lower: Lower, bounds: SymbolBounds): ArenaUse | null {
  const counts = [0];
  const program = lower(graph, (_, steps) => counts.push(countSteps(steps)));
  // What only the first run does stands before the steps of the first node.
  const lead = countSteps(program.steps.filter(({ kind }) => kind === "once"));
  const starts = counts.map((count) => lead + count);
  const plan = planMemory(program, bounds);
  const { blocks, steps } = blocksOf(program);
  const fixed = blocks.filter((block): block is FixedBlock => isStatic(block.bytes));
  if (plan.dynamic !== null || fixed.length < blocks.length) return null;
  const inputs = new Set(program.inputs);
  const live = (at: number, before = false): FixedBlock[] =>
    fixed.filter(({ first, last, buffers }) => {
      const isThere = before ? first < at || buffers.some((buffer) => inputs.has(buffer)) : first <= at;
      return isThere && at <= last;
    });
  const during = Array.from({ length: steps + 1 }, (_, at) => sumOf(live(at)));
  const peak = during.indexOf(Math.max(...during));
  const between = starts.map((start) => sumOf(live(start, true)));
  return {
    bytes: plan.arena.byteLength,
    flops: callsOf(program).reduce((sum, call) => sum + call.flops, 0),
    between,
    during: graph.nodes.map((_, i) => {
      const [from, to] = [starts[i]!, starts[i + 1]!];
      return Math.max(between[i]!, ...during.slice(from, to));
    }),
    peak: live(peak)
      .map(({ buffers, bytes }) => ({ name: buffers.map(({ name }) => name).join(", "), bytes }))
      .sort((a, b) => b.bytes - a.bytes),
    peakSource: program.steps[peak]?.source ?? [],
  };
}

type FixedBlock = Block & { readonly bytes: number };

const sumOf = (blocks: readonly FixedBlock[]): number => blocks.reduce((sum, { bytes }) => sum + bytes, 0);

/** As the blocks count them: those inside others too, and the end of a loop. */
function countSteps(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => {
    const inner = listsOf(step).reduce((count, list) => count + countSteps(list), 0);
    return sum + 1 + inner + (step.kind === "repeat" ? 1 : 0);
  }, 0);
}
