/**
 * From the graph of a statement to Binaryen's trees: what is used more than once is kept in a local where it is first
 * needed. Operands are evaluated in order, so that place is known.
 */

import type { Expression, ModuleBuilder, ValueType } from "./builder.js";
import type { VectorConstants } from "./constants.js";
import type { Node } from "./nodes.js";
import { postOrder } from "./post-order.js";

/** Where new locals come from. */
export interface Locals {
  newLocal(type: ValueType): number;
}

/** Trees that are deeper are cut, so that no recursion over them overflows the stack. */
const MAX_DEPTH = 200;

/** Builds the trees of one statement. */
export class TreeBuilder {
  private readonly uses = new Map<Node, number>();
  private readonly kept = new Map<Node, number>();
  /** Locals of cuts that have been read for the last time. */
  private readonly spare: { local: number; type: ValueType }[] = [];

  constructor(
    private readonly builder: ModuleBuilder,
    private readonly locals: Locals,
    private readonly constants: VectorConstants,
  ) {}

  /** Expressions of nodes that are evaluated one after the other. */
  emit(roots: readonly Node[]): Expression[] {
    const order = postOrder(roots, ({ args }) => args);
    for (const used of [...roots, ...order.flatMap(({ args }) => args)]) {
      this.uses.set(used, (this.uses.get(used) ?? 0) + 1);
    }
    const before = this.cut(order);
    const values = roots.map((root) => this.expression(root));
    if (before.length > 0) values[0] = this.builder.value(before, values[0]!, roots[0]!.type);
    return values;
  }

  /**
   * Computes parts of deep trees into locals. Gives the code that does so, inner parts first. A chain of parts shares
   * one local, so that Binaryen does not put the tree together again.
   */
  private cut(order: readonly Node[]): Expression[] {
    const before: Expression[] = [];
    const depths = new Map<Node, number>();
    for (const node of order) {
      const depth = node.args.reduce((deepest, arg) => Math.max(deepest, depths.get(arg)! + 1), 0);
      if (depth < MAX_DEPTH) {
        depths.set(node, depth);
        continue;
      }
      const value = this.compute(node);
      const local = this.spareLocal(node.type);
      this.kept.set(node, local);
      before.push(this.builder.set(local, value));
      depths.set(node, 0);
    }
    return before;
  }

  private spareLocal(type: ValueType): number {
    const at = this.spare.findIndex((each) => each.type === type);
    return at < 0 ? this.locals.newLocal(type) : this.spare.splice(at, 1)[0]!.local;
  }

  private expression(node: Node): Expression {
    const kept = this.kept.get(node);
    if (kept !== undefined) {
      if (this.uses.get(node) === 1) this.spare.push({ local: kept, type: node.type });
      return this.builder.get(kept, node.type);
    }
    const value = this.compute(node);
    const isCheap = node.kind === "local" || node.kind === "constant" || node.kind === "vector";
    if (isCheap || this.uses.get(node)! < 2) return value;
    const local = this.locals.newLocal(node.type);
    this.kept.set(node, local);
    return this.builder.tee(local, value, node.type);
  }

  private compute(node: Node): Expression {
    const { builder } = this;
    switch (node.kind) {
      case "local":
        return builder.get(node.local, node.type);
      case "constant":
        return builder.constant(node.type, node.value);
      case "vector":
        return this.constants.vector(node);
      case "load":
        return builder.load(node.name, node, this.expression(node.args[0]!));
      case "pure": {
        const args = node.args.map((arg) => this.expression(arg));
        return builder.pure(node.name, [...args, ...node.immediates]);
      }
    }
  }
}
