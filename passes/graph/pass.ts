/** What a pass on Graph IR is. */

import type { Graph } from "../../compiler/ir/graph.js";
import type { Limits } from "../../compiler/limits.js";
import type { FoldingBudget } from "../../compiler/operators/folding-budget.js";
import type { ArenaUse } from "../memory/measure.js";

export interface PassContext {
  readonly limits: Limits;
  /** No rewrite that changes rounding noticeably. */
  readonly strict: boolean;
  /** What folding may still do in this compilation; all that the limits allow where absent. */
  readonly folding?: FoldingBudget;
  /** What the arena should be; absent where nothing is done about it. */
  readonly arena?: ArenaGoal;
  /** What a graph would take of the arena; null where that is known at run time only. Absent in regions. */
  readonly measureArena?: (graph: Graph) => ArenaUse | null;
}

/** What the arena should be, and what came of it. */
export interface ArenaGoal {
  /** Most bytes; where absent, as few as cost next to nothing. */
  readonly limit?: number;
  /** The graph that it is for: not the regions inside of it. */
  readonly graph: Graph;
  outcome?: PatchOutcome;
}

export interface PatchOutcome {
  readonly bytesBefore: number;
  readonly segments: readonly PatchedSegment[];
}

/** Nodes of the model that are computed in patches. */
export interface PatchedSegment {
  readonly from: string;
  readonly to: string;
  readonly rows: number;
  readonly columns: number;
  /** What is computed more than once. */
  readonly repeatedFlops: number;
}

export interface GraphPass {
  /** As `--print-ir-after` takes it. */
  readonly name: string;
  readonly summary: string;
  /** Changes the graph where it stands. */
  readonly run: (graph: Graph, context: PassContext) => void;
}
