/** What a pass on Graph IR is. */

import type { Graph } from "../../compiler/ir/graph.js";
import type { Limits } from "../../compiler/limits.js";
import type { FoldingBudget } from "../../compiler/operators/folding-budget.js";

export interface PassContext {
  readonly limits: Limits;
  /** No rewrite that changes rounding noticeably. */
  readonly strict: boolean;
  /** What folding may still do in this compilation; all that the limits allow where absent. */
  readonly folding?: FoldingBudget;
}

export interface GraphPass {
  /** As `--print-ir-after` takes it. */
  readonly name: string;
  readonly summary: string;
  /** Changes the graph where it stands. */
  readonly run: (graph: Graph, context: PassContext) => void;
}
