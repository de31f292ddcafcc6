/** Vector constants of innermost loops are computed before the outermost loop around. */

import type { Statement } from "../loop/ir.js";
import { statementsIn } from "../loop/rewrite.js";
import type { Expression, ModuleBuilder } from "./builder.js";
import type { Node, VectorNode } from "./nodes.js";
import type { Locals } from "./trees.js";

/**
 * Keeps vector constants in locals. An engine that makes them again in each pass needs three instructions for one, and
 * the turboshaft of Node 24 does: exp took 1.7 times as long.
 */
export class LoopConstants {
  private depth = 0;
  private isInnermost = false;
  private readonly kept = new Map<string, { local: number; bytes: readonly number[] }>();

  constructor(
    private readonly builder: ModuleBuilder,
    private readonly locals: Locals,
  ) {}

  /** Enters a loop. The result leaves it, and gives what must be executed before it. */
  enter(body: readonly Statement[]): () => Expression[] {
    this.depth++;
    this.isInnermost = ![...statementsIn(body)].some(({ kind }) => kind === "for");
    return () => {
      this.depth--;
      this.isInnermost = false;
      if (this.depth > 0) return [];
      const sets = [...this.kept.values()].map(({ local, bytes }) =>
        this.builder.set(local, this.builder.v128(bytes)),
      );
      this.kept.clear();
      return sets;
    };
  }

  /** Whether the node will be read from a local. */
  keeps({ kind }: Node): boolean {
    return kind === "vector" && this.isInnermost;
  }

  vector({ bytes }: VectorNode): Expression {
    if (!this.isInnermost) return this.builder.v128(bytes);
    const key = bytes.join();
    let constant = this.kept.get(key);
    if (constant === undefined) {
      constant = { local: this.locals.newLocal("v128"), bytes };
      this.kept.set(key, constant);
    }
    return this.builder.get(constant.local, "v128");
  }
}
