/** Vector constants that are read more than once are kept in locals. */

import type { Statement } from "../loop/ir.js";
import { statementsIn } from "../loop/rewrite.js";
import type { Expression, ModuleBuilder } from "./builder.js";
import type { VectorNode } from "./nodes.js";
import type { Locals } from "./trees.js";

type Kept = Map<string, { readonly local: number; readonly bytes: readonly number[] }>;

/**
 * An engine makes a constant again wherever one stands, in three instructions: exp with all of its constants in a loop
 * took 1.7 times as long, and so did MobileViT's depthwise convolutions, which have eight sigmoids written out (Node 24).
 * It takes eighteen bytes, too. So those of innermost loops are computed before the outermost loop around, and others are kept from where
 * they are first used to the next loop, over which they would need registers.
 */
export class VectorConstants {
  private depth = 0;
  private isInnermost = false;
  private readonly ofLoops: Kept = new Map();
  private straight: Kept = new Map();

  constructor(
    private readonly builder: ModuleBuilder,
    private readonly locals: Locals,
  ) {}

  /** Enters a loop. The result leaves it, and gives what must be executed before it. */
  enter(body: readonly Statement[]): () => Expression[] {
    this.depth++;
    this.isInnermost = !statementsIn(body).some(({ kind }) => kind === "for");
    this.straight = new Map();
    return () => {
      this.depth--;
      this.isInnermost = false;
      this.straight = new Map();
      if (this.depth > 0) return [];
      const sets = [...this.ofLoops.values()].map(({ local, bytes }) =>
        this.builder.set(local, this.builder.v128(bytes)),
      );
      this.ofLoops.clear();
      return sets;
    };
  }

  /** Emits what is executed only sometimes: what it keeps is not there behind it. */
  branch<T>(emit: () => T): T {
    const before = new Map(this.straight);
    const emitted = emit();
    this.straight = before;
    return emitted;
  }

  /** The constant, where it is executed next. */
  vector({ bytes }: VectorNode): Expression {
    const { builder } = this;
    const key = bytes.join();
    const kept = this.isInnermost ? this.ofLoops : this.straight;
    const known = kept.get(key);
    if (known !== undefined) return builder.get(known.local, "v128");
    const constant = { local: this.locals.newLocal("v128"), bytes };
    kept.set(key, constant);
    return this.isInnermost
      ? builder.get(constant.local, "v128")
      : builder.tee(constant.local, builder.v128(bytes), "v128");
  }
}
